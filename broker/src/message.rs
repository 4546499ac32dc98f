//! The messages between a tab and the host, as types and as JSON text.
//!
//! Every message is an object with one key, its name. The ops and snapshots in it stay JSON text ([`Json`]) until the
//! machine that needs them parses them. Each type is followed by the table of its names in JSON.
//!
//! What this module refuses to do: decide anything. It says what a message is, not what follows from it.

mod connection;
mod doc;
mod presence;
mod query;
mod storage;

use proxy_doc::{
    DocKey, Entries, Epoch, Error, Json, ReadJson, Revision, Snapshot, Version, WriteJson,
    read_json, wire,
};

pub use connection::{ConnectionEvent, ConnectionState, State, Status};
pub use doc::{
    DocEvent, Early, Ended, Read, ReadAction, SnapshotAt, SnapshotRequest, SubmitOp, TabSnapshot,
};
pub use presence::{PresenceEvent, PresenceSubmit, PresenceSubscription, PresenceUpdate};
pub use query::{DiffItem, QueryAction, QueryDoc, QueryEvent, QueryRequest};
pub use storage::{LeadEntry, Resumed, Rewind, StorageEvent, StorageState};

/// The version of the protocol between tab and host. A host serves its own version and the one before.
pub const PROTOCOL: u32 = 2 + cfg!(feature = "next-protocol") as u32;

/// The first protocol whose tabs keep what they are shown early ([`DocEvent::Op`]'s `early`) for the next host.
pub const KEEPS_LEADS: u32 = 2;

/// Bytes of JSON that an op may come to by composing, in tab and host alike, unless the application chose. Well below the
/// megabyte at which servers refuse a message, with what is around an op.
pub const MAX_OP_SIZE: usize = 512 * 1024;

/// Bytes that most messages need at most: a text that begins with so many is not moved while it grows.
const USUAL_LENGTH: usize = 256;

/// Whether a host that speaks the protocol `own` serves a tab that speaks `other`.
pub fn serves(own: u32, other: u32) -> bool {
    own == other || own.checked_sub(1) == Some(other)
}

/// Ties an answer to its request. Unique within the tab; each request is answered once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallbackId(pub u64);

wire!(one CallbackId);

/// A message from a tab to the host.
#[derive(Debug)]
pub enum ToHost {
    /// The first message of a tab.
    Register {
        /// The tab's [`PROTOCOL`].
        protocol: u32,
        /// The documents that the tab holds from an earlier host, or of a machine that crashed.
        resume: Vec<Resumed>,
        /// How many machines of the tab have crashed before this one. The answer repeats it.
        machine: Option<u32>,
        /// The last [`StorageState::view`] that the tab was welcomed with.
        view: Option<u64>,
    },
    /// Confirms messages of the host: it may forget the history that only earlier messages needed.
    Received {
        /// How many messages the tab has received since it registered.
        count: u64,
    },
    /// Closes the connection for this tab.
    Close {
        /// The number of the socket binding that the tab counts from now on. It ignores states of older bindings.
        generation: u64,
    },
    /// Asks the server for a pong.
    Ping {},
    /// The tab can be asked for the URL of the next socket, by [`ConnectionEvent::UrlWanted`]. Sent again when `visible`
    /// changes.
    OfferUrls {
        /// The page is visible: it is asked before others.
        visible: bool,
    },
    /// The answer to [`ConnectionEvent::UrlWanted`]: a URL, or an error.
    Url {
        /// The number that the question named.
        round: u64,
        /// The URL of a WebSocket.
        url: Option<String>,
        /// Why there is none.
        error: Option<Error>,
    },
    /// Several reads that go to the server as one bulk message.
    Bulk {
        /// The reads.
        reads: Vec<Read>,
    },
    /// A fetch, subscribe or unsubscribe.
    Read(Read),
    /// Asks for the host's [`Status`].
    Status {
        /// With [`Status::details`].
        details: bool,
        /// The request, for its answer.
        callback_id: CallbackId,
    },
    /// Asks the driver of the host for something that the machine knows nothing of: the trace of what went through the
    /// machine, or a fault to look at what follows.
    Debug {
        /// The driver's to read.
        request: Json,
        /// The request, for its answer.
        callback_id: CallbackId,
    },
    /// An op of the tab.
    SubmitOp(SubmitOp),
    /// Ops of one document, of a tab that may have no later moment. The first was sent before and is not accepted as far
    /// as the tab knows; each of the others is based on the one before it. They are sent again, one by one, where the tab
    /// goes on.
    SubmitAhead {
        /// The ops. The revision of the first one counts.
        ops: Vec<SubmitOp>,
    },
    /// A snapshot that the tab has before the host has the document: one that the application ingested
    /// (`doc.ingestSnapshot`), or one that the tab's driver got from the server.
    IngestSnapshot {
        /// The collection.
        collection: String,
        /// The id.
        id: String,
        /// The snapshot, at a version of the server.
        snapshot: Snapshot,
        /// The data is the server's own, word for word. An application's may hold ops that were never committed.
        served: bool,
        /// The request; [`Answer::Ingested`] says which revision the snapshot is.
        callback_id: CallbackId,
    },
    /// Starts a query.
    Query(QueryRequest),
    /// Ends a query.
    DestroyQuery {
        /// The tab's number of the query.
        query_id: u64,
    },
    /// Asks for a read-only snapshot of the past.
    FetchSnapshot(SnapshotRequest),
    /// Subscribes to a presence channel.
    PresenceSubscribe(PresenceSubscription),
    /// Unsubscribes from a presence channel.
    PresenceUnsubscribe(PresenceSubscription),
    /// Sets a presence value of the tab.
    PresenceSubmit(PresenceSubmit),
    /// Asks for documents from the store, without a message to the server.
    GetBulk {
        /// The collection.
        collection: String,
        /// The documents' ids.
        ids: Vec<String>,
        /// The request, for its answer.
        callback_id: CallbackId,
    },
    /// Writes documents to the store.
    PutDocs {
        /// The documents' keys.
        docs: Vec<DocKey>,
        /// The request, for its answer.
        callback_id: CallbackId,
    },
    /// Writes everything to the store that is queued for it.
    FlushWrites {
        /// The request, for its answer.
        callback_id: CallbackId,
    },
    /// Turns the automatic writing of documents on or off.
    SetAutoFlush {
        /// `false`: documents are written on request only. Ops are logged in any case.
        on: bool,
    },
    /// Asks for the store's inventory, queue and dead letters, now and whenever they change.
    WatchStorage {},
    /// Removes dead letters that the application has dealt with.
    RemoveLetters {
        /// The letters' [`proxy_doc::DeadLetter::number`]s.
        numbers: Vec<u64>,
    },
    /// Stops all tabs and deletes everything that is stored.
    Wipe {
        /// The request, for its answer.
        callback_id: CallbackId,
    },
    /// One of [`crate::coordination::messages::Ask`].
    Coordination(Json),
    /// The tab forgets a document, and waits for no read of it any more.
    Destroy {
        /// The collection.
        collection: String,
        /// The id.
        id: String,
        /// The answer says that the host has forgotten that the tab had the document.
        callback_id: Option<CallbackId>,
    },
}

