//! What tabs agree on: who leads, who holds a lock, which tabs there are.
//!
//! The host decides all of it, in the order in which it is asked. [`messages`] is what crosses; [`Coordinator`] is a tab's
//! end: it keeps what the tab has asked and has no answer to, and what the tab holds. Both are announced to the next host.
//!
//! What it refuses to do: decide anything that concerns two tabs.

mod coordinator;
pub mod messages;

pub use coordinator::{Coordinator, Input, Output};
