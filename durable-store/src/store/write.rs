//! What is written, and when.
//!
//! At most one write is under way. The next one begins when it has ended, if there is something to write
//! (`has_work`) and a reason to write it now (`is_due`):
//!
//! | reason | set by | is over |
//! |---|---|---|
//! | `barrier` beyond `committed` | what outputs wait for: ops, revisions, tabs, dead letters | when that write is committed |
//! | urgent: records to write or to delete | [`DurableStore::rewrite`], [`DurableStore::delete`] | when the last of them is in a write |
//! | `flushing` | [`DurableStore::flush`]: the records of all dirty documents | when none is left that can be written |
//! | `idle` | [`DurableStore::handle_idle`]: records that are worth it | with the next write |
//! | `quiet` | both: entries that nobody waits for, an acknowledgement, say | with the next write |
//! | `finishing` | [`DurableStore::finish`]: all that is queued | never: the life ends |
//!
//! A write takes what is to be written in the order in which it came, up to [`WriteLimits`]; the next one goes on there. So
//! outputs wait for the write that holds their own change. A document's record holds all its changes, and what belongs
//! to it in the same write: changes that came later are dropped from the queue, and the dead letters of its ops go with it.
//!
//! The first two are for those who wait, the others for when there is time. Records are written only when the inventory is
//! known, which changes with them. The journal does not need it: an op waits for the inventory only where a record has
//! to be written with it.

use proxy_doc::{DocKey, Gather, Set, write_json};

use super::{
    Ask, Asked, Documents, DurableStore, Failure, FailureKind, Kept, Phase, Queued, StoreEvent,
    WriteLimits,
};
use crate::format::{Author, JournalRecord, RecordId};

/// Documents whose records are rewritten in one transaction: few enough to be no long task.
const MAX_RECORDS: usize = 50;
/// Journal records above which the oldest documents are rewritten without waiting for a quiet moment.
const MAX_JOURNAL: u64 = 512;
/// Bytes of the journal above which the same is done, where the documents are not larger.
const MAX_JOURNAL_BYTES: usize = 256 * 1024;
/// Bytes of the journal above which it is done whatever the documents are: a start reads all of it.
const MOST_JOURNAL_BYTES: usize = 4 * 1024 * 1024;
/// Documents above which it is done: a start opens each of them.
const MAX_JOURNAL_DOCS: usize = 1000;
/// A quiet moment rewrites a document where its entries are so many, or this part of its size.
pub(super) const MANY_ENTRIES: usize = 64;
/// See [`MANY_ENTRIES`].
const WORTH: usize = 16;

impl DurableStore {
    pub(super) fn has_work(&self) -> bool {
        // What outputs wait for may have become nothing.
        self.barrier > self.begun
            || !self.queue.is_empty()
            || !self.new_tabs.is_empty()
            || self.dirty.is_urgent()
            || self.letters.changed()
            || self.notes.changed()
            || self.state_changed
            || ((self.flushing || self.idle) && self.has_inventory())
    }

    /// Whether something waits for a write, or there is time for what does not: that an op was
    /// acknowledged, say, is written with the next op.
    pub(super) fn is_due(&self) -> bool {
        let waits =
            self.barrier > self.committed || self.dirty.is_urgent() || self.letters.changed();
        let has_time = self.quiet || self.flushing || self.idle || self.finishing;
        self.has_work() && (waits || has_time)
    }

    /// Begins a write, if there is something to write and no write is under way.
    pub(super) fn begin_write(&mut self, documents: &dyn Documents) {
        let waits = self.closed || self.reopening || self.begun > self.committed;
        if self.phase != Phase::Ready || waits || !self.is_due() {
            return;
        }
        self.dirty
            .tidy_docs(self.first_written, |key| documents.holds(key));
        self.dirty.tidy_forced();
        if !self.has_inventory() && self.dirty.is_urgent() {
            return self.want_inventory();
        }
        // `begun` grows with each write, also with one of which nothing has a place: one is under way where it is
        // beyond `committed`.
        if self.placed == self.begun {
            self.next_place();
        }
        let mut write = Writing::default();
        if !self.new_tabs.is_empty() || !self.new_numbers.is_empty() {
            self.journal_record(&mut write);
        }
        let put = self.put_in_order(documents, &mut write);
        if let Err(failure) = put.and_then(|()| self.put_others(documents, &mut write)) {
            return self.lose(failure);
        }
        self.put_deleted(&mut write);
        let place = self.first_left().map_or(self.placed, |left| left - 1);
        self.put_inventory(&mut write);
        if self.letters.changed() && !self.state.has_letters {
            self.state.has_letters = true;
            self.state_changed = true;
        }
        let (puts, deletes) = (&mut write.puts, &mut write.deletes);
        self.letters.write(place, &write.changed, puts, deletes);
        self.notes.write(puts);
        self.put_journal(write.journal.take(), puts, deletes);
        self.begun = place;
        self.quiet &= place < self.placed;
        let Writing { puts, deletes, .. } = write;
        if puts.is_empty() && deletes.is_empty() {
            return self.handle_written();
        }
        self.ask(Asked::Write { evicts: false }, Ask::Write { puts, deletes });
    }