wire!(enum ToHost {
    Register = "tab.register" {
        protocol = "protocol";
        resume = "resume" or Vec::new();
        machine = "machine";
        view = "view";
    },
    Received = "tab.received" { count = "count" },
    Close = "connection.close" { generation = "generation" },
    Ping = "connection.ping" {},
    OfferUrls = "connection.offerUrls" { visible = "visible" },
    Url = "connection.url" { round = "round"; url = "url"; error = "error" },
    Bulk = "connection.bulk" { reads = "reads" },
    Read = "connection.read" (Read),
    Status = "connection.status" { details = "details" or false; callback_id = "callbackId" },
    Debug = "host.debug" { request = "request"; callback_id = "callbackId" },
    SubmitOp = "doc.submitOp" (SubmitOp),
    SubmitAhead = "doc.submitAhead" { ops = "ops" },
    IngestSnapshot = "doc.ingestSnapshot" {
        collection = "collection";
        id = "id";
        snapshot = "snapshot";
        served = "served" or false;
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
    Coordination = "coordination" (Json),
    Destroy = "doc.destroy" { collection = "collection"; id = "id"; callback_id = "callbackId" },
});

/// A message from the host to a tab, with the life of the host that it was sent in.
#[derive(Debug)]
pub struct Envelope {
    /// The life of the host. A message with another epoch than that of the [`ToTab::Welcome`] is dropped: its host
    /// knows nothing of this tab.
    pub epoch: Epoch,
    /// The message itself.
    pub message: ToTab,
}

wire!(struct Envelope {
    epoch = "epoch";
    message = "message";
});

/// A message from the host to a tab.
#[derive(Debug)]
pub enum ToTab {
    /// The answer to [`ToHost::Register`].
    Welcome {
        /// The host's [`PROTOCOL`].
        protocol: u32,
        /// [`ToHost::Register`]'s `machine`. Messages before this one are for a machine that has crashed.
        machine: Option<u32>,
        /// The connection's state.
        connection: ConnectionState,
        /// The store's state.
        storage: StorageState,
        /// Documents of which the tab was shown early what no host knows: it is about to be told to start again with them.
        void: Vec<DocKey>,
        /// Own ops that were accepted early and that this host does not have: the tab resends them.
        rewinds: Vec<Rewind>,
    },
    /// All that the tab was told before is durable. Any other message says the same, but for a change that is shown early;
    /// this one says nothing else.
    Durable {},
    /// An event of the store.
    Storage(StorageEvent),
    /// The refusal of a tab whose protocol the host does not serve.
    Incompatible {
        /// The host's [`PROTOCOL`].
        protocol: u32,
    },
    /// An event of the connection.
    Connection(ConnectionEvent),
    /// The answer to a request. It can have both an error and a result, as that to [`ToHost::GetBulk`] with an
    /// unreadable document.
    Callback {
        /// The request's.
        callback_id: CallbackId,
        /// Why the request failed, in whole or in part.
        error: Option<Error>,
        /// The result, where the request has one.
        result: Option<Answer>,
    },
    /// An event of a query.
    Query {
        /// The tab's number of the query.
        query_id: u64,
        /// The event.
        event: QueryEvent,
    },
    /// An event of a presence channel.
    Presence {
        /// The channel's name.
        channel: String,
        /// The event.
        event: PresenceEvent,
    },
    /// One of [`crate::coordination::messages::Say`].
    Coordination(Json),
    /// An event of a document.
    Doc {
        /// The collection.
        collection: String,
        /// The id.
        id: String,
        /// The event.
        event: DocEvent,
    },
}

wire!(enum ToTab {
    Welcome = "host.welcome" {
        protocol = "protocol";
        machine = "machine";
        connection = "connection";
        storage = "storage";
        void = "void" or Vec::new();
        rewinds = "rewinds" or Vec::new();
    },
    Durable = "host.durable" {},
    Storage = "storage.event" (StorageEvent),
    Incompatible = "host.incompatible" { protocol = "protocol" },
    Connection = "connection.event" (ConnectionEvent),
    Callback = "callback" { callback_id = "callbackId"; error = "error"; result = "result" },
    Query = "query.event" { query_id = "queryId"; event = "event" },
    Presence = "presence.event" { channel = "channel"; event = "event" },
    Coordination = "coordination" (Json),
    Doc = "doc.event" { collection = "collection"; id = "id"; event = "event" },
});

impl ToTab {
    /// Whether the message waits for no write.
    pub fn is_early(&self) -> bool {
        let event = match self {
            Self::Doc { event, .. } => event,
            // News of the store, on which nothing rests.
            Self::Storage(event) => {
                return matches!(
                    event,
                    StorageEvent::Queue { .. } | StorageEvent::Inventory { .. }
                );
            }
            _ => return false,
        };
        match event {
            DocEvent::Op { early, .. } | DocEvent::Accepted { early, .. } => early.is_some(),
            DocEvent::Outcome { early, .. } | DocEvent::Version { early, .. } => *early,
            DocEvent::Past { .. }
            | DocEvent::Taken { .. }
            | DocEvent::Rejected { .. }
            | DocEvent::Rollback { .. }
            | DocEvent::Rebuilt { .. }
            | DocEvent::Load { .. }
            | DocEvent::Error(_) => false,
        }
    }

    /// Whether all that the tab was told before is durable.
    pub fn settles(&self) -> bool {
        match self {
            Self::Doc {
                event:
                    DocEvent::Op {
                        early: Some(early), ..
                    }
                    | DocEvent::Accepted {
                        early: Some(early), ..
                    },
                ..
            } => early.settled,
            _ => !self.is_early(),
        }
    }
}

/// The result of a request.
#[derive(Debug)]
pub enum Answer {
    /// The result of a [`Read`].
    Read {
        /// The host's state, where the tab has none; a tab with a state has been sent the ops instead.
        snapshot: Option<TabSnapshot>,
        /// The server's version of the state that the tab has now.
        version: Option<Version>,
    },
    /// The server cannot be reached now.
    Offline,
    /// The result of [`ToHost::IngestSnapshot`].
    Ingested {
        /// The revision that the snapshot is; `None` where it is not the host's state, and the tab has to fetch that.
        revision: Option<Revision>,
    },
    /// The result of [`ToHost::Status`].
    Status(Status),
    /// The result of [`ToHost::Debug`], as the driver wrote it.
    Debug(Json),
    /// The result of [`ToHost::FetchSnapshot`]: the server's message.
    Snapshot(Json),
    /// The result of [`ToHost::GetBulk`].
    Docs(Vec<QueryDoc>),
}

wire!(enum Answer {
    Read = "read" { snapshot = "snapshot"; version = "version" },
    Offline = "offline",
    Ingested = "ingested" { revision = "revision" },
    Status = "status" (Status),
    Debug = "debug" (Json),
    Snapshot = "snapshot" (Json),
    Docs = "docs" (Vec<QueryDoc>),
});

/// Writes a message as JSON.
pub fn encode<T: WriteJson + ?Sized>(message: &T) -> String {
    let mut text = String::with_capacity(USUAL_LENGTH);
    message.write(&mut text);
    text
}

/// Reads a message from JSON.
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

/// The name of a message whose fields cannot be read; `None` where not even the name can.
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
