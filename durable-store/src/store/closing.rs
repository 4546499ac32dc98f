//! How the storage is left: to another host for a while, or with everything deleted.

use super::letters::Letters;
use super::{Ask, Asked, DurableStore, Phase};
use crate::dirty::DirtyDocs;
use crate::inventory::Inventory;

impl DurableStore {
    /// Lets somebody else have the storage, if nothing is to be written or read. Says whether that is so: from then on
    /// requests wait for [`DurableStore::resume`].
    pub fn close(&mut self) -> bool {
        self.closed |= self.is_at_rest();
        self.closed
    }

    /// Whether somebody else may have the storage.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn is_at_rest(&self) -> bool {
        let rests = match self.phase {
            Phase::Lost => true,
            Phase::Ready => !self.has_work() && self.starved.is_none(),
            Phase::Opening
            | Phase::ReadingState
            | Phase::ReadingLetters
            | Phase::ReadingJournal
            | Phase::FindingTabs
            | Phase::ReadingDocs
            | Phase::Wiping => false,
        };
        // Nobody waits for what comes of a trial.
        let mut rest = self.asked.values().chain(&self.again);
        rests && rest.all(|(asked, _)| asked.is_trial())
    }

    /// Goes on after [`DurableStore::close`], if the storage is as it was left.
    pub fn resume(&mut self) {
        if !std::mem::replace(&mut self.closed, false) {
            return;
        }
        if self.phase == Phase::Ready {
            return self.reopen();
        }
        for (trial, ask) in std::mem::take(&mut self.again) {
            self.ask(trial, ask);
        }
    }

    /// Deletes everything. Nothing is durable from now on.
    pub fn wipe(&mut self) {
        self.begin_wipe(false);
    }

    pub(super) fn begin_wipe(&mut self, restart: bool) {
        self.phase = Phase::Wiping;
        self.forget_all();
        self.ask(Asked::Wipe { restart }, Ask::Wipe);
    }

    pub(super) fn forget_all(&mut self) {
        self.asked.clear();
        self.again.clear();
        self.reopening = false;
        self.closed = false;
        self.starved = None;
        self.requests.clear();
        self.clear_queue();
        self.unwritten.clear();
        self.dirty = DirtyDocs::default();
        self.letters = Letters::default();
        self.journal.clear();
        self.journal_sizes.clear();
        self.inventory = Inventory::default();
        (self.begun, self.committed) = (self.placed, self.placed);
    }
}
