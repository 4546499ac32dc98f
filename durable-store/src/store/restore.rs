//! How a life of the store begins: with what earlier ones left, or anew.
//!
//! First the state, then the whole journal, then who of the tabs lives, then the records of the documents that the
//! journal has something of. What else there is comes later, or when somebody asks for it.

use proxy_doc::{Error, Gather, Line, StoredDoc, TabId, codes, next_count, read_json, write_json};

use super::changes::set_number;
use super::notes::Notes;
use super::{
    Ask, Asked, DurableStore, Failure, FailureKind, InventoryRead, Phase, Restored, Retention,
    StoreEvent,
};
use crate::format::{
    Asleep, DocRecord, Illegible, JournalEntry, JournalRecord, Logged, RecordId, SCHEMA, StoreState,
};
use crate::inventory::Inventory;

/// Journal records that are read at once.
const READ_AHEAD: u64 = 64;
/// Documents of the journal whose records are read at once, and applied in one go.
const READ_DOCS: usize = 128;

impl DurableStore {
    /// Nobody is left whom the old session concerned. Where it counted under an id that other lives have,
    /// too, that count must never be missing, and so all that is known goes in one transaction.
    pub(super) fn begin_anew(&mut self) {
        if self.state.numbers.is_empty() {
            return self.begin_wipe(true);
        }
        self.phase = Phase::Wiping;
        self.ask(Asked::Session, Ask::Read(Inventory::records()));
    }

    pub(super) fn clear_session(&mut self, texts: &[Option<String>]) {
        self.fill_inventory(texts);
        let stored = self.inventory.iter().map(|stored| &stored.key);
        let docs = stored.chain(self.dirty.keys()).map(RecordId::doc);
        let mut deletes: Vec<RecordId> = docs.chain(Inventory::records()).gather();
        deletes.extend((self.state.first..self.journal_next).map(RecordId::journal));
        deletes.extend(self.letters.records());
        deletes.extend(Notes::records_of_tabs());
        deletes.sort_unstable();
        deletes.dedup();
        self.state = self.new_state();
        let puts = vec![(RecordId::meta("state"), write_json(&self.state))];
        self.forget_all();
        self.ask(Asked::Wipe { restart: true }, Ask::Write { puts, deletes });
    }

    /// The state of a store that begins. The numbers of earlier ops are in the server's history.
    fn new_state(&self) -> StoreState {
        StoreState {
            schema: SCHEMA,
            epoch: self.epoch,
            line: Line::begun_by(self.epoch),
            view: self.state.view,
            first: 1,
            numbers: self.state.numbers.clone(),
            ..StoreState::default()
        }
    }

    pub(super) fn handle_state(&mut self, texts: &[Option<String>]) {
        let text = |at: usize| texts.get(at).and_then(Option::as_deref);
        match text(0).map(read_json::<StoreState>) {
            // A new store.
            None => {
                self.state_changed = true;
                self.inventory_read = InventoryRead::Whole;
            }
            Some(Ok(state)) if state.schema <= SCHEMA => {
                self.found = Some(state.epoch);
                self.state = StoreState {
                    epoch: self.epoch,
                    view: next_count(state.view),
                    ..state
                };
                // No tab may hear of this view before a host after this one does.
                self.state_changed = true;
            }
            Some(Ok(state)) => {
                let message = format!(
                    "The store has schema {}, this code knows {SCHEMA}",
                    state.schema
                );
                return self.lose(Failure::new(FailureKind::Unavailable, message));
            }
            Some(Err(error)) => {
                let message = format!("The store's state cannot be read: {error}");
                return self.lose(Failure::new(FailureKind::Other, message));
            }
        }
        self.journal_next = self.state.first;
        self.first_written = self.state.first;
        self.notes.fill(texts.get(3..).unwrap_or_default());
        let letters = self.letters.open(text(1), text(2));
        if letters.is_empty() {
            return self.begin_journal();
        }
        self.phase = Phase::ReadingLetters;
        self.ask(Asked::Letters, Ask::Read(letters));
    }

    pub(super) fn handle_letters(&mut self, texts: &[Option<String>]) {
        self.letters.fill(texts);
        self.begin_journal();
    }

    fn begin_journal(&mut self) {
        self.phase = Phase::ReadingJournal;
        self.read_journal();
    }

    fn read_journal(&mut self) {
        let ids = (self.journal_next..self.journal_next + READ_AHEAD).map(RecordId::journal);
        let ids = ids.gather();
        self.ask(Asked::Journal, Ask::Read(ids));
    }

    pub(super) fn handle_journal(&mut self, texts: &[Option<String>]) {
        for text in texts {
            let Some(text) = text else {
                return self.find_tabs();
            };
            match read_json::<JournalRecord>(text) {
                Ok(record) => self.take_journal_record(record, text.len()),
                Err(error) => {
                    let message = format!("The store's journal cannot be read: {error}");
                    return self.lose(Failure::new(FailureKind::Other, message));
                }
            }
        }
        self.read_journal();
    }

