//! A tab's end of coordination.
//!
//! It keeps the requests that have no answer, and what the tab holds. When a host has taken the tab, all of that is said
//! to it ([`Input::Welcomed`]). So a request survives its host, and what was decided by one host holds at the next one.
//!
//! What it refuses to do: know the time, or mirror what other tabs are: the driver keeps what it was told last.

use proxy_doc::{Error, Gather, codes, wire};

use super::messages::{
    Ask, Broadcast, Bundle, Grant, Join, Leading, Report, Say, Session, Stream, TabEvent, Welcome,
};

/// Tabs of which the last request is known.
const MAX_HEARD: usize = 128;

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// A host has taken the tab, another one than before perhaps.
    Welcomed {},
    /// The host says something.
    Heard(Say),
    /// The application asks or says something. Requests have numbers that the driver counts up.
    Ask(Ask),
    /// Time has passed.
    Tick {},
}

wire!(enum Input {
    Welcomed = "welcomed" {},
    Heard = "heard" (Say),
    Ask = "ask" (Ask),
    Tick = "tick" {},
});

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Post this to the host.
    Post(Ask),
    /// Tell the application what the host says. [`Say::Offer`] and [`Say::OfferLead`] are not told: what follows from them
    /// is.
    Tell(Say),
    /// The tab holds this from now on.
    Granted(Grant),
}

wire!(
    enum Output {
        Post = "post"(Ask),
        Tell = "tell"(Say),
        Granted = "granted"(Grant),
    }
);

/// Something that the host offered.
#[derive(Clone, Debug)]
struct Held {
    grant: Grant,
    /// When the tab said that it takes it: the host counts from a later moment.
    since: u64,
    /// The host has confirmed it.
    is_granted: bool,
}

/// A tab's end.
#[derive(Debug)]
pub struct Coordinator {
    id: String,
    rotation: u64,
    report: Report,
    /// A host knows the tab.
    is_joined: bool,
    /// A host has known it.
    was_joined: bool,
    /// The page is about to be frozen, or is, or its application has left.
    is_away: bool,
    /// A host has confirmed what the tab holds, since it was away.
    is_confirmed: bool,
    /// Requests without an answer, oldest first.
    open: Vec<Ask>,
    /// Those of them that the application has given up.
    cancelled: Vec<u64>,
    held: Vec<Held>,
    /// The token by which the tab is offered to lead.
    offered_term: Option<u64>,
    /// The token by which it leads.
    term: Option<u64>,
    /// The highest token heard of.
    token: u64,
    /// The last broadcast, in the history of this number.
    seen: u64,
    line: u64,
    /// The tabs that were heard, and the last request of each.
    heard: Vec<(String, u64)>,
    /// The shared state, and the session that it is of.
    bundle: Option<Bundle>,
    session: Session,
    /// A host has told the tab the session.
    knows_session: bool,
    /// What other tabs want done, until the host knows that it is: the tabs, and the numbers of their requests.
    tasks: Vec<(String, u64)>,
    /// Requests for the second connection that a host was told.
    relayed: Vec<u64>,
    /// What has come by that connection.
    stream: Stream,
    outputs: Vec<Output>,
}

impl Coordinator {
    /// A tab of this id, which no other tab ever has. `rotation`: see [`Join::rotation`].
    pub fn new(id: String, rotation: u64, report: Report) -> Self {
        Self {
            id,
            rotation,
            report,
            is_joined: false,
            was_joined: false,
            is_away: false,
            is_confirmed: true,
            open: Vec::new(),
            cancelled: Vec::new(),
            held: Vec::new(),
            offered_term: None,
            term: None,
            token: 0,
            seen: 0,
            line: 0,
            heard: Vec::new(),
            bundle: None,
            session: Session::default(),
            knows_session: false,
            tasks: Vec::new(),
            relayed: Vec::new(),
            stream: Stream::default(),
            outputs: Vec::new(),
        }
    }

    /// The token by which this tab leads, if it does.
    pub fn term(&self) -> Option<u64> {
        self.term
    }

