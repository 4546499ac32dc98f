//! The server's edge: the one connection to a real ShareDB server, and what crosses it.
//!
//! `connection` is the socket and the handshake, `reconnect` says when to open the next socket. `messages` gives each
//! message to its room; `ops` and `reads` are those about documents. `wire` has the protocol, and `bulk` collects reads
//! that go out together.
//!
//! What it refuses to do: decide what a tab is told.

pub(crate) mod bulk;
mod connection;
mod messages;
mod ops;
mod past_ops;
mod reads;
pub(crate) mod reconnect;
pub(crate) mod wire;