    fn take_journal_record(&mut self, record: JournalRecord, bytes: usize) {
        for next in record.numbers {
            set_number(&mut self.state.numbers, next);
        }
        for tab in record.tabs {
            if !self.state.tabs.contains(&tab) {
                self.state.tabs.push(tab);
            }
        }
        let at = self.journal_next;
        let each = bytes / record.entries.len().max(1);
        for Logged { key, entry } in record.entries {
            if let JournalEntry::Forgotten {} = entry {
                self.dirty.clear(&key);
                self.journal.remove(&key);
                continue;
            }
            self.dirty.add(&key, at, 1, each);
            self.journal.or_insert(key, Vec::new()).push((at, entry));
        }
        self.journal_sizes.push_back(bytes);
        self.journal_next = at + 1;
    }

    fn find_tabs(&mut self) {
        self.phase = Phase::FindingTabs;
        if self.state.tabs.is_empty() {
            return self.handle_tabs(&[], &[]);
        }
        let tabs = self.state.tabs.clone();
        self.events.push_back(StoreEvent::FindTabs(tabs));
    }

    /// Which of the tabs in [`StoreEvent::FindTabs`] live, and which of those are `asleep`: nobody waits for them. Hosts
    /// after this one know that, too, before anybody is told anything.
    pub fn handle_tabs(&mut self, living: &[TabId], asleep: &[TabId]) {
        if self.phase != Phase::FindingTabs {
            return;
        }
        self.state.tabs.retain(|tab| living.contains(tab));
        let view = self.state.view;
        let kept = |known: &Asleep| living.contains(&known.tab) && !asleep.contains(&known.tab);
        self.state.asleep.retain(kept);
        let new = asleep.iter().cloned().map(|tab| Asleep { tab, view });
        self.state.asleep.extend(new);
        let nobody = self.state.tabs.is_empty();
        if nobody && self.options.retention == Retention::Session {
            return self.begin_anew();
        }
        self.phase = Phase::ReadingDocs;
        self.read_journal_docs();
    }

    fn read_journal_docs(&mut self) {
        let keys = self.journal.keys().take(READ_DOCS);
        self.restoring = keys.cloned().gather();
        if self.restoring.is_empty() {
            return self.become_ready();
        }
        let ids = self.restoring.iter().map(RecordId::doc).gather();
        self.ask(Asked::JournalDocs, Ask::Read(ids));
    }

    pub(super) fn handle_journal_docs(&mut self, texts: &[Option<String>]) {
        let mut restored = Vec::new();
        for (key, text) in std::mem::take(&mut self.restoring).into_iter().zip(texts) {
            let size = text.as_ref().map_or(0, String::len);
            self.dirty.set_size(&key, size);
            let record = doc_record(text.as_deref());
            let mut entries = self.journal.remove(&key).unwrap_or_default();
            if let Ok(Some(record)) = &record {
                // The record contains the others.
                entries.retain(|(n, _)| record.at < *n);
            }
            if entries.is_empty() {
                self.dirty.clear(&key);
                continue;
            }
            let entries = entries.into_iter().map(|(_, entry)| entry).gather();
            restored.push(Restored {
                key,
                record,
                entries,
            });
        }
        self.events.push_back(StoreEvent::Restored(restored));
        self.read_journal_docs();
    }

    fn become_ready(&mut self) {
        self.phase = Phase::Ready;
        // The line of a new store has to be there before a tab hears of it.
        self.next_place();
        if self.state_changed {
            self.block();
        }
        // The inventory is as long as the store is large, and nobody waits for it yet.
        self.events.push_back(StoreEvent::Restored(Vec::new()));
    }

    pub(super) fn handle_inventory(&mut self, texts: &[Option<String>]) {
        self.fill_inventory(texts);
        self.events.push_back(StoreEvent::Inventory);
        if let Some((asked, ask)) = self.starved.take() {
            self.ask(asked, ask);
        }
    }

    fn fill_inventory(&mut self, texts: &[Option<String>]) {
        let read = |text: &Option<String>| text.as_deref().map(read_json::<Vec<StoredDoc>>);
        let buckets: Vec<_> = texts.iter().map(read).gather();
        let is_damaged = buckets.iter().flatten().any(Result::is_err);
        self.inventory_read = if is_damaged {
            InventoryRead::InPart
        } else {
            InventoryRead::Whole
        };
        let legible =
            |bucket: Option<Result<_, _>>| bucket.and_then(Result::ok).unwrap_or_default();
        self.inventory.fill(buckets.into_iter().map(legible));
    }

    pub(super) fn handle_wiped(&mut self, restart: bool) {
        if restart {
            self.state = self.new_state();
            self.journal_next = 1;
            self.first_written = 1;
            self.state_changed = true;
            self.found = None;
            self.inventory_read = InventoryRead::Whole;
            return self.become_ready();
        }
        self.phase = Phase::Lost;
        self.events.push_back(StoreEvent::Wiped(Ok(())));
    }
}

pub(super) fn doc_record(text: Option<&str>) -> Result<Option<DocRecord>, Error> {
    let Some(text) = text else {
        return Ok(None);
    };
    read_json::<DocRecord>(text).map(Some).map_err(|error| {
        if let Ok(Illegible { error }) = read_json(text) {
            return error;
        }
        let message = format!("The stored document cannot be read: {error}");
        Error::new(codes::ERR_STORAGE, message)
    })
}
