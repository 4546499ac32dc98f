//! The tabs: who comes, who goes, who is frozen.
//!
//! A tab is known by an id of its own, which stays when it reaches the host by another road, or as another tab of the
//! link. What it holds goes when it is gone; a frozen page keeps it for a while.

use broker::coordination::messages::{Join, Report, Say, TabEvent, TabInfo, Welcome};
use proxy_doc::{Gather, TabId};

use super::{ANNOUNCING, Coordination, FROZEN, FROZEN_HOLD};

/// A tab that joined.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its own id.
    pub(super) id: String,
    /// By which the host knows it.
    pub(super) tab: TabId,
    /// Messages reach it.
    pub(super) is_linked: bool,
    /// Its page is frozen: since when.
    pub(super) frozen: Option<u64>,
    pub(super) report: Report,
    /// Milliseconds after which it wants the leader to change; 0 for never.
    pub(super) rotation: u64,
    /// When it led last.
    pub(super) led: u64,
    /// It is passed over as a leader until then.
    pub(super) passed: u64,
    /// The session that it names.
    pub(super) session: Option<String>,
    /// It has joined at this host.
    pub(super) has_come: bool,
    /// Requests that were carried out, and whose answers it may not have.
    pub(super) applied: Vec<u64>,
}

/// Requests of a tab that are remembered as carried out: more than a tab has without an answer.
const MAX_APPLIED: usize = 128;

impl Member {
    /// A request was carried out. It may come again, for a host that did not answer it.
    pub(super) fn note_applied(&mut self, number: u64) {
        self.applied.push(number);
        if self.applied.len() > MAX_APPLIED {
            self.applied.remove(0);
        }
    }

    fn info(&self) -> TabInfo {
        TabInfo {
            id: self.id.clone(),
            report: self.report.clone(),
            score: self.score(),
            frozen: self.frozen.is_some(),
        }
    }
}

impl Coordination {
    pub(super) fn linked(&self, tab: &TabId) -> Option<usize> {
        let mut members = self.members.iter();
        members.position(|member| member.tab == *tab && member.is_linked)
    }

