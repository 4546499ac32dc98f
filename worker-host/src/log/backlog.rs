//! The backlog: stored documents with pending ops, which are sent to the server even if no tab asks for the documents.
//!
//! What it refuses to do: load all of them at once.

use durable_store::{DurableStore, Retention};
use proxy_doc::{DocKey, Fifo};

use crate::host::Host;

/// Limit of backlog documents that are loaded and drained at the same time.
const MAX_DRAINING: usize = 64;

/// Documents with pending ops that no tab asked for.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Documents that have not been loaded yet.
    waiting: Fifo<DocKey>,
    /// Documents whose ops are being sent.
    draining: Vec<DocKey>,
}

impl Backlog {
    /// Replaces the documents that wait by these.
    fn fill(&mut self, keys: Fifo<DocKey>) {
        self.waiting = keys;
    }

    /// Whether no document waits to be loaded.
    pub(crate) fn is_loaded(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether no document waits or is being drained.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.draining.is_empty()
    }

    /// Removes a document that left memory from those being drained.
    pub(crate) fn forget(&mut self, key: &DocKey) {
        self.draining.retain(|drained| drained != key);
    }

    /// Removes all documents.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Removes drained documents that are done, and starts the next ones, which it returns.
    fn next(&mut self, is_done: impl Fn(&DocKey) -> bool) -> Vec<DocKey> {
        self.draining.retain(|key| !is_done(key));
        let mut next = Vec::new();
        while self.draining.len() < MAX_DRAINING
            && let Some(key) = self.waiting.pop_front()
        {
            next.push(key.clone());
            self.draining.push(key);
        }
        next
    }
}

impl Host {
    /// Fills the backlog from the inventory, and starts it.
    pub(crate) fn take_inventory(&mut self) {
        let Some(store) = &self.log.store else {
            return;
        };
        if store.retention() == Retention::Durable {
            let stored = store.inventory().into_iter().flatten();
            let pending = stored.filter(|stored| stored.pending);
            let keys: Fifo<DocKey> = pending.map(|stored| stored.key.clone()).collect();
            // A document that was loaded before the inventory was known, and lacks the pending ops it should have.
            let is_lost = |key: &&DocKey| {
                let doc = self.docs.at(key);
                doc.is_some_and(|doc| !doc.doc.has_write_pending()) && !store.is_dirty(key)
            };
            let lost = keys.iter().find(is_lost).map(DurableStore::lost_ops);
            self.log.backlog.fill(keys);
            if let Some(lost) = lost {
                self.note_damage(&lost);
            }
        }
        self.work_off();
        for tab in self.tabs.watchers() {
            self.tell_whole_inventory(&tab);
        }
    }

    /// Loads the next documents of the backlog.
    pub(crate) fn work_off(&mut self) {
        let (docs, unreadable) = (&self.docs, &self.log.unreadable);
        let is_done = |key: &DocKey| {
            let doc = docs.at(key);
            let is_drained = doc.is_some_and(|doc| !doc.doc.has_write_pending());
            is_drained || unreadable.contains_key(key)
        };
        let mut keys = self.log.backlog.next(is_done);
        keys.retain(|key| self.docs.find(key).is_none());
        self.ask_for(keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: usize) -> DocKey {
        DocKey {
            collection: "docs".to_owned(),
            id: id.to_string(),
        }
    }

    #[test]
    fn only_so_many_documents_are_at_work() {
        let mut backlog = Backlog::default();
        backlog.fill((0..MAX_DRAINING + 2).map(key).collect());
        assert_eq!(backlog.next(|_| false).len(), MAX_DRAINING);
        assert_eq!(backlog.next(|_| false), []);
        assert_eq!(backlog.next(|done| *done == key(0)), [key(MAX_DRAINING)]);
        assert!(!backlog.is_loaded());
    }

    #[test]
    fn the_backlog_is_empty_when_the_last_document_is_done() {
        let mut backlog = Backlog::default();
        backlog.fill([key(0)].into_iter().collect());
        assert_eq!(backlog.next(|_| false), [key(0)]);
        assert!(backlog.is_loaded());
        assert!(!backlog.is_empty());
        assert_eq!(backlog.next(|_| true), []);
        assert!(backlog.is_empty());
    }
}
