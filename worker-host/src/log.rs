//! The log: what the host keeps in its store, and how a host takes over from one before it.
//!
//! `barrier` holds what is said until the write that it rests on is durable. `records` are what is written down,
//! `takeover` reads what a dead host wrote, `backlog` brings its ops to the server, and `resume` lets its tabs go on.
//! `events`, `requests` and `watch` are the store's and the tabs' ends of it; `lost` is for a store that fails for good.
//!
//! What it refuses to do: touch a storage, or decide what is written when. `DurableStore` does that.

mod backlog;
pub(crate) mod barrier;
mod events;
mod lost;
mod records;
mod requests;
mod resume;
mod takeover;
mod watch;

use durable_store::record::{DocRecord, Entry};
use durable_store::{Documents, Kept};
use proxy_doc::{DocKey, Error};

use crate::host::Host;

/// Documents with pending ops that nobody asked for are brought to the server so many at a time.
const MAX_BACKLOG: usize = 64;

/// Where things are kept that go with the host.
pub(crate) const MEMORY: &str = "memory";

/// A document that the store has and nobody here can read: its type is not registered here, say. It
/// stays as it is.
pub(crate) struct Unreadable {
    record: Option<DocRecord>,
    entries: Vec<Entry>,
    error: Error,
}

impl Documents for Host {
    fn record(&self, key: &DocKey) -> Kept {
        let is_left_alone = self.begin_document(key).is_some();
        if let Some(unreadable) = self.unreadable(key) {
            return match &unreadable.record {
                Some(_) if is_left_alone => Kept::AsItIs,
                Some(record) => Kept::Record(Box::new(DocRecord {
                    rest: unreadable.entries.clone(),
                    ..record.clone()
                })),
                None => Kept::AsItIs,
            };
        }
        match self.docs.at(key) {
            Some(host_doc) => self.record_of(host_doc),
            None => Kept::AsItIs,
        }
    }

    fn holds(&self, key: &DocKey) -> bool {
        self.docs.find(key).is_some() || self.is_unreadable(key)
    }
}
