//! Who leads: one tab at a time.
//!
//! The tab with the highest score leads. It goes on until another one's is higher by [`MARGIN`]: the leader then resigns,
//! and only when it has said so, or is gone, the next one is asked to lead. So no two tabs ever lead at once. A page that is
//! blocked stays the leader until it runs again, since it cannot hand over.

use super::members::Member;
use super::{Coordination, OFFER};
use broker::coordination::messages::{Join, Leading, Say, is_battery_low};

/// By how much another tab's score has to be higher. A hidden or offline leader resigns for a tab that is neither; the
/// user's going from one window to another one changes nothing.
const MARGIN: u64 = 35;
/// Milliseconds for which a tab is passed over that does not want to lead, or did not answer.
const PASSED: u64 = 10_000;
/// Milliseconds since the last input after which a page is not in use.
const IN_USE: u64 = 60_000;

/// The leader, or the tab that is asked to lead.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    pub(super) id: String,
    /// The token by which it leads.
    pub(super) term: u64,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is asked to lead, until then.
    Asked(u64),
    /// It leads, since then.
    Leads(u64),
    /// It leads, and is asked not to.
    Resigns,
}

impl Member {
    /// What the host makes of the tab's report.
    pub(super) fn score(&self) -> u64 {
        let report = &self.report;
        let part = |is_so, worth: u64| if is_so { worth } else { 0 };
        part(report.visible, 40)
            + part(!report.offline, 40)
            + part(report.focused, 15)
            + part(report.idle < IN_USE, 10)
            + part(!is_battery_low(report.battery), 10)
            + u64::from(report.weight.min(100))
    }

    /// Whether it has led for as long as it wants to.
    fn is_to_rotate(&self, since: u64, now: u64) -> bool {
        self.rotation > 0 && now >= since.saturating_add(self.rotation)
    }

    fn may_lead(&self) -> bool {
        self.is_linked && self.frozen.is_none() && !self.report.observer
    }
}

impl Coordination {
    /// A tab announces whether it leads.
    pub(super) fn confirm_leader(&mut self, join: &Join, is_first: bool) {
        let known = self.leader.as_ref();
        let is_known = known.is_some_and(|leader| leader.id == join.id);
        let known_term = known.map_or(0, |leader| leader.term);
        match join.term {
            // One that was to resign is asked again.
            Some(term) if is_known && term == known_term => {
                if known.is_some_and(|leader| leader.stage == Stage::Resigns) {
                    self.set_stage(Stage::Leads(self.now));
                }
            }
            // By a host of which there is no record.
            Some(term) if term > known_term.max(self.recorded) && is_first => {
                self.leader = Some(Leader {
                    id: join.id.clone(),
                    term,
                    stage: Stage::Leads(self.now),
                });
            }
            // It has heard of nothing, or gave it up when it left.
            Some(_) | None if is_known => self.leader = None,
            Some(_) | None => {}
        }
        self.changed.decisions = true;
    }

    /// Who is to lead is found anew.
    pub(super) fn elect(&mut self) {
        if !self.is_open() {
            return;
        }
        match &self.leader {
            None => self.ask_to_lead(),
            Some(Leader {
                id,
                term,
                stage: Stage::Leads(since),
            }) => {
                let (id, term, since) = (id.clone(), *term, *since);
                if self.is_outdone(&id, since) {
                    self.pass_over(&id, since);
                    self.set_stage(Stage::Resigns);
                    self.say(&id, Say::Resign { term });
                }
            }
            Some(_) => {}
        }
    }

    /// Asks the best tab to lead.
    fn ask_to_lead(&mut self) {
        let Some(id) = self.best(None).map(|best| best.id.clone()) else {
            return;
        };
        let term = self.next_token();
        self.say(&id, Say::OfferLead { term });
        let stage = Stage::Asked(self.now + OFFER);
        self.leader = Some(Leader { id, term, stage });
    }

    /// The tab that would lead. Of equals the one that led longest ago, and of those the oldest one.
    pub(super) fn best(&self, besides: Option<&str>) -> Option<&Member> {
        let members = self.members.iter().rev();
        let candidates = members.filter(|member| member.may_lead());
        let candidates = candidates.filter(|member| Some(member.id.as_str()) != besides);
        candidates.max_by_key(|member| {
            let is_passed = member.passed > self.now;
            (!is_passed, member.score(), u64::MAX - member.led)
        })
    }

