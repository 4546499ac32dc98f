//! What one user's browsers agree on: which devices there are, who holds a lease, and what they tell each other.
//!
//! It is agreed on in one document of the user's, whose history the server keeps in one order, and by presence. The server
//! knows nothing of it. [`Devices`] is a tab's end. [`record`] says how the document is read and changed.
//!
//! Everything that could be contested is put in *front* of a list. The server transforms a late op over those before it, and
//! then a later insertion stands before an earlier one: from its end to its front, a list has the order of the history. So an
//! entry that names the entry it follows is a compare-and-swap: it counts only where that one was the last that counts
//! ([`leases`]).
//!
//! What it refuses to do: trust a clock that is not its own, or compare the clocks of two devices.

pub mod leases;
mod machine;
mod mail;
pub mod messages;
mod notices;
mod peers;
pub mod record;

pub use machine::{Devices, Time};
