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
    /// Another life has taken the storage. This one is over: whoever it tells of anything hears it from the other one, too.
    Fenced(Failure),
    /// A storage that was given up for its silence answers again. A later life can go on with what it holds; this one
    /// cannot, since tabs have seen another line.
    Answers,
    /// Everything is deleted.
    Wiped(Result<(), Failure>),
    /// A record cannot be what was written. The store goes on without it; see `DurableStore::suspect` for one that it
    /// cannot go on without.
    Damaged(Error),
    /// Something to tell people.
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

/// How much of the inventory was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InventoryRead {
    /// Nothing.
    NotYet,
    /// All but buckets that are damaged: what it lacks the store may have.
    InPart,
    /// Each bucket: what it lacks the store lacks.
    Whole,
}

/// The store.
#[derive(Debug)]
pub struct DurableStore {
    /// The host that the store is of.
    epoch: Epoch,
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
    /// This life ends when everything is written.
    finishing: bool,
    inventory: Inventory,
    inventory_read: InventoryRead,
    letters: Letters,
    loads: Loads,
    notes: Notes,
    state_changed: bool,
    /// The host that had written last when this one began; none where the store is new.
    found: Option<Epoch>,
    /// Everybody can see that this host writes now.
    claimed: bool,
    /// Another life may have the storage, until one of the writes from this number on succeeds.
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

    /// Whether documents can be had: the store is open, or was given up.
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Lost)
    }

    /// Whether what an earlier life left is still being read.
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

    /// The documents of the store, once they are known.
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

    /// Ops that were given up, oldest first.
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

    /// The number after those that ops have had under this connection id, where that is known.
    pub fn seq_after(&self, src: &str) -> Option<Seq> {
        let known = |id: &&OpId| id.src.as_deref() == Some(src);
        self.state.numbers.iter().find(known)?.seq
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<StoreEvent> {
        self.events.pop_front()
    }
}
