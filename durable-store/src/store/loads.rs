//! Records that are read for those who wait for documents. They are read in turns: one request to the storage at a time,
//! of half the length that a write may have, so that a write waits for one turn and not for two thousand documents, and each call of
//! [`DurableStore::load`] has its share of each turn.
//!
//! What it refuses to do: read what the store is known to lack, or what is being deleted.

use proxy_doc::{DocKey, Error, Fifo, Gather};

use super::restore::{self, damaged};
use super::{Ask, Asked, DurableStore, InventoryRead, Phase, StoreEvent, WriteLimits};
use crate::format::{DocRecord, RecordId};

/// The length of a record for the first turn: nothing is known of this store yet.
const FIRST_AVERAGE: usize = 16 * 1024;

/// Documents that are to be read.
#[derive(Debug)]
pub(super) struct Loads {
    /// What is left of each call, last document first, longest waiting call first.
    waiting: Fifo<Vec<DocKey>>,
    /// Whether a turn is under way.
    is_reading: bool,
    /// Bytes of a record: the average, in which later turns count more.
    average: usize,
}

impl Default for Loads {
    fn default() -> Self {
        Self {
            waiting: Fifo::new(),
            is_reading: false,
            average: FIRST_AVERAGE,
        }
    }
}

impl Loads {
    /// The documents of the next turn; none where one is under way.
    fn begin_turn(&mut self, limits: WriteLimits) -> Vec<DocKey> {
        let mut turn = Vec::new();
        if self.is_reading {
            return turn;
        }
        let most = (limits.records / 4).max(1);
        let room = (limits.bytes / 2 / self.average.max(1)).clamp(1, most);
        let share = room.div_ceil(self.waiting.len().max(1));
        for mut call in std::mem::take(&mut self.waiting) {
            let taken = share.min(room - turn.len());
            let rest = call.len().saturating_sub(taken);
            turn.extend(call.split_off(rest).into_iter().rev());
            if !call.is_empty() {
                self.waiting.push_back(call);
            }
        }
        self.is_reading = !turn.is_empty();
        turn
    }

    /// The turn is over; it brought these texts.
    fn end_turn(&mut self, texts: &[Option<String>]) {
        self.is_reading = false;
        let bytes: usize = texts.iter().flatten().map(String::len).sum();
        self.average = (self.average + bytes / texts.len().max(1)) / 2;
    }

    /// Keeps these documents as waiting, and begins no further turn.
    fn hold(&mut self, keys: Vec<DocKey>) {
        self.waiting.push_front(keys);
        self.is_reading = true;
    }

    /// The documents that wait for their turn.
    pub(super) fn keys(&self) -> impl Iterator<Item = &DocKey> {
        self.waiting.iter().flatten()
    }

    /// Nothing is to be read any more. Gives the documents that waited for their turn.
    pub(super) fn end(&mut self) -> Vec<DocKey> {
        self.is_reading = false;
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().flatten().gather()
    }
}

impl DurableStore {
    /// Reads the records of documents. Those that the store is known to lack need no request: says whether there are
    /// such, whose [`StoreEvent::Loaded`] is there at once.
    pub fn load(&mut self, mut keys: Vec<DocKey>) -> bool {
        let absent: Vec<DocKey> = keys.extract_if(.., |key| self.lacks(key)).gather();
        if !keys.is_empty() {
            keys.reverse();
            self.loads.waiting.push_back(keys);
            self.read_next_docs();
        }
        if absent.is_empty() {
            return false;
        }
        self.tell_absent(absent);
        true
    }

    /// Whether the store has nothing of a document, or nothing can be had of it.
    fn lacks(&self, key: &DocKey) -> bool {
        // Until the deletion is committed the storage holds an older state, with ops that have ended since.
        if self.phase != Phase::Ready || self.dirty.is_deleting(key) {
            return true;
        }
        let may_change = self.closed || self.reopening;
        let is_known = self.inventory_read == InventoryRead::Whole && !may_change;
        is_known
            && self.inventory.get(key).is_none()
            && !self.dirty.is_dirty(key)
            && !self.dirty.is_logged_since(key, self.first_written)
    }

    /// Whether the document had pending ops, and neither its record nor the journal has them.
    fn lacks_ops(&self, key: &DocKey, record: &Result<Option<DocRecord>, Error>) -> bool {
        let has_none = match record {
            Ok(record) => !record.as_ref().is_some_and(DocRecord::has_pending_ops),
            Err(_) => false,
        };
        let had = self.stored(key).is_some_and(|stored| stored.pending);
        has_none && had && !self.is_dirty(key)
    }

    /// That the pending ops of a document are missing.
    pub fn lost_ops(key: &DocKey) -> Error {
        damaged(format!("The pending ops of {key} are missing"))
    }

    /// Begins the next turn, if none is under way.
    fn read_next_docs(&mut self) {
        let keys = self.loads.begin_turn(self.options.limits);
        if !keys.is_empty() {
            let ids = keys.iter().map(RecordId::doc).gather();
            self.ask(Asked::Docs(keys), Ask::Read(ids));
        }
    }

    /// A turn is over.
    pub(super) fn handle_docs(&mut self, keys: Vec<DocKey>, texts: &[Option<String>]) {
        let mut loaded = Vec::new();
        let mut ahead = Vec::new();
        for (key, text) in keys.into_iter().zip(texts) {
            let size = text.as_ref().map_or(0, String::len);
            self.dirty.set_size(&key, size);
            let record = restore::doc_record(&key, text.as_deref());
            if self.is_ahead(&record) {
                ahead.push(key);
                continue;
            }
            if self.lacks_ops(&key, &record) {
                let lost = Self::lost_ops(&key);
                self.events.push_back(StoreEvent::Damaged(lost));
            }
            loaded.push((key, record));
        }
        if !loaded.is_empty() {
            self.events.push_back(StoreEvent::Loaded(loaded));
        }
        self.loads.end_turn(texts);
        if ahead.is_empty() {
            return self.read_next_docs();
        }
        // Whatever the state says, this life of the store ends, and with it these loads: they are answered with nothing.
        self.loads.hold(ahead);
        self.suspect(restore::AHEAD);
    }

    /// Nothing can be had of these documents.
    pub(super) fn tell_absent(&mut self, keys: Vec<DocKey>) {
        let nothing = keys.into_iter().map(|key| (key, Ok(None))).gather();
        self.events.push_back(StoreEvent::Loaded(nothing));
    }
}