    /// The place of the first thing that is in no write yet. (Dead letters follow their documents.)
    fn first_left(&mut self) -> Option<u64> {
        let queued = self.queue.front().map(|queued| queued.place);
        let awaited = self.dirty.first_awaited();
        queued.into_iter().chain(awaited).min()
    }

    /// Changes, and the records that somebody waits for, in the order in which they came.
    fn put_in_order(
        &mut self,
        documents: &dyn Documents,
        write: &mut Writing,
    ) -> Result<(), Failure> {
        while !write.is_full(self.options.limits)
            && let Some(place) = self.first_left()
        {
            if self.dirty.first_awaited() != Some(place) {
                self.put_change(write);
            } else if let Some(key) = self.dirty.take_awaited() {
                self.put_record(documents, key, true, write)?;
            }
        }
        self.put_records_of_changes(documents, write)
    }

    /// A change that ended in a record cannot be done again without it: no write has the one and not the other.
    fn put_records_of_changes(
        &mut self,
        documents: &dyn Documents,
        write: &mut Writing,
    ) -> Result<(), Failure> {
        let entries = write.journal.iter().flat_map(|record| &record.entries);
        let mut keys: Vec<DocKey> = entries.map(|logged| logged.key.clone()).gather();
        keys.dedup();
        for key in keys {
            if !self.dirty.take_if_awaited(&key) {
                continue;
            }
            for queued in std::mem::take(&mut self.queue) {
                if queued.logged.key == key {
                    self.put_queued(queued, write);
                } else {
                    self.queue.push_back(queued);
                }
            }
            self.put_record(documents, key, true, write)?;
        }
        Ok(())
    }

    /// Adds the next change to the journal.
    fn put_change(&mut self, write: &mut Writing) {
        if let Some(queued) = self.queue.pop_front() {
            self.put_queued(queued, write);
        }
    }

    /// Adds a change to the journal, unless its document's record contains it.
    fn put_queued(&mut self, queued: Queued, write: &mut Writing) {
        let Queued {
            place,
            logged,
            bytes,
            blocking,
        } = queued;
        if !self.dirty.dequeue(&logged.key, place, blocking) {
            return;
        }
        let key = logged.key.clone();
        self.journal_record(write).entries.push(logged);
        self.dirty.logged(&key, self.journal_next - 1);
        write.bytes += bytes;
        if let Some(size) = self.journal_sizes.back_mut() {
            *size += bytes;
        }
    }

