//! What crosses between a tab and the host, as JSON text.
//!
//! Every message is an object with one key, its name. Ops and snapshots inside are JSON that no
//! one between the two ends reads.

mod presence;

use proxy_doc::{
    CreateData, Edit, Error, Json, OpId, OpKind, OtType, Outcome, Revision, Seq, Snapshot, TabId,
    Types, Version,
};
use serde::{Deserialize, Deserializer, Serialize};

pub use presence::{PresenceEvent, PresenceSubmit, PresenceSubscription, PresenceUpdate};

/// The protocol between tab and host. A host serves its own number and the one before.
pub const PROTOCOL: u32 = 1;

/// Names an answer; unique within its tab. Each is answered once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallbackId(pub u64);

/// From a tab to the host.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToHost {
    /// The first message of a tab.
    #[serde(rename = "tab.register")]
    Register {
        /// The tab's [`PROTOCOL`].
        protocol: u32,
    },
    /// The tab leaves; its ops stay.
    #[serde(rename = "tab.unregister")]
    Unregister {},
    /// So many messages have arrived: the host may forget what only older ones needed.
    #[serde(rename = "tab.received")]
    Received {
        /// Messages since the registration.
        count: u64,
    },
    /// Close the connection for this tab.
    #[serde(rename = "connection.close")]
    Close {
        /// The binding that the tab counts from now on; older states do not concern it.
        generation: u64,
    },
    /// Ask the server for a pong.
    #[serde(rename = "connection.ping")]
    Ping {},
    /// Several reads that go to the server together.
    #[serde(rename = "connection.bulk")]
    Bulk {
        /// The reads.
        reads: Vec<Read>,
    },
    /// One read.
    #[serde(rename = "connection.read")]
    Read(Read),
    /// What the host has.
    #[serde(rename = "connection.status")]
    Status {
        /// Names the answer.
        #[serde(rename = "callbackId")]
        callback_id: CallbackId,
    },
    /// An op.
    #[serde(rename = "doc.submitOp")]
    SubmitOp(SubmitOp),
    /// A snapshot that the application brought.
    #[serde(rename = "doc.ingestSnapshot")]
    IngestSnapshot {
        /// The collection.
        collection: String,
        /// The id.
        id: String,
        /// The snapshot, at a version of the server.
        snapshot: Snapshot,
        /// Names the answer: the revision that the tab stands at now.
        #[serde(rename = "callbackId")]
        callback_id: CallbackId,
    },
    /// A query.
    #[serde(rename = "query.create")]
    Query(QueryRequest),
    /// The tab is done with a query.
    #[serde(rename = "query.destroy")]
    DestroyQuery {
        /// The tab's number of the query.
        #[serde(rename = "queryId")]
        query_id: u64,
    },
    /// A read-only snapshot of the past.
    #[serde(rename = "connection.fetchSnapshot")]
    FetchSnapshot(SnapshotRequest),
    /// Show the tab what others show on a channel.
    #[serde(rename = "presence.subscribe")]
    PresenceSubscribe(PresenceSubscription),
    /// No more.
    #[serde(rename = "presence.unsubscribe")]
    PresenceUnsubscribe(PresenceSubscription),
    /// Show others what the tab shows.
    #[serde(rename = "presence.submit")]
    PresenceSubmit(PresenceSubmit),
    /// The tab forgets a document.
    #[serde(rename = "doc.destroy")]
    Destroy {
        /// The collection.
        collection: String,
        /// The id.
        id: String,
    },
}

/// How a query is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueryAction {
    /// Once.
    #[serde(rename = "qf")]
    Fetch,
    /// And again with every change.
    #[serde(rename = "qs")]
    Subscribe,
}

/// A query of a tab.
#[derive(Debug, Serialize, Deserialize)]
pub struct QueryRequest {
    /// The tab's number of the query.
    #[serde(rename = "queryId")]
    pub query_id: u64,
    /// How it is asked.
    pub action: QueryAction,
    /// The collection.
    pub collection: String,
    /// The query, as the server's database understands it; absent is `undefined`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub query: Option<Json>,
    /// The options for the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Json>,
    /// The ids of the results that the application has already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<Vec<String>>,
}

/// A snapshot of the past.
#[derive(Debug, Serialize, Deserialize)]
pub struct SnapshotRequest {
    /// The collection, as the application gave it: the server says what is wrong with it.
    pub collection: Json,
    /// The id, likewise.
    pub id: Json,
    /// At which point.
    pub at: SnapshotAt,
    /// Names the answer.
    #[serde(rename = "callbackId")]
    pub callback_id: CallbackId,
}