    /// Whether the tab holds what was granted by this token, at a time. It does not know that while it is away, and until
    /// a host has confirmed it.
    pub fn holds(&self, token: u64, now: u64) -> bool {
        let mut held = self.held.iter();
        let holds = held.any(|held| held.grant.token == token && held.is_held(now));
        self.is_confirmed && holds
    }

    /// Takes an input at a time in milliseconds of a clock that never goes back, and says what is to be done.
    pub fn handle(&mut self, now: u64, input: Input) -> Vec<Output> {
        self.expire(now);
        match input {
            Input::Welcomed {} => self.join(),
            Input::Heard(say) => self.hear(now, say),
            Input::Ask(ask) => self.ask(ask),
            Input::Tick {} => {}
        }
        std::mem::take(&mut self.outputs)
    }

    fn post(&mut self, ask: Ask) {
        self.outputs.push(Output::Post(ask));
    }

    fn tell(&mut self, say: Say) {
        self.outputs.push(Output::Tell(say));
    }

    /// What expires ends here before it ends at the host, which counts from later.
    fn expire(&mut self, now: u64) {
        for held in self.held.extract_if(.., |held| held.is_over(now)) {
            if held.is_granted {
                let token = held.grant.token;
                self.outputs.push(Output::Tell(Say::Lost { token }));
            }
        }
    }

    /// Says everything to a host.
    fn join(&mut self) {
        self.is_joined = true;
        self.is_away = false;
        self.held.retain(|held| held.is_granted);
        self.offered_term = None;
        self.give_up_relayed();
        let open = self.open.iter().filter_map(Ask::number);
        let join = Join {
            id: self.id.clone(),
            returns: std::mem::replace(&mut self.was_joined, true),
            report: self.report.clone(),
            open: open.min().unwrap_or(u64::MAX >> 11),
            grants: self.held.iter().map(|held| held.grant.clone()).gather(),
            term: self.term,
            token: self.token,
            seen: self.seen,
            line: self.line,
            rotation: self.rotation,
            state: self.bundle.clone(),
            session: self.session.clone(),
            stream: self.stream,
        };
        self.post(Ask::Join(Box::new(join)));
        for ask in self.open.clone() {
            self.note_relayed(&ask);
            self.post(ask);
        }
        for number in self.cancelled.clone() {
            self.post(Ask::Cancel { number });
        }
    }

    /// A host before was told these requests. What became of them nobody knows, and they are not made twice.
    fn give_up_relayed(&mut self) {
        for number in std::mem::take(&mut self.relayed) {
            if self.end_request(number) {
                let message = "The host was left, or is gone: whether it was sent is not known";
                self.tell(Say::Answer {
                    number,
                    error: Some(Error::new(codes::ERR_REALTIME_LOST, message)),
                    result: None,
                });
            }
        }
    }

    fn note_relayed(&mut self, ask: &Ask) {
        if let Ask::Relay { number, .. } = ask {
            self.relayed.push(*number);
        }
    }

    fn ask(&mut self, mut ask: Ask) {
        match &mut ask {
            Ask::Write { epoch, .. } => *epoch = self.session.epoch,
            Ask::Session { logouts, .. } | Ask::Logout { logouts, .. } => {
                *logouts = self.knows_session.then_some(self.session.logouts);
            }
            _ => {}
        }
        if ask.number().is_some() {
            self.open.push(ask.clone());
        }
        match &ask {
            Ask::Report(report) => self.report = report.clone(),
            // It holds here at once, and everywhere if no later one is on its way.
            Ask::Write {
                base: None,
                part,
                bundle,
                ..
            } => {
                if self.take_state(bundle) {
                    let (part, bundle) = (*part, bundle.clone());
                    self.tell(Say::State { part, bundle });
                }
            }
            Ask::Away {} | Ask::Leave {} => {
                // The page may run again before it hears of another leader.
                if let Some(term) = self.term.take() {
                    self.tell(Say::Lost { token: term });
                }
                self.is_away = true;
                self.is_confirmed = false;
            }
            Ask::Cancel { number } => {
                let mut open = self.open.iter();
                if open.any(|ask| ask.number() == Some(*number)) {
                    self.cancelled.push(*number);
                }
            }
            Ask::Resigned { term, .. } => {
                if self.term != Some(*term) {
                    return;
                }
                (self.term, self.offered_term) = (None, None);
            }
            Ask::Join(_)
            | Ask::Send { .. }
            | Ask::Ping { .. }
            | Ask::Claim(_)
            | Ask::Holder { .. }
            | Ask::Write { base: Some(_), .. }
            | Ask::Delegate { .. }
            | Ask::Done { .. }
            | Ask::Session { .. }
            | Ask::Logout { .. }
            | Ask::Stopped {}
            | Ask::TakeWipe {}
            | Ask::Wiped {}
            | Ask::Idle { .. }
            | Ask::Active {}
            | Ask::Relay { .. }
            | Ask::Token { .. }
            | Ask::Take { .. }
            | Ask::Release { .. } => {}
        }
        if self.is_joined {
            self.note_relayed(&ask);
            self.post(ask);
        }
        self.is_joined &= !self.is_away;
    }