    /// The journal record of this write.
    fn journal_record<'a>(&mut self, write: &'a mut Writing) -> &'a mut JournalRecord {
        write.journal.get_or_insert_with(|| {
            self.journal_next += 1;
            self.journal_sizes.push_back(0);
            JournalRecord {
                number: Some(self.journal_next - 1),
                tabs: std::mem::take(&mut self.new_tabs),
                numbers: std::mem::take(&mut self.new_numbers),
                entries: Vec::new(),
            }
        })
    }

    /// Adds a document's record. The record holds all that has happened to the document, also what is in no write
    /// yet: that need not be written any more.
    fn put_record(
        &mut self,
        documents: &dyn Documents,
        key: DocKey,
        awaited: bool,
        write: &mut Writing,
    ) -> Result<(), Failure> {
        match documents.record(&key) {
            Kept::AsItIs if awaited => {
                let message = format!("{key} cannot be written");
                return Err(Failure::new(FailureKind::Other, message));
            }
            Kept::AsItIs => self.dirty.stay(&key),
            Kept::Record(mut record) => {
                self.dirty.clear(&key);
                self.dirty.contain(&key, self.placed);
                record.key = Some(key.clone());
                record.at = self.journal_next - 1;
                record.view = self.state.view;
                let pending = record.has_pending_ops();
                self.inventory.put(&key, record.version, pending);
                let text = write_json(&*record);
                self.dirty.set_size(&key, text.len());
                self.dirty.begin(&key);
                write.bytes += text.len();
                write.records += 1;
                write.puts.push((RecordId::doc(&key), text));
                write.changed.push(key);
            }
            Kept::Nothing => {
                self.dirty.delete(&key);
                self.dirty.contain(&key, self.placed);
            }
        }
        Ok(())
    }

    /// The records that nobody waits for: those that have to be written, and the oldest of the others where there is
    /// time or need. If fewer are rewritten than documents change with this write the journal only grows.
    fn put_others(
        &mut self,
        documents: &dyn Documents,
        write: &mut Writing,
    ) -> Result<(), Failure> {
        if !self.has_inventory() {
            return Ok(());
        }
        let limits = self.options.limits;
        let changing = write.journal.as_ref().map_or(0, documents_in);
        let any = self.flushing || (self.auto_flush && self.is_journal_long());
        while write.records < MAX_RECORDS
            && !write.is_full(limits)
            && let Some((key, awaited)) = self.dirty.take_forced()
        {
            self.put_record(documents, key, awaited, write)?;
        }
        if !std::mem::take(&mut self.idle) && !any {
            return Ok(());
        }
        let worth = |entries, since, size| any || is_worth(entries, since, size);
        let room = MAX_RECORDS.max(changing).saturating_sub(write.records);
        let others = self.dirty.oldest(room + 1, worth);
        let count = others.len();
        let mut taken = 0;
        for key in others.into_iter().take(room) {
            if write.is_full(limits) {
                break;
            }
            taken += 1;
            self.put_record(documents, key, false, write)?;
        }
        // What an application asked to flush is flushed to the end.
        self.flushing &= taken < count;
        Ok(())
    }

    fn put_deleted(&mut self, write: &mut Writing) {
        for key in self.dirty.take_deleted() {
            if let Some(forgotten) = self.forgotten(&key) {
                self.journal_record(write).entries.push(forgotten);
            }
            if self.inventory.remove(&key) {
                write.deletes.push(RecordId::doc(&key));
                write.changed.push(key);
            }
        }
    }

    fn put_inventory(&mut self, write: &mut Writing) {
        write.puts.extend(self.inventory.records_of(&write.changed));
        let changed = write.changed.iter().cloned();
        self.events
            .extend(changed.map(StoreEvent::InventoryChanged));
        let keys = self.dirty.persisting();
        if !keys.is_empty() {
            self.events.push_back(StoreEvent::Persisting(keys));
        }
    }

    /// Whether a start would take long, and rewriting records helps.
    fn is_journal_long(&self) -> bool {
        let Some(first) = self.dirty.first_to_write() else {
            return false;
        };
        let records = self.journal_next.saturating_sub(first);
        let bytes: usize = self.journal_sizes.iter().rev().take(records as usize).sum();
        let most = MAX_JOURNAL_BYTES.max(2 * self.dirty.bytes());
        records > MAX_JOURNAL
            || bytes > most.min(MOST_JOURNAL_BYTES)
            || self.dirty.len() > MAX_JOURNAL_DOCS
    }

    /// Adds the record to the journal, and drops the journal up to the oldest entry that no record contains. Nothing
    /// is written and dropped in one go: a storage may do that in any order.
    fn put_journal(
        &mut self,
        added: Option<JournalRecord>,
        puts: &mut Vec<(RecordId, String)>,
        deletes: &mut Vec<RecordId>,
    ) {
        let mut first = self.journal_next;
        if let Some(needed) = self.dirty.first() {
            first = first.min(needed);
        }
        // The tabs are in the state, too.
        if let Some(added) =
            added.filter(|added| first < self.journal_next || !added.entries.is_empty())
        {
            first = first.min(self.journal_next - 1);
            puts.push((RecordId::journal(self.journal_next - 1), write_json(&added)));
        }
        let state_changed = std::mem::take(&mut self.state_changed);
        if first == self.state.first && !state_changed && self.claimed {
            return;
        }
        deletes.extend((self.state.first..first).map(RecordId::journal));
        let dropped = (first - self.state.first) as usize;
        self.journal_sizes = self.journal_sizes.split_off(dropped);
        self.state.first = first;
        puts.push((RecordId::meta("state"), write_json(&self.state)));
    }

    pub(super) fn handle_written(&mut self) {
        self.committed = self.begun;
        let is_written = |op: &(u64, DocKey, Option<Author>)| op.0 <= self.committed;
        while self.unwritten.front().is_some_and(is_written) {
            self.unwritten.pop_front();
        }
        self.first_written = self.state.first;
        let keys = self.dirty.finish();
        if !keys.is_empty() {
            self.events.push_back(StoreEvent::Persisted(keys));
        }
        self.finish_deleting();
    }
}

/// A write that is being made.
#[derive(Default)]
struct Writing {
    puts: Vec<(RecordId, String)>,
    deletes: Vec<RecordId>,
    /// Its journal record, where it has one.
    journal: Option<JournalRecord>,
    /// Bytes of documents and of the journal.
    bytes: usize,
    /// Records of documents.
    records: usize,
    /// Documents whose records are written or deleted.
    changed: Vec<DocKey>,
}

impl Writing {
    fn is_full(&self, limits: WriteLimits) -> bool {
        self.bytes >= limits.bytes || self.records >= limits.records
    }
}

fn documents_in(batch: &JournalRecord) -> usize {
    let keys: Set<&DocKey> = batch.entries.iter().map(|logged| &logged.key).collect();
    keys.len()
}

/// Whether a quiet moment should rewrite a record: of so many entries, so many bytes since, and so
/// many bytes itself.
pub(super) fn is_worth(entries: usize, since: usize, size: usize) -> bool {
    entries >= MANY_ENTRIES || since.saturating_mul(WORTH) >= size
}