/// A point of a document's past; `None` is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotAt {
    /// A version.
    #[serde(rename = "version")]
    Version(Option<u64>),
    /// Milliseconds since 1970.
    #[serde(rename = "timestamp")]
    Timestamp(Option<u64>),
}

/// What a read asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadAction {
    /// The newest state.
    #[serde(rename = "doc.fetch")]
    Fetch,
    /// The newest state, and all changes to come.
    #[serde(rename = "doc.subscribe")]
    Subscribe,
    /// No more changes.
    #[serde(rename = "doc.unsubscribe")]
    Unsubscribe,
}

/// A fetch, subscribe or unsubscribe.
#[derive(Debug, Serialize, Deserialize)]
pub struct Read {
    /// Which of them.
    pub action: ReadAction,
    /// The collection.
    pub collection: String,
    /// The id.
    pub id: String,
    /// The revision that the tab's state stands at; `None` asks for a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// How often the tab has given its state up: of what it was sent in an earlier life it has nothing.
    #[serde(default)]
    pub life: u32,
    /// Only the reconnect of a subscription: no news from the server is needed for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resume: bool,
    /// Names the answer.
    #[serde(rename = "callbackId")]
    pub callback_id: CallbackId,
}

/// An op of a tab.
#[derive(Debug, Serialize, Deserialize)]
pub struct SubmitOp {
    /// The collection.
    pub collection: String,
    /// The id.
    pub id: String,
    /// The revision that the op is based on; `None` for a create on whatever is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The tab's number of the op.
    pub seq: Seq,
    /// What it does.
    pub change: Change,
    /// The source to send along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Json>,
    /// The identity that the op was sent to the server with in an earlier life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<OpId>,
    /// Not to be composed into the op before it.
    #[serde(
        rename = "preventCompose",
        default,
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub prevent_compose: bool,
}

/// An op as both wires write it: one of `op`, `create` and `del`, or none of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Change {
    /// The edit.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub op: Option<Json>,
    /// The URI of the type that `op` is of; between tab and host only.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub ty: Option<String>,
    /// The create.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<Create>,
    /// The delete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub del: bool,
}

/// The content of a create.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Create {
    /// The type's name or URI.
    #[serde(rename = "type")]
    pub ty: String,
    /// The data; absent is `undefined`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub data: Option<Json>,
}

/// Tells `null` from absent: json1 composes to `null`.
///
/// # Errors
/// The deserializer's.
pub fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

impl Change {
    /// Writes `kind`; `ty` names the type of an edit.
    pub fn new(kind: &OpKind, ty: Option<&OtType>) -> Self {
        match kind {
            OpKind::Edit(edit) => Self {
                op: Some(edit.to_text()),
                ty: ty.map(|ty| ty.uri().to_owned()),
                ..Self::default()
            },
            OpKind::Create { type_name, data } => Self {
                create: Some(Create {
                    ty: type_name.clone(),
                    data: data.to_text(),
                }),
                ..Self::default()
            },
            OpKind::Del => Self {
                del: true,
                ..Self::default()
            },
            OpKind::Noop => Self::default(),
        }
    }

    /// Reads the op. `ty` is the document's type, for an edit that does not name its own.
    ///
    /// # Errors
    /// `ERR_DOC_TYPE_NOT_RECOGNIZED` names a type that is not registered here; the errors of [`OtType::parse`].
    pub fn read(self, ty: Option<&OtType>, types: &dyn Types) -> Result<OpKind, Error> {
        if let Some(op) = self.op {
            let named = match (&self.ty, ty) {
                (Some(uri), ty) if ty.is_none_or(|ty| ty.uri() != uri) => {
                    Some(resolve(types, uri)?)
                }
                _ => None,
            };
            let edit = match named.as_ref().or(ty) {
                Some(ty) => ty.parse(&op)?,
                None => Edit::Foreign(op),
            };
            return Ok(OpKind::Edit(edit));
        }
        Ok(match (self.create, self.del) {
            (Some(create), _) => OpKind::Create {
                type_name: create.ty,
                data: CreateData::Text(create.data),
            },
            (None, true) => OpKind::Del,
            (None, false) => OpKind::Noop,
        })
    }
}

/// The registered type, or an error that says which one is missing and how to mend it.
///
/// # Errors
/// `ERR_DOC_TYPE_NOT_RECOGNIZED`.
pub fn resolve(types: &dyn Types, name: &str) -> Result<OtType, Error> {
    types.resolve(name).ok_or_else(|| {
        let message = format!(
            "Missing type {name} in the host. Register it in the worker: serve({{types: [type]}})"
        );
        Error::new(proxy_doc::codes::ERR_DOC_TYPE_NOT_RECOGNIZED, message)
    })
}

