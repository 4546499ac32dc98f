//! The durable store: a tab's documents at a takeover, and the events of the store.

use proxy_doc::{DeadLetter, DocKey, Error, Json, Line, Revision, Seq, StoredDoc, wire};

/// A document that a tab holds when it registers at another host.
#[derive(Debug)]
pub struct Resumed {
    /// The document's key.
    pub key: DocKey,
    /// The revision of the tab's state; `None` where the tab has ops but no state.
    pub revision: Option<Revision>,
    /// The line (history) that the revision belongs to, or the inflight op where there is no revision.
    pub line: Option<Line>,
    /// The life of the tab's document.
    pub life: u32,
    /// The tab is subscribed to the document.
    pub live: bool,
    /// The op that was sent, and is not accepted as far as the tab knows.
    pub inflight: Option<Seq>,
    /// The ops behind it that were sent ahead.
    pub ahead: Vec<Seq>,
    /// The accepted ops whose outcome the tab does not know.
    pub accepted: Vec<Seq>,
    /// The ops that were sent from a state that the tab has given up since, without a word of a host. They end with an error
    /// unless this host has them.
    pub given_up: Vec<Seq>,
    /// What the tab was shown early and does not know to be durable: the changes that lead to `revision`, oldest first.
    pub lead: Vec<LeadEntry>,
}

/// A change that a tab was shown early.
#[derive(Clone, Debug)]
pub struct LeadEntry {
    /// The revision before the change.
    pub revision: Revision,
    /// See [`super::Early::entries`].
    pub entries: Json,
}

wire!(struct LeadEntry {
    revision = "revision";
    entries = "entries";
});

/// A document whose last ops were accepted early and are unknown to the new host. The tab goes back to `revision` and resends
/// them.
#[derive(Clone, Debug)]
pub struct Rewind {
    /// The document.
    pub doc: DocKey,
    /// The revision before the first of these ops.
    pub revision: Revision,
    /// The first of them.
    pub seq: Seq,
}

wire!(struct Rewind {
    doc = "doc";
    revision = "revision";
    seq = "seq";
});

wire!(struct Resumed {
    key = "doc";
    revision = "revision";
    line = "line";
    life = "life" or 0;
    live = "live";
    inflight = "inflight";
    ahead = "ahead" or Vec::new();
    accepted = "accepted" or Vec::new();
    given_up = "givenUp" or Vec::new();
    lead = "lead" or Vec::new();
});

impl Resumed {
    /// Whether the tab waits for the outcome of the op.
    pub fn waits_for(&self, seq: Seq) -> bool {
        self.sent().any(|sent| sent == seq)
            || self.accepted.contains(&seq)
            || self.given_up.contains(&seq)
    }

    /// The ops that were sent, and are not accepted as far as the tab knows, oldest first.
    pub fn sent(&self) -> impl Iterator<Item = Seq> {
        self.inflight.into_iter().chain(self.ahead.iter().copied())
    }
}

/// An event of the store.
#[derive(Debug)]
pub enum StorageEvent {
    /// The store's state changed.
    State(StorageState),
    /// The queue of documents that are to be written.
    Queue {
        /// The number of documents in it.
        size: usize,
        /// Whether they are written without a request.
        auto_flush: bool,
    },
    /// Documents were stored, or removed from the store.
    Inventory {
        /// Documents that were stored or have changed.
        docs: Vec<StoredDoc>,
        /// Documents that were removed.
        gone: Vec<DocKey>,
        /// `docs` is the whole inventory and replaces what the tab knew.
        whole: bool,
    },
    /// Dead letters were added or removed.
    Letters {
        /// The letters that were added, oldest first.
        letters: Vec<DeadLetter>,
        /// The numbers of those that were removed.
        gone: Vec<u64>,
        /// `letters` are all that there are and replace what the tab knew.
        whole: bool,
    },
    /// Records of these documents are being written.
    Persisting(Vec<StoredDoc>),
    /// Records of these documents were written.
    Persisted(Vec<StoredDoc>),
    /// A write failed.
    WriteFailed(Error),
    /// Everything was deleted, and the connection has ended.
    Wiped,
}

wire!(enum StorageEvent {
    State = "state" (StorageState),
    Queue = "queue" { size = "size"; auto_flush = "autoFlush" },
    Inventory = "inventory" { docs = "docs"; gone = "gone" or Vec::new(); whole = "whole" },
    Letters = "letters" { letters = "letters"; gone = "gone" or Vec::new(); whole = "whole" },
    Persisting = "persisting" (Vec<StoredDoc>),
    Persisted = "persisted" (Vec<StoredDoc>),
    WriteFailed = "write failed" (Error),
    Wiped = "wiped",
});

/// The state of the store.
#[derive(Clone, Debug)]
pub struct StorageState {
    /// The line: the history within which revisions can be compared.
    pub line: Line,
    /// How many hosts the store has had. A tab that was welcomed by a later one has missed none before it.
    pub view: u64,
    /// The kind of storage: `indexeddb`, `custom`, `memory` or `none`.
    pub mode: String,
    /// Whether accepted ops survive the host.
    pub durable: bool,
    /// Whether they are kept when all tabs are gone.
    pub kept: bool,
    /// Why the store is not durable.
    pub reason: Option<Error>,
}

wire!(struct StorageState {
    line = "line";
    view = "view" or 0;
    mode = "mode" or String::new();
    durable = "durable";
    kept = "kept";
    reason = "reason";
});
