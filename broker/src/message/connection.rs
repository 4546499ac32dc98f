//! The connection to the server and the host, as a tab sees them.

use proxy_doc::{Error, Json, wire};

/// The state of the real connection.
#[derive(Clone, Debug)]
pub struct ConnectionState {
    /// ShareDB's word for it.
    pub state: State,
    /// Why it changed, as the socket said: JSON of a string or a close event.
    pub reason: Option<Json>,
    /// The connection's id, the `src` of ops that are sent through it.
    pub id: Option<String>,
    /// The number of the socket binding that this state is of.
    pub generation: u64,
}

wire!(struct ConnectionState {
    state = "state";
    reason = "reason";
    id = "id";
    generation = "generation";
});

/// ShareDB's connection states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The socket is opening, or the handshake is not complete.
    Connecting,
    /// The handshake is complete: messages can be sent.
    Connected,
    /// The socket closed, and is opened again.
    Disconnected,
    /// The client closed the socket.
    Closed,
    /// The server closed the socket for good.
    Stopped,
}

wire!(
    enum State {
        Connecting = "connecting",
        Connected = "connected",
        Disconnected = "disconnected",
        Closed = "closed",
        Stopped = "stopped",
    }
);

impl State {
    /// ShareDB's name of the state.
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

/// An event of the connection.
#[derive(Debug)]
pub enum ConnectionEvent {
    /// Its state changed.
    State(ConnectionState),
    /// The socket reported an error.
    SocketError(Json),
    /// An error that belongs to no document, query or request.
    Error(Error),
    /// The answer to a ping.
    Pong,
    /// A URL is wanted for the next socket, which has this number. [`super::ToHost::Url`] is the answer.
    UrlWanted(u64),
}

wire!(
    enum ConnectionEvent {
        State = "state"(ConnectionState),
        SocketError = "connection error"(Json),
        Error = "error"(Error),
        Pong = "pong",
        UrlWanted = "urlWanted"(u64),
    }
);

/// Counts of what the host holds.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Registered tabs.
    pub tabs: usize,
    /// Open sockets: one or none.
    pub sockets: usize,
    /// Documents in memory.
    pub docs: usize,
    /// Ops that the server has not acknowledged, of all documents.
    pub pending_ops: usize,
    /// On request: its tabs, documents, queries and presence one by one, and its store. For people to read: what is in it
    /// may change with any version.
    pub details: Option<Json>,
}

wire!(struct Status {
    tabs = "tabs";
    sockets = "sockets";
    docs = "docs";
    pending_ops = "pendingOps";
    details = "details";
});
