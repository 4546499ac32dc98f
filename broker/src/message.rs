//! What crosses between a tab and the host, as JSON text.
//!
//! Every message is an object with one key, its name. Ops and snapshots inside are JSON that no
//! one between the two ends reads. Each type is followed by the table of its names in JSON.

mod connection;
mod doc;
mod presence;
mod query;
mod storage;

use proxy_doc::{
    DocKey, Entries, Error, Json, ReadJson, Revision, Snapshot, Version, WriteJson, read_json,
    wire, write_json,
};

pub use connection::{ConnectionEvent, ConnectionState, State, Status};
pub use doc::{
    DocEvent, Ended, Read, ReadAction, SnapshotAt, SnapshotRequest, SubmitOp, TabSnapshot,
};
pub use presence::{PresenceEvent, PresenceSubmit, PresenceSubscription, PresenceUpdate};
pub use query::{DiffItem, QueryAction, QueryDoc, QueryEvent, QueryRequest};
pub use storage::{DeadLetter, Resumed, StorageEvent, StorageState, StoredDoc};

/// The protocol between tab and host. A host serves its own number and the one before.
pub const PROTOCOL: u32 = 1;

/// Names an answer; unique within its tab. Each is answered once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallbackId(pub u64);

wire!(one CallbackId);

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

wire!(enum ToHost {
    Register = "tab.register" {
        protocol = "protocol";
        resume = "resume" or Vec::new();
        machine = "machine";
    },
    Received = "tab.received" { count = "count" },
    Close = "connection.close" { generation = "generation" },
    Ping = "connection.ping" {},
    Bulk = "connection.bulk" { reads = "reads" },
    Read = "connection.read" (Read),
    Status = "connection.status" { callback_id = "callbackId" },
    SubmitOp = "doc.submitOp" (SubmitOp),
    IngestSnapshot = "doc.ingestSnapshot" {
        collection = "collection";
        id = "id";
        snapshot = "snapshot";
        callback_id = "callbackId";
    },
    Query = "query.create" (QueryRequest),
    DestroyQuery = "query.destroy" { query_id = "queryId" },
    FetchSnapshot = "connection.fetchSnapshot" (SnapshotRequest),
    PresenceSubscribe = "presence.subscribe" (PresenceSubscription),
    PresenceUnsubscribe = "presence.unsubscribe" (PresenceSubscription),
    PresenceSubmit = "presence.submit" (PresenceSubmit),
    GetBulk = "connection.getBulk" {
        collection = "collection";
        ids = "ids";
        callback_id = "callbackId";
    },
    PutDocs = "connection.putDocs" { docs = "docs"; callback_id = "callbackId" },
    FlushWrites = "connection.flushWrites" { callback_id = "callbackId" },
    SetAutoFlush = "connection.setAutoFlush" { on = "on" },
    WatchStorage = "storage.watch" {},
    RemoveLetters = "storage.removeLetters" { numbers = "numbers" },
    Wipe = "storage.wipe" { callback_id = "callbackId" },
    Destroy = "doc.destroy" { collection = "collection"; id = "id" },
});

/// What the host tells a tab, and in which life of the host it was said.
#[derive(Debug)]
pub struct Envelope {
    /// The life of the host. Another one means that a new host knows nothing of this tab.
    pub epoch: u64,
    /// What is said.
    pub message: ToTab,
}

wire!(struct Envelope {
    epoch = "epoch";
    message = "message";
});

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

wire!(enum ToTab {
    Welcome = "host.welcome" {
        protocol = "protocol";
        machine = "machine";
        connection = "connection";
        storage = "storage";
    },
    Storage = "storage.event" (StorageEvent),
    Incompatible = "host.incompatible" { protocol = "protocol" },
    Connection = "connection.event" (ConnectionEvent),
    Callback = "callback" { callback_id = "callbackId"; error = "error"; result = "result" },
    Query = "query.event" { query_id = "queryId"; event = "event" },
    Presence = "presence.event" { channel = "channel"; event = "event" },
    Doc = "doc.event" { collection = "collection"; id = "id"; event = "event" },
});

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

wire!(enum Answer {
    Read = "read" { snapshot = "snapshot"; version = "version" },
    Offline = "offline",
    Ingested = "ingested" { revision = "revision" },
    Status = "status" (Status),
    Snapshot = "snapshot" (Json),
    Docs = "docs" (Vec<QueryDoc>),
});

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
