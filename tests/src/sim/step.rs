//! What a simulation is made of: a set-up and a list of steps, both one line of JSON each.
//!
//! A step names its actors by number and holds a seed where it needs chance, so that it means
//! something in every state. Where it does not apply it does nothing: a plan stays a plan when
//! lines are deleted.

use serde::{Deserialize, Serialize};

/// How wild a simulation is.
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
    /// Hosts: the one under test, and plain clients of the server beside it.
    pub hosts: usize,
    /// The host of each tab that is there from the start.
    pub tabs: Vec<usize>,
    /// Documents; the first exists on the server, or all of them where nobody creates any.
    pub docs: usize,
    /// Steps to make up.
    pub steps: usize,
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
        /// What.
        act: Act,
        /// For everything that is chance in it.
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
        /// What.
        act: Act,
        /// For everything that is chance in it.
        seed: u64,
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
    /// Messages of the tab arrive at the host.
    ToHost {
        /// The tab.
        tab: usize,
        /// How many.
        count: usize,
    },
    /// Messages of the host arrive at the tab.
    ToTab {
        /// The tab.
        tab: usize,
        /// How many.
        count: usize,
    },
    /// Messages on the socket arrive at the server, then its end.
    ToServer {
        /// The socket.
        socket: usize,
        /// How many.
        count: usize,
    },
    /// Messages on the socket arrive at the host, then its end.
    FromServer {
        /// The host.
        host: usize,
        /// How many.
        count: usize,
    },
    /// The socket breaks; these many messages on the way still arrive.
    Cut {
        /// The host.
        host: usize,
        /// Of those to the server.
        up: usize,
        /// Of those to the host.
        down: usize,
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
        /// With this code.
        code: String,
    },
    /// The server changes the next op.
    Fixup {
        /// By how much.
        add: u32,
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
    /// Somebody sends something that makes no sense.
    Garbage {
        /// The host.
        host: usize,
        /// What.
        seed: u64,
    },
}
