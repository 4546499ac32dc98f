//! The store as a machine: what to read and write next, and what came of it.
//!
//! Changes of documents are collected, and written together as one journal record; while that is
//! under way the next ones are collected. Once a record of the journal is written, what it holds
//! survives this host. A document's own record is rewritten when there is time, or when the journal
//! has grown; then the journal's beginning is dropped.
//!
//! This file has what is asked of the store and told to it, and where its requests go. `store/restore.rs` is how
//! it begins, `store/letters.rs` the dead letters, `store/write.rs` what is written and when, `store/failure.rs` what is done when that fails.
//!
//! What it refuses to do: touch a storage, know what an op means, forget an op that the server has
//! not acknowledged.

mod failure;
mod letters;
mod limits;
mod restore;
mod write;

use proxy_doc::{DocKey, DocMap, Error, Fifo, Map, OpId, Seq, TabId, Version, write_json};

use self::letters::Letters;
pub use self::limits::WriteLimits;
use crate::dirty::DirtyDocs;
use crate::format::{
    Author, DocRecord, Entry, Letter, Logged, RecordId, SCHEMA, StoreState, Stored,
};
use crate::inventory::Inventory;

/// Connection ids whose numbers are kept. An application has few; a server may give one to each connection.
const MAX_NUMBERS: usize = 100;

/// For how long the store is to remember.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// For as long as there are tabs: only so that they survive their host.
    #[default]
    Session,
    /// Until it is told to forget.
    Durable,
}

/// How a store is to be.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// For how long it remembers.
    pub retention: Retention,
    /// Names the history of a new store, and this life of it; the number after it that of a store that was
    /// given up. No two lives and no two histories may share one.
    pub line: u64,
    /// How large a write may become.
    pub limits: WriteLimits,
    /// Whether another life can begin in the place of this one: see [`StoreEvent::Answers`].
    pub comes_back: bool,
}

/// Something for the storage to do. Each is answered once, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Names the answer.
    pub number: u64,
    /// What to do.
    pub what: Ask,
}

/// What a storage can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Open, or open again after a failure; never go on with the same handle.
    Open,
    /// Read these. The answer has a text, or nothing, for each.
    Read(Vec<RecordId>),
    /// Write and delete all of this in one transaction.
    Write {
        /// What to write.
        puts: Vec<(RecordId, String)>,
        /// What to delete.
        deletes: Vec<RecordId>,
    },
    /// Delete everything.
    Wipe,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What to do about it.
    pub kind: FailureKind,
    /// What applications are told, where the kind does not say it.
    pub code: Option<String>,
    /// The text for people.
    pub message: String,
}

impl Failure {
    /// A failure of which the kind says all.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            message: message.into(),
        }
    }
}

/// What can be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// There is no more space.
    Quota,
    /// The handle is of no use any more.
    Closed,
    /// There was no answer in time. The handle is of no use any more.
    Silent,
    /// There is no storage to be had.
    Unavailable,
    /// Something else, for this request.
    Other,
}

/// Something that happened.
#[derive(Debug)]
pub enum StoreEvent {
    /// Which of these tabs live? See [`DurableStore::handle_tabs`].
    FindTabs(Vec<TabId>),
    /// What the journal has of documents, to be applied to their records. It comes in parts; after the last one the
    /// store is open.
    Restored(Vec<Restored>),
    /// Records that were asked for.
    Loaded(Vec<(DocKey, Result<Option<DocRecord>, Error>)>),
    /// The inventory is here.
    Inventory,
    /// The inventory changed here.
    InventoryChanged(DocKey),
    /// Records of these documents are being written.
    Persisting(Vec<DocKey>),
    /// Records of these documents were written.
    Persisted(Vec<DocKey>),
    /// A write failed. It is tried again, unless [`StoreEvent::Lost`] follows.
    WriteFailed(Failure),
    /// From here on nothing is durable: what is shown belongs to another line. The storage may have these
    /// submissions, or not; without an author all ops of the document, as they are now.
    Lost(Failure, Vec<(DocKey, Option<Author>)>),
    /// A storage that was given up for its silence answers again. A later life can go on with what it holds; this one
    /// cannot, since tabs have seen another line.
    Answers,
    /// Everything is deleted.
    Wiped(Result<(), Failure>),
    /// Something to tell people.
    Warn(String),
}

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

/// A change that is in no write yet.
#[derive(Debug)]
struct Queued {
    place: u64,
    logged: Logged,
    bytes: usize,
    blocking: bool,
}

