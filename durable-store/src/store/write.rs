//! What is written, and when.
//!
//! At most one write is under way. The next one begins when it has ended, if there is something to write
//! (`has_work`) and a reason to write it now (`is_due`):
//!
//! | reason | set by | is over |
//! |---|---|---|
//! | `barrier` beyond `committed` | what outputs wait for: ops, revisions, tabs, dead letters | when that write is committed |
//! | urgent: records to write or to delete | [`DurableStore::rewrite`], [`DurableStore::delete`] | when the last of them is in a write |
//! | `flushing` | [`DurableStore::flush`]: all records that lack something | when none is left that can be written |
//! | `idle` | [`DurableStore::handle_idle`]: records that are worth it | with the next write |
//! | `quiet` | both: entries that nobody waits for, an acknowledgement, say | with the next write |
//!
//! The first two are for those who wait, the others for when there is time. Records are written only when the inventory is
//! known, which changes with them. The journal does not need it: an op waits for the inventory only where a record has
//! to be written with it.

use std::collections::BTreeSet;

use proxy_doc::{DocKey, write_json};

use super::{Ask, Asked, Documents, DurableStore, Failure, FailureKind, Kept, Phase, StoreEvent};
use crate::record::{Author, JournalRecord, RecordId};

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
            || !self.batch.entries.is_empty()
            || !self.batch.tabs.is_empty()
            || self.lacking.is_urgent()
            || self.letters.changed()
            || self.state_changed
            || ((self.flushing || self.idle) && self.has_inventory)
    }

    /// Whether something waits for a write, or there is time for what does not: that an op was
    /// acknowledged, say, is written with the next op.
    pub(super) fn is_due(&self) -> bool {
        let waits =
            self.barrier > self.committed || self.lacking.is_urgent() || self.letters.changed();
        self.has_work() && (waits || self.quiet || self.flushing || self.idle)
    }

    /// Begins a write, if there is something to write and no write is under way.
    pub(super) fn begin_write(&mut self, documents: &dyn Documents) {
        let waits = self.closed || self.reopening || self.begun > self.committed;
        if self.phase != Phase::Ready || waits || !self.is_due() {
            return;
        }
        self.quiet = false;
        self.lacking
            .tidy_docs(self.first_written, |key| documents.holds(key));
        if !self.has_inventory && self.lacking.is_urgent() {
            return self.want_inventory();
        }
        self.begun += 1;
        let mut puts = Vec::new();
        let mut deletes = Vec::new();
        let mut batch = self.close_batch();
        if let Err(failure) = self.put_records(documents, &mut batch, &mut puts, &mut deletes) {
            return self.lose(failure);
        }
        self.put_journal(batch, &mut puts, &mut deletes);
        self.letters.write(&mut puts, &mut deletes);
        if puts.is_empty() && deletes.is_empty() {
            return self.handle_written();
        }
        self.ask(Asked::Write { evicts: false }, Ask::Write { puts, deletes });
    }

    /// What is collected becomes the next journal record.
    fn close_batch(&mut self) -> Option<JournalRecord> {
        if self.batch.entries.is_empty() && self.batch.tabs.is_empty() {
            return None;
        }
        Some(self.begin_journal_record())
    }

    fn begin_journal_record(&mut self) -> JournalRecord {
        self.lacking.begin_journal();
        self.journal_next += 1;
        self.journal_sizes
            .push_back(std::mem::take(&mut self.batch_bytes));
        std::mem::take(&mut self.batch)
    }

    fn put_records(
        &mut self,
        documents: &dyn Documents,
        batch: &mut Option<JournalRecord>,
        puts: &mut Vec<(RecordId, String)>,
        deletes: &mut Vec<RecordId>,
    ) -> Result<(), Failure> {
        let coming = batch.as_ref().map_or(0, documents_in);
        let mut changed: Vec<DocKey> = Vec::new();
        for (key, awaited) in self.choose_records(coming) {
            match documents.record(&key) {
                Kept::AsItIs if awaited => {
                    let message = format!("{key} cannot be written");
                    return Err(Failure::new(FailureKind::Other, message));
                }
                Kept::AsItIs => self.lacking.stay(&key),
                Kept::Record(mut record) => {
                    self.lacking.clear(&key);
                    record.at = self.journal_next - 1;
                    let pending = record.has_pending_ops();
                    self.inventory.put(&key, record.version, pending);
                    let text = write_json(&*record);
                    self.lacking.set_size(&key, text.len());
                    self.lacking.begin(&key);
                    puts.push((RecordId::doc(&key), text));
                    changed.push(key);
                }
                Kept::Nothing => {
                    if let Some(forgotten) = self.forgotten(&key) {
                        let batch = batch.get_or_insert_with(|| self.begin_journal_record());
                        batch.entries.push(forgotten);
                    }
                    self.lacking.delete(&key);
                }
            }
        }
        for key in self.lacking.take_deleted() {
            if self.inventory.remove(&key) {
                deletes.push(RecordId::doc(&key));
                changed.push(key);
            }
        }
        puts.extend(self.inventory.records_of(&changed));
        let changed = changed.into_iter().map(StoreEvent::InventoryChanged);
        self.events.extend(changed);
        let keys = self.lacking.persisting();
        if !keys.is_empty() {
            self.events.push_back(StoreEvent::Persisting(keys));
        }
        Ok(())
    }

    /// The documents whose records are rewritten now, and whether somebody waits for that: those that have to be, and
    /// the oldest of the others where there is time or need. So many are `coming` with this write: if fewer are rewritten
    /// the journal only grows.
    fn choose_records(&mut self, coming: usize) -> Vec<(DocKey, bool)> {
        if !self.has_inventory {
            return Vec::new();
        }
        let mut chosen = self.lacking.take_forced(MAX_RECORDS);
        let any = self.flushing || (self.auto_flush && self.is_journal_long());
        if !std::mem::take(&mut self.idle) && !any {
            return chosen;
        }
        let worth = |entries, since, size| any || is_worth(entries, since, size);
        let room = MAX_RECORDS.max(coming).saturating_sub(chosen.len());
        let mut others = self.lacking.oldest(chosen.len() + room + 1, worth);
        let forced: BTreeSet<&DocKey> = chosen.iter().map(|(key, _)| key).collect();
        others.retain(|key| !forced.contains(key));
        // What an application asked to flush is flushed to the end.
        self.flushing &= others.len() > room;
        others.truncate(room);
        chosen.extend(others.into_iter().map(|key| (key, false)));
        chosen
    }

    /// Whether a start would take long, and rewriting records helps.
    fn is_journal_long(&self) -> bool {
        let Some(first) = self.lacking.first_to_write() else {
            return false;
        };
        let records = self.journal_next.saturating_sub(first);
        let bytes: usize = self.journal_sizes.iter().rev().take(records as usize).sum();
        let most = MAX_JOURNAL_BYTES.max(2 * self.lacking.bytes());
        records > MAX_JOURNAL
            || bytes > most.min(MOST_JOURNAL_BYTES)
            || self.lacking.len() > MAX_JOURNAL_DOCS
    }

    /// Adds the record to the journal, and drops the journal up to the oldest entry that some record lacks. Nothing
    /// is written and dropped in one go: a storage may do that in any order.
    fn put_journal(
        &mut self,
        added: Option<JournalRecord>,
        puts: &mut Vec<(RecordId, String)>,
        deletes: &mut Vec<RecordId>,
    ) {
        let mut first = self.journal_next;
        if let Some(lacked) = self.lacking.first() {
            first = first.min(lacked);
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
        self.journal_sizes
            .drain(..(first - self.state.first) as usize);
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
        let keys = self.lacking.finish();
        if !keys.is_empty() {
            self.events.push_back(StoreEvent::Persisted(keys));
        }
        self.finish_deleting();
    }
}

fn documents_in(batch: &JournalRecord) -> usize {
    let keys: BTreeSet<&DocKey> = batch.entries.iter().map(|logged| &logged.key).collect();
    keys.len()
}

/// Whether a quiet moment should rewrite a record: of so many entries, so many bytes since, and so
/// many bytes itself.
pub(super) fn is_worth(entries: usize, since: usize, size: usize) -> bool {
    entries >= MANY_ENTRIES || since.saturating_mul(WORTH) >= size
}
