//! How far the writing has come, and when there is time for more of it.

use proxy_doc::DocKey;

use super::{DurableStore, Phase, write};

/// See [`DurableStore::mark`].
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The place up to which everything has to be written.
    place: u64,
    /// The journal record that the next change goes to.
    journal: u64,
    /// The place of the next record that is to be written and that nobody waits for.
    forced: u64,
}

impl DurableStore {
    /// A point in time: what came before it is written when [`DurableStore::has_reached`] says so. It waits for no
    /// quiet moment.
    pub fn mark(&mut self) -> Mark {
        let place = if self.has_work() {
            self.next_place()
        } else {
            self.begun
        };
        self.barrier = self.barrier.max(place);
        Mark {
            place,
            journal: self.journal_next + u64::from(!self.queue.is_empty()),
            forced: self.dirty.next_forced(),
        }
    }

    /// Whether everything before the mark is written, and the records too that were to be flushed then; or will never
    /// be. To be asked after each reply: later a write may be under way that the mark has nothing to do with.
    pub fn has_reached(&mut self, mark: &Mark) -> bool {
        if self.phase != Phase::Ready {
            return true;
        }
        let oldest = self.dirty.first();
        let flushed = !self.flushing || oldest.is_none_or(|first| first >= mark.journal);
        let flushed = flushed && self.dirty.first_forced() >= mark.forced;
        self.begun == self.committed && self.committed >= mark.place && flushed
    }

    /// The place up to which everything is in writes that succeeded.
    pub fn committed(&self) -> u64 {
        match self.phase {
            Phase::Lost | Phase::Wiping => u64::MAX,
            Phase::Opening
            | Phase::ReadingState
            | Phase::ReadingLetters
            | Phase::ReadingJournal
            | Phase::FindingTabs
            | Phase::ReadingDocs
            | Phase::Ready => self.committed,
        }
    }

    /// The place that [`DurableStore::committed`] has to reach before everything that was logged so far is durable, as
    /// far as something has to wait for it.
    pub fn barrier(&self) -> u64 {
        self.barrier
    }

    /// Whether the journal has something of the document that its record does not contain.
    pub fn is_dirty(&self, key: &DocKey) -> bool {
        self.dirty.is_dirty(key)
    }

    /// Records of the journal, and their bytes.
    pub fn journal_size(&self) -> (usize, usize) {
        let bytes = self.journal_sizes.iter().sum();
        (self.journal_sizes.len(), bytes)
    }

    /// Documents that wait to be written. What is in the journal does not, unless somebody else decides when
    /// records are written.
    pub fn queue_size(&self) -> usize {
        if self.auto_flush {
            self.dirty.waiting()
        } else {
            self.dirty.len()
        }
    }

    /// Whether records are rewritten by themselves.
    pub fn auto_flush(&self) -> bool {
        self.auto_flush
    }

    /// Whether records are rewritten by themselves.
    pub fn set_auto_flush(&mut self, on: bool) {
        self.auto_flush = on;
    }

    /// Rewrites the records of all dirty documents.
    pub fn flush(&mut self) {
        self.flushing = self.dirty.any();
        self.quiet = true;
        if self.flushing {
            self.want_inventory();
        }
    }

    /// Whether a quiet moment would be of use.
    pub fn wants_idle(&self) -> bool {
        let dirty = self.auto_flush && !self.dirty.oldest(1, write::is_worth).is_empty();
        let rest = self.has_work() && !self.is_due();
        self.phase == Phase::Ready && !self.closed && (dirty || rest || !self.has_inventory())
    }

    /// There is time.
    pub fn handle_idle(&mut self) {
        if self.phase != Phase::Ready {
            return;
        }
        self.want_inventory();
        self.quiet = true;
        self.idle = self.auto_flush && !self.dirty.oldest(1, write::is_worth).is_empty();
    }
}
