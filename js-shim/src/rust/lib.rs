//! The WebAssembly side of the public JavaScript API: the machines, wrapped.
//!
//! The JavaScript in this folder calls these, polls what comes out, and runs it. Ops and snapshots
//! cross as JSON text.

#[cfg(feature = "tab")]
mod convert;
#[cfg(feature = "coordinator")]
mod coordinator;
#[cfg(feature = "coordinator")]
mod devices;
#[cfg(feature = "host")]
mod host;
#[cfg(any(feature = "tab", feature = "host"))]
mod js;
#[cfg(any(feature = "tab", feature = "host"))]
mod kinds;
mod number;
#[cfg(any(feature = "tab", feature = "host"))]
mod places;
#[cfg(feature = "tab")]
mod tab;
#[cfg(feature = "tab")]
mod tab_presence;
#[cfg(feature = "tab")]
mod tab_storage;
#[cfg(any(feature = "tab", feature = "host"))]
mod types;