    fn hear(&mut self, now: u64, mut say: Say) {
        // Of a host that the tab has left.
        if !self.is_joined {
            return;
        }
        match &mut say {
            Say::Welcome(welcome) => self.take_welcome(welcome),
            Say::Answer { number, .. } => {
                // A request that was made again may be answered again.
                if !self.end_request(*number) {
                    return;
                }
            }
            Say::OfferWipe {} => return self.post(Ask::TakeWipe {}),
            Say::Offer(grant) => return self.take_offer(now, grant.clone()),
            Say::Granted { number, token } => return self.take_grant(*number, *token),
            Say::Lost { token } => {
                let lost = self.held.extract_if(.., |held| held.grant.token == *token);
                // One that was only offered is not known to the application.
                if !lost.last().is_some_and(|held| held.is_granted) {
                    return;
                }
            }
            Say::OfferLead { term } => return self.be_asked_to_lead(*term),
            Say::Resign { term } => {
                for known in [&mut self.term, &mut self.offered_term] {
                    known.take_if(|known| known == term);
                }
                let (term, willing) = (*term, true);
                self.post(Ask::Resigned { term, willing });
            }
            Say::Leading(leading) => self.take_leading(leading),
            Say::State { bundle, .. } => {
                if !self.take_state(bundle) {
                    return;
                }
            }
            Say::Task { from, number, .. } => {
                let task = (from.clone(), *number);
                if self.tasks.contains(&task) {
                    return;
                }
                self.tasks.push(task);
            }
            Say::LoggedOut(session) | Say::Session { session, .. } => {
                let session = session.clone();
                self.enter(session);
            }
            Say::Logout {}
            | Say::Wipe {}
            | Say::Idle(_)
            | Say::Realtime(_)
            | Say::TokenWanted { .. } => {}
            Say::Received { number, .. } => self.stream.number = *number,
            Say::Broadcast(broadcast) => {
                let is_news = self.is_news(broadcast);
                self.note_heard(broadcast);
                if !is_news {
                    return;
                }
            }
            Say::Tab { event, tab } => {
                // One that seems to have crashed may be frozen, and come back.
                if matches!(event, TabEvent::Leave) {
                    self.heard.retain(|(from, _)| *from != tab.id);
                }
            }
        }
        self.tell(say);
    }

    fn take_welcome(&mut self, welcome: &mut Welcome) {
        self.is_confirmed = true;
        self.token = self.token.max(welcome.token);
        welcome.missed.retain(|missed| self.is_news(missed));
        for missed in &welcome.missed {
            self.note_heard(missed);
        }
        self.seen = welcome.broadcast;
        self.line = welcome.line;
        let is_lost = |held: &mut Held| !welcome.held.contains(&held.grant.token);
        let lost: Vec<Held> = self.held.extract_if(.., is_lost).gather();
        for held in lost {
            let token = held.grant.token;
            self.tell(Say::Lost { token });
        }
        self.take_leading(&welcome.leading);
        let was_away = std::mem::replace(&mut self.knows_session, true);
        let has_ended = welcome.session.logouts > self.session.logouts;
        self.enter(welcome.session.clone());
        if was_away && has_ended {
            self.tell(Say::LoggedOut(welcome.session.clone()));
        }
        self.stream = welcome
            .realtime
            .as_ref()
            .map_or(self.stream, |it| it.stream);
        if let Some(state) = &welcome.state {
            self.take_state(state);
        }
        welcome.state.clone_from(&self.bundle);
    }

