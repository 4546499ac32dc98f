//! What the host keeps of documents, in memory and in a storage.
//!
//! [`DocState`] is the confirmed state of one document. [`DurableStore`] is the machine that decides
//! what is written when, so that whatever dies, no op is lost and none is sent twice under two names;
//! it emits [`Request`]s, and a driver carries them out on any storage that can write several records
//! at once. `record` has the formats.
//!
//! What it refuses to do: touch a storage, transform an op, read a clock.

mod inventory;
mod lack;
pub mod record;
mod state;
mod store;

pub use state::{DocState, MAX_TAIL};
pub use store::{
    Ask, Documents, DurableStore, Failure, FailureKind, Kept, Mark, Request, Restored, Retention,
    StoreEvent, StoreOptions, WriteLimits,
};
