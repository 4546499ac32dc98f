//! The broker between tabs and host: the messages that cross, as types and as text.
//!
//! [`message`] holds the only types that cross a port; [`places`] finds where the host is, and how a tab reaches it;
//! [`coordination`] is what tabs agree on, and [`devices`] what one user's browsers agree on.
//!
//! What it refuses to do: know the ShareDB server, touch a port, run user code.

pub mod coordination;
pub mod devices;
pub mod message;
pub mod places;