    /// The state of another session is not that of this one.
    fn enter(&mut self, session: Session) {
        if self.session.epoch != session.epoch {
            self.bundle = None;
        }
        self.session = session;
    }

    /// Takes the shared state, where it is no earlier one. Says whether it is.
    fn take_state(&mut self, bundle: &Bundle) -> bool {
        let is_earlier = self.bundle.as_ref().is_some_and(|own| own.is_after(bundle));
        if !is_earlier {
            self.bundle = Some(bundle.clone());
        }
        !is_earlier
    }

    /// Whether it was not heard before. A host that left no record of what it told is followed by one that tells it again.
    fn is_news(&self, broadcast: &Broadcast) -> bool {
        let mut heard = self.heard.iter();
        let last = heard.find(|(from, _)| *from == broadcast.from);
        last.is_none_or(|(_, request)| *request < broadcast.request)
    }

    fn note_heard(&mut self, broadcast: &Broadcast) {
        self.seen = self.seen.max(broadcast.number);
        let Broadcast { from, request, .. } = broadcast;
        match self.heard.iter_mut().find(|(known, _)| known == from) {
            Some((_, last)) => *last = *request.max(last),
            None => {
                self.heard.push((from.clone(), *request));
                if self.heard.len() > MAX_HEARD {
                    self.heard.remove(0);
                }
            }
        }
    }

    fn take_leading(&mut self, leading: &Leading) {
        self.token = self.token.max(leading.term);
        let is_me = leading.leader.as_ref() == Some(&self.id);
        let is_known = [self.term, self.offered_term].contains(&Some(leading.term));
        self.term = (is_me && is_known && !self.is_away).then_some(leading.term);
    }

    fn be_asked_to_lead(&mut self, term: u64) {
        self.token = self.token.max(term);
        self.offered_term = Some(term);
        self.post(Ask::Take { token: term });
    }

    fn take_offer(&mut self, now: u64, grant: Grant) {
        self.token = self.token.max(grant.token);
        let number = grant.number;
        let is_asked = |ask: &Ask| matches!(ask, Ask::Claim(claim) if claim.number == number);
        if !self.open.iter().any(is_asked) {
            return self.post(Ask::Cancel { number });
        }
        let token = grant.token;
        self.held.push(Held {
            grant,
            since: now,
            is_granted: false,
        });
        self.post(Ask::Take { token });
    }

    fn take_grant(&mut self, number: u64, token: u64) {
        let mut held = self.held.iter_mut();
        if let Some(held) = held.find(|held| held.grant.token == token) {
            held.is_granted = true;
            let grant = held.grant.clone();
            self.end_request(number);
            return self.outputs.push(Output::Granted(grant));
        }
        if self.end_request(number) {
            let message = "The grant expired before this tab heard of it";
            self.tell(Say::Answer {
                number,
                error: Some(Error::new(codes::ERR_LOCK_LOST, message)),
                result: None,
            });
        }
    }

    /// Says whether it had no answer.
    fn end_request(&mut self, number: u64) -> bool {
        self.cancelled.retain(|cancelled| *cancelled != number);
        self.relayed.retain(|relayed| *relayed != number);
        let is_it = |ask: &mut Ask| ask.number() == Some(number);
        let ended: Vec<Ask> = self.open.extract_if(.., is_it).gather();
        let was_open = !ended.is_empty();
        for ask in ended {
            if let Ask::Release { token, .. } = ask {
                self.held.retain(|held| held.grant.token != token);
            } else if let Ask::Done { from, of, .. } = ask {
                self.tasks.retain(|task| *task != (from.clone(), of));
            }
        }
        was_open
    }
}

impl Held {
    fn is_held(&self, now: u64) -> bool {
        self.is_granted && !self.is_over(now)
    }

    fn is_over(&self, now: u64) -> bool {
        let expires = self.grant.expires;
        expires.is_some_and(|expires| now >= self.since.saturating_add(expires))
    }
}
