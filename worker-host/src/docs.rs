//! The documents of the host: each a client of the server, and a server of the tabs.
//!
//! `state` is a document's confirmed data. `events` turns what happens to a document into entries of its history and
//! messages to the tabs.
//!
//! What it refuses to do: read or write a message of the server's.

mod events;
pub(crate) mod state;