/// A document as the store has it.
#[derive(Debug)]
pub struct Restored {
    /// The document's key.
    pub key: DocKey,
    /// Its record; none where only the journal has it, an error where the record cannot be read.
    pub record: Result<Option<DocRecord>, Error>,
    /// The journal's entries that the record does not contain, oldest first.
    pub entries: Vec<Entry>,
}

/// What is to become of a document's record.
#[derive(Debug)]
pub enum Kept {
    /// It is written.
    Record(Box<DocRecord>),
    /// It is deleted: there is nothing to remember.
    Nothing,
    /// What the store has stays, the journal included.
    AsItIs,
}

/// Where the records of documents come from.
pub trait Documents {
    /// The document's record now.
    fn record(&self, key: &DocKey) -> Kept;
    /// Whether the document is in use: it is not evicted then.
    fn holds(&self, key: &DocKey) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    ReadingState,
    ReadingLetters,
    ReadingJournal,
    FindingTabs,
    ReadingDocs,
    Ready,
    Wiping,
    /// Everything is deleted, or was given up.
    Lost,
}

/// What an answer is for.
#[derive(Debug)]
enum Asked {
    Open,
    Check,
    State,
    Letters,
    Journal,
    JournalDocs,
    Docs(Vec<DocKey>),
    Inventory,
    Session,
    /// Whether a storage that was given up answers again: whether it opens, and whether it reads.
    TrialOpen,
    TrialRead,
    Write {
        evicts: bool,
    },
    /// `restart`: nobody needs what was kept, and the store begins anew.
    Wipe {
        restart: bool,
    },
}

impl Asked {
    /// Whether it is part of opening the storage.
    fn opens(&self) -> bool {
        matches!(self, Self::Open | Self::Check)
    }

    /// Whether it is only to see whether the storage answers.
    fn is_trial(&self) -> bool {
        matches!(self, Self::TrialOpen | Self::TrialRead)
    }
}

/// The store.
#[derive(Debug)]
pub struct DurableStore {
    options: StoreOptions,
    phase: Phase,
    state: StoreState,
    /// The oldest journal record in the storage, for sure.
    first_written: u64,
    asked: Map<u64, (Asked, Ask)>,
    next_number: u64,
    requests: Fifo<Request>,
    events: Fifo<StoreEvent>,
    failures: u32,
    /// The number of the request that opened the storage last: older requests are on no handle any more.
    opening: u64,
    reopening: bool,
    /// Somebody else may have the storage: nothing is asked of it.
    closed: bool,
    /// Requests that wait for the storage to be open again.
    again: Vec<(Asked, Ask)>,
    /// A write that found no space, and waits until it is known what may go.
    starved: Option<(Asked, Ask)>,

    /// The number that the next journal record gets.
    journal_next: u64,
    /// Bytes of each record of the journal.
    journal_sizes: Fifo<usize>,
    /// All that is to be written has a place, in the order in which it came: changes, records that somebody waits for,
    /// dead letters. A write takes what comes first, up to its limits. This is the last place that was given.
    placed: u64,
    /// Everything up to these places is in writes that were begun, and that have ended.
    begun: u64,
    committed: u64,
    /// The place that outputs have to wait for.
    barrier: u64,
    /// Changes of documents that are in no write yet.
    queue: Fifo<Queued>,
    /// Tabs that came, and numbers that changed, since the last write.
    new_tabs: Vec<TabId>,
    new_numbers: Vec<OpId>,
    /// Ops, and documents that changed otherwise, that a storage may not have: by their places.
    unwritten: Fifo<(u64, DocKey, Option<Author>)>,
    /// Which documents have entries in the journal that their records do not contain.
    dirty: DirtyDocs,
    auto_flush: bool,
    /// The records of all dirty documents are to be rewritten.
    flushing: bool,
    /// There is time to rewrite some.
    idle: bool,
    /// There is time for what nobody waits for.
    quiet: bool,
    inventory: Inventory,
    has_inventory: bool,
    letters: Letters,
    state_changed: bool,
    /// The host that had written last when this one began; none where the store is new.
    found: Option<u64>,
    /// Everybody can see that this host writes now.
    claimed: bool,
    full: bool,

    // While it is being restored.
    journal: DocMap<Vec<(u64, Entry)>>,
    restoring: Vec<DocKey>,
}

