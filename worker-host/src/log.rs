//! The log: what the host keeps in its store, and how a host takes over from one before it.
//!
//! `barrier` holds what is said until the write that it rests on is durable, and `early` says which changes tabs are shown
//! before. `records` are what is written down, `takeover` reads what a dead host wrote, `leads` what it showed tabs early,
//! `backlog` brings its ops to the server, and `resume` lets its tabs go on.
//! `events`, `requests` and `watch` are the store's and the tabs' ends of it; `lost` is for a store that fails for good,
//! `resign` for a host that leaves its log to the next one.
//!
//! What it refuses to do: touch a storage, or decide what is written when. `DurableStore` does that.

mod backlog;
pub(crate) mod barrier;
pub(crate) mod early;
mod events;
pub(crate) mod leads;
mod lost;
mod records;
mod requests;
pub(crate) mod resign;
mod resume;
mod takeover;
mod watch;

use broker::message::{CallbackId, StorageState};
use durable_store::format::{DocRecord, JournalEntry, Note};
use durable_store::{DurableStore, Mark, Retention};
use proxy_doc::{DocKey, DocMap, Error, Line, TabId};

use crate::host::Options;
use crate::status::StoreStatus;
use backlog::Backlog;
use leads::Leads;

/// Milliseconds without an input after which the host may have been frozen, and another one may have the storage. Tabs take
/// the lock from a host that has been silent for 5.5 seconds or more: see `broker/src/places/link/silence.rs`.
const SILENCE_MS: u64 = 3_000;
/// [`Log::mode`] where what is kept goes with the host.
const MEMORY: &str = "memory";

/// The store, and what depends on how it fares.
pub(crate) struct Log {
    /// `None`: nothing is written, and a host after this one knows nothing.
    store: Option<Box<DurableStore>>,
    /// The history in which revisions can be compared: the epoch of the host that began it. Another one begins where
    /// durability is lost, since a host after this one then knows other revisions by the same numbers.
    line: Line,
    /// When the last input came.
    now: u64,
    /// Where the driver keeps things: `none`, `memory`, or its name of a storage.
    mode: String,
    /// Why the store cannot be used, or is no better one.
    error: Option<Error>,
    /// The store was given up, and its storage answers again.
    answers: bool,
    /// Documents that the store has and nobody here can read.
    unreadable: DocMap<Unreadable>,
    /// What happens was logged by an earlier host, and is done again.
    is_replaying: bool,
    leads: Leads,
    pub(crate) backlog: Backlog,
    /// The length of the queue that tabs were told last.
    told_queue: usize,
    /// Requests that wait for something to be written.
    flushes: Vec<Flush>,
    /// Tabs that asked for everything to be deleted, while it is.
    wiping: Vec<(TabId, CallbackId)>,
    /// Everything was deleted, or could not be.
    is_over: bool,
}

/// A request that is answered when something is written.
struct Flush {
    tab: TabId,
    callback_id: CallbackId,
    /// What has to be written before. `None`: it was only to be queued.
    until: Option<Mark>,
}

/// A document that the store has and nobody here can read: its type is not registered here, say. It stays as it is.
struct Unreadable {
    /// `None`: not even its record can be read.
    record: Option<DocRecord>,
    /// The journal's entries after the record.
    entries: Vec<JournalEntry>,
    /// Why it cannot be read.
    error: Error,
}

impl Log {
    /// A log whose store is not open yet, or none.
    pub(crate) fn new(options: &Options) -> Self {
        let store = options.store.clone();
        let store = store.map(|store| DurableStore::new(options.epoch, store));
        Self {
            store: store.map(Box::new),
            line: Line::begun_by(options.epoch),
            now: 0,
            mode: "none".to_owned(),
            error: None,
            answers: false,
            unreadable: DocMap::new(),
            is_replaying: false,
            leads: Leads::default(),
            backlog: Backlog::default(),
            told_queue: 0,
            flushes: Vec::new(),
            wiping: Vec::new(),
            is_over: false,
        }
    }

    /// Whether anything is written at all.
    pub(crate) fn is_kept(&self) -> bool {
        self.store.is_some()
    }

