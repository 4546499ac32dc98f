//! The store as a machine: what to read and write next, and what came of it.
//!
//! Changes of documents are collected, and written together as one journal record; while that is
//! under way the next ones are collected. Once a record of the journal is written, what it holds
//! survives this host. A document's own record is rewritten when there is time, or when the journal
//! has grown; then the journal's beginning is dropped.
//!
//! | file | holds |
//! |---|---|
//! | this one | the store's state, its options and events, and what can be read of it |
//! | `store/restore.rs` | how a life begins, with what earlier ones left |
//! | `store/changes.rs` | what is to be remembered: changes of documents, tabs, numbers, dead letters |
//! | `store/write.rs`, `store/limits.rs` | what is written and when, and how large one write may become |
//! | `store/progress.rs` | how far the writing has come, and when there is time for more |
//! | `store/loads.rs` | documents that are read for those who wait for them, in turns |
//! | `store/requests.rs` | what the storage is asked for, and where its answers go |
//! | `store/failure.rs` | what is done when the storage fails |
//! | `store/letters.rs` | the dead letters |
//! | `store/notes.rs` | texts that are no document's |
//! | `store/closing.rs` | how the storage is left to another host, or wiped |
//!
//! What it refuses to do: touch a storage, know what an op means, forget an op that the server has
//! not acknowledged.

mod changes;
mod closing;
mod failure;
mod letters;
mod limits;
mod loads;
mod notes;
mod progress;
mod requests;
mod restore;
mod write;

use proxy_doc::{
    DeadLetter, DocKey, DocMap, Epoch, Error, Fifo, Line, Map, OpId, Seq, StoredDoc, TabId,
};

use self::changes::Queued;
use self::letters::Letters;
pub use self::limits::WriteLimits;
use self::loads::Loads;
use self::notes::Notes;
pub use self::progress::Mark;
use self::requests::Asked;
pub use self::requests::{Ask, Failure, FailureKind, Request};
use crate::dirty::DirtyDocs;
use crate::format::{Author, DocRecord, JournalEntry, SCHEMA, StoreState};
use crate::inventory::Inventory;

/// For how long the store is to remember.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// For as long as there are tabs: only so that they survive their host.
    #[default]
    Session,
    /// Until it is told to forget.
    Durable,
}

/// What waits until a change is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// Every output that comes after the change.
    Outputs,
    /// Nothing: the change is written when there is time, or with a later one.
    Nothing,
}

/// How a store is to be.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// For how long it remembers.
    pub retention: Retention,
    /// How large a write may become.
    pub limits: WriteLimits,
    /// Whether another life can begin in the place of this one: see [`StoreEvent::Answers`].
    pub comes_back: bool,
}

/// Something that happened.
#[derive(Debug)]
pub enum StoreEvent {
    /// Which of these tabs live? See [`DurableStore::handle_tabs`].
    FindTabs(Vec<TabId>),
    /// Documents with journal entries, to be applied to their records. They come in parts; an empty part is the last one,
    /// and says that the store is open.
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
    /// Another life has taken the storage, and serves its tabs. This one must tell no tab and no server anything more.
    Fenced(Failure),
    /// A storage that was given up because it did not answer answers again. Only a later life can use it: the tabs of this
    /// one are on another line.
    Answers,
    /// Everything is deleted.
    Wiped(Result<(), Failure>),
    /// A record cannot be what was written. The store goes on without it; see `DurableStore::suspect` for one that it
    /// cannot go on without.
    Damaged(Error),
    /// A text for the log.
    Warn(String),
}

/// A document as the store has it.
#[derive(Debug)]
pub struct Restored {
    /// The document's key.
    pub key: DocKey,
    /// Its record; none where only the journal has it, an error where the record cannot be read.
    pub record: Result<Option<DocRecord>, Error>,
    /// The journal's entries that the record does not contain, oldest first.
    pub entries: Vec<JournalEntry>,
}

/// What a write does with a document's record.
#[derive(Debug)]
pub enum Kept {
    /// Writes this record.
    Record(Box<DocRecord>),
    /// Deletes the record: the document has no state and no op.
    Nothing,
    /// Leaves the record and the document's journal entries as they are.
    AsItIs,
}

/// The host's documents, as the store reads them when it writes.
pub trait Documents {
    /// The record of the document's present state.
    fn record(&self, key: &DocKey) -> Kept;
    /// Whether the document is in memory, so that it must not be evicted.
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
    /// The storage was given up or wiped. Nothing is durable.
    Lost,
}

/// How much of the inventory was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InventoryRead {
    /// Nothing.
    NotYet,
    /// All buckets but damaged ones. The store may have documents that the inventory lacks.
    InPart,
    /// All buckets. The store has no document that the inventory lacks.
    Whole,
}

/// The store.
#[derive(Debug)]
pub struct DurableStore {
    /// This host's epoch.
    epoch: Epoch,
    options: StoreOptions,
    phase: Phase,
    state: StoreState,
    /// The first journal record that the storage may still have: records before it are deleted by a committed write.
    first_written: u64,
    asked: Map<u64, (Asked, Ask)>,
    next_number: u64,
    requests: Fifo<Request>,
    events: Fifo<StoreEvent>,
    failures: u32,
    /// The number of the last request to open the storage. Requests with lower numbers went to an older handle.
    opening: u64,
    reopening: bool,
    /// The storage is released for another host. Requests are kept in `again`.
    closed: bool,
    /// Requests to repeat when the storage is open again.
    again: Vec<(Asked, Ask)>,
    /// A write that failed for want of space, and waits for the inventory, which says what can be evicted.
    starved: Option<(Asked, Ask)>,

