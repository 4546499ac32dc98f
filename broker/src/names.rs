//! The names that messages and their fields have in JSON.

use proxy_doc::{Error, Json, present, wire};

use crate::message::{
    Answer, CallbackId, ConnectionEvent, ConnectionState, DeadLetter, DiffItem, DocEvent, Ended,
    Envelope, PresenceEvent, PresenceSubmit, PresenceSubscription, PresenceUpdate, QueryAction,
    QueryDoc, QueryEvent, QueryRequest, Read, ReadAction, Resumed, SnapshotAt, SnapshotRequest,
    State, Status, StorageEvent, StorageState, StoredDoc, SubmitOp, TabSnapshot, ToHost, ToTab,
};

wire!(one CallbackId);

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

wire!(
    enum QueryAction {
        Fetch = "qf",
        Subscribe = "qs",
    }
);

wire!(struct QueryRequest {
    query_id = "queryId";
    action = "action";
    collection = "collection";
    query = "query", by present;
    options = "options";
    results = "results";
});

wire!(struct SnapshotRequest {
    collection = "collection";
    id = "id";
    at = "at";
    callback_id = "callbackId";
});

wire!(enum SnapshotAt {
    Version = "version" (Option<u64>),
    Timestamp = "timestamp" (Option<u64>),
});

wire!(
    enum ReadAction {
        Fetch = "doc.fetch",
        Subscribe = "doc.subscribe",
        Unsubscribe = "doc.unsubscribe",
    }
);

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

wire!(struct Envelope {
    epoch = "epoch";
    message = "message";
});

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

wire!(struct ConnectionState {
    state = "state";
    reason = "reason";
    id = "id";
    generation = "generation";
});

wire!(
    enum State {
        Connecting = "connecting",
        Connected = "connected",
        Disconnected = "disconnected",
        Closed = "closed",
        Stopped = "stopped",
    }
);

wire!(
    enum ConnectionEvent {
        State = "state"(ConnectionState),
        SocketError = "connection error"(Json),
        Error = "error"(Error),
        Pong = "pong",
    }
);

wire!(enum Answer {
    Read = "read" { snapshot = "snapshot"; version = "version" },
    Offline = "offline",
    Ingested = "ingested" { revision = "revision" },
    Status = "status" (Status),
    Snapshot = "snapshot" (Json),
    Docs = "docs" (Vec<QueryDoc>),
});

wire!(enum QueryEvent {
    Results = "results" { docs = "docs"; extra = "extra", by present },
    Failed = "failed" (Error),
    Error = "error" (Error),
    Diff = "diff" (Vec<DiffItem<QueryDoc>>),
    Extra = "extra" { extra = "extra", by present },
});

wire!(struct QueryDoc {
    collection = "collection";
    id = "id";
    snapshot = "snapshot";
    version = "version";
});

wire!(enum DiffItem<QueryDoc> {
    Insert = "insert" { index = "index"; values = "values" },
    Remove = "remove" { index = "index"; how_many = "howMany" or 1 },
    Move = "move" { from = "from"; to = "to"; how_many = "howMany" or 1 },
});

wire!(struct TabSnapshot {
    revision = "revision";
    life = "life" or 0;
    ty = "type";
    data = "data", by present;
});

wire!(struct Status {
    tabs = "tabs";
    sockets = "sockets";
    docs = "docs";
    pending_ops = "pendingOps";
});

wire!(struct Ended {
    seq = "seq";
    outcome = "outcome";
});

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

wire!(struct Resumed {
    key = "doc";
    revision = "revision";
    line = "line";
    life = "life" or 0;
    live = "live";
    inflight = "inflight";
    accepted = "accepted" or Vec::new();
});

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

wire!(struct StorageState {
    line = "line";
    mode = "mode" or String::new();
    durable = "durable";
    kept = "kept";
    reason = "reason";
});

wire!(struct StoredDoc {
    key = "doc";
    version = "v";
    pending = "p";
});

wire!(struct DeadLetter {
    number = "number";
    key = "doc";
    change = "change";
    error = "error";
    version = "version";
});

wire!(struct PresenceSubscription {
    channel = "channel";
    doc = "doc";
    callback_id = "callbackId";
});

wire!(struct PresenceSubmit {
    channel = "channel";
    doc = "doc";
    id = "id";
    value = "value";
    revision = "revision";
    callback_id = "callbackId";
});

wire!(enum PresenceEvent {
    Update = "update" (PresenceUpdate),
    Error = "error" { id = "id"; error = "error" },
});

wire!(struct PresenceUpdate {
    id = "id";
    value = "value";
    revision = "revision";
    src = "src";
    tab = "tab";
});