impl DurableStore {
    /// A store that is about to be opened.
    pub fn new(options: StoreOptions) -> Self {
        let state = StoreState {
            schema: SCHEMA,
            life: options.line,
            line: options.line,
            first: 1,
            ..StoreState::default()
        };
        let mut store = Self {
            options,
            phase: Phase::Opening,
            state,
            first_written: 1,
            asked: Map::new(),
            next_number: 1,
            requests: Fifo::new(),
            events: Fifo::new(),
            failures: 0,
            opening: 0,
            reopening: false,
            closed: false,
            again: Vec::new(),
            starved: None,
            journal_next: 1,
            journal_sizes: Fifo::new(),
            placed: 0,
            begun: 0,
            committed: 0,
            barrier: 0,
            queue: Fifo::new(),
            new_tabs: Vec::new(),
            new_numbers: Vec::new(),
            unwritten: Fifo::new(),
            dirty: DirtyDocs::default(),
            auto_flush: true,
            flushing: false,
            idle: false,
            quiet: false,
            inventory: Inventory::default(),
            has_inventory: false,
            letters: Letters::default(),
            state_changed: false,
            found: None,
            claimed: false,
            full: false,
            journal: DocMap::new(),
            restoring: Vec::new(),
        };
        store.open();
        store
    }

    // ---- What is so ----

