//! Documents: a tab's reads and ops, and the host's events of a document.

use proxy_doc::{
    Change, Error, Json, Line, OpId, Outcome, Revision, Seq, TabId, Version, present, wire,
};

use super::CallbackId;

/// A request for a snapshot of the past.
#[derive(Debug)]
pub struct SnapshotRequest {
    /// The collection, as the application gave it: the server says what is wrong with it.
    pub collection: Json,
    /// The id, likewise.
    pub id: Json,
    /// The version or time of the snapshot.
    pub at: SnapshotAt,
    /// The request, for its answer.
    pub callback_id: CallbackId,
}

wire!(struct SnapshotRequest {
    collection = "collection";
    id = "id";
    at = "at";
    callback_id = "callbackId";
});

/// A point of a document's past; `None` is the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotAt {
    /// A version.
    Version(Option<u64>),
    /// Milliseconds since 1970.
    Timestamp(Option<u64>),
}

wire!(enum SnapshotAt {
    Version = "version" (Option<u64>),
    Timestamp = "timestamp" (Option<u64>),
});

/// What a [`Read`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAction {
    /// The newest state.
    Fetch,
    /// The newest state, and all later changes.
    Subscribe,
    /// An end of the changes.
    Unsubscribe,
}

wire!(
    enum ReadAction {
        Fetch = "doc.fetch",
        Subscribe = "doc.subscribe",
        Unsubscribe = "doc.unsubscribe",
    }
);

/// A fetch, subscribe or unsubscribe.
#[derive(Debug)]
pub struct Read {
    /// Fetch, subscribe or unsubscribe.
    pub action: ReadAction,
    /// The collection.
    pub collection: String,
    /// The id.
    pub id: String,
    /// The revision that the tab's state stands at; `None` asks for a snapshot.
    pub revision: Option<Revision>,
    /// The life of the tab's document. The tab holds nothing of what it was sent in an earlier life.
    pub life: u32,
    /// The read only renews a subscription after a reconnect, and can be answered without news from the server.
    pub resume: bool,
    /// A version that the application assigned to `doc.version`, below the one that the tab was told: the tab asks for
    /// the server's ops from there on again, as [`DocEvent::Past`].
    pub from: Option<Version>,
    /// The request, for its answer.
    pub callback_id: CallbackId,
}

wire!(struct Read {
    action = "action";
    collection = "collection";
    id = "id";
    revision = "revision";
    life = "life" or 0;
    resume = "resume";
    from = "from";
    callback_id = "callbackId";
});

/// An op of a tab.
#[derive(Debug)]
pub struct SubmitOp {
    /// The collection.
    pub collection: String,
    /// The id.
    pub id: String,
    /// The revision that the op is based on; `None` for a create in a tab that has no state.
    pub revision: Option<Revision>,
    /// The life of the tab's document.
    pub life: u32,
    /// The line (history) that the tab believes to be the host's. A host that has begun another line does not accept
    /// the op before the tab knows: the tab would tell the next host that the op belongs to the old line.
    pub line: Option<Line>,
    /// The tab's number of the op. A resend has the same number.
    pub seq: Seq,
    /// The op.
    pub change: Change,
    /// The application's `source`, where `doc.submitSource` is set.
    pub source: Option<Json>,
    /// The identity that the op was sent to the server with before, where the application kept the op over a restart.
    pub earlier: Option<OpId>,
    /// `doc.preventCompose`: the op is not composed into the one before it.
    pub prevent_compose: bool,
}

wire!(struct SubmitOp {
    collection = "collection";
    id = "id";
    revision = "revision";
    life = "life" or 0;
    line = "line";
    seq = "seq";
    change = "change";
    source = "source";
    earlier = "earlier";
    prevent_compose = "preventCompose";
});

/// A document's state for a tab that has none.
#[derive(Clone, Debug)]
pub struct TabSnapshot {
    /// The host's revision of the state.
    pub revision: Revision,
    /// The life of the tab's document that the snapshot is for. A tab ignores one for an earlier life.
    pub life: u32,
    /// The type's URI; `None` where there is no document.
    pub ty: Option<String>,
    /// The serialized data; absent is `undefined`.
    pub data: Option<Json>,
}

wire!(struct TabSnapshot {
    revision = "revision";
    life = "life" or 0;
    ty = "type";
    data = "data", by present;
});

/// An op of a tab that has an outcome.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The tab's number of the op.
    pub seq: Seq,
    /// The outcome.
    pub outcome: Outcome,
}

