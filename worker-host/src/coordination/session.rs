//! The session of the application's user: which one it is, its end in all tabs, and the user's absence.
//!
//! A session ends in two phases: all tabs stop, and then one of them deletes what is stored.

use broker::coordination::messages::{Idle, Phase, Say, Session};
use proxy_doc::{Error, Gather, Json, codes};

use super::claims::session_changed;
use super::{Coordination, OFFER};

/// Milliseconds in which tabs have to stop.
const STOPPING: u64 = 3_000;
/// Milliseconds in which a tab that has taken it has to delete everything.
const WIPING: u64 = 10_000;
/// Milliseconds of activity that are written down at once: the next host takes the user for absent by so much longer.
const NOTED: u64 = 10_000;
/// Milliseconds since the activity that counted last, before which more does not count. So each that counts is told, and all
/// tabs show the same time, also one that has just come.
const COUNTED: u64 = 1_000;

/// The end of a session.
#[derive(Clone, Debug)]
pub(super) struct Logout {
    /// The tabs that asked, and their requests.
    by: Vec<(String, u64)>,
    /// Tabs that have not stopped.
    waiting: Vec<String>,
    /// When something is due: tabs have stopped, one has taken the wipe, or it is done.
    until: u64,
    wipe: Wipe,
}

/// How far the second phase is.
#[derive(Clone, Debug)]
enum Wipe {
    /// The first phase is not over.
    Later,
    /// It is offered to these tabs, the last one last. A page that is blocked does not take it.
    Offered(Vec<String>),
    /// This tab deletes everything.
    Taken(String),
}

impl Coordination {
    /// A tab names its session.
    pub(super) fn name_session(
        &mut self,
        at: usize,
        number: u64,
        name: Option<String>,
        logouts: Option<u64>,
    ) {
        let id = self.members[at].id.clone();
        if logouts.is_some_and(|logouts| logouts != self.session.logouts) {
            return self.answer(&id, number, Err(session_changed()));
        }
        self.members[at].session.clone_from(&name);
        if name.is_some() && name != self.session.id {
            let is_change = self.session.id.is_some();
            self.session.id = name;
            if is_change {
                self.change_session();
            }
            self.changed.decisions = true;
            self.resume_realtime();
        }
        self.tell_session();
        self.answer(&id, number, Ok(None));
    }

    pub(super) fn tell_session(&mut self) {
        let of = &self.session.id;
        let is_strange = |of_tab: &Option<String>| of_tab.is_some() && of_tab != of;
        let strangers = self
            .members
            .iter()
            .filter(|member| is_strange(&member.session));
        let strangers = strangers.map(|member| member.id.clone()).gather();
        let session = self.session.clone();
        self.say_to_others("", &Say::Session { session, strangers });
    }

    /// What belongs to the session before is void.
    fn change_session(&mut self) {
        self.session.epoch += 1;
        self.state = None;
        (self.changed.decisions, self.changed.state) = (true, true);
        self.void_session_claims();
        self.void_realtime();
    }

    // ---- Its end ----

    /// A tab ends the session with this number of logouts before it, or the present one.
    pub(super) fn logout(&mut self, id: &str, number: u64, logouts: Option<u64>) {
        let mut members = self.members.iter();
        let member = members.find(|member| member.id == id);
        let is_done = logouts.is_some_and(|logouts| logouts < self.session.logouts);
        if is_done || member.is_some_and(|member| member.applied.contains(&number)) {
            return self.answer(id, number, Ok(None));
        }
        if let Some(logout) = &mut self.ending {
            // Asked again, by this tab or another one.
            let by = (id.to_owned(), number);
            if !logout.by.contains(&by) {
                logout.by.push(by);
            }
            return;
        }
        let linked = self.members.iter().filter(|member| member.is_linked);
        self.ending = Some(Logout {
            by: vec![(id.to_owned(), number)],
            waiting: linked.map(|member| member.id.clone()).gather(),
            until: self.now + STOPPING,
            wipe: Wipe::Later,
        });
        self.void_session_claims();
        self.say_to_others("", &Say::Logout {});
    }

    /// The tab has stopped, or is gone.
    pub(super) fn stopped(&mut self, id: &str) {
        if let Some(logout) = &mut self.ending {
            logout.waiting.retain(|waiting| waiting != id);
            if matches!(&logout.wipe, Wipe::Taken(wiper) if wiper == id) {
                logout.wipe = Wipe::Later;
            }
        }
    }

    /// All tabs have stopped, or had their time: one deletes everything.
    pub(super) fn go_on_with_logout(&mut self) {
        let Some(logout) = &self.ending else {
            return;
        };
        let is_time = logout.waiting.is_empty() || self.now >= logout.until;
        match &logout.wipe {
            Wipe::Later if is_time => self.offer_wipe(Vec::new()),
            Wipe::Offered(to) if !to.last().is_some_and(|last| self.is_here(last)) => {
                self.offer_wipe(to.clone());
            }
            Wipe::Later | Wipe::Offered(_) | Wipe::Taken(_) => {}
        }
    }

    /// Asks a tab that was not asked before: one that wants to log out, if it can be. Where all were asked they are again.
    fn offer_wipe(&mut self, mut to: Vec<String>) {
        let Some(logout) = &self.ending else {
            return;
        };
        let here = self
            .members
            .iter()
            .filter(|member| self.is_here(&member.id));
        let here: Vec<String> = here.map(|member| member.id.clone()).gather();
        if here.iter().all(|id| to.contains(id)) {
            to.clear();
        }
        let by = logout.by.iter().map(|by| &by.0);
        let mut candidates = by.filter(|by| here.contains(by)).chain(&here);
        let Some(next) = candidates.find(|id| !to.contains(id)).cloned() else {
            return;
        };
        self.halt_realtime();
        self.say(&next, Say::OfferWipe {});
        to.push(next);
        if let Some(logout) = &mut self.ending {
            logout.wipe = Wipe::Offered(to);
            logout.until = self.now + OFFER;
        }
    }