/// What the host tells a tab, and in which life of the host it was said.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// The life of the host. Another one means that a new host knows nothing of this tab.
    pub epoch: u64,
    /// What is said.
    pub message: ToTab,
}

/// From the host to a tab.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToTab {
    /// The answer to a registration.
    #[serde(rename = "host.welcome")]
    Welcome {
        /// The host's [`PROTOCOL`].
        protocol: u32,
        /// The connection now.
        connection: ConnectionState,
    },
    /// The tab and the host do not understand each other.
    #[serde(rename = "host.incompatible")]
    Incompatible {
        /// The host's [`PROTOCOL`].
        protocol: u32,
    },
    /// Something happened to the connection.
    #[serde(rename = "connection.event")]
    Connection(ConnectionEvent),
    /// An answer.
    #[serde(rename = "callback")]
    Callback {
        /// Which.
        #[serde(rename = "callbackId")]
        callback_id: CallbackId,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Error>,
        /// What came of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Answer>,
    },
    /// Something happened to a query.
    #[serde(rename = "query.event")]
    Query {
        /// The tab's number of the query.
        #[serde(rename = "queryId")]
        query_id: u64,
        /// What.
        event: QueryEvent,
    },
    /// Something happened on a presence channel.
    #[serde(rename = "presence.event")]
    Presence {
        /// The channel.
        channel: String,
        /// What.
        event: PresenceEvent,
    },
    /// Something happened to a document.
    #[serde(rename = "doc.event")]
    Doc {
        /// The collection.
        collection: String,
        /// The id.
        id: String,
        /// What.
        event: DocEvent,
    },
}

/// The state of the real connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConnectionState {
    /// ShareDB's word for it.
    pub state: State,
    /// Why, as the socket said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Json>,
    /// The connection's id, `src` of all ops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which binding to a socket this is about.
    pub generation: u64,
}

/// ShareDB's connection states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The socket, or the handshake, is not through yet.
    Connecting,
    /// Messages flow.
    Connected,
    /// The socket closed; another one may come.
    Disconnected,
    /// The client closed the socket.
    Closed,
    /// The server closed the socket for good.
    Stopped,
}

impl State {
    /// ShareDB's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Closed => "closed",
            Self::Stopped => "stopped",
        }
    }
}

/// Something that happened to the connection.
#[derive(Debug, Serialize, Deserialize)]
pub enum ConnectionEvent {
    /// It changed its state.
    #[serde(rename = "state")]
    State(ConnectionState),
    /// The socket reported an error.
    #[serde(rename = "connection error")]
    SocketError(Json),
    /// An error of the connection.
    #[serde(rename = "error")]
    Error(Error),
    /// The answer to a ping.
    #[serde(rename = "pong")]
    Pong,
}

/// What came of a request.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// A read went through.
    #[serde(rename = "read")]
    Read {
        /// The state, where the tab has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snapshot: Option<TabSnapshot>,
        /// The server's version of what the tab has now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// The server cannot be asked now.
    #[serde(rename = "offline")]
    Offline,
    /// An ingested snapshot stands at this revision.
    #[serde(rename = "ingested")]
    Ingested {
        /// The revision, or none where the host cannot place it: the tab has to start again.
        revision: Option<Revision>,
    },
    /// What the host has.
    #[serde(rename = "status")]
    Status(Status),
    /// A snapshot of the past: the server's message.
    #[serde(rename = "snapshot")]
    Snapshot(Json),
}

/// Something that happened to a query.
#[derive(Debug, Serialize, Deserialize)]
pub enum QueryEvent {
    /// It has an answer.
    #[serde(rename = "results")]
    Results {
        /// All results; absent where they are as they were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        docs: Option<Vec<QueryDoc>>,
        /// What the database added.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "present"
        )]
        extra: Option<Json>,
    },
    /// It failed, and is over.
    #[serde(rename = "failed")]
    Failed(Error),
    /// An update failed.
    #[serde(rename = "error")]
    Error(Error),
    /// The results changed.
    #[serde(rename = "diff")]
    Diff(Vec<DiffItem<QueryDoc>>),
    /// The database's addition changed; absent is `undefined`.
    #[serde(rename = "extra")]
    Extra {
        /// The addition.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "present"
        )]
        extra: Option<Json>,
    },
}

/// A result of a query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueryDoc {
    /// The collection.
    pub collection: String,
    /// The id.
    pub id: String,
    /// The state, where the tab has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<TabSnapshot>,
    /// The server's version of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

