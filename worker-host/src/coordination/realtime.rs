//! The second realtime connection, which the host has for all tabs: when it is opened and closed, by which token, and what
//! becomes of what tabs send through it.
//!
//! It is there while a tab is there, from the first one on, until a logout. After a failure it is opened again, after a pause
//! that grows. A token is used once: for the next attempt a tab is asked to refresh it, the leader first, and another one
//! where that says nothing or is gone.
//!
//! What it refuses to do: keep what came for tabs that were away, or send anything twice.

use broker::coordination::messages::{Join, Realtime, RealtimeState, Say, Stream};
use proxy_doc::{Error, Gather, Json, codes, wire};

use super::Coordination;
use super::claims::session_changed;

/// What the token is refreshed by, among the shared claims.
const REFRESH: &str = "refresh";
/// Milliseconds in which a tab has to refresh the token, before another one is asked.
const TOKEN: u64 = 15_000;
/// Milliseconds in which the connection has to be there.
const OPENING: u64 = 30_000;
/// The pause after a failure in milliseconds: the first one, and the longest.
const PAUSES: (u64, u64) = (1_000, 30_000);
/// Milliseconds after which a connection has been well: the next pause is the first one again.
const WELL: u64 = 10_000;
/// Requests that wait, or have no answer.
const MAX_REQUESTS: usize = 1_024;

/// What the driver is to do.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Make a connection. What is reported of it names the attempt.
    Open {
        attempt: u64,
        /// The token, if there is one.
        token: Option<Json>,
    },
    /// Send this, and report the answer.
    Send { request: u64, payload: Json },
    /// Close what there is.
    Close {},
}

wire!(enum Act {
    Open = "open" { attempt = "attempt"; token = "token" },
    Send = "send" { request = "request"; payload = "payload" },
    Close = "close" {},
});

/// What the driver reports.
#[derive(Clone, Debug)]
pub(crate) enum Report {
    /// The connection of this attempt is in this state.
    State {
        attempt: u64,
        state: RealtimeState,
        error: Option<Error>,
        /// In thousandths, for the pause.
        random: u64,
    },
    /// Something came by it.
    Received { attempt: u64, message: Json },
    /// A request has its answer.
    Answered {
        request: u64,
        error: Option<Error>,
        result: Option<Json>,
    },
}

wire!(enum Report {
    State = "state" { attempt = "attempt"; state = "state"; error = "error"; random = "random" or 0 },
    Received = "received" { attempt = "attempt"; message = "message" },
    Answered = "answered" { request = "request"; error = "error"; result = "result" },
});

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nobody needs it.
    #[default]
    Off,
    /// One of these tabs is to refresh the token, the last one first; until then.
    Token(Vec<String>, u64),
    /// The driver opens it, or opens it again; until then.
    Opening(u64),
    /// It is there, since then.
    Open(u64),
    /// It failed, and is opened again then.
    Pausing(u64),
}

/// What a tab sends.
#[derive(Clone, Debug)]
struct Request {
    id: String,
    /// The number of the tab's request.
    number: u64,
    /// By which the driver knows it.
    request: u64,
    /// What is sent, until it is.
    payload: Option<Json>,
}

/// The connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// The driver has one.
    is_served: bool,
    /// It is not to be opened before somebody logs in.
    is_halted: bool,
    stage: Stage,
    /// The last token of the session.
    token: Option<Json>,
    /// No attempt was made with it.
    is_fresh: bool,
    /// The number of the last question for a token.
    round: u64,
    /// The number of the last attempt.
    attempt: u64,
    /// Attempts that failed one after the other.
    failures: u32,
    /// The last failure.
    error: Option<Error>,
    /// How many messages came.
    received: u64,
    requests: Vec<Request>,
    /// The number of the last request.
    request: u64,
    /// What tabs were told changed.
    is_news: bool,
    acts: Vec<Act>,
}

impl Connection {
    fn state(&self) -> RealtimeState {
        match self.stage {
            Stage::Off | Stage::Pausing(_) => RealtimeState::Disconnected,
            Stage::Token(..) | Stage::Opening(_) => RealtimeState::Connecting,
            Stage::Open(_) => RealtimeState::Connected,
        }
    }

