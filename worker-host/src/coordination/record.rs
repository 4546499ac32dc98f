//! What the next host is to know. It is written down before a tab hears of it.

use broker::coordination::messages::{Broadcast, Bundle, Grant, Idle, Report, Session};
use proxy_doc::{Gather, Json, TabId, read_json, wire, write_json};

use super::Coordination;
use super::claims::{Answered, Holder, Ran, Stage};
use super::leader::{self, Leader};
use super::members::Member;
use super::tasks::Finished;

/// What was decided.
struct Decisions {
    /// The epoch of the host that began the record.
    line: u64,
    /// The highest token that may have been given.
    token: u64,
    leader: Option<Term>,
    members: Vec<Known>,
    held: Vec<Granted>,
    /// The number of the last broadcast.
    broadcast: u64,
    /// What shared claims came to.
    ran: Vec<Ran>,
    finished: Vec<Finished>,
    session: Session,
    idle: Option<Idle>,
    /// The last token of the session, where the second connection needs one.
    bearer: Option<Json>,
    /// The second connection is not to be opened before somebody logs in.
    halted: bool,
}

/// Who leads, and by which token.
struct Term {
    id: String,
    token: u64,
}

/// What a tab holds.
struct Granted {
    id: String,
    grant: Grant,
    /// The session in which it runs for all who ask.
    epoch: u64,
}

/// A tab that joined.
struct Known {
    id: String,
    tab: TabId,
    report: Report,
    frozen: bool,
    applied: Vec<u64>,
}

wire!(struct Decisions {
    line = "line";
    token = "token";
    leader = "leader";
    members = "members";
    held = "held";
    broadcast = "broadcast";
    ran = "ran" or Vec::new();
    finished = "finished" or Vec::new();
    session = "session" or Session::default();
    idle = "idle";
    bearer = "bearer";
    halted = "halted" or false;
});

wire!(struct Ran {
    name = "name";
    is_kept = "kept";
    outcome = "outcome";
    answered = "answered" or Vec::new();
});

wire!(struct Answered {
    id = "id";
    number = "number";
});

wire!(struct Finished {
    from = "from";
    number = "number";
    outcome = "outcome";
});

wire!(struct Term {
    id = "id";
    token = "token";
});

wire!(struct Granted {
    id = "id";
    grant = "grant";
    epoch = "epoch" or 0;
});

wire!(struct Known {
    id = "id";
    tab = "tab";
    report = "report";
    frozen = "frozen";
    applied = "applied";
});

impl Coordination {
    /// Begins where nothing was written down.
    pub(crate) fn begin_without_record(&mut self) {
        self.has_begun = true;
    }

    /// Whether it has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Begins with what a host before wrote down. Tabs that are not in `living` are gone, unless they are frozen.
    /// Says whether it could be read.
    pub(crate) fn begin(
        &mut self,
        decisions: Option<&str>,
        broadcasts: Option<&str>,
        state: Option<&str>,
        ended: Option<&str>,
        living: &[TabId],
    ) -> bool {
        self.has_begun = true;
        let ended = ended.map(read_json::<Session>).transpose();
        let knows_end = ended.is_ok();
        if let Ok(Some(ended)) = ended {
            self.session = ended;
        }
        let Some(text) = decisions else {
            // There was no host that decided anything.
            self.recorded = self.epoch.saturating_sub(1).max(1);
            return knows_end;
        };
        let Ok(decisions) = read_json::<Decisions>(text) else {
            return false;
        };
        self.line = decisions.line;
        self.token = decisions.token;
        self.reserved = decisions.token;
        self.recorded = decisions.token.max(1);
        self.broadcasts.last = decisions.broadcast;
        for known in decisions.members {
            if known.frozen || living.contains(&known.tab) {
                self.members.push(known.restore(self.now));
            }
        }
        self.restore_leader(decisions.leader);
        self.claims.ran = decisions.ran;
        self.finished = decisions.finished;
        self.restore_session(decisions.session, decisions.idle);
        self.realtime.restore(decisions.bearer, decisions.halted);
        for held in decisions.held {
            self.restore_grant(held);
        }
        let kept = broadcasts.map_or_else(|| Ok(Vec::new()), read_json::<Vec<Broadcast>>);
        let state = state.map_or(Ok(None), read_json::<Option<Bundle>>);
        let is_legible = kept.is_ok() && state.is_ok() && knows_end;
        self.broadcasts.kept = kept.unwrap_or_default();
        self.state = state.unwrap_or_default();
        is_legible
    }

