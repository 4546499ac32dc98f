//! The backlog: stored documents with pending ops, which are brought to the server whether or not a tab asks for them.
//!
//! What it refuses to do: load all of them at once.

use durable_store::Retention;

use super::MAX_BACKLOG;
use crate::host::Host;

impl Host {
    /// The inventory is known: documents with pending ops are brought to the server, whether or not a
    /// tab asks for them.
    pub(crate) fn take_inventory(&mut self) {
        let Some(store) = &self.store else {
            return;
        };
        if store.retention() == Retention::Durable {
            let stored = store.inventory().into_iter().flatten();
            let pending = stored.filter(|stored| stored.pending);
            self.backlog = pending.map(|stored| stored.key.clone()).collect();
        }
        self.work_off();
        for tab in self.tabs.watchers() {
            self.tell_whole_inventory(&tab);
        }
    }

    /// Loads the next documents whose ops have to be brought to the server.
    pub(crate) fn work_off(&mut self) {
        let mut draining = std::mem::take(&mut self.draining);
        draining.retain(|key| {
            let host_doc = self.docs.at(key);
            let drained = host_doc.is_some_and(|host_doc| !host_doc.doc.has_write_pending());
            !drained && !self.is_unreadable(key)
        });
        let mut keys = Vec::new();
        while draining.len() < MAX_BACKLOG {
            let Some(key) = self.backlog.pop_front() else {
                break;
            };
            if self.docs.find(&key).is_none() {
                keys.push(key.clone());
            }
            draining.push(key);
        }
        self.draining = draining;
        self.ask_for(keys);
    }
}