    /// Whether the leader is to resign for another tab.
    fn is_outdone(&self, id: &str, since: u64) -> bool {
        let Some(leader) = self.member(id).filter(|leader| leader.is_linked) else {
            return false;
        };
        let Some(best) = self.best(Some(id)).filter(|best| best.passed <= self.now) else {
            return false;
        };
        let rotates = leader.is_to_rotate(since, self.now);
        let margin = if leader.report.observer { 0 } else { MARGIN };
        let (own, other) = (leader.score(), best.score());
        other >= own + margin || leader.report.observer || (rotates && other + MARGIN > own)
    }

    /// A leader whose time is over does not follow itself.
    fn pass_over(&mut self, id: &str, since: u64) {
        let now = self.now;
        let mut members = self.members.iter_mut();
        let leader = members.find(|member| member.id == id);
        if let Some(leader) = leader.filter(|leader| leader.is_to_rotate(since, now)) {
            leader.passed = now + PASSED;
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Some(leader) = &mut self.leader {
            leader.stage = stage;
        }
    }

    /// The tab that was asked leads from now on. Says whether the token is that of a term.
    pub(super) fn take_term(&mut self, id: &str, token: u64) -> bool {
        let Some(leader) = &self.leader else {
            return false;
        };
        if leader.term != token || leader.id != id {
            return false;
        }
        if matches!(leader.stage, Stage::Asked(_)) {
            self.set_stage(Stage::Leads(self.now));
            self.changed.decisions = true;
        }
        true
    }

    /// The tab does not lead any more, or does not want to.
    pub(super) fn resigned(&mut self, at: usize, term: u64, willing: bool) {
        let now = self.now;
        let member = &mut self.members[at];
        if !willing {
            member.passed = now + PASSED;
        }
        let id = member.id.clone();
        let leader = self.leader.as_ref();
        if leader.is_some_and(|leader| leader.id == id && leader.term == term) {
            self.end_leading(&id);
        }
    }

    /// The tab is gone, frozen, or has resigned.
    pub(super) fn end_leading(&mut self, id: &str) {
        if self.leader.as_ref().is_none_or(|leader| leader.id != id) {
            return;
        }
        self.leader = None;
        let now = self.now;
        let mut members = self.members.iter_mut();
        if let Some(member) = members.find(|member| member.id == id) {
            member.led = now;
        }
        self.changed.decisions = true;
    }

    /// A tab that was asked and says nothing is passed over.
    pub(super) fn expire_leader(&mut self) {
        let Some(leader) = &self.leader else {
            return;
        };
        if !matches!(leader.stage, Stage::Asked(until) if self.now >= until) {
            return;
        }
        let (id, term) = (leader.id.clone(), leader.term);
        self.say(&id, Say::Resign { term });
        self.leader = None;
        let passed = self.now + PASSED;
        let mut members = self.members.iter_mut();
        if let Some(member) = members.find(|member| member.id == id) {
            member.passed = passed;
        }
    }

    pub(super) fn next_of_leader(&self) -> Option<u64> {
        let leader = self.leader.as_ref()?;
        match leader.stage {
            Stage::Asked(until) => Some(until),
            Stage::Leads(since) => {
                let rotation = self.member(&leader.id)?.rotation;
                let at = since.saturating_add(rotation);
                (rotation > 0 && at > self.now).then_some(at)
            }
            Stage::Resigns => None,
        }
    }

    /// The tab that leads.
    pub(super) fn leads(&self) -> Option<&Leader> {
        let leader = self.leader.as_ref();
        leader.filter(|leader| !matches!(leader.stage, Stage::Asked(_)))
    }

    /// Who leads, and who takes over next.
    pub(super) fn leading(&self) -> Leading {
        let leader = self.leads();
        let id = leader.map(|leader| leader.id.clone());
        let backup = self.best(id.as_deref());
        Leading {
            backup: backup.map(|backup| backup.id.clone()),
            leader: id,
            term: leader.map_or(0, |leader| leader.term),
        }
    }

    /// Tells all tabs who leads, where that changed.
    pub(super) fn tell_leading(&mut self) {
        let leading = self.leading();
        if leading != self.told {
            self.changed.decisions |= leading.term != self.told.term;
            self.told = leading.clone();
            self.say_to_others("", &Say::Leading(leading));
        }
    }
}
