//! The server's edge: the one connection to a real ShareDB server, and what crosses it.
//!
//! `wire` has the messages of the protocol, `ops` carries them out, `bulk` collects reads that go out together, and
//! `reconnect` says when to open the next socket.
//!
//! What it refuses to do: decide what a tab is told.

pub(crate) mod bulk;
mod ops;
pub(crate) mod reconnect;
pub(crate) mod wire;
