//! The one real ShareDB client, and the host that serves every tab with it.
//!
//! [`Host`] is a state machine: tabs' messages, the socket's events and the timer go in, [`Output`]s
//! come out. Towards the server it speaks ShareDB's wire protocol 1.2 with one
//! [`proxy_doc::Doc`] per document; towards the tabs it is a server itself, by one
//! `tabs::hub::Hub` per document.
//!
//! What it refuses to do: open a socket, wait, or pick a random number. The driver does that: the
//! JavaScript shim in browsers and Node, the feature `native` in tests and load.

mod coordination;
mod docs;
mod host;
mod inbox;
mod log;
#[cfg(feature = "native")]
pub mod native;
mod presence;
mod quarantine;
mod queries;
mod server;
mod snapshots;
mod status;
mod tabs;

pub use host::{Cause, Doing, Host, Options, Output, ReadyState};
pub use server::liveness::IDLE_MS;
pub use server::reconnect::{FIRST_DELAY_MS, MAX_DELAY_MS};
pub use server::silence::FIRST_LOOKS;
