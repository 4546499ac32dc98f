//! The real connection and the host, as a tab sees them.

use proxy_doc::{Error, Json, wire};

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

wire!(struct ConnectionState {
    state = "state";
    reason = "reason";
    id = "id";
    generation = "generation";
});

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

wire!(
    enum ConnectionEvent {
        State = "state"(ConnectionState),
        SocketError = "connection error"(Json),
        Error = "error"(Error),
        Pong = "pong",
    }
);

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

wire!(struct Status {
    tabs = "tabs";
    sockets = "sockets";
    docs = "docs";
    pending_ops = "pendingOps";
});