    pub(super) fn member(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Whether something can be offered to a tab.
    pub(super) fn is_here(&self, id: &str) -> bool {
        let member = self.member(id);
        member.is_some_and(|member| member.is_linked && member.frozen.is_none())
    }

    /// A tab comes, or comes back, and says what it holds.
    pub(super) fn join(&mut self, tab: &TabId, join: Join) {
        if self.recorded == 0 && !self.is_private {
            self.opens_at.get_or_insert(self.now + ANNOUNCING);
        }
        let (at, event) = self.find_or_add(tab, &join);
        let member = &mut self.members[at];
        let is_first = !std::mem::replace(&mut member.has_come, true);
        member.is_linked = true;
        member.frozen = None;
        member.report = join.report.clone();
        member.rotation = join.rotation;
        member.applied.retain(|number| *number >= join.open);
        self.changed.decisions = true;
        self.token = self.token.max(join.token);
        self.confirm_leader(&join, is_first);
        let held = self.confirm_grants(&join, is_first);
        if is_first {
            self.believe_state(&join);
        }
        self.forget_finished(&join.id, join.open);
        self.realtime.drop_requests_of(&join.id);
        self.tell_tasks_again(&join.id);
        let missed = self.missed(&join);
        let tabs = self.members.iter().map(Member::info).gather();
        let welcome = Welcome {
            tabs,
            leading: self.leading(),
            held,
            token: self.token,
            broadcast: self.broadcasts.last(),
            missed,
            line: self.line,
            gap: self.has_gap(&join),
            state: self.state.clone(),
            session: self.session.clone(),
            idle: self.idle.clone(),
            realtime: self.realtime.told(self.epoch),
            stream_gap: self.realtime.has_gap(self.epoch, &join),
        };
        self.say(&join.id, Say::Welcome(Box::new(welcome)));
        if let Some(event) = event {
            self.tell_event(at, event);
        }
        self.go_on();
    }

    fn find_or_add(&mut self, tab: &TabId, join: &Join) -> (usize, Option<TabEvent>) {
        let known = self.members.iter().position(|member| member.id == join.id);
        if let Some(at) = known {
            let member = &mut self.members[at];
            member.tab = tab.clone();
            return (at, member.frozen.map(|_| TabEvent::Resumed));
        }
        self.members.push(Member {
            id: join.id.clone(),
            tab: tab.clone(),
            is_linked: false,
            frozen: None,
            report: Report::default(),
            rotation: 0,
            led: 0,
            passed: 0,
            session: None,
            has_come: false,
            applied: Vec::new(),
        });
        (self.members.len() - 1, Some(TabEvent::Join))
    }

    /// Tells the other tabs.
    fn tell_event(&mut self, at: usize, event: TabEvent) {
        let tab = self.members[at].info();
        let id = tab.id.clone();
        self.say_to_others(&id, &Say::Tab { event, tab });
    }

    /// Something of what a tab says of itself changed. The tab is told of its score, too.
    pub(super) fn report(&mut self, at: usize, report: Report) {
        let member = &mut self.members[at];
        let before = std::mem::replace(&mut member.report, report);
        let now = &member.report;
        let event = match (before.visible, now.visible) {
            (false, true) => TabEvent::Visible,
            (true, false) => TabEvent::Hidden,
            _ if !before.focused && now.focused => TabEvent::Focused,
            _ => TabEvent::Report,
        };
        let tab = member.info();
        self.say_to_others("", &Say::Tab { event, tab });
    }

    /// The tab's page is about to be frozen. It does not lead then, and is offered nothing.
    pub(super) fn freeze(&mut self, at: usize) {
        self.members[at].frozen = Some(self.now);
        self.members[at].is_linked = false;
        self.changed.decisions = true;
        self.tell_event(at, TabEvent::Frozen);
        let id = self.members[at].id.clone();
        self.end_leading(&id);
        self.withdraw_offers(&id);
        self.realtime.drop_requests_of(&id);
        self.stopped(&id);
    }

    /// The tab goes, and has said so.
    pub(super) fn leave(&mut self, at: usize) {
        self.remove(at, TabEvent::Leave);
    }

    /// The tab does not hear anything until it joins again.
    pub(crate) fn unlink(&mut self, tab: &TabId) {
        if let Some(at) = self.linked(tab) {
            self.members[at].is_linked = false;
            let id = self.members[at].id.clone();
            self.withdraw_offers(&id);
            self.go_on();
        }
    }

    /// The tab is gone. A frozen page may come back, as another tab of the link.
    pub(crate) fn tab_gone(&mut self, tab: &TabId) {
        let mut members = self.members.iter();
        let gone = members.position(|member| member.tab == *tab && member.frozen.is_none());
        if let Some(at) = gone {
            self.remove(at, TabEvent::Crash);
            self.go_on();
        }
    }

    fn remove(&mut self, at: usize, event: TabEvent) {
        self.tell_event(at, event);
        let member = self.members.remove(at);
        self.changed.decisions = true;
        self.end_leading(&member.id);
        self.drop_claims_of(&member.id);
        self.drop_tasks_of(&member.id);
        self.realtime.drop_requests_of(&member.id);
        self.stopped(&member.id);
    }

    /// Forgets pages that were frozen for long, and frees what they hold.
    pub(super) fn expire_members(&mut self) {
        let now = self.now;
        let is_over = |member: &Member, after: u64| {
            let since = member.frozen;
            since.is_some_and(|since| now >= since.saturating_add(after))
        };
        let gone = |member: &&Member| is_over(member, FROZEN);
        while let Some(id) = self.members.iter().find(gone).map(|gone| gone.id.clone()) {
            let at = self.members.iter().position(|member| member.id == id);
            if let Some(at) = at {
                self.remove(at, TabEvent::Crash);
            }
        }
        let frozen = self.members.iter();
        let frozen = frozen.filter(|member| is_over(member, FROZEN_HOLD));
        let frozen: Vec<String> = frozen.map(|member| member.id.clone()).gather();
        for id in frozen {
            self.drop_claims_of(&id);
            self.drop_tasks_to(&id);
        }
    }

    pub(super) fn next_of_members(&self) -> Option<u64> {
        let frozen = self.members.iter().filter_map(|member| {
            let since = member.frozen?;
            let holds = self.claims.are_held_by(&member.id) || self.has_tasks_to(&member.id);
            Some(since + if holds { FROZEN_HOLD } else { FROZEN })
        });
        frozen.min()
    }
}