wire!(struct Ended {
    seq = "seq";
    outcome = "outcome";
});

/// What a tab keeps of a change that it is shown before the write that holds it is durable: the next host may not have it.
#[derive(Clone, Debug)]
pub struct Early {
    /// All that the tab was told before this change is durable.
    pub settled: bool,
    /// What the host logs of the change, for the next host to read: a list of journal entries.
    pub entries: Json,
}

wire!(struct Early {
    settled = "settled";
    entries = "entries";
});

/// An event of a document.
#[derive(Debug)]
pub enum DocEvent {
    /// An op of another tab or client.
    Op {
        /// The revision before.
        revision: Revision,
        /// The revision after: +1, or more where the host composed several revisions into one.
        next: Revision,
        /// The server's version after the op, where the op changed that.
        version: Option<Version>,
        /// The author's connection id.
        src: Option<String>,
        /// The author, where it is a tab of this host.
        tab: Option<TabId>,
        /// The op.
        change: Change,
        /// Where it is not durable yet: what the tab keeps of it. Such a change is no composed one.
        early: Option<Early>,
    },
    /// An op of the server that the tab's revision contains already: see [`Read::from`].
    Past {
        /// The server's version before.
        version: Version,
        /// The author's connection id.
        src: Option<String>,
        /// The op.
        change: Change,
    },
    /// The host has an op of this tab, as the change from `revision` to the next one.
    Accepted {
        /// The tab's number of the op.
        seq: Seq,
        /// The revision before.
        revision: Revision,
        /// Where it is not durable yet: what the tab keeps of it.
        early: Option<Early>,
    },
    /// The host has ops of which the tab has asked by [`Resumed::given_up`](super::Resumed::given_up), and will tell their
    /// outcome.
    Taken {
        /// The tab's numbers of the ops.
        seqs: Vec<Seq>,
    },
    /// The host did not accept an op of this tab.
    Rejected {
        /// The tab's number of the op.
        seq: Seq,
        /// The reason.
        error: Error,
    },
    /// The server acknowledged ops of this tab, or rejected them and the host took them back.
    Outcome {
        /// The tab's numbers of the ops.
        seqs: Vec<Seq>,
        /// The outcome, which all of them share.
        outcome: Outcome,
        /// The server's version after that.
        version: Option<Version>,
        /// As of [`DocEvent::Version`].
        early: bool,
    },
    /// The server's version moved without a change of the data.
    Version {
        /// The server's version now.
        version: Version,
        /// It overtook a write on which it does not rest: it says of nothing that it is durable.
        early: bool,
    },
    /// A hard rollback: the document's state and its ops are given up, and the tab has to fetch.
    Rollback {
        /// The reason.
        error: Error,
        /// The ops of this tab that the server refused.
        rejected: Vec<Seq>,
        /// The life of the tab's document that this ends. A tab ignores a rollback of an earlier life.
        life: u32,
        /// Ops of this tab that have an outcome of their own.
        ended: Vec<Ended>,
    },
    /// The host has rebuilt its state without an op that the server rejected. The new state contains the accepted ops
    /// that have no outcome yet.
    Rebuilt {
        /// The new state.
        snapshot: TabSnapshot,
        /// The server's version of it.
        version: Option<Version>,
        /// The server's rejection.
        error: Error,
    },
    /// The state of a document that came to be other than by an op.
    Load {
        /// The state.
        snapshot: TabSnapshot,
        /// The server's version of it.
        version: Option<Version>,
    },
    /// An error that no callback was given.
    Error(Error),
}

wire!(enum DocEvent {
    Op = "op" {
        revision = "revision";
        next = "next";
        version = "version";
        src = "src";
        tab = "tab";
        change = "change";
        early = "early";
    },
    Past = "past" { version = "version"; src = "src"; change = "change" },
    Accepted = "accepted" { seq = "seq"; revision = "revision"; early = "early" },
    Taken = "taken" { seqs = "seqs" },
    Rejected = "rejected" { seq = "seq"; error = "error" },
    Outcome = "outcome" {
        seqs = "seqs";
        outcome = "outcome";
        version = "version";
        early = "early" or false;
    },
    Version = "version" { version = "version"; early = "early" or false },
    Rollback = "rollback" {
        error = "error";
        rejected = "rejected";
        life = "life" or 0;
        ended = "ended" or Vec::new();
    },
    Rebuilt = "rebuilt" { snapshot = "snapshot"; version = "version"; error = "error" },
    Load = "load" { snapshot = "snapshot"; version = "version" },
    Error = "error" (Error),
});
