//! What a simulation is made of: a set-up and a list of steps, both one line of JSON each.
//!
//! A step names its actors by number and holds a seed where it needs chance, so that it means
//! something in every state. Where it does not apply it does nothing: a plan stays a plan when
//! lines are deleted.

use serde::{Deserialize, Serialize};

use crate::server::Reach;

/// Which faults and calls a simulation may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weather {
    /// Only what never may cost an op: edits beside the markers, tabs, links, sockets, restarts. No
    /// callback may hear of an error.
    Fair,
    /// Also creates and deletes, refusals, fixups, ops that do not apply, hostile messages.
    Rough,
    /// Also edits anywhere in the document, so that an op may lose what it said to another one.
    Wild,
}

/// What the host under test keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// Nothing: it has no storage.
    #[default]
    Nothing,
    /// The log, for as long as tabs live.
    Session,
    /// All documents and ops, also without tabs.
    Durable,
}

/// How a request of a storage fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// There is no more space.
    Quota,
    /// The handle is of no use any more.
    Closed,
    /// There is no storage to be had.
    Unavailable,
    /// It does not answer in time.
    Silent,
    /// Any other failure.
    Other,
}

/// What a host keeps for tabs that lag.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Revisions of a document that it keeps one by one.
    pub log: usize,
    /// Changes that a tab may leave unconfirmed before it gets no more.
    pub unconfirmed: usize,
}

/// The set-up of a simulation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// The seed it was made from.
    pub seed: u64,
    /// What may happen.
    pub weather: Weather,
    /// Whether the server changes ops, and nobody creates documents: a server that is sent a create
    /// again does not repeat what it changed.
    #[serde(default)]
    pub fixups: bool,
    /// Whether strings are edited as text0 says, or by `si` and `sd`. Not both in one simulation: json0
    /// itself does not bring the two together.
    #[serde(default)]
    pub text0: bool,
    /// What the host under test keeps beyond its life.
    #[serde(default)]
    pub kept: Kept,
    /// Whether it dies now and then.
    #[serde(default)]
    pub kills: bool,
    /// Whether its storage fails now and then.
    #[serde(default)]
    pub storage_faults: bool,
    /// Whether the application chose its connection id.
    #[serde(default)]
    pub own_id: bool,
    /// Hosts: the one under test, and plain clients of the server beside it.
    pub hosts: usize,
    /// The host of each tab that is there from the start.
    pub tabs: Vec<usize>,
    /// Documents; the first exists on the server, or all of them where nobody creates any.
    pub docs: usize,
    /// Steps to make up.
    pub steps: usize,
    /// Whether the host under test writes one document or little more at a time, so that it dies in between.
    #[serde(default)]
    pub small_writes: bool,
    /// Tabs are blocked now and then, and hosts keep no more than this for them.
    #[serde(default)]
    pub lags: Option<Limits>,
    /// Whether tabs go in the moment after an edit.
    #[serde(default)]
    pub leaves: bool,
    /// Whether machines of tabs crash now and then.
    #[serde(default)]
    pub crashes: bool,
    /// Whether the host under test hands over to another one now and then.
    #[serde(default)]
    pub hands_over: bool,
    /// Whether the host under test is frozen now and then, while another one takes its storage.
    #[serde(default)]
    pub freezes: bool,
    /// Whether the host under test can take nothing back, and keeps pending ops where one is refused.
    #[serde(default)]
    pub forward: bool,
    /// Whether hosts ask tabs where a socket leads to.
    #[serde(default)]
    pub urls: bool,
    /// Whether tabs ask for one document at a time.
    #[serde(default)]
    pub short_turns: bool,
    /// Whether the storage is slower than everything, and hosts die when tabs were shown what it does not have.
    #[serde(default)]
    pub slow_storage: bool,
    /// Whether hosts take over without tabs that are slow to come.
    #[serde(default)]
    pub sleeps: bool,
    /// Whether no document is there at first, and each is created once.
    #[serde(default)]
    pub starts_empty: bool,
    /// Whether tabs ask queries, and have documents only where somebody asks for them.
    #[serde(default)]
    pub queries: bool,
    /// Whether the server refuses for a while to let documents be read.
    #[serde(default)]
    pub refuses_reads: bool,
    /// Whether tabs show presence on a channel.
    #[serde(default)]
    pub presence: bool,
}

/// What a tab does on the presence channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceAct {
    /// `presence.subscribe`.
    Subscribe,
    /// `presence.unsubscribe`, without a value of its own.
    Unsubscribe,
    /// `localPresence.submit`.
    Show,
    /// `localPresence.submit` with `null`.
    Hide,
}

impl Config {
    /// Whether tabs create and delete documents.
    pub(super) fn creates(&self) -> bool {
        self.weather != Weather::Fair && !self.fixups
    }
}

