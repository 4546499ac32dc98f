//! How a life of the store begins: with what earlier ones left, or anew.
//!
//! First the state, then the whole journal, then who of the tabs lives, then the records of the documents that the
//! journal has something of. What else there is comes later, or when somebody asks for it.

use proxy_doc::{
    DocKey, Error, Gather, Line, StoredDoc, TabId, codes, next_count, read_json, write_json,
};

use super::changes::set_number;
use super::failure::ANOTHER_HOST;
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
/// See [`DurableStore::is_ahead`].
pub(super) const AHEAD: &str = "a document is ahead of its journal";

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
            // A new store: see `is_new`.
            None => {
                self.state_changed = true;
                self.inventory_read = InventoryRead::Whole;
                if texts.iter().any(Option::is_some) {
                    return self.spoil("its state is missing");
                }
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
                return self.spoil(&format!("its state cannot be read: {error}"));
            }
        }
        self.journal_next = self.state.first;
        self.first_written = self.state.first;
        self.notes.fill(texts.get(3..).unwrap_or_default());
        let letters = match self.letters.open(text(1), text(2)) {
            Ok(letters) if text(1).is_some() || !self.state.has_letters => letters,
            Ok(_) => return self.spoil("the index of its dead letters is missing"),
            Err(error) => {
                return self.spoil(&format!("its dead letters cannot be read: {error}"));
            }
        };
        if letters.is_empty() {
            return self.begin_journal();
        }
        self.phase = Phase::ReadingLetters;
        self.ask(Asked::Letters, Ask::Read(letters));
    }

    pub(super) fn handle_letters(&mut self, texts: &[Option<String>]) {
        if !self.letters.fill(texts) {
            let error = damaged("A dead letter cannot be read".to_owned());
            self.events.push_back(StoreEvent::Damaged(error));
        }
        self.begin_journal();
    }

    fn begin_journal(&mut self) {
        self.phase = Phase::ReadingJournal;
        self.read_journal();
    }

    fn read_journal(&mut self) {
        let ids = (self.journal_next..self.journal_next + READ_AHEAD).map(RecordId::journal);
        let mut ids: Vec<RecordId> = ids.gather();
        if self.is_new() && self.options.retention == Retention::Durable {
            ids.extend(Inventory::records());
        }
        self.ask(Asked::Journal, Ask::Read(ids));
    }

    /// Whether no host is known to have written before this one.
    fn is_new(&self) -> bool {
        self.found.is_none()
    }

    pub(super) fn handle_journal(&mut self, texts: &[Option<String>]) {
        if self.is_new() && texts.iter().any(Option::is_some) {
            return self.suspect("its state is missing");
        }
        for (at, text) in texts.iter().enumerate() {
            let Some(text) = text else {
                if texts[at..].iter().any(Option::is_some) {
                    return self.suspect("its journal has a gap");
                }
                return self.find_tabs();
            };
            match read_json::<JournalRecord>(text) {
                Ok(record) if record.number.is_some_and(|n| n != self.journal_next) => {
                    return self.suspect("its journal is out of order");
                }
                Ok(record) => self.take_journal_record(record, text.len()),
                Err(error) => {
                    return self.suspect(&format!("its journal cannot be read: {error}"));
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
            let record = doc_record(&key, text.as_deref());
            if self.is_ahead(&record) {
                return self.suspect(AHEAD);
            }
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

    /// Whether a record is newer than the journal as this host knows it: it is damaged, or a later host has written it. Entries
    /// that are logged from here on would be taken for contained in it.
    pub(super) fn is_ahead(&self, record: &Result<Option<DocRecord>, Error>) -> bool {
        matches!(record, Ok(Some(record))
            if record.at >= self.journal_next || record.view > self.state.view)
    }

    /// A record is not what this host or one before it wrote. Either another host has taken the storage since, or the storage is
    /// damaged. The stored state says which: it names the epoch of the host that wrote last.
    pub(super) fn suspect(&mut self, what: &str) {
        let state = RecordId::meta("state");
        self.ask(Asked::Suspect(what.to_owned()), Ask::Read(vec![state]));
    }

    pub(super) fn handle_suspect(&mut self, what: &str, texts: &[Option<String>]) {
        match texts.first() {
            Some(Some(state)) if !self.is_own(Some(state)) => {
                self.lose(Failure::new(FailureKind::Fenced, ANOTHER_HOST));
            }
            _ => self.spoil(what),
        }
    }

    /// The storage is damaged. It stays as it is, and this host goes on in memory. Only a session's store is wiped: its tabs are
    /// told that the end of their ops is unknown.
    fn spoil(&mut self, what: &str) {
        let message = format!("The store is damaged: {what}");
        if self.options.retention == Retention::Session && self.is_restoring() {
            self.events.push_back(StoreEvent::Warn(message));
            return self.begin_wipe(true);
        }
        self.lose(Failure {
            kind: FailureKind::Other,
            code: Some(codes::ERR_STORAGE_DAMAGED.to_owned()),
            message,
        });
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
        let buckets = texts.iter().map(read).map(Option::transpose);
        let is_whole = self.inventory.fill(buckets.map(Result::ok));
        self.inventory_read = if is_whole {
            InventoryRead::Whole
        } else {
            let what = "Nobody knows of some documents whether they have pending ops".to_owned();
            self.events.push_back(StoreEvent::Damaged(damaged(what)));
            InventoryRead::InPart
        };
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

pub(super) fn doc_record(key: &DocKey, text: Option<&str>) -> Result<Option<DocRecord>, Error> {
    let Some(text) = text else {
        return Ok(None);
    };
    let why = match read_json::<DocRecord>(text) {
        Ok(record) => match record.damage(key) {
            None => return Ok(Some(record)),
            Some(why) => why.to_owned(),
        },
        Err(why) => {
            if let Ok(Illegible { error }) = read_json(text) {
                return Err(error);
            }
            why.to_string()
        }
    };
    Err(damaged(format!(
        "The stored document {key} is damaged: {why}"
    )))
}

pub(super) fn damaged(message: String) -> Error {
    Error::new(codes::ERR_STORAGE_DAMAGED, message)
}