/// A change of a list of results; ShareDB writes the kind inside, as `type`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiffItem<D> {
    /// Results came in.
    Insert {
        /// Where.
        index: usize,
        /// Which.
        values: Vec<D>,
    },
    /// Results went.
    Remove {
        /// Where.
        index: usize,
        /// How many; 1 when absent.
        #[serde(rename = "howMany", default = "one")]
        how_many: usize,
    },
    /// Results changed their place.
    Move {
        /// From where.
        from: usize,
        /// To where.
        to: usize,
        /// How many; 1 when absent.
        #[serde(rename = "howMany", default = "one")]
        how_many: usize,
    },
}

fn one() -> usize {
    1
}

/// A document for a tab that has nothing of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TabSnapshot {
    /// The host's revision of it.
    pub revision: Revision,
    /// The life of the tab's state that this is for; a tab ignores what is for an earlier one.
    #[serde(default)]
    pub life: u32,
    /// The type's URI; `None` where there is no document.
    #[serde(rename = "type")]
    pub ty: Option<String>,
    /// The serialized data; absent is `undefined`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub data: Option<Json>,
}

/// What the host has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Tabs that are registered.
    pub tabs: usize,
    /// Open sockets: one or none.
    pub sockets: usize,
    /// Documents in memory.
    pub docs: usize,
    /// Ops that the server has not acknowledged.
    #[serde(rename = "pendingOps")]
    pub pending_ops: usize,
}

/// Something that happened to a document.
#[derive(Debug, Serialize, Deserialize)]
pub enum DocEvent {
    /// Somebody else changed it.
    #[serde(rename = "op")]
    Op {
        /// The revision before.
        revision: Revision,
        /// The revision after: +1, or more where older revisions became one.
        next: Revision,
        /// The server's version after, where the change moved it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
        /// The author's connection id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        src: Option<String>,
        /// The tab that made it, where it is one of this host's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tab: Option<TabId>,
        /// The change.
        change: Change,
    },
    /// The host has an op of this tab, as the change from `revision` to the next.
    #[serde(rename = "accepted")]
    Accepted {
        /// The tab's number of the op.
        seq: Seq,
        /// The revision before.
        revision: Revision,
    },
    /// The host refused an op of this tab.
    #[serde(rename = "rejected")]
    Rejected {
        /// The tab's number of the op.
        seq: Seq,
        /// Why.
        error: Error,
    },
    /// The server committed ops of this tab, or rejected and undid them.
    #[serde(rename = "outcome")]
    Outcome {
        /// The tab's numbers of the ops.
        seqs: Vec<Seq>,
        /// How it went.
        outcome: WireOutcome,
        /// The server's version now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// The server's version moved without a change.
    #[serde(rename = "version")]
    Version {
        /// The version.
        version: Version,
    },
    /// Everything is given up; the tab has to fetch.
    #[serde(rename = "rollback")]
    Rollback {
        /// Why.
        error: Error,
        /// The ops of this tab that the server refused.
        rejected: Vec<Seq>,
    },
    /// A document appeared where there was none, not by an op.
    #[serde(rename = "load")]
    Load {
        /// The document.
        snapshot: TabSnapshot,
        /// The server's version of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// An error that no callback heard.
    #[serde(rename = "error")]
    Error(Error),
}

/// [`Outcome`] on the wire.
#[derive(Debug, Serialize, Deserialize)]
pub enum WireOutcome {
    /// Committed.
    #[serde(rename = "done")]
    Done,
    /// Softly rejected.
    #[serde(rename = "null")]
    Null,
    /// Rejected.
    #[serde(rename = "failed")]
    Failed(Error),
}

impl From<Outcome> for WireOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Null => Self::Null,
            Outcome::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<WireOutcome> for Outcome {
    fn from(outcome: WireOutcome) -> Self {
        match outcome {
            WireOutcome::Done => Self::Done,
            WireOutcome::Null => Self::Null,
            WireOutcome::Failed(error) => Self::Failed(error),
        }
    }
}

/// Writes a message.
pub fn encode<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message)
        .unwrap_or_else(|error| unreachable!("messages always serialize: {error}"))
}

/// Reads a message.
///
/// # Errors
/// `ERR_MESSAGE_BADLY_FORMED`, saying what is wrong with it.
pub fn decode<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::badly_formed(format!("Invalid message between tab and host: {error}"))
    })
}

/// The callback id of a message that could not be read, if it has one.
pub fn callback_id(text: &str) -> Option<CallbackId> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let body = value.as_object()?.values().next()?;
    body.get("callbackId")?.as_u64().map(CallbackId)
}
