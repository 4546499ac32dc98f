//! What tabs tell each other. The last of it is kept, for tabs that were away.

use broker::coordination::messages::{Broadcast, Join, Say};
use proxy_doc::{Gather, Json};

use super::Coordination;

/// Broadcasts that are kept.
const KEPT: usize = 64;
/// Bytes of those: they are written with each of them.
const KEPT_BYTES: usize = 32 * 1024;

/// The last broadcasts.
#[derive(Debug, Default)]
pub(super) struct Broadcasts {
    pub(super) last: u64,
    pub(super) kept: Vec<Broadcast>,
}

impl Broadcasts {
    /// The number of the last one.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    fn add(&mut self, broadcast: Broadcast) {
        self.kept.push(broadcast);
        let bytes = |kept: &[Broadcast]| -> usize {
            let texts = kept.iter().map(|kept| kept.message.get().len());
            texts.sum()
        };
        while self.kept.len() > KEPT || (self.kept.len() > 1 && bytes(&self.kept) > KEPT_BYTES) {
            self.kept.remove(0);
        }
    }
}

impl Coordination {
    /// A tab tells all others something.
    pub(super) fn send(&mut self, at: usize, number: u64, urgent: bool, message: Json) {
        let member = &mut self.members[at];
        let id = member.id.clone();
        let mut kept = self.broadcasts.kept.iter();
        // Of a tab that seemed to be gone no other memory is left.
        let is_kept = kept.any(|one| one.from == id && one.request == number);
        if !is_kept && !member.applied.contains(&number) {
            member.note_applied(number);
            self.broadcasts.last += 1;
            let broadcast = Broadcast {
                number: self.broadcasts.last,
                from: id.clone(),
                request: number,
                urgent,
                message,
            };
            self.say_to_others(&id, &Say::Broadcast(broadcast.clone()));
            self.broadcasts.add(broadcast);
            self.changed.broadcasts = true;
            self.changed.decisions = true;
        }
        self.answer(&id, number, Ok(None));
    }

    /// What a tab missed that comes back.
    pub(super) fn missed(&self, join: &Join) -> Vec<Broadcast> {
        if !join.returns {
            return Vec::new();
        }
        let kept = self.broadcasts.kept.iter();
        let seen = if join.line == self.line { join.seen } else { 0 };
        let missed = kept.filter(|one| one.number > seen && one.from != join.id);
        let mut missed: Vec<Broadcast> = missed.cloned().gather();
        missed.sort_by_key(|one| !one.urgent);
        missed
    }

    /// Whether a tab that comes back missed broadcasts that are not kept.
    pub(super) fn has_gap(&self, join: &Join) -> bool {
        let first = self.broadcasts.kept.first().map(|first| first.number);
        let first = first.unwrap_or(self.broadcasts.last + 1);
        join.returns && (join.line != self.line || first > join.seen.saturating_add(1))
    }
}
