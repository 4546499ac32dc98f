//! The WebAssembly side of the public JavaScript API: the tab's and the host's machines, wrapped.
//!
//! The JavaScript in this folder calls these, polls what comes out, and runs it. Ops and snapshots
//! cross as JSON text.

#[cfg(feature = "tab")]
mod convert;
#[cfg(feature = "host")]
mod host;
mod js;
mod kinds;
mod number;
mod places;
#[cfg(feature = "tab")]
mod tab;
#[cfg(feature = "tab")]
mod tab_presence;
#[cfg(feature = "tab")]
mod tab_storage;
mod types;