    /// What tabs are told, where the driver has a connection.
    pub(super) fn told(&self, epoch: u64) -> Option<Realtime> {
        self.is_served.then(|| Realtime {
            state: self.state(),
            error: self.error.clone(),
            stream: Stream {
                host: epoch,
                number: self.received,
            },
        })
    }

    /// Whether a tab that comes back missed messages.
    pub(super) fn has_gap(&self, epoch: u64, join: &Join) -> bool {
        let Stream { host, number } = join.stream;
        join.returns && host != 0 && (host != epoch || number != self.received)
    }

    pub(super) fn next(&self) -> Option<u64> {
        match self.stage {
            Stage::Off | Stage::Open(_) => None,
            Stage::Token(_, until) | Stage::Opening(until) | Stage::Pausing(until) => Some(until),
        }
    }

    fn set(&mut self, stage: Stage) {
        let before = self.state();
        self.stage = stage;
        self.is_news |= before != self.state();
    }

    /// The tab hears no answers any more.
    pub(super) fn drop_requests_of(&mut self, id: &str) {
        self.requests.retain(|request| request.id != id);
    }

    /// Says whether the request was known.
    pub(super) fn cancel(&mut self, id: &str, number: u64) -> bool {
        let is_it = |request: &mut Request| request.id == id && request.number == number;
        self.requests.extract_if(.., is_it).count() > 0
    }

    pub(super) fn bearer(&self) -> Option<Json> {
        self.token.clone()
    }

    #[cfg(test)]
    pub(super) fn attempt(&self) -> u64 {
        self.attempt
    }

    pub(super) fn is_halted(&self) -> bool {
        self.is_halted
    }

    /// As a host before left it.
    pub(super) fn restore(&mut self, token: Option<Json>, is_halted: bool) {
        (self.token, self.is_halted) = (token, is_halted);
    }

    fn open(&mut self, now: u64) {
        self.attempt += 1;
        self.is_fresh = false;
        let (attempt, token) = (self.attempt, self.token.clone());
        self.acts.push(Act::Open { attempt, token });
        self.set(Stage::Opening(now + OPENING));
    }

    /// The requests that wait go out.
    fn send_waiting(&mut self) {
        for request in &mut self.requests {
            if let Some(payload) = request.payload.take() {
                let request = request.request;
                self.acts.push(Act::Send { request, payload });
            }
        }
    }
}

impl Coordination {
    /// The driver has a connection.
    pub(crate) fn serve_realtime(&mut self) {
        self.realtime.is_served = true;
    }

