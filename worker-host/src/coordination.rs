//! What tabs agree on: which tabs there are, who leads, who holds a name, and what they tell each other.
//!
//! The host decides in the order in which it is asked, so tabs need no agreement among themselves. What was decided is in
//! the store's notes before a tab hears of it, and each tab announces what it holds when it joins: a host goes on where the
//! one before it ended. Where nothing is stored, the announcements are all there is, and nothing is decided before the tabs
//! have had time to make them.
//!
//! | file | holds |
//! |---|---|
//! | this one | the machine's state, its clock, and what a tab asks |
//! | `members.rs` | the tabs: who comes, goes, and is frozen |
//! | `leader.rs` | scores, and who leads |
//! | `claims.rs` | names that one tab holds at a time |
//! | `broadcasts.rs` | what tabs tell each other |
//! | `state.rs` | the state that tabs share |
//! | `session.rs` | the user's session: its end in all tabs, and the user's absence |
//! | `tasks.rs` | what a tab has another one do |
//! | `realtime.rs` | the second realtime connection, which all tabs share |
//! | `record.rs` | what the next host is to know |
//! | `wiring.rs` | the machine in its host |
//!
//! What it refuses to do: believe that a tab is gone because it is silent.

mod broadcasts;
mod claims;
mod leader;
mod members;
mod realtime;
mod record;
mod session;
mod state;
mod tasks;
#[cfg(test)]
mod tests;
mod wiring;

use broker::coordination::messages::{Ask, Bundle, Idle, Leading, Say, Session};
use proxy_doc::{Error, Json, TabId, codes};

use broadcasts::Broadcasts;
use claims::Claims;
use leader::Leader;
use members::Member;
use realtime::Connection;
use session::Logout;
use tasks::{Finished, Task};

/// Milliseconds for which nothing is given after a start without a record: tabs of a host before have to announce first
/// what they hold. A tab that was not blocked does so within a few messages.
const ANNOUNCING: u64 = 2_000;
/// Milliseconds in which a tab has to take what it is offered. A page that is blocked does not hold up the others.
const OFFER: u64 = 2_000;
/// Milliseconds that a frozen page keeps what it holds without an expiry.
const FROZEN_HOLD: u64 = 30_000;
/// Milliseconds for which a frozen page is remembered: browsers drop pages from the back/forward cache earlier.
const FROZEN: u64 = 1_800_000;
/// Tokens that are reserved by one write.
const TOKENS: u64 = 256;

/// What is to be written down.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changed {
    pub(crate) decisions: bool,
    pub(crate) broadcasts: bool,
    pub(crate) state: bool,
    pub(crate) ended: bool,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Coordination {
    /// No token of this host is below its epoch.
    epoch: u64,
    /// One tab owns the host: there is nobody else who could hold anything.
    is_private: bool,
    /// What an earlier host left was read, or there was nothing.
    has_begun: bool,
    /// The highest token that an earlier host may have given, as its record says. Of what tabs announce by a higher one
    /// there is no record: it is believed.
    recorded: u64,
    /// The epoch of the host that began the record.
    line: u64,
    /// Nothing is given before this time.
    opens_at: Option<u64>,
    /// Milliseconds by a clock that never goes back. Another host's clock has nothing to do with it.
    now: u64,
    /// When the driver is to call.
    alarm: Option<u64>,
    /// The highest token that was given.
    token: u64,
    /// The highest token that the record allows this host to give.
    reserved: u64,
    /// All tabs that joined, in that order.
    members: Vec<Member>,
    leader: Option<Leader>,
    /// Who leads, as tabs were told.
    told: Leading,
    claims: Claims,
    broadcasts: Broadcasts,
    state: Option<Bundle>,
    tasks: Vec<Task>,
    finished: Vec<Finished>,
    session: Session,
    ending: Option<Logout>,
    idle: Option<Idle>,
    /// The second connection.
    realtime: Connection,
    /// The user's last activity that was written down.
    noted: u64,
    /// The wall clock in milliseconds. Only the user's absence is measured by it: it goes on while the machine sleeps.
    wall: u64,
    changed: Changed,
    said: Vec<(TabId, Say)>,
}

impl Coordination {
    pub(crate) fn new(epoch: u64, is_private: bool) -> Self {
        Self {
            epoch,
            is_private,
            has_begun: false,
            recorded: 0,
            line: epoch,
            opens_at: None,
            now: 0,
            alarm: None,
            token: 0,
            reserved: 0,
            members: Vec::new(),
            leader: None,
            told: Leading::default(),
            claims: Claims::default(),
            broadcasts: Broadcasts::default(),
            state: None,
            tasks: Vec::new(),
            finished: Vec::new(),
            session: Session::default(),
            ending: None,
            idle: None,
            realtime: Connection::default(),
            noted: 0,
            wall: 0,
            changed: Changed::default(),
            said: Vec::new(),
        }
    }

    // ---- Time ----

    /// The time, in milliseconds by a clock that never goes back, and by the wall clock.
    pub(crate) fn set_time(&mut self, now: u64, wall: u64) {
        self.now = self.now.max(now);
        self.wall = wall;
    }

    /// Does what is due.
    pub(crate) fn handle_alarm(&mut self) {
        self.alarm = None;
        self.expire_members();
        self.expire_leader();
        self.expire_claims();
        self.expire_idle();
        self.expire_logout();
        self.expire_realtime();
        self.go_on();
    }