    /// The number that the next journal record gets.
    journal_next: u64,
    /// Bytes of each record of the journal.
    journal_sizes: Fifo<usize>,
    /// The last place that was given. Each change, awaited record and dead letter has a place, in the order in which they
    /// came. A write takes the lowest places, up to its limits.
    placed: u64,
    /// The places up to which everything is in a write that was begun, and in one that was committed.
    begun: u64,
    committed: u64,
    /// Outputs wait until this place is committed.
    barrier: u64,
    /// Changes of documents that are in no write yet.
    queue: Fifo<Queued>,
    /// Tabs that came, and numbers that changed, since the last write.
    new_tabs: Vec<TabId>,
    new_numbers: Vec<OpId>,
    /// Ops and other changes that are not committed, by their places: what is lost with the storage.
    unwritten: Fifo<(u64, DocKey, Option<Author>)>,
    /// Which documents have entries in the journal that their records do not contain.
    dirty: DirtyDocs,
    auto_flush: bool,
    /// The records of all dirty documents are to be rewritten.
    flushing: bool,
    /// There is time to rewrite some.
    idle: bool,
    /// There is time to write changes that no output waits for.
    quiet: bool,
    /// This life ends when everything is written.
    finishing: bool,
    inventory: Inventory,
    inventory_read: InventoryRead,
    letters: Letters,
    loads: Loads,
    notes: Notes,
    state_changed: bool,
    /// The epoch of the last host that wrote before this one. `None` in a new store.
    found: Option<Epoch>,
    /// A write of this host is committed, so the stored state names its epoch.
    claimed: bool,
    /// Another life may have taken the storage. The doubt ends with a successful write whose number is not below this one.
    doubted: Option<u64>,
    full: bool,

    // While it is being restored.
    journal: DocMap<Vec<(u64, JournalEntry)>>,
    restoring: Vec<DocKey>,
}

impl DurableStore {
    /// The store of the host `epoch`, about to be opened. A new store has the line that this host begins.
    pub fn new(epoch: Epoch, options: StoreOptions) -> Self {
        let state = StoreState {
            schema: SCHEMA,
            epoch,
            line: Line::begun_by(epoch),
            view: 1,
            first: 1,
            ..StoreState::default()
        };
        let mut store = Self {
            epoch,
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
            finishing: false,
            inventory: Inventory::default(),
            inventory_read: InventoryRead::NotYet,
            letters: Letters::default(),
            loads: Loads::default(),
            notes: Notes::default(),
            state_changed: false,
            found: None,
            claimed: false,
            doubted: None,
            full: false,
            journal: DocMap::new(),
            restoring: Vec::new(),
        };
        store.open();
        store
    }

    /// Whether loads are answered: the store is open, or was given up, which answers them with nothing.
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Lost)
    }

    /// Whether the records of earlier lives are still being read.
    pub fn is_restoring(&self) -> bool {
        match self.phase {
            Phase::Opening
            | Phase::ReadingState
            | Phase::ReadingLetters
            | Phase::ReadingJournal
            | Phase::FindingTabs
            | Phase::ReadingDocs => true,
            Phase::Ready | Phase::Wiping | Phase::Lost => false,
        }
    }

    /// Whether restored and logged changes survive this host.
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

    /// The history that revisions belong to.
    pub fn line(&self) -> Line {
        self.state.line
    }

    /// How many hosts the store has had, this one included.
    pub fn view(&self) -> u64 {
        self.state.view
    }

    /// Whether some host took over without the tab since the tab was welcomed in the view `welcomed`.
    pub fn slept(&self, tab: &TabId, welcomed: u64) -> bool {
        let mut asleep = self.state.asleep.iter();
        asleep.any(|known| known.tab == *tab && known.view > welcomed)
    }

    /// Whether what is logged now is on its way into the storage: no other host can have it meanwhile.
    pub fn writes_through(&self) -> bool {
        let is_open = self.phase == Phase::Ready && !self.closed && !self.reopening;
        is_open && !self.finishing && self.doubted.is_none()
    }

    /// This life may have been frozen, and another one may have taken the storage meanwhile. Only a write that is asked
    /// for from now on can tell: [`DurableStore::writes_through`] is false until then.
    pub fn doubt_tenure(&mut self) {
        self.doubted = Some(self.next_number);
    }

    /// The documents of the store. `None` before the inventory is read.
    pub fn inventory(&self) -> Option<impl Iterator<Item = &StoredDoc>> {
        self.has_inventory().then(|| self.inventory.iter())
    }

    /// Whether the inventory was read.
    fn has_inventory(&self) -> bool {
        self.inventory_read != InventoryRead::NotYet
    }

    /// A document of the store, as far as is known.
    pub fn stored(&self, key: &DocKey) -> Option<&StoredDoc> {
        self.inventory.get(key)
    }

    /// The dead letters, oldest first.
    pub fn letters(&self) -> impl Iterator<Item = &DeadLetter> {
        self.letters.iter()
    }

    /// Those of [`DurableStore::letters`] that have this number or a higher one.
    pub fn letters_since(&self, number: u64) -> impl Iterator<Item = &DeadLetter> {
        self.letters.since(number)
    }

    /// The number of the next letter.
    pub fn next_letter(&self) -> u64 {
        self.letters.next()
    }

    /// The next free seq under this connection id. `None` if the store knows no op of it.
    pub fn seq_after(&self, src: &str) -> Option<Seq> {
        let known = |id: &&OpId| id.src.as_deref() == Some(src);
        self.state.numbers.iter().find(known)?.seq
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<StoreEvent> {
        self.events.pop_front()
    }
}