    fn restore_leader(&mut self, leader: Option<Term>) {
        let is_here = |leader: &Term| {
            let member = self.member(&leader.id);
            member.is_some_and(|member| member.frozen.is_none())
        };
        self.leader = leader.filter(is_here).map(|leader| Leader {
            id: leader.id,
            term: leader.token,
            stage: leader::Stage::Leads(self.now),
        });
        self.told = self.leading();
    }

    fn restore_grant(&mut self, granted: Granted) {
        let Granted { id, grant, epoch } = granted;
        if self.member(&id).is_none() {
            return;
        }
        // It has begun earlier: it ends later than it would have, and never too early.
        let until = grant
            .expires
            .map(|expires| self.now.saturating_add(expires));
        let holder = Holder {
            id,
            number: grant.number,
            token: grant.token,
            expires: grant.expires,
            shared: grant.shared,
            epoch,
            stage: Stage::Held(until),
        };
        self.claims.restore(&grant.name, holder);
    }

    /// What was decided, as text.
    pub(crate) fn decisions(&self) -> String {
        let known = |member: &Member| Known {
            id: member.id.clone(),
            tab: member.tab.clone(),
            report: member.report.clone(),
            frozen: member.frozen.is_some(),
            applied: member.applied.clone(),
        };
        let held = self.claims.held().map(|(name, holder)| {
            let grant = Grant {
                name: name.to_owned(),
                number: holder.number,
                token: holder.token,
                expires: holder.expires,
                shared: holder.shared,
            };
            let id = holder.id.clone();
            let epoch = holder.epoch;
            Granted { id, grant, epoch }
        });
        let leader = self.leads().map(|leader| Term {
            id: leader.id.clone(),
            token: leader.term,
        });
        write_json(&Decisions {
            line: self.line,
            token: self.reserved.max(self.token),
            leader,
            members: self.members.iter().map(known).gather(),
            held: held.gather(),
            broadcast: self.broadcasts.last,
            ran: self.claims.ran.clone(),
            finished: self.finished.clone(),
            session: self.session.clone(),
            idle: self.idle.clone(),
            bearer: self.realtime.bearer(),
            halted: self.realtime.is_halted(),
        })
    }

    /// Everything was deleted, or nothing was ever kept, where it is kept for good: what tabs of before bring is of a session
    /// that has ended.
    pub(crate) fn begin_after_wipe(&mut self) {
        // No session before had this number, nor so many ends.
        (self.session.epoch, self.session.logouts) = (self.epoch, self.epoch);
        self.changed.decisions = true;
    }

    /// That a session has ended, as text: it names nobody.
    pub(crate) fn ended_text(&self) -> String {
        write_json(&Session {
            id: None,
            ..self.session.clone()
        })
    }

    /// The state that tabs share, as text.
    pub(crate) fn state_text(&self) -> String {
        write_json(&self.state)
    }

    /// The last broadcasts, as text.
    pub(crate) fn kept_broadcasts(&self) -> String {
        write_json(&self.broadcasts.kept)
    }
}

impl Known {
    fn restore(self, now: u64) -> Member {
        Member {
            id: self.id,
            tab: self.tab,
            is_linked: false,
            frozen: self.frozen.then_some(now),
            report: self.report,
            rotation: 0,
            led: 0,
            passed: 0,
            session: None,
            has_come: false,
            applied: self.applied,
        }
    }
}
