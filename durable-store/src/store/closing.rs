//! Leaving the storage: it is lent to another host (`close`, `resume`), left to the next life (`finish`), or wiped.

use super::letters::Letters;
use super::loads::Loads;
use super::{Ask, Asked, DurableStore, Phase};
use crate::dirty::DirtyDocs;
use crate::inventory::Inventory;

impl DurableStore {
    /// Releases the storage for another host if no request is queued or under way, and returns whether it did. Later
    /// requests wait for [`DurableStore::resume`].
    pub fn close(&mut self) -> bool {
        self.closed |= self.is_at_rest();
        self.closed
    }

    /// Whether the storage is released: see [`DurableStore::close`].
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
        // A trial may be interrupted: nothing depends on its answer.
        let mut rest = self.asked.values().chain(&self.again);
        rests && rest.all(|(asked, _)| asked.is_trial())
    }

    /// Takes the storage back after [`DurableStore::close`]. It is opened again, and given up if another host has written
    /// to it.
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

    /// Begins the end of this life. Queued changes are written; records that are merely dirty are left to the next life,
    /// whose journal has their entries. [`DurableStore::is_finished`] says when the writes are done.
    pub fn finish(&mut self) {
        self.finishing = true;
        (self.flushing, self.idle) = (false, false);
        if self.is_restoring() || self.phase == Phase::Lost {
            self.requests.clear();
        } else if self.closed && self.has_work() {
            self.resume();
        }
    }

    /// Whether no write is queued or under way, so the next life can have the storage. Reads may be under way.
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

    /// Deletes the whole storage. The store is lost afterwards: nothing is durable any more.
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