    /// When something is due next, if that is another time than the driver was told: milliseconds from now.
    pub(crate) fn next_alarm(&mut self) -> Option<u64> {
        let opens_at = self.opens_at.filter(|at| *at > self.now);
        let next = opens_at
            .into_iter()
            .chain(self.next_of_members())
            .chain(self.next_of_leader())
            .chain(self.claims.next())
            .chain(self.next_of_session())
            .chain(self.realtime.next())
            .chain(self.idle_is_due_in().map(|left| self.now + left))
            .min();
        if next == self.alarm {
            return None;
        }
        self.alarm = next;
        next.map(|next| next.saturating_sub(self.now))
    }

    /// Whether something can be given: the tabs of a host before have had their time.
    fn is_open(&self) -> bool {
        self.has_begun && self.opens_at.is_none_or(|at| self.now >= at)
    }

    // ---- What a tab says ----

    /// A tab says something. One that has not joined says it again when it joins.
    pub(crate) fn take(&mut self, tab: &TabId, ask: Ask) {
        if !self.has_begun {
            self.begin_without_record();
        }
        if let Ask::Join(join) = ask {
            return self.join(tab, *join);
        }
        let Some(at) = self.linked(tab) else {
            return;
        };
        let id = self.members[at].id.clone();
        match ask {
            Ask::Join(_) => {}
            Ask::Leave {} => self.leave(at),
            Ask::Away {} => self.freeze(at),
            Ask::Report(report) => self.report(at, report),
            Ask::Send {
                number,
                urgent,
                message,
            } => self.send(at, number, urgent, message),
            Ask::Ping { number } => self.answer(&id, number, Ok(None)),
            Ask::Claim(claim) => self.claim(&id, claim),
            Ask::Holder { number, name } => self.tell_holder(&id, number, &name),
            Ask::Cancel { number } => self.cancel(&id, number),
            Ask::Take { token } => self.take_offer(&id, token),
            Ask::Release {
                number,
                token,
                outcome,
            } => self.release(&id, number, token, outcome),
            Ask::Write {
                number,
                part,
                base,
                epoch,
                bundle,
            } => self.write(at, number, part, base, epoch, bundle),
            Ask::Delegate {
                number,
                to,
                task,
                payload,
            } => self.delegate(&id, number, to, task, payload),
            Ask::Done {
                number,
                from,
                of,
                outcome,
            } => self.finish_task(&id, number, from, of, outcome),
            Ask::Session {
                number,
                id,
                logouts,
            } => self.name_session(at, number, id, logouts),
            Ask::Logout { number, logouts } => self.logout(&id, number, logouts),
            Ask::Stopped {} => self.stopped(&id),
            Ask::TakeWipe {} => self.take_wipe(&id),
            Ask::Wiped {} => self.wiped(&id),
            Ask::Idle {
                number,
                warn,
                timeout,
            } => self.start_idle(&id, number, warn, timeout),
            Ask::Active {} => self.be_active(),
            Ask::Relay { number, payload } => self.relay(&id, number, payload),
            Ask::Token { round, error } => self.token_asked(round, error),
            Ask::Resigned { term, willing } => self.resigned(at, term, willing),
        }
        self.go_on();
    }

    /// Gives what can be given now.
    fn go_on(&mut self) {
        self.elect();
        self.offer();
        self.give_tasks();
        self.go_on_with_logout();
        self.go_on_with_realtime();
        self.tell_leading();
        self.tell_realtime();
    }

    // ---- What tabs are told ----

    fn say(&mut self, id: &str, say: Say) {
        let mut members = self.members.iter();
        if let Some(member) = members.find(|member| member.id == id && member.is_linked) {
            self.said.push((member.tab.clone(), say));
        }
    }

    fn say_to_others(&mut self, id: &str, say: &Say) {
        for member in &self.members {
            if member.is_linked && member.id != id {
                self.said.push((member.tab.clone(), say.clone()));
            }
        }
    }

    fn answer(&mut self, id: &str, number: u64, result: Result<Option<Json>, Error>) {
        let (result, error) = match result {
            Ok(result) => (result, None),
            Err(error) => (None, Some(error)),
        };
        let answer = Say::Answer {
            number,
            error,
            result,
        };
        self.say(id, answer);
    }

    /// A request is not carried out.
    pub(crate) fn refuse(&mut self, tab: &TabId, number: u64, error: Error) {
        if let Some(at) = self.linked(tab) {
            let id = self.members[at].id.clone();
            self.answer(&id, number, Err(error));
        }
    }

    /// A fencing token, higher than all before it. Those of this host begin at its epoch: a host before that left no
    /// record gave lower ones.
    fn next_token(&mut self) -> u64 {
        self.token = (self.token + 1).max(self.epoch);
        if self.token > self.reserved {
            self.reserved = self.token + TOKENS;
            self.changed.decisions = true;
        }
        self.token
    }

    /// What is to be written down.
    pub(crate) fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    /// What is to be told, in order.
    pub(crate) fn take_said(&mut self) -> Vec<(TabId, Say)> {
        std::mem::take(&mut self.said)
    }
}

fn cancelled() -> Error {
    Error::new(codes::ERR_CANCELLED, "The request was given up")
}