    /// The last write that succeeded.
    pub(crate) fn committed(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.committed())
    }

    /// The write behind which everything is said now.
    pub(crate) fn barrier(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.barrier())
    }

    /// An input comes at this time. Where none had come for so long that the host may have been frozen, another one can have
    /// taken the storage: tabs are shown nothing early before a write has succeeded. Says whether that is so from now on.
    pub(crate) fn note_time(&mut self, now: u64) -> bool {
        let silence = now.saturating_sub(std::mem::replace(&mut self.now, now));
        let Some(store) = self.store.as_mut().filter(|_| silence > SILENCE_MS) else {
            return false;
        };
        store.doubt_tenure();
        true
    }

    /// The history in which revisions can be compared.
    pub(crate) fn line(&self) -> Line {
        self.line
    }

    /// Whether the next number of an id that the application chose survives this host. It does also where nothing is
    /// written: the application then keeps it.
    pub(crate) fn keeps_numbers(&self) -> bool {
        self.store.is_none() || self.mode != MEMORY
    }

    /// Whether what an earlier host logged is being done again: nothing is sent or written.
    pub(crate) fn is_replaying(&self) -> bool {
        self.is_replaying
    }

    /// Whether the store is not open yet, and everything waits for it.
    pub(crate) fn is_restoring(&self) -> bool {
        self.store.as_ref().is_some_and(|store| !store.is_ready())
    }

    /// Whether somebody else may have the storage.
    pub(crate) fn is_closed(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.is_closed())
    }

    /// Whether there was a store, and nothing is durable any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.store.as_ref().is_some_and(|store| !store.is_durable())
    }

    /// Whether a host after this one can go on with the log, or this one has not even read the log of the one before.
    fn outlives_host(&self) -> bool {
        let is_kept = |store: &DurableStore| store.is_durable() && self.mode != MEMORY;
        let store = self.store.as_deref();
        store.is_some_and(|store| store.is_restoring() || is_kept(store))
    }

    /// Whether nothing is being written, or waits for it.
    fn is_finished(&self) -> bool {
        self.store.as_ref().is_none_or(|store| store.is_finished())
    }

    /// Why no new op may be taken, where an application's store is full.
    pub(crate) fn refusal(&self) -> Option<&Error> {
        let full = self.store.as_ref().filter(|store| store.is_full());
        full.filter(|store| store.retention() == Retention::Durable)
            .and(self.error.as_ref())
    }

    /// Why the document cannot be used, where the store has it and nobody here can read it.
    pub(crate) fn unreadable_error(&self, key: &DocKey) -> Option<&Error> {
        self.unreadable.get(key).map(|unreadable| &unreadable.error)
    }

    /// Whether the store has the document and nobody here can read it.
    pub(crate) fn is_unreadable(&self, key: &DocKey) -> bool {
        self.unreadable.contains_key(key)
    }

    /// What the tabs are told of the store.
    pub(crate) fn storage_state(&self) -> StorageState {
        let store = self.store.as_ref();
        StorageState {
            line: self.line,
            view: store.map_or(0, |store| store.view()),
            mode: self.mode.clone(),
            durable: store.is_some_and(|store| store.is_durable()),
            kept: store.is_some_and(|store| store.retention() == Retention::Durable),
            reason: self.error.clone(),
        }
    }

    /// The connection is up: the inventory says which documents have ops for the server.
    pub(crate) fn want_inventory(&mut self) {
        if let Some(store) = &mut self.store {
            store.want_inventory();
        }
    }

    /// Whether what is kept goes with the host.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.mode == MEMORY
    }

    /// The store.
    pub(crate) fn store(&self) -> Option<&DurableStore> {
        self.store.as_deref()
    }

    /// The store, as a debug console sees it.
    pub(crate) fn status(&self) -> Option<StoreStatus> {
        let store = self.store()?;
        let (journal, journal_bytes) = store.journal_size();
        Some(StoreStatus {
            mode: self.mode.clone(),
            records: store.inventory().map(Iterator::count),
            journal,
            journal_bytes,
            queue: store.queue_size(),
        })
    }

    /// Keeps a note. A host after this one has it before anybody hears of what follows.
    pub(crate) fn keep_note(&mut self, note: Note, text: String) {
        if let Some(store) = &mut self.store {
            store.keep_note(note, text);
        }
    }

    /// A tab is registered: a host after this one expects it.
    pub(crate) fn add_tab(&mut self, tab: &TabId) {
        if let Some(store) = &mut self.store {
            store.add_tab(tab);
        }
    }

    /// A tab is gone: a host after this one does not expect it.
    pub(crate) fn remove_tab(&mut self, tab: &TabId) {
        if let Some(store) = &mut self.store {
            store.remove_tab(tab);
        }
    }
}
