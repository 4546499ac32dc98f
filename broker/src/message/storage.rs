//! What tabs and the host say about the durable store.

use proxy_doc::{Change, DocKey, Error, Revision, Seq, Version, wire};

/// A document that a tab holds when it comes to another host.
#[derive(Debug)]
pub struct Resumed {
    /// Which.
    pub key: DocKey,
    /// The revision that it stands at; none where it has no state, but ops.
    pub revision: Option<Revision>,
    /// The history that this belongs to, or the op that was sent.
    pub line: Option<u64>,
    /// How often the tab has given its state up.
    pub life: u32,
    /// It is subscribed.
    pub live: bool,
    /// The op that was sent and not accepted, as far as the tab knows.
    pub inflight: Option<Seq>,
    /// The ops that were accepted, and whose end the tab does not know.
    pub accepted: Vec<Seq>,
}

wire!(struct Resumed {
    key = "doc";
    revision = "revision";
    line = "line";
    life = "life" or 0;
    live = "live";
    inflight = "inflight";
    accepted = "accepted" or Vec::new();
});

impl Resumed {
    /// Whether the tab does not know how the op ended.
    pub fn waits_for(&self, seq: Seq) -> bool {
        self.inflight == Some(seq) || self.accepted.contains(&seq)
    }
}

/// Something that happened in the store.
#[derive(Debug)]
pub enum StorageEvent {
    /// What the store is now.
    State(StorageState),
    /// So many documents wait to be written.
    Queue {
        /// How many.
        size: usize,
        /// Whether they are written by themselves.
        auto_flush: bool,
    },
    /// Documents of the store. `whole`: all that there are; otherwise those that changed.
    Inventory {
        /// Which, and what is known of them.
        docs: Vec<StoredDoc>,
        /// Those that are gone.
        gone: Vec<DocKey>,
        /// Whether everything is said.
        whole: bool,
    },
    /// Dead letters came or went.
    Letters {
        /// Those that came, or all, oldest first.
        letters: Vec<DeadLetter>,
        /// The numbers of those that went.
        gone: Vec<u64>,
        /// There are no others.
        whole: bool,
    },
    /// Records of these documents are being written.
    Persisting(Vec<StoredDoc>),
    /// Records of these documents were written.
    Persisted(Vec<StoredDoc>),
    /// A write failed.
    WriteFailed(Error),
    /// Everything was deleted, and the connection is over.
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

/// What the store is.
#[derive(Clone, Debug)]
pub struct StorageState {
    /// The history in which revisions can be compared.
    pub line: u64,
    /// Where things are kept: `indexeddb`, `custom`, `memory`, or `none`.
    pub mode: String,
    /// Whether what is accepted survives the host.
    pub durable: bool,
    /// Whether it is kept when all tabs are gone.
    pub kept: bool,
    /// Why it is not durable.
    pub reason: Option<Error>,
}

wire!(struct StorageState {
    line = "line";
    mode = "mode" or String::new();
    durable = "durable";
    kept = "kept";
    reason = "reason";
});

/// A document that the store has.
#[derive(Clone, Debug)]
pub struct StoredDoc {
    /// Which.
    pub key: DocKey,
    /// The server's version.
    pub version: Option<Version>,
    /// Whether it has ops that the server has not acknowledged.
    pub pending: bool,
}

wire!(struct StoredDoc {
    key = "doc";
    version = "v";
    pending = "p";
});

/// An op that was refused or given up.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Names it.
    pub number: u64,
    /// The document.
    pub key: DocKey,
    /// What the op did.
    pub change: Change,
    /// Why it was given up.
    pub error: Error,
    /// The server's version that it stood on, where that is known.
    pub version: Option<Version>,
}

wire!(struct DeadLetter {
    number = "number";
    key = "doc";
    change = "change";
    error = "error";
    version = "version";
});
