//! The second realtime connection, which the host has for all tabs.

use proxy_doc::{Error, wire};

/// How far the connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RealtimeState {
    /// There is none, or none until the next attempt.
    #[default]
    Disconnected,
    /// It is on its way. What tabs send waits.
    Connecting,
    /// What tabs send goes out, and what comes is told to all of them.
    Connected,
}

wire!(
    enum RealtimeState {
        Disconnected = "disconnected",
        Connecting = "connecting",
        Connected = "connected",
    }
);

/// How far a tab has heard of what came by the connection. A host counts from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The host's epoch; 0 for a tab that has heard of no host with a connection.
    pub host: u64,
    /// The number of the last message.
    pub number: u64,
}

wire!(struct Stream {
    host = "host" or 0;
    number = "number" or 0;
});

/// What tabs are told of the connection.
#[derive(Clone, Debug, Default)]
pub struct Realtime {
    /// How far it is.
    pub state: RealtimeState,
    /// Why it is not connected, or the last failure.
    pub error: Option<Error>,
    /// What has come so far.
    pub stream: Stream,
}

wire!(struct Realtime {
    state = "state";
    error = "error";
    stream = "stream" or Stream::default();
});
