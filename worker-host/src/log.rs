//! The log: what the host keeps in its store, and how a host takes over from one before it.
//!
//! `barrier` holds each output until the write that it rests on is durable; `early` decides which changes tabs are shown
//! before that. `records` are the stored forms of a document. `takeover` reads the log of an earlier host, `leads` the
//! changes that it showed tabs early, `backlog` sends its ops to the server, and `resume` lets its tabs continue.
//! `events`, `requests` and `watch` connect the log to the store and to the tabs. `lost` is for a store that fails for
//! good, `resign` for a host that leaves its log to the next one.
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
/// [`Log::mode`] of a storage that ends with the host.
const MEMORY: &str = "memory";

/// The store, and the state that depends on its health.
pub(crate) struct Log {
    /// `None`: nothing is written, and a later host knows nothing.
    store: Option<Box<DurableStore>>,
    /// The history in which revisions can be compared, named by the epoch of the host that began it. A new line begins
    /// where durability is lost, since a later host then gives the same numbers to other revisions.
    line: Line,
    /// Time of the last input, in milliseconds.
    now: u64,
    /// Where the driver stores: `none`, `memory`, or its name of a storage.
    mode: String,
    /// Why the store cannot be used, or why it is not a better one.
    error: Option<Error>,
    /// Whether the store was given up, and its storage answers again.
    answers: bool,
    /// Documents that the store has and this host cannot read.
    unreadable: DocMap<Unreadable>,
    /// Whether entries of an earlier host are being replayed.
    is_replaying: bool,
    leads: Leads,
    pub(crate) backlog: Backlog,
    /// The queue length that tabs were last told.
    told_queue: usize,
    /// Requests that wait for a write.
    flushes: Vec<Flush>,
    /// Tabs that asked for everything to be deleted, until it is.
    wiping: Vec<(TabId, CallbackId)>,
    /// Whether everything was deleted, or the deletion failed.
    is_over: bool,
}

/// A request that is answered after a write.
struct Flush {
    tab: TabId,
    callback_id: CallbackId,
    /// The mark in the store that is awaited. `None`: the request only queued something.
    until: Option<Mark>,
}

/// A document that the store has and this host cannot read, for instance since its type is not registered. The stored
/// document stays as it is.
struct Unreadable {
    /// The stored record; `None`: it cannot be read either.
    record: Option<DocRecord>,
    /// The journal's entries after the record.
    entries: Vec<JournalEntry>,
    /// Why it cannot be read.
    error: Error,
}

impl Log {
    /// A log without a store, or whose store is not open yet.
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

    /// The number of the last write that succeeded.
    pub(crate) fn committed(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.committed())
    }

    /// The number of the write that an output now has to wait for.
    pub(crate) fn barrier(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.barrier())
    }

    /// Notes the time of an input. After a long silence the host may have been frozen and another one may have taken the
    /// storage: nothing is shown early until a write has succeeded. Returns whether that doubt begins now.
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

    /// Whether the next seq of an id that the application chose survives this host. It does also without a store: the
    /// application then keeps it.
    pub(crate) fn keeps_numbers(&self) -> bool {
        self.store.is_none() || self.mode != MEMORY
    }

    /// Whether entries of an earlier host are being replayed: nothing is sent or written.
    pub(crate) fn is_replaying(&self) -> bool {
        self.is_replaying
    }

    /// Whether the store is not open yet, and everything waits for it.
    pub(crate) fn is_restoring(&self) -> bool {
        self.store.as_ref().is_some_and(|store| !store.is_ready())
    }

    /// Whether another host may have the storage.
    pub(crate) fn is_closed(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.is_closed())
    }

    /// Whether there was a store, and nothing is durable any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.store.as_ref().is_some_and(|store| !store.is_durable())
    }

    /// Whether a later host can go on with the log, or this host has not even read the log of the earlier one.
    fn outlives_host(&self) -> bool {
        let is_kept = |store: &DurableStore| store.is_durable() && self.mode != MEMORY;
        let store = self.store.as_deref();
        store.is_some_and(|store| store.is_restoring() || is_kept(store))
    }

    /// Whether no write is under way or waits.
    fn is_finished(&self) -> bool {
        self.store.as_ref().is_none_or(|store| store.is_finished())
    }

    /// Why no new op may be taken, where an application's store is full.
    pub(crate) fn refusal(&self) -> Option<&Error> {
        let full = self.store.as_ref().filter(|store| store.is_full());
        full.filter(|store| store.retention() == Retention::Durable)
            .and(self.error.as_ref())
    }

    /// Why the document cannot be used, where the store has it and this host cannot read it.
    pub(crate) fn unreadable_error(&self, key: &DocKey) -> Option<&Error> {
        self.unreadable.get(key).map(|unreadable| &unreadable.error)
    }

    /// Whether the store has the document and this host cannot read it.
    pub(crate) fn is_unreadable(&self, key: &DocKey) -> bool {
        self.unreadable.contains_key(key)
    }

    /// The state of the store, as tabs are told it.
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

    /// Asks for the inventory, which says which documents have ops for the server: the connection is up.
    pub(crate) fn want_inventory(&mut self) {
        if let Some(store) = &mut self.store {
            store.want_inventory();
        }
    }

    /// Whether the storage ends with the host.
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

    /// Keeps a note. It is durable before any later output goes out.
    pub(crate) fn keep_note(&mut self, note: Note, text: String) {
        if let Some(store) = &mut self.store {
            store.keep_note(note, text);
        }
    }

    /// Adds a registered tab to those that a later host expects.
    pub(crate) fn add_tab(&mut self, tab: &TabId) {
        if let Some(store) = &mut self.store {
            store.add_tab(tab);
        }
    }

    /// Removes a tab that is gone from those that a later host expects.
    pub(crate) fn remove_tab(&mut self, tab: &TabId) {
        if let Some(store) = &mut self.store {
            store.remove_tab(tab);
        }
    }
}
