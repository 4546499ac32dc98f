//! The status of a host: counts, and on request the details of tabs, documents and queries, for a debug console.
//!
//! What it refuses to do: keep anything of its own. A status is read from the host's state when it is asked for.

use broker::message::{QueryAction, Status};
use proxy_doc::{
    DocKey, Epoch, Gather, Json, Line, PendingOp, Revision, Seq, TabId, Version, wire, write_json,
};

use crate::docs::host_doc::HostDoc;
use crate::host::Host;

/// [`Status::details`].
struct Details {
    epoch: Epoch,
    line: Line,
    /// The connection's id.
    src: Option<String>,
    state: &'static str,
    tabs: Vec<TabStatus>,
    docs: Vec<DocStatus>,
    queries: Vec<QueryStatus>,
    presence: Vec<ChannelStatus>,
    store: Option<StoreStatus>,
    dead_letters: usize,
}

wire!(write struct Details {
    epoch = "epoch";
    line = "line";
    src = "src";
    state = "state";
    tabs = "tabs";
    docs = "docs";
    queries = "queries";
    presence = "presence";
    store = "store";
    dead_letters = "deadLetters";
});

/// A registered tab.
pub(crate) struct TabStatus {
    pub(crate) id: TabId,
    /// Changes that it has not confirmed.
    pub(crate) unconfirmed: usize,
    /// It lags, and gets no changes.
    pub(crate) stalled: bool,
}

wire!(write struct TabStatus {
    id = "id";
    unconfirmed = "unconfirmed";
    stalled = "stalled";
});

/// A document in memory.
struct DocStatus {
    collection: String,
    id: String,
    ty: Option<String>,
    version: Option<Version>,
    revision: Revision,
    /// The op on its way to the server.
    inflight: Option<OpStatus>,
    /// The ops behind it, oldest first.
    pending: Vec<OpStatus>,
    subscribed: bool,
    tabs: Vec<FollowerStatus>,
}

wire!(write struct DocStatus {
    collection = "collection";
    id = "id";
    ty = "type";
    version = "version";
    revision = "revision";
    inflight = "inflight";
    pending = "pending";
    subscribed = "subscribed";
    tabs = "tabs";
});

/// An op that the server has not acknowledged.
struct OpStatus {
    src: Option<String>,
    seq: Option<Seq>,
    /// The tabs that made it, with a name for each submission.
    tabs: Vec<TabId>,
}

wire!(write struct OpStatus { src = "src"; seq = "seq"; tabs = "tabs" });

/// A tab that knows a document.
pub(crate) struct FollowerStatus {
    pub(crate) id: TabId,
    /// The revision that it was sent; none where it has no state.
    pub(crate) revision: Option<Revision>,
    pub(crate) live: bool,
}

wire!(write struct FollowerStatus { id = "id"; revision = "revision"; live = "live" });

/// A query on the wire.
pub(crate) struct QueryStatus {
    pub(crate) action: QueryAction,
    pub(crate) collection: String,
    pub(crate) query: Option<Json>,
    pub(crate) results: Option<usize>,
    /// It had an answer.
    pub(crate) ready: bool,
    pub(crate) tabs: Vec<TabId>,
}

wire!(write struct QueryStatus {
    action = "action";
    collection = "collection";
    query = "query";
    results = "results";
    ready = "ready";
    tabs = "tabs";
});

/// A presence channel.
pub(crate) struct ChannelStatus {
    pub(crate) channel: String,
    pub(crate) subscribed: bool,
    pub(crate) tabs: Vec<TabId>,
    /// Presence ids of this host's tabs, and of others.
    pub(crate) local: usize,
    pub(crate) remote: usize,
}

wire!(write struct ChannelStatus {
    channel = "channel";
    subscribed = "subscribed";
    tabs = "tabs";
    local = "local";
    remote = "remote";
});

/// The store.
pub(crate) struct StoreStatus {
    pub(crate) mode: String,
    /// Documents with a record; none where that is not read yet.
    pub(crate) records: Option<usize>,
    /// Records of the journal, and their bytes.
    pub(crate) journal: usize,
    pub(crate) journal_bytes: usize,
    /// Documents that wait to be written.
    pub(crate) queue: usize,
}

wire!(write struct StoreStatus {
    mode = "mode";
    records = "records";
    journal = "journal";
    journal_bytes = "journalBytes";
    queue = "queue";
});

impl Host {
    /// The answer to `connection.hostStatus`, with details or without.
    pub(crate) fn status(&self, details: bool) -> Status {
        let pending = self
            .docs
            .iter()
            .map(|host_doc| host_doc.doc.unfinished().count());
        Status {
            tabs: self.tabs.registered().len(),
            sockets: usize::from(self.connected()),
            docs: self.docs.len(),
            pending_ops: pending.sum(),
            details: details.then(|| Json::written(write_json(&self.details()))),
        }
    }

    fn details(&self) -> Details {
        Details {
            epoch: self.options.epoch,
            line: self.log.line(),
            src: self.id().map(str::to_owned),
            state: self.state().as_str(),
            tabs: self.tabs.statuses(),
            docs: self.docs.iter().map(|doc| self.doc_status(doc)).gather(),
            queries: self.queries.statuses(),
            presence: self.presences.statuses(),
            store: self.log.status(),
            dead_letters: self.log.store().map_or(0, |store| store.letters().count()),
        }
    }

    fn doc_status(&self, host_doc: &HostDoc) -> DocStatus {
        let HostDoc { doc, hub, .. } = host_doc;
        let DocKey { collection, id } = doc.key().clone();
        let status = |op: &PendingOp| {
            let authors = op.submissions.iter();
            let authors = authors.filter_map(|submission| self.callers.author(submission.token));
            OpStatus {
                src: op.id.src.clone(),
                seq: op.id.seq,
                tabs: authors.map(|author| author.tab.clone()).gather(),
            }
        };
        let inflight = doc.inflight().map(status);
        let pending = doc.unfinished().skip(usize::from(inflight.is_some()));
        let pending = pending.map(status).gather();
        DocStatus {
            collection,
            id,
            ty: doc.ty().map(|ty| ty.uri().to_owned()),
            version: doc.version(),
            revision: hub.head(),
            inflight,
            pending,
            subscribed: doc.subscribed(),
            tabs: hub.statuses(),
        }
    }
}
