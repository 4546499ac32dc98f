//! The server's edge: the one connection to a real ShareDB server, and what crosses it.
//!
//! [`Server`] is the state of the connection. `connection` is the socket and the handshake, `reconnect` says when to open the next socket, `liveness` when to doubt this one, `silence` when to doubt what it told of a document, and `urls` where the next one leads to. `messages` gives each
//! message to its room; `ops` and `reads` are those about documents, and `op_ids` names ops. `wire` has the protocol, and `bulk` collects reads
//! that go out together.
//!
//! What it refuses to do: decide what a tab is told.

pub(crate) mod bulk;
mod connection;
pub(crate) mod liveness;
mod messages;
pub(crate) mod op_ids;
mod ops;
mod past_ops;
mod reads;
pub(crate) mod reconnect;
pub(crate) mod silence;
#[cfg(test)]
mod tests;
mod urls;
pub(crate) mod wire;

use broker::message::{ConnectionState, State};
use proxy_doc::{DocHandle, Error, Fifo, Json, TabId, codes};

use bulk::Bulk;
use liveness::Liveness;
use op_ids::OpIds;
use reconnect::Reconnect;
use urls::Urls;

/// The state of the connection.
#[derive(Debug)]
pub(crate) struct Server {
    state: State,
    /// Why the connection is in its state, as the socket's `onclose` said.
    reason: Option<Json>,
    pub(crate) op_ids: OpIds,
    /// How many sockets have been bound: tabs tell by it which one a request is about.
    generation: u64,
    /// Where the host opens its sockets itself, see [`crate::Options::opens_sockets`].
    opens_sockets: bool,
    /// Somebody wants the connection, and it was not closed.
    wants_socket: bool,
    /// The driver was asked for a socket, and that one is not closed.
    has_socket: bool,
    reconnect: Reconnect,
    liveness: Liveness,
    pub(crate) urls: Urls,
    /// The last silent document that was asked for, where there were more than one look asks for.
    asked_last: Option<DocHandle>,
    /// Reads that are collected, to go out together.
    bulk: Option<Bulk>,
    /// Pings on this socket without an answer, in order: the tab that asked, unless it has left or the host did.
    pings: Fifo<Option<TabId>>,
}

impl Server {
    /// No socket yet; see [`OpIds::new`], [`crate::Options::opens_sockets`] and [`crate::Options::has_url`].
    pub(crate) fn new(host_src: Option<String>, opens_sockets: bool, has_url: bool) -> Self {
        Self {
            state: State::Disconnected,
            reason: None,
            op_ids: OpIds::new(host_src),
            generation: 0,
            opens_sockets,
            wants_socket: false,
            has_socket: false,
            reconnect: Reconnect::default(),
            liveness: Liveness::default(),
            urls: Urls::new(has_url),
            asked_last: None,
            bulk: None,
            pings: Fifo::new(),
        }
    }

    /// The connection's state.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Whether the handshake is done.
    pub(crate) fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// Whether there is no socket, and none on its way.
    fn is_idle(&self) -> bool {
        matches!(
            self.state,
            State::Disconnected | State::Closed | State::Stopped
        )
    }

    /// What the tabs are told of the connection.
    pub(crate) fn connection_state(&self) -> ConnectionState {
        ConnectionState {
            state: self.state,
            reason: self.reason.clone(),
            id: self.op_ids.connection_id().map(str::to_owned),
            generation: self.generation,
        }
    }

    /// Goes to another state (`_setState`). Says whether that is news.
    ///
    /// # Errors
    /// `ERR_CONNECTION_STATE_TRANSITION_INVALID`: a connection comes up by connecting, from where there is none.
    fn transition(&mut self, state: State, reason: Option<Json>) -> Result<bool, Error> {
        if self.state == state {
            return Ok(false);
        }
        let refused = (state == State::Connecting && !self.is_idle())
            || (state == State::Connected && self.state != State::Connecting);
        if refused {
            let (from, to) = (self.state.as_str(), state.as_str());
            let message = format!("Cannot transition directly from {from} to {to}");
            let code = codes::ERR_CONNECTION_STATE_TRANSITION_INVALID;
            return Err(Error::new(code, message));
        }
        self.state = state;
        self.reason = reason;
        Ok(true)
    }

    /// An application's `close` is about the socket of this generation: none before it may be bound any more.
    pub(crate) fn raise_generation(&mut self, generation: u64) {
        self.generation = self.generation.max(generation);
    }

    /// Whether the host opens a socket as soon as it has none.
    pub(crate) fn opens_next_socket(&self) -> bool {
        self.opens_sockets && self.wants_socket
    }

    /// Whether a socket has to be opened now. Its end may be known here before it is one of the connection.
    fn lacks_socket(&self) -> bool {
        self.wants_socket && !self.has_socket && self.is_idle()
    }

    /// Whether the host would open sockets, and nobody has wanted one.
    pub(crate) fn is_unused(&self) -> bool {
        self.opens_sockets && !self.wants_socket
    }

    fn want_socket(&mut self, wants: bool) {
        self.wants_socket = wants;
    }

    // ---- Pings ----

    /// `None`: it is the host's own.
    fn note_ping(&mut self, tab: Option<TabId>) {
        self.pings.push_back(tab);
    }

    /// The ping that the server answers now. `None`: the application wrote it to the socket itself. `Some(None)`: it is
    /// the host's own, or its tab has left.
    fn take_ping(&mut self) -> Option<Option<TabId>> {
        self.pings.pop_front()
    }

    /// The tab's pings go unanswered. They keep their places: the server answers in order.
    pub(crate) fn forget_pings_of(&mut self, tab: &TabId) {
        for asked in self.pings.iter_mut() {
            asked.take_if(|of| of == tab);
        }
    }

    /// The socket is gone.
    fn forget_pings(&mut self) {
        self.pings.clear();
    }
}
