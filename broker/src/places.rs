//! Where the host of a namespace is, and how a tab reaches it.
//!
//! A *place* can have a host: a SharedWorker, a tab's dedicated worker, or its page. One lock for each namespace, the
//! *host lock*, decides which place has it; only its holder opens the store or a socket. Each place has a [`Candidate`]
//! that queues for the lock, each tab a [`Link`] that finds the host. Both hear the [`Announcement`]s of the namespace's
//! channel.
//!
//! | question | answered in |
//! |---|---|
//! | Which of two places is the better one? | `announcement.rs`, `Waiting::is_better_than` |
//! | When does a place ask for the lock, and hand it over? | `candidate.rs` |
//! | Which place of a tab stands for the lock? | `link/own_place.rs`, `link/own_worker.rs` |
//! | By which road does a tab reach the host? | `link/road.rs` |
//! | When is the lock taken from a place that says nothing? | `link/silence.rs` |
//!
//! What this module refuses to do: request a lock, post a message, make a worker. It says what is to be done.

mod announcement;
mod candidate;
mod link;

pub use announcement::{Announcement, HostAt, PlaceKind, Waiting};
pub use candidate::{Candidate, CandidateInput, CandidateOutput};
pub use link::{Link, LinkInput, LinkOptions, LinkOutput, RoadKind, Why, WorkerKind};
