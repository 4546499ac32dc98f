//! The broker between tabs and host: the messages that cross, and the host's end of them.
//!
//! [`message`] holds the only types that go over a port. [`hub`] gives a document one linear
//! history of [`Revision`](proxy_doc::Revision)s, so that the host can be the server of every tab.
//!
//! What it refuses to do: know the ShareDB server, touch a port, run user code.

pub mod hub;
pub mod message;
mod names;
