//! Documents: a tab's reads and ops, and what the host says of a document.

use proxy_doc::{Change, Error, Json, OpId, Outcome, Revision, Seq, TabId, Version, present, wire};

use super::CallbackId;

/// A snapshot of the past.
#[derive(Debug)]
pub struct SnapshotRequest {
    /// The collection, as the application gave it: the server says what is wrong with it.
    pub collection: Json,
    /// The id, likewise.
    pub id: Json,
    /// At which point.
    pub at: SnapshotAt,
    /// Names the answer.
    pub callback_id: CallbackId,
}

wire!(struct SnapshotRequest {
    collection = "collection";
    id = "id";
    at = "at";
    callback_id = "callbackId";
});

/// A point of a document's past; `None` is now.
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

/// What a read asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAction {
    /// The newest state.
    Fetch,
    /// The newest state, and all changes to come.
    Subscribe,
    /// No more changes.
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
    /// Which of them.
    pub action: ReadAction,
    /// The collection.
    pub collection: String,
    /// The id.
    pub id: String,
    /// The revision that the tab's state stands at; `None` asks for a snapshot.
    pub revision: Option<Revision>,
    /// How often the tab has given its state up: of what it was sent in an earlier life it has nothing.
    pub life: u32,
    /// Only the reconnect of a subscription: no news from the server is needed for it.
    pub resume: bool,
    /// A version that the application says its data to have, below the one that the tab was told: the tab wants the
    /// server's ops from there on again, as [`DocEvent::Past`].
    pub from: Option<Version>,
    /// Names the answer.
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
    /// The revision that the op is based on; `None` for a create on whatever is there.
    pub revision: Option<Revision>,
    /// How often the tab has given its state up.
    pub life: u32,
    /// The history that the tab takes the host's for. Where the host has begun another one, it does not take
    /// the op before the tab knows: the tab would say to the next host that it belongs to the old one.
    pub line: Option<u64>,
    /// The tab's number of the op.
    pub seq: Seq,
    /// What it does.
    pub change: Change,
    /// The source to send along.
    pub source: Option<Json>,
    /// The identity that the op was sent to the server with in an earlier life.
    pub earlier: Option<OpId>,
    /// Not to be composed into the op before it.
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

/// A document for a tab that has nothing of it.
#[derive(Clone, Debug)]
pub struct TabSnapshot {
    /// The host's revision of it.
    pub revision: Revision,
    /// The life of the tab's state that this is for; a tab ignores what is for an earlier one.
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

/// An op that has an end.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The tab's number of it.
    pub seq: Seq,
    /// How it went.
    pub outcome: Outcome,
}

wire!(struct Ended {
    seq = "seq";
    outcome = "outcome";
});

/// Something that happened to a document.
#[derive(Debug)]
pub enum DocEvent {
    /// Somebody else changed it.
    Op {
        /// The revision before.
        revision: Revision,
        /// The revision after: +1, or more where older revisions became one.
        next: Revision,
        /// The server's version after, where the change moved it.
        version: Option<Version>,
        /// The author's connection id.
        src: Option<String>,
        /// The tab that made it, where it is one of this host's.
        tab: Option<TabId>,
        /// The change.
        change: Change,
    },
    /// An op of the server that the tab's revision contains, again: see [`Read::from`].
    Past {
        /// The server's version before.
        version: Version,
        /// The author's connection id.
        src: Option<String>,
        /// The change.
        change: Change,
    },
    /// The host has an op of this tab, as the change from `revision` to the next.
    Accepted {
        /// The tab's number of the op.
        seq: Seq,
        /// The revision before.
        revision: Revision,
    },
    /// The host refused an op of this tab.
    Rejected {
        /// The tab's number of the op.
        seq: Seq,
        /// Why.
        error: Error,
    },
    /// The server committed ops of this tab, or rejected and undid them.
    Outcome {
        /// The tab's numbers of the ops.
        seqs: Vec<Seq>,
        /// How it went.
        outcome: Outcome,
        /// The server's version now.
        version: Option<Version>,
    },
    /// The server's version moved without a change.
    Version {
        /// The version.
        version: Version,
    },
    /// Everything is given up; the tab has to fetch.
    Rollback {
        /// Why.
        error: Error,
        /// The ops of this tab that the server refused.
        rejected: Vec<Seq>,
        /// The life of the tab's state that this ends; a tab ignores what is for an earlier one.
        life: u32,
        /// Ops of this tab that have an end of their own.
        ended: Vec<Ended>,
    },
    /// The host's state was built anew, without an op that the server refused. Ops that it had accepted
    /// are contained, as far as they have no outcome yet.
    Rebuilt {
        /// The document.
        snapshot: TabSnapshot,
        /// The server's version of it.
        version: Option<Version>,
        /// Why.
        error: Error,
    },
    /// A document appeared where there was none, not by an op.
    Load {
        /// The document.
        snapshot: TabSnapshot,
        /// The server's version of it.
        version: Option<Version>,
    },
    /// An error that no callback heard.
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
    },
    Past = "past" { version = "version"; src = "src"; change = "change" },
    Accepted = "accepted" { seq = "seq"; revision = "revision" },
    Rejected = "rejected" { seq = "seq"; error = "error" },
    Outcome = "outcome" { seqs = "seqs"; outcome = "outcome"; version = "version" },
    Version = "version" { version = "version" },
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
