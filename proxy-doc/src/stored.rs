//! What the host's store has, as it is written down and as tabs are told of it: documents and dead letters.
//!
//! What it refuses to do: hold a document's data.

use crate::{Change, DocKey, Error, Version};

/// A document in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDoc {
    /// The document's key.
    pub key: DocKey,
    /// The server's version of the stored state.
    pub version: Option<Version>,
    /// Whether it has ops that the server has not acknowledged.
    pub pending: bool,
}

crate::wire!(struct StoredDoc {
    key = "doc";
    version = "v";
    pending = "p";
});

/// An op that the server rejected, or that was given up with one.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The letter's number. Letters are counted from 1; no two letters of a store have the same number.
    pub number: u64,
    /// The document.
    pub key: DocKey,
    /// The op.
    pub change: Change,
    /// Why the op was rejected or given up.
    pub error: Error,
    /// The server's version that the op was based on, where that is known.
    pub version: Option<Version>,
}

crate::wire!(struct DeadLetter {
    number = "number";
    key = "doc";
    change = "change";
    error = "error";
    version = "version";
});