    /// Whether documents can be had: the store is open, or was given up.
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Lost)
    }

    /// Whether what is known survives this host: what was restored, and what is logged.
    pub fn is_durable(&self) -> bool {
        matches!(self.phase, Phase::ReadingDocs | Phase::Ready)
    }

    /// Whether it was given up for want of space.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Whether it was given up, or everything was deleted.
    pub fn is_lost(&self) -> bool {
        self.phase == Phase::Lost
    }

    /// For how long it remembers.
    pub fn retention(&self) -> Retention {
        self.options.retention
    }

    /// Tabs that may hold documents.
    pub fn tabs(&self) -> &[TabId] {
        &self.state.tabs
    }

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

    /// The history that revisions belong to.
    pub fn line(&self) -> u64 {
        self.state.line
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

    /// Whether the document's record is about to go: what was read of it has to be written again.
    pub fn is_deleting(&self, key: &DocKey) -> bool {
        self.dirty.is_deleting(key)
    }

    /// Whether the journal has something of the document that its record does not contain.
    pub fn is_dirty(&self, key: &DocKey) -> bool {
        self.dirty.is_dirty(key)
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

    /// Whether a quiet moment would be of use.
    pub fn wants_idle(&self) -> bool {
        let dirty = self.auto_flush && !self.dirty.oldest(1, write::is_worth).is_empty();
        let rest = self.has_work() && !self.is_due();
        self.phase == Phase::Ready && !self.closed && (dirty || rest || !self.has_inventory)
    }

    /// The documents of the store, once they are known.
    pub fn inventory(&self) -> Option<impl Iterator<Item = &Stored>> {
        self.has_inventory.then(|| self.inventory.iter())
    }

    /// A document of the store, as far as is known.
    pub fn stored(&self, key: &DocKey) -> Option<&Stored> {
        self.inventory.get(key)
    }

    /// Ops that were given up, oldest first.
    pub fn letters(&self) -> impl Iterator<Item = &Letter> {
        self.letters.iter()
    }

    /// Those of [`DurableStore::letters`] that have this number or a higher one.
    pub fn letters_since(&self, number: u64) -> impl Iterator<Item = &Letter> {
        self.letters.since(number)
    }

    /// The number of the next letter.
    pub fn next_letter(&self) -> u64 {
        self.letters.next()
    }

    /// The number after those that ops have had under this connection id, where that is known.
    pub fn seq_after(&self, src: &str) -> Option<Seq> {
        let known = |id: &&OpId| id.src.as_deref() == Some(src);
        self.state.numbers.iter().find(known)?.seq
    }

    // ---- What is to be remembered ----

    /// Something happened to a document. `blocking`: outputs have to wait for it.
    pub fn log(&mut self, key: &DocKey, entry: Entry, blocking: bool) {
        if self.phase != Phase::Ready {
            return;
        }
        if self.dirty.is_deleting(key) {
            // The journal may have older entries, that must not be taken for what this one builds on.
            self.force(key, blocking);
        }
        let bytes = write_json(&entry).len();
        self.dirty.add(key, self.journal_next, 1, bytes);
        self.dirty.enqueue(key, blocking);
        let place = self.next_place();
        match &entry {
            Entry::Local { tab, seq, .. } => {
                let author = Author {
                    tab: tab.clone(),
                    seq: *seq,
                };
                self.unwritten.push_back((place, key.clone(), Some(author)));
            }
            // A later life that does not know of it would go on with the refused op.
            Entry::Refused { .. } => self.unwritten.push_back((place, key.clone(), None)),
            Entry::Remote { .. } | Entry::Ack { .. } | Entry::Forgotten {} => {}
        }
        let logged = Logged {
            key: key.clone(),
            entry,
        };
        self.queue.push_back(Queued {
            place,
            logged,
            bytes,
            blocking,
        });
        self.block(blocking);
    }

    /// The document's record is to be rewritten, in its turn where somebody waits for that.
    pub fn rewrite(&mut self, key: &DocKey, blocking: bool) {
        if self.phase != Phase::Ready {
            return;
        }
        let place = self.force(key, blocking);
        if blocking {
            self.unwritten.push_back((place, key.clone(), None));
        }
        self.block(blocking);
    }

    fn force(&mut self, key: &DocKey, awaited: bool) -> u64 {
        let place = self.next_place();
        self.dirty.force(key, awaited.then_some(place));
        place
    }

    /// The document's record is to be rewritten when there is time.
    pub fn put_later(&mut self, key: &DocKey) {
        if self.phase != Phase::Ready {
            return;
        }
        let first = self.journal_next;
        self.dirty.add(key, first, write::MANY_ENTRIES, 0);
        self.dirty.put(key);
    }

    /// The document is forgotten.
    pub fn delete(&mut self, key: &DocKey) {
        if self.phase != Phase::Ready {
            return;
        }
        self.dirty.delete(key);
        self.dirty.contain(key, self.placed);
    }

    /// What the journal has of a document would be applied by a later life, though the record is gone: where there
    /// is any of it, this goes behind it.
    fn forgotten(&self, key: &DocKey) -> Option<Logged> {
        let is_logged = self.dirty.is_logged_since(key, self.first_written);
        is_logged.then(|| Logged {
            key: key.clone(),
            entry: Entry::Forgotten {},
        })
    }

    /// A tab may hold documents from now on. What it is told has to wait for that: a later life keeps
    /// nothing for a tab that it does not know.
    pub fn add_tab(&mut self, tab: &TabId) {
        if self.phase == Phase::Ready && !self.state.tabs.contains(tab) {
            self.state.tabs.push(tab.clone());
            self.new_tabs.push(tab.clone());
            self.next_place();
            self.block(true);
        }
    }

    /// A tab is gone.
    pub fn remove_tab(&mut self, tab: &TabId) {
        self.state.tabs.retain(|known| known != tab);
        self.new_tabs.retain(|known| known != tab);
    }

    /// The next number under a connection id that other lives may have, too.
    pub fn set_seq(&mut self, src: &str, seq: Seq) {
        let next = OpId {
            src: Some(src.to_owned()),
            seq: Some(seq),
        };
        set_number(&mut self.new_numbers, next.clone());
        set_number(&mut self.state.numbers, next);
    }

    /// An op was given up. Gives the number of the letter that is forgotten for it, if any.
    pub fn add_letter(&mut self, letter: Letter) -> Option<u64> {
        let place = self.next_place();
        self.block(true);
        let gone = self.letters.add(letter, place)?;
        let text = format!("Forgetting the oldest dead letter, of {}", gone.key);
        self.events.push_back(StoreEvent::Warn(text));
        Some(gone.number)
    }

    /// Somebody has seen to these letters.
    pub fn remove_letters(&mut self, numbers: &[u64]) {
        self.letters.remove(numbers);
    }

    /// What is known of a document changed. Says whether that is news.
    pub fn note(&mut self, key: &DocKey, version: Option<Version>, pending: bool) {
        if self.is_durable() && self.inventory.put(key, version, pending) {
            self.events
                .push_back(StoreEvent::InventoryChanged(key.clone()));
        }
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

    /// There is time.
    pub fn handle_idle(&mut self) {
        if self.phase != Phase::Ready {
            return;
        }
        self.want_inventory();
        self.quiet = true;
        self.idle = self.auto_flush && !self.dirty.oldest(1, write::is_worth).is_empty();
    }

    /// Reads the records of documents.
    pub fn load(&mut self, keys: Vec<DocKey>) {
        if self.phase != Phase::Ready {
            let nothing = keys.into_iter().map(|key| (key, Ok(None))).collect();
            return self.events.push_back(StoreEvent::Loaded(nothing));
        }
        let ids = keys.iter().map(RecordId::doc).collect();
        self.ask(Asked::Docs(keys), Ask::Read(ids));
    }

    /// Reads the inventory, unless that is known or under way.
    pub fn want_inventory(&mut self) {
        let under_way = self
            .asked
            .values()
            .chain(&self.again)
            .any(|(asked, _)| matches!(asked, Asked::Inventory));
        if self.phase == Phase::Ready && !self.has_inventory && !under_way {
            self.ask(Asked::Inventory, Ask::Read(Inventory::records()));
        }
    }

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

    fn begin_wipe(&mut self, restart: bool) {
        self.phase = Phase::Wiping;
        self.forget_all();
        self.ask(Asked::Wipe { restart }, Ask::Wipe);
    }

    fn forget_all(&mut self) {
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

    fn clear_queue(&mut self) {
        self.queue.clear();
        self.new_tabs.clear();
        self.new_numbers.clear();
    }

    fn next_place(&mut self) -> u64 {
        self.placed += 1;
        self.placed
    }

    fn block(&mut self, blocking: bool) {
        if blocking && self.phase == Phase::Ready {
            self.barrier = self.placed;
        }
    }

    // ---- Asking ----

    /// The next request.
    pub fn poll(&mut self, documents: &dyn Documents) -> Option<Request> {
        if self.requests.is_empty() {
            self.begin_write(documents);
        }
        self.requests.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<StoreEvent> {
        self.events.pop_front()
    }

    fn ask(&mut self, asked: Asked, ask: Ask) {
        if (self.closed || self.reopening) && !asked.opens() {
            return self.again.push((asked, ask));
        }
        let number = self.next_number;
        self.next_number += 1;
        self.asked.insert(number, (asked, ask.clone()));
        self.requests.push_back(Request { number, what: ask });
    }

    fn open(&mut self) {
        self.opening = self.next_number;
        self.ask(Asked::Open, Ask::Open);
    }

    // ---- Answers ----

    /// What came of a request.
    pub fn handle_reply(
        &mut self,
        number: u64,
        reply: Result<Vec<Option<String>>, Failure>,
        documents: &dyn Documents,
    ) {
        let Some((asked, ask)) = self.asked.remove(&number) else {
            return;
        };
        match reply {
            Ok(texts) => {
                // That it opens says nothing of a storage: what failed then has yet to succeed.
                if !asked.opens() {
                    self.failures = 0;
                }
                self.handle_answer(asked, &texts);
            }
            Err(failure) => {
                let is_old = self.reopening || number < self.opening;
                self.handle_failure(asked, ask, failure, is_old, documents);
            }
        }
    }

    fn handle_answer(&mut self, asked: Asked, texts: &[Option<String>]) {
        match asked {
            Asked::Open => self.handle_opened(),
            Asked::Check => self.handle_check(texts),
            Asked::State => self.handle_state(texts),
            Asked::Letters => self.handle_letters(texts),
            Asked::Journal => self.handle_journal(texts),
            Asked::JournalDocs => self.handle_journal_docs(texts),
            Asked::Docs(keys) => {
                let records = texts
                    .iter()
                    .map(|text| restore::doc_record(text.as_deref()));
                let loaded: Vec<_> = keys.into_iter().zip(records).collect();
                for ((key, _), text) in loaded.iter().zip(texts) {
                    let size = text.as_ref().map_or(0, String::len);
                    self.dirty.set_size(key, size);
                }
                self.events.push_back(StoreEvent::Loaded(loaded));
            }
            Asked::Inventory => self.handle_inventory(texts),
            Asked::Session => self.clear_session(texts),
            Asked::TrialOpen => self.try_reading(),
            Asked::TrialRead => self.events.push_back(StoreEvent::Answers),
            Asked::Write { evicts: true } => {}
            Asked::Write { evicts: false } => {
                self.claimed = true;
                self.handle_written();
            }
            Asked::Wipe { restart } => self.handle_wiped(restart),
        }
    }

    fn handle_opened(&mut self) {
        if self.reopening {
            let ids = vec![RecordId::meta("state")];
            return self.ask(Asked::Check, Ask::Read(ids));
        }
        self.phase = Phase::ReadingState;
        let mut ids = vec![RecordId::meta("state")];
        ids.extend(Letters::first_records());
        self.ask(Asked::State, Ask::Read(ids));
    }
}

/// Notes a number, as the newest: where servers give each connection an id of their own, older ones never come back.
fn set_number(numbers: &mut Vec<OpId>, next: OpId) {
    numbers.retain(|known| known.src != next.src);
    numbers.push(next);
    if numbers.len() > MAX_NUMBERS {
        numbers.remove(0);
    }
}