/// When a listener acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// `before op batch` of an op with several components.
    BeforeBatch,
    /// `before op` of one of several components.
    BeforeComponent,
    /// `op` of one of several components.
    Component,
    /// `op batch`.
    Batch,
    /// `op` of a whole op, also an own one.
    Op,
    /// `create`.
    Create,
    /// `del`.
    Del,
    /// `load`.
    Load,
    /// A callback of this document.
    Callback,
    /// `no write pending`.
    NoWritePending,
    /// `nothing pending`.
    NothingPending,
    /// `error`.
    Error,
}

/// What a tab's application does with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// `submitOp` with an edit that fits the data.
    Submit,
    /// `submitOp` with an edit that does not apply.
    SubmitBad,
    /// `create`.
    Create,
    /// `del`.
    Del,
    /// `subscribe`.
    Subscribe,
    /// `unsubscribe`.
    Unsubscribe,
    /// `fetch`.
    Fetch,
    /// `flush`.
    Flush,
    /// `pause`.
    Pause,
    /// `resume`.
    Resume,
    /// `preventCompose`, over and back.
    PreventCompose,
    /// `submitSource`, over and back.
    SubmitSource,
    /// `destroy`, and a new document of the same name.
    Destroy,
    /// `destroy` where nothing is pending. The next call is one of a new document of the same name.
    Close,
    /// The document is taken out of `connection.collections`, whatever is on its way. As above.
    Remove,
    /// `ingestSnapshot` of what the server has. Not made up: the reference server cannot serve the
    /// snapshot of a version, which the host then asks for.
    Ingest,
    /// A listener throws.
    Throw,
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// An application calls.
    Do {
        /// The tab.
        tab: usize,
        /// The document.
        doc: usize,
        /// The call.
        act: Act,
        /// The seed of the call's random choices.
        seed: u64,
    },
    /// The next event of that kind makes the application call.
    Listen {
        /// The tab.
        tab: usize,
        /// The document.
        doc: usize,
        /// The event.
        on: On,
        /// The call.
        act: Act,
        /// The seed of the call's random choices.
        seed: u64,
    },
    /// An application asks a query.
    Query {
        /// The tab.
        tab: usize,
        /// A document of the collection.
        doc: usize,
        /// The seed of the query.
        seed: u64,
    },
    /// An application does something on the presence channel.
    Presence {
        /// The tab.
        tab: usize,
        /// What it does.
        act: PresenceAct,
        /// What it shows comes from this.
        value: u64,
    },
    /// An application destroys a query.
    DropQuery {
        /// The tab.
        tab: usize,
        /// Which of its queries.
        at: usize,
    },
    /// The tab's next tick.
    Tick {
        /// The tab.
        tab: usize,
    },
    /// A tab opens.
    OpenTab {
        /// Its host.
        host: usize,
    },
    /// A tab is gone.
    CloseTab {
        /// The tab.
        tab: usize,
        /// How many of its messages on the way still arrive.
        arrive: usize,
    },
    /// The tab edits and is gone: its page was left. All that it has posted arrives.
    Leave {
        /// The tab.
        tab: usize,
        /// The document.
        doc: usize,
        /// The seed of the edit.
        seed: u64,
    },
    /// The tab's page is hidden, which may be the last that happens to it.
    Hide {
        /// The tab.
        tab: usize,
    },
    /// The tab's thread is blocked: what arrives waits, and nothing runs.
    Block {
        /// The tab.
        tab: usize,
    },
    /// The tab's thread goes on.
    Wake {
        /// The tab.
        tab: usize,
        /// The document that it edits before it looks at what has arrived.
        doc: Option<usize>,
        /// The seed of the edit.
        seed: u64,
    },
    /// The tab's machine crashes, and the next one takes its place. What is on its way stays on its way.
    CrashTab {
        /// The tab.
        tab: usize,
    },
    /// Messages of the tab arrive at the host.
    ToHost {
        /// The tab.
        tab: usize,
        /// The number of messages, at most.
        count: usize,
    },
    /// Messages of the host arrive at the tab.
    ToTab {
        /// The tab.
        tab: usize,
        /// The number of messages, at most.
        count: usize,
    },
    /// Messages on the socket arrive at the server, then its end.
    ToServer {
        /// The socket.
        socket: usize,
        /// The number of messages, at most.
        count: usize,
    },
    /// Messages on the socket arrive at the host, then its end.
    FromServer {
        /// The host.
        host: usize,
        /// The number of messages, at most.
        count: usize,
    },
    /// The socket breaks; these many messages on the way still arrive.
    Cut {
        /// The host.
        host: usize,
        /// The number of messages to the server.
        up: usize,
        /// The number of messages to the host.
        down: usize,
    },
    /// The socket carries nothing more, and neither end notices.
    Swallow {
        /// The host.
        host: usize,
    },
    /// The server dies and starts again.
    Restart {
        /// How many messages on the way still arrive, on each socket.
        down: usize,
    },
    /// The host's time to wait is over.
    Timer {
        /// The host.
        host: usize,
    },
    /// The host's network changed, or its machine slept.
    WakeHost {
        /// The host.
        host: usize,
    },
    /// The tab answers that was asked for a URL.
    GiveUrl {
        /// The tab.
        tab: usize,
        /// It has none.
        fails: bool,
    },
    /// The host's socket opens.
    Open {
        /// The host.
        host: usize,
    },
    /// The host's socket fails to open.
    OpenFails {
        /// The host.
        host: usize,
    },
    /// The server refuses the next op.
    Reject {
        /// The error's code.
        code: String,
    },
    /// The server changes the next op.
    Fixup {
        /// The number that it adds to `fix`.
        add: u32,
    },
    /// The server refuses to let a document be read, or no longer does.
    RefuseReads {
        /// The document.
        doc: usize,
        /// The error's code; `None` where it refuses nothing.
        code: Option<String>,
        /// Which reads it refuses.
        reach: Reach,
    },
    /// Committed ops wait on their way to subscribers, or no longer do.
    Hold {
        /// Whether they wait.
        on: bool,
    },
    /// The server refuses ops that became nothing, or no longer does.
    RefuseNoOps {
        /// Whether it refuses them.
        on: bool,
    },
    /// A tab says how many messages it has received.
    Confirm {
        /// The tab.
        tab: usize,
    },
    /// The host's storage carries out what it was asked for.
    Store {
        /// The host.
        host: usize,
        /// The number of requests, at most.
        count: usize,
    },
    /// The storage carries out one request before older ones, where it may: a read.
    StoreLater {
        /// The host.
        host: usize,
        /// The request's place in the queue.
        at: usize,
    },
    /// The next request fails.
    StoreFails {
        /// The host.
        host: usize,
        /// The failure.
        fault: Fault,
        /// It was carried out all the same.
        done: bool,
    },
    /// The handle of the storage dies: all that was asked of it fails.
    StoreDies {
        /// The host.
        host: usize,
        /// How many of the requests were carried out all the same.
        done: usize,
    },
    /// The storage hangs: it carries out nothing, but an opening where that is no write. Or it answers again.
    StoreHangs {
        /// The host.
        host: usize,
        /// Whether it hangs.
        on: bool,
    },
    /// Another host has the storage for a while; then all that was asked of it fails.
    Intrude {
        /// The host.
        host: usize,
        /// Quiet moments of the other one.
        idle: usize,
    },
    /// The host's storage takes so many more bytes, or any number.
    Room {
        /// The host.
        host: usize,
        /// The bytes; `None` for no limit.
        bytes: Option<usize>,
    },
    /// The host learns which tabs of the hosts before it live.
    FindTabs {
        /// The host.
        host: usize,
    },
    /// The host does not wait any more for tabs of the hosts before it.
    Asleep {
        /// The host.
        host: usize,
    },
    /// A quiet moment of the host.
    Idle {
        /// The host.
        host: usize,
    },
    /// The host dies, and another one takes its place.
    KillHost {
        /// The host.
        host: usize,
        /// How many of the storage's requests are carried out, with nobody to hear of it.
        committed: usize,
        /// How many of its messages to the server still arrive.
        up: usize,
        /// How many of its tabs die with it.
        gone: usize,
        /// Which of the others do, as bits.
        #[serde(default)]
        others: u64,
        /// How much of what it said still arrives at each of the others.
        seed: u64,
    },
    /// The host resigns. When it has said its last word, another one takes its place.
    HandOver {
        /// The host.
        host: usize,
        /// How much of what it said still arrives, at the server and at each tab.
        seed: u64,
    },
    /// The host is frozen, and another one takes its storage.
    Freeze {
        /// The host.
        host: usize,
        /// How much of what it said still arrives, and of what was said to it.
        seed: u64,
    },
    /// Something reaches a host that was frozen.
    Thaw {
        /// The host that took its storage.
        host: usize,
        /// Which of the frozen ones, as they were frozen.
        at: usize,
        /// What reaches it.
        seed: u64,
    },
    /// The tab notices that its host died, and goes to the next one.
    Rejoin {
        /// The tab.
        tab: usize,
    },
    /// The server cannot be reached from the host, or can again.
    Away {
        /// The host.
        host: usize,
        /// Whether it cannot.
        on: bool,
    },
    /// A stranger, the server or the host sends a malformed message.
    Garbage {
        /// The host.
        host: usize,
        /// The seed of the message, of its sender and of its receiver.
        seed: u64,
    },
}