    /// What the driver is to do, in order.
    pub(crate) fn take_realtime(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.realtime.acts)
    }

    /// Opens it when the first tab is there, and closes it with the last one.
    pub(super) fn go_on_with_realtime(&mut self) {
        let it = &self.realtime;
        let mut members = self.members.iter();
        let is_wanted = it.is_served
            && !it.is_halted
            && members.any(|member| member.has_come && member.frozen.is_none());
        match (is_wanted, &it.stage) {
            (true, Stage::Off) => self.begin_attempt(),
            (true, Stage::Token(asked, _)) => {
                let lives = asked.last().is_some_and(|last| self.is_here(last));
                if !lives {
                    self.ask_for_token(asked.clone());
                }
            }
            (false, stage) if *stage != Stage::Off => self.close_realtime(None),
            _ => {}
        }
    }

    fn begin_attempt(&mut self) {
        if self.realtime.is_fresh {
            return self.realtime.open(self.now);
        }
        self.ask_for_token(Vec::new());
    }

    /// Asks a tab for a new token that was not asked yet. Where there is none the last token has to do.
    fn ask_for_token(&mut self, mut asked: Vec<String>) {
        let leader = self.leads().map(|leader| leader.id.as_str());
        let members = self.members.iter();
        let able = members.filter(|member| member.report.refreshes && self.is_here(&member.id));
        let left = able.filter(|member| !asked.contains(&member.id));
        let best = left.max_by_key(|member| (Some(member.id.as_str()) == leader, member.score()));
        let Some(id) = best.map(|best| best.id.clone()) else {
            return self.realtime.open(self.now);
        };
        asked.push(id.clone());
        self.realtime.round += 1;
        let round = self.realtime.round;
        self.say(&id, Say::TokenWanted { round });
        let until = self.now + TOKEN;
        self.realtime.set(Stage::Token(asked, until));
    }

    /// A tab that was asked has refreshed the token, or failed. A token has come before, by [`Self::take_token`].
    pub(super) fn token_asked(&mut self, round: u64, error: Option<Error>) {
        let is_it = matches!(self.realtime.stage, Stage::Token(..)) && round == self.realtime.round;
        match error {
            Some(error) if is_it => self.realtime_failed(Some(error), 500),
            None if is_it => self.realtime.open(self.now),
            Some(_) | None => {}
        }
    }

    /// A refresh gave a token, whoever asked for it.
    pub(super) fn take_token(&mut self, name: &str, token: Option<Json>) {
        if name != REFRESH || !self.realtime.is_served || self.ending.is_some() {
            return;
        }
        self.realtime.token = token;
        self.realtime.is_fresh = true;
        self.realtime.is_halted = false;
        self.changed.decisions = true;
        if matches!(self.realtime.stage, Stage::Token(..) | Stage::Pausing(_)) {
            self.realtime.open(self.now);
        }
    }

    /// Somebody has logged in.
    pub(super) fn resume_realtime(&mut self) {
        self.realtime.is_halted &= self.ending.is_some();
    }

    /// The session ends: nothing is opened before the next one has begun.
    pub(super) fn halt_realtime(&mut self) {
        self.realtime.is_halted = true;
        self.void_realtime();
    }

    /// The session changed: its connection and its token are those of the one before.
    pub(super) fn void_realtime(&mut self) {
        (self.realtime.token, self.realtime.is_fresh) = (None, false);
        self.changed.decisions = true;
        self.close_realtime(Some(session_changed()));
    }

    fn close_realtime(&mut self, reason: Option<Error>) {
        if self.realtime.stage != Stage::Off {
            self.realtime.acts.push(Act::Close {});
        }
        self.realtime.set(Stage::Off);
        self.realtime.failures = 0;
        self.refuse_relayed(reason.as_ref());
    }

    // ---- What the driver reports ----

    pub(crate) fn take_report(&mut self, report: Report) {
        match report {
            Report::State {
                attempt,
                state,
                error,
                random,
            } if self.is_current(attempt) => self.realtime_is(state, error, random),
            Report::Received { attempt, message } if self.is_current(attempt) => {
                self.realtime.received += 1;
                let number = self.realtime.received;
                self.say_to_others("", &Say::Received { number, message });
            }
            Report::Answered {
                request,
                error,
                result,
            } => {
                let is_it = |known: &mut Request| known.request == request;
                let known = self.realtime.requests.extract_if(.., is_it).last();
                if let Some(Request { id, number, .. }) = known {
                    self.answer(&id, number, error.map_or(Ok(result), Err));
                }
            }
            // Of an attempt that was given up.
            Report::State { .. } | Report::Received { .. } => {}
        }
        self.go_on();
    }

    fn is_current(&self, attempt: u64) -> bool {
        let is_open = matches!(self.realtime.stage, Stage::Opening(_) | Stage::Open(_));
        is_open && attempt == self.realtime.attempt
    }

    fn realtime_is(&mut self, state: RealtimeState, error: Option<Error>, random: u64) {
        match state {
            RealtimeState::Connected => {
                // One that is there can report a message that was none.
                self.realtime.is_news |= error.is_some();
                self.realtime.error = error;
                if !matches!(self.realtime.stage, Stage::Open(_)) {
                    self.realtime.set(Stage::Open(self.now));
                }
                self.realtime.send_waiting();
            }
            // The application's own connection is at it.
            RealtimeState::Connecting => {
                if matches!(self.realtime.stage, Stage::Open(_)) {
                    self.realtime.set(Stage::Opening(self.now + OPENING));
                }
                self.realtime.is_news |= error.is_some();
                self.realtime.error = error.or(self.realtime.error.take());
            }
            RealtimeState::Disconnected => self.realtime_failed(error, random),
        }
    }

    /// It is opened again after a pause. What tabs have sent may have arrived or not.
    fn realtime_failed(&mut self, error: Option<Error>, random: u64) {
        let it = &mut self.realtime;
        let was_well = matches!(it.stage, Stage::Open(since) if self.now >= since + WELL);
        it.failures = if was_well { 1 } else { it.failures + 1 };
        let (first, longest) = PAUSES;
        let pause = longest.min(first << (it.failures - 1).min(5));
        // Those of many users do not come back at once.
        let pause = pause / 2 + pause * random.min(1_000) / 2_000;
        it.acts.push(Act::Close {});
        it.is_news = true;
        it.error = error;
        it.set(Stage::Pausing(self.now + pause));
        self.refuse_relayed(None);
    }

    pub(super) fn expire_realtime(&mut self) {
        if self.realtime.next().is_none_or(|at| self.now < at) {
            return;
        }
        match self.realtime.stage.clone() {
            Stage::Token(asked, _) => self.ask_for_token(asked),
            Stage::Opening(_) => {
                let message = format!("The connection was not there within {OPENING} ms");
                let error = Error::new(codes::ERR_REALTIME_TIMEOUT, message);
                self.realtime_failed(Some(error), 500);
            }
            Stage::Pausing(_) => self.begin_attempt(),
            Stage::Off | Stage::Open(_) => {}
        }
    }

    // ---- What tabs send ----

    /// A tab sends something. It waits for a connection that is on its way, and is refused where there is none.
    pub(super) fn relay(&mut self, id: &str, number: u64, payload: Json) {
        // A connection that nobody needed so far.
        self.go_on_with_realtime();
        let it = &mut self.realtime;
        if !it.is_served {
            let message = "The host has no second connection: give it to serve({connections})";
            let error = Error::new(codes::ERR_REALTIME_NOT_SERVED, message);
            return self.answer(id, number, Err(error));
        }
        if it.requests.len() >= MAX_REQUESTS {
            let message = format!("{MAX_REQUESTS} requests have no answer yet");
            return self.answer(id, number, Err(disconnected(message)));
        }
        if it.state() == RealtimeState::Disconnected {
            let error = self.not_sent();
            return self.answer(id, number, Err(error));
        }
        it.request += 1;
        it.requests.push(Request {
            id: id.to_owned(),
            number,
            request: it.request,
            payload: Some(payload),
        });
        if matches!(it.stage, Stage::Open(_)) {
            it.send_waiting();
        }
    }

    fn not_sent(&self) -> Error {
        let last = self.realtime.error.as_ref();
        let reason = last.map_or_else(|| "nobody is logged in".to_owned(), Error::to_string);
        disconnected(format!("The second connection is not there: {reason}"))
    }

    /// Nobody will answer these requests.
    fn refuse_relayed(&mut self, reason: Option<&Error>) {
        let requests = std::mem::take(&mut self.realtime.requests);
        let requests: Vec<Request> = requests.into_iter().gather();
        for request in requests {
            let error = match (reason, &request.payload) {
                (Some(reason), _) => reason.clone(),
                (None, Some(_)) => self.not_sent(),
                (None, None) => {
                    let message = "The connection ended: whether it was sent is not known";
                    Error::new(codes::ERR_REALTIME_LOST, message)
                }
            };
            self.answer(&request.id, request.number, Err(error));
        }
    }

    /// Tells all tabs of another state.
    pub(super) fn tell_realtime(&mut self) {
        if std::mem::take(&mut self.realtime.is_news)
            && let Some(realtime) = self.realtime.told(self.epoch)
        {
            self.say_to_others("", &Say::Realtime(realtime));
        }
    }
}

fn disconnected(message: String) -> Error {
    Error::new(codes::ERR_REALTIME_DISCONNECTED, message)
}
