//! What crosses between a tab and the host, as JSON text.
//!
//! Every message is an object with one key, its name. Ops and snapshots inside are JSON that no
//! one between the two ends reads.

mod presence;
mod storage;

use proxy_doc::{
    Change, DocKey, Entries, Error, Json, OpId, Outcome, ReadJson, Revision, Seq, Snapshot, TabId,
    Version, WriteJson, read_json, write_json,
};

pub use storage::{DeadLetter, Resumed, StorageEvent, StorageState, StoredDoc};

pub use presence::{PresenceEvent, PresenceSubmit, PresenceSubscription, PresenceUpdate};

/// The protocol between tab and host. A host serves its own number and the one before.
pub const PROTOCOL: u32 = 1;

/// Names an answer; unique within its tab. Each is answered once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallbackId(pub u64);

/// From a tab to the host.
#[derive(Debug)]
pub enum ToHost {
    /// The first message of a tab.
    Register {
        /// The tab's [`PROTOCOL`].
        protocol: u32,
        /// What the tab holds.
        resume: Vec<Resumed>,
        /// Which machine of the tab this is: how many crashed before it. The answer repeats it.
        machine: Option<u32>,
    },
    /// So many messages have arrived: the host may forget what only older ones needed.
    Received {
        /// Messages since the registration.
        count: u64,
    },
    /// Close the connection for this tab.
    Close {
        /// The binding that the tab counts from now on; older states do not concern it.
        generation: u64,
    },
    /// Ask the server for a pong.
    Ping {},
    /// Several reads that go to the server together.
    Bulk {
        /// The reads.
        reads: Vec<Read>,
    },
    /// One read.
    Read(Read),
    /// What the host has.
    Status {
        /// Names the answer.
        callback_id: CallbackId,
    },
    /// An op.
    SubmitOp(SubmitOp),
    /// A snapshot that the application brought.
    IngestSnapshot {
        /// The collection.
        collection: String,
        /// The id.
        id: String,
        /// The snapshot, at a version of the server.
        snapshot: Snapshot,
        /// Names the answer: the revision that the tab stands at now.
        callback_id: CallbackId,
    },
    /// A query.
    Query(QueryRequest),
    /// The tab is done with a query.
    DestroyQuery {
        /// The tab's number of the query.
        query_id: u64,
    },
    /// A read-only snapshot of the past.
    FetchSnapshot(SnapshotRequest),
    /// Show the tab what others show on a channel.
    PresenceSubscribe(PresenceSubscription),
    /// No more.
    PresenceUnsubscribe(PresenceSubscription),
    /// Show others what the tab shows.
    PresenceSubmit(PresenceSubmit),
    /// Documents as the store has them, without a word to the server.
    GetBulk {
        /// The collection.
        collection: String,
        /// The ids.
        ids: Vec<String>,
        /// Names the answer.
        callback_id: CallbackId,
    },
    /// Write these documents to the store.
    PutDocs {
        /// Which.
        docs: Vec<DocKey>,
        /// Names the answer.
        callback_id: CallbackId,
    },
    /// Write everything to the store that waits for it.
    FlushWrites {
        /// Names the answer.
        callback_id: CallbackId,
    },
    /// Whether documents are written by themselves.
    SetAutoFlush {
        /// Whether.
        on: bool,
    },
    /// Tell the tab what the store has, and how that changes.
    WatchStorage {},
    /// Somebody has seen to these dead letters.
    RemoveLetters {
        /// Their numbers.
        numbers: Vec<u64>,
    },
    /// Stop, and delete everything that is kept.
    Wipe {
        /// Names the answer.
        callback_id: CallbackId,
    },
    /// The tab forgets a document.
    Destroy {
        /// The collection.
        collection: String,
        /// The id.
        id: String,
    },
}

/// How a query is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryAction {
    /// Once.
    Fetch,
    /// And again with every change.
    Subscribe,
}

/// A query of a tab.
#[derive(Debug)]
pub struct QueryRequest {
    /// The tab's number of the query.
    pub query_id: u64,
    /// How it is asked.
    pub action: QueryAction,
    /// The collection.
    pub collection: String,
    /// The query, as the server's database understands it; absent is `undefined`.
    pub query: Option<Json>,
    /// The options for the server.
    pub options: Option<Json>,
    /// The ids of the results that the application has already.
    pub results: Option<Vec<String>>,
}

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

/// A point of a document's past; `None` is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotAt {
    /// A version.
    Version(Option<u64>),
    /// Milliseconds since 1970.
    Timestamp(Option<u64>),
}

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

/// What the host tells a tab, and in which life of the host it was said.
#[derive(Debug)]
pub struct Envelope {
    /// The life of the host. Another one means that a new host knows nothing of this tab.
    pub epoch: u64,
    /// What is said.
    pub message: ToTab,
}