    /// The first tab that takes it deletes everything.
    pub(super) fn take_wipe(&mut self, id: &str) {
        let Some(logout) = &mut self.ending else {
            return;
        };
        if matches!(&logout.wipe, Wipe::Offered(to) if to.iter().any(|asked| asked == id)) {
            logout.wipe = Wipe::Taken(id.to_owned());
            logout.until = self.now + WIPING;
            self.say(id, Say::Wipe {});
        }
    }

    /// A tab that does not take the wipe is passed over. One that does not end it is not waited for: the session has ended all
    /// the same, and who asked is told.
    pub(super) fn expire_logout(&mut self) {
        let Some(logout) = self.ending.as_ref().filter(|it| self.now >= it.until) else {
            return;
        };
        match &logout.wipe {
            Wipe::Later => {}
            Wipe::Offered(to) => self.offer_wipe(to.clone()),
            Wipe::Taken(wiper) => {
                let message = format!(
                    "All tabs are logged out, but tab {wiper} did not delete what is stored within {WIPING} ms"
                );
                let error = Error::new(codes::ERR_LOGOUT_TIMEOUT, message);
                self.end_session(Err(error));
            }
        }
    }

    /// Everything is deleted that outlives the tabs: what they shared is, too.
    pub(super) fn wiped(&mut self, id: &str) {
        let logout = self.ending.as_ref();
        let is_wiper = logout.is_some_and(|it| matches!(&it.wipe, Wipe::Taken(by) if by == id));
        if is_wiper {
            self.end_session(Ok(None));
        }
    }

    fn end_session(&mut self, result: Result<Option<Json>, Error>) {
        let Some(logout) = self.ending.take() else {
            return;
        };
        self.change_session();
        self.session.id = None;
        self.session.logouts += 1;
        self.changed.ended = true;
        for member in &mut self.members {
            member.session = None;
        }
        self.idle = None;
        self.claims.forget_results();
        self.broadcasts.kept.clear();
        self.changed.broadcasts = true;
        let session = self.session.clone();
        self.say_to_others("", &Say::LoggedOut(session));
        for (id, number) in logout.by {
            let mut members = self.members.iter_mut();
            if let Some(member) = members.find(|member| member.id == id) {
                member.note_applied(number);
            }
            self.answer(&id, number, result.clone());
        }
    }

    pub(super) fn next_of_session(&self) -> Option<u64> {
        let logout = self.ending.as_ref()?;
        (logout.until > self.now).then_some(logout.until)
    }

    // ---- The user's absence ----

    /// The idle timer of all tabs begins.
    pub(super) fn start_idle(&mut self, id: &str, number: u64, warn: u64, timeout: u64) {
        let same = self.idle.as_ref();
        let same = same.filter(|idle| idle.phase != Phase::Expired);
        // Another tab that says the same is no activity.
        if same.is_none_or(|idle| (idle.warn, idle.timeout) != (warn, timeout)) {
            let since = self.wall;
            self.set_idle(warn, timeout, since);
        }
        self.answer(id, number, Ok(None));
    }

    fn set_idle(&mut self, warn: u64, timeout: u64, since: u64) {
        let phase = Phase::Active;
        let idle = Idle {
            warn,
            timeout,
            since,
            phase,
        };
        self.noted = since;
        self.idle = Some(idle.clone());
        self.changed.decisions = true;
        self.say_to_others("", &Say::Idle(idle));
    }

    /// The user is there, in some tab. An end that has come stays.
    pub(super) fn be_active(&mut self) {
        self.expire_idle();
        let Some(idle) = &mut self.idle else {
            return;
        };
        if idle.phase == Phase::Expired {
            return;
        }
        let was_warned = idle.phase == Phase::Warned;
        if !was_warned && self.wall < idle.since + COUNTED {
            return;
        }
        idle.phase = Phase::Active;
        idle.since = idle.since.max(self.wall);
        let idle = idle.clone();
        if was_warned || idle.since >= self.noted + NOTED {
            self.noted = idle.since;
            self.changed.decisions = true;
        }
        self.say_to_others("", &Say::Idle(idle));
    }

    /// Says that the time is nearly over, or over. A machine that slept comes back late, and is told the same.
    pub(super) fn expire_idle(&mut self) {
        let Some(idle) = &mut self.idle else {
            return;
        };
        let absent = self.wall.saturating_sub(idle.since);
        let phase = match absent {
            _ if absent >= idle.timeout => Phase::Expired,
            _ if absent >= idle.warn => Phase::Warned,
            _ => Phase::Active,
        };
        if phase != idle.phase && idle.phase != Phase::Expired && phase != Phase::Active {
            idle.phase = phase;
            let idle = idle.clone();
            self.changed.decisions = true;
            self.say_to_others("", &Say::Idle(idle));
        }
    }

    /// Milliseconds until the idle timer is due.
    pub(super) fn idle_is_due_in(&self) -> Option<u64> {
        let idle = self.idle.as_ref()?;
        let absent = self.wall.saturating_sub(idle.since);
        let due = match idle.phase {
            Phase::Active => idle.warn.min(idle.timeout),
            Phase::Warned => idle.timeout,
            Phase::Expired => return None,
        };
        Some(due.saturating_sub(absent).max(1))
    }

    /// The session as a host before left it.
    pub(super) fn restore_session(&mut self, session: Session, idle: Option<Idle>) {
        let since = idle.as_ref().map_or(0, |idle| idle.since);
        self.noted = since;
        (self.session, self.idle) = (session, idle);
    }
}
