//! How the storage is left: to another host, for a while or for good, or with everything deleted.

use super::letters::Letters;
use super::loads::Loads;
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
            Phase::Lost => return true,
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

    /// Begins the end of this life: what is queued is written, and nothing is begun that nobody waits for. What only
    /// brings documents up to date is left to the next life. [`DurableStore::is_finished`] says when that is done.
    pub fn finish(&mut self) {
        self.finishing = true;
        (self.flushing, self.idle) = (false, false);
        if self.is_restoring() || self.phase == Phase::Lost {
            self.requests.clear();
        } else if self.closed && self.has_work() {
            self.resume();
        }
    }

    /// Whether no write is queued or under way, so that the storage can be released. Reads may be under way.
    pub fn is_finished(&self) -> bool {
        let mut questions = self.asked.values().chain(&self.again);
        let writes = questions.any(|(asked, _)| asked.writes());
        match self.phase {
            Phase::Ready => !writes && !self.has_work() && self.starved.is_none(),
            Phase::Wiping => false,
            Phase::Lost => !writes,
            Phase::Opening
            | Phase::ReadingState
            | Phase::ReadingLetters
            | Phase::ReadingJournal
            | Phase::FindingTabs
            | Phase::ReadingDocs => true,
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
        self.loads = Loads::default();
        self.clear_queue();
        self.unwritten.clear();
        self.dirty = DirtyDocs::default();
        self.letters = Letters::default();
        self.notes.forget();
        self.journal.clear();
        self.journal_sizes.clear();
        self.inventory = Inventory::default();
        (self.begun, self.committed) = (self.placed, self.placed);
    }
}