/// From the host to a tab.
#[derive(Debug)]
pub enum ToTab {
    /// The answer to a registration.
    Welcome {
        /// The host's [`PROTOCOL`].
        protocol: u32,
        /// Which machine of the tab is meant; what comes before is for one that has crashed.
        machine: Option<u32>,
        /// The connection now.
        connection: ConnectionState,
        /// The store now.
        storage: StorageState,
    },
    /// Something happened in the store.
    Storage(StorageEvent),
    /// The tab and the host do not understand each other.
    Incompatible {
        /// The host's [`PROTOCOL`].
        protocol: u32,
    },
    /// Something happened to the connection.
    Connection(ConnectionEvent),
    /// An answer.
    Callback {
        /// Which.
        callback_id: CallbackId,
        /// Why it failed.
        error: Option<Error>,
        /// What came of it.
        result: Option<Answer>,
    },
    /// Something happened to a query.
    Query {
        /// The tab's number of the query.
        query_id: u64,
        /// What.
        event: QueryEvent,
    },
    /// Something happened on a presence channel.
    Presence {
        /// The channel.
        channel: String,
        /// What.
        event: PresenceEvent,
    },
    /// Something happened to a document.
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
#[derive(Clone, Debug)]
pub struct ConnectionState {
    /// ShareDB's word for it.
    pub state: State,
    /// Why, as the socket said.
    pub reason: Option<Json>,
    /// The connection's id, `src` of all ops.
    pub id: Option<String>,
    /// Which binding to a socket this is about.
    pub generation: u64,
}

/// ShareDB's connection states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Debug)]
pub enum ConnectionEvent {
    /// It changed its state.
    State(ConnectionState),
    /// The socket reported an error.
    SocketError(Json),
    /// An error of the connection.
    Error(Error),
    /// The answer to a ping.
    Pong,
}

/// What came of a request.
#[derive(Debug)]
pub enum Answer {
    /// A read went through.
    Read {
        /// The state, where the tab has none.
        snapshot: Option<TabSnapshot>,
        /// The server's version of what the tab has now.
        version: Option<Version>,
    },
    /// The server cannot be asked now.
    Offline,
    /// An ingested snapshot stands at this revision.
    Ingested {
        /// The revision, or none where the host cannot place it: the tab has to start again.
        revision: Option<Revision>,
    },
    /// What the host has.
    Status(Status),
    /// A snapshot of the past: the server's message.
    Snapshot(Json),
    /// Documents.
    Docs(Vec<QueryDoc>),
}

/// Something that happened to a query.
#[derive(Debug)]
pub enum QueryEvent {
    /// It has an answer.
    Results {
        /// All results; absent where they are as they were.
        docs: Option<Vec<QueryDoc>>,
        /// What the database added.
        extra: Option<Json>,
    },
    /// It failed, and is over.
    Failed(Error),
    /// An update failed.
    Error(Error),
    /// The results changed.
    Diff(Vec<DiffItem<QueryDoc>>),
    /// The database's addition changed; absent is `undefined`.
    Extra {
        /// The addition.
        extra: Option<Json>,
    },
}

/// A result of a query.
#[derive(Clone, Debug)]
pub struct QueryDoc {
    /// The collection.
    pub collection: String,
    /// The id.
    pub id: String,
    /// The state, where the tab has none.
    pub snapshot: Option<TabSnapshot>,
    /// The server's version of it.
    pub version: Option<Version>,
}

/// A change of a list of results; ShareDB writes the kind inside, as `type`.
#[derive(Clone, Debug)]
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
        how_many: usize,
    },
    /// Results changed their place.
    Move {
        /// From where.
        from: usize,
        /// To where.
        to: usize,
        /// How many; 1 when absent.
        how_many: usize,
    },
}

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

/// What the host has.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Tabs that are registered.
    pub tabs: usize,
    /// Open sockets: one or none.
    pub sockets: usize,
    /// Documents in memory.
    pub docs: usize,
    /// Ops that the server has not acknowledged.
    pub pending_ops: usize,
}

/// An op that has an end.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The tab's number of it.
    pub seq: Seq,
    /// How it went.
    pub outcome: Outcome,
}

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

/// Writes a message.
pub fn encode<T: WriteJson + ?Sized>(message: &T) -> String {
    write_json(message)
}

/// Reads a message.
///
/// # Errors
/// `ERR_MESSAGE_BADLY_FORMED`, saying what is wrong with it.
pub fn decode<T: ReadJson>(text: &str) -> Result<T, Error> {
    read_json(text).map_err(|error| {
        let name = name(text).map(|name| format!(" {name}"));
        let name = name.unwrap_or_default();
        Error::badly_formed(format!(
            "Invalid message{name} between tab and host: {error}"
        ))
    })
}

/// What a message calls itself, where it can be read so far.
fn name(text: &str) -> Option<String> {
    let Entries(message) = read_json::<Entries<Json>>(text).ok()?;
    message.into_iter().next().map(|(name, _)| name)
}

/// The callback id of a message that could not be read, if it has one.
pub fn callback_id(text: &str) -> Option<CallbackId> {
    let Entries(message) = read_json::<Entries<Json>>(text).ok()?;
    let Entries(fields) = message.first()?.1.parse::<Entries<Json>>().ok()?;
    let field = fields.iter().find(|(name, _)| name == "callbackId")?;
    field.1.count().map(CallbackId)
}
