//! The WebAssembly side of the public JavaScript API: the tab's and the host's machines, wrapped.
//!
//! The JavaScript in this folder calls these, polls what comes out, and runs it. Ops and snapshots
//! cross as JSON text.

mod convert;
mod host;
mod kinds;
mod tab;
mod tab_presence;
mod tab_storage;
mod types;
