//! What the host keeps of documents in a storage.
//!
//! [`DurableStore`] is the machine that decides
//! what is written when, so that whatever dies, no op is lost and none is sent twice under two names;
//! it emits [`Request`]s, and a driver carries them out on any storage that can write several records
//! at once. `format` has the formats.
//!
//! What it refuses to do: touch a storage, transform an op, read a clock.

mod dirty;
pub mod format;
mod inventory;
mod store;

pub use store::{
    Ask, Blocking, Documents, DurableStore, Failure, FailureKind, Kept, Mark, Request, Restored,
    Retention, StoreEvent, StoreOptions, WriteLimits,
};
