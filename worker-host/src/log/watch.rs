//! News of the store for tabs that watch it: its state, the inventory, dead letters, and the queue.
//!
//! What it refuses to do: tell a tab that did not ask.

use broker::message::{StorageEvent, ToTab};
use proxy_doc::{DeadLetter, DocKey, Gather, StoredDoc, TabId};

use crate::host::Host;

impl Host {
    /// Registers the tab as a watcher of the store, and tells it the whole state.
    pub(crate) fn watch_storage(&mut self, tab: &TabId) {
        self.tabs.watch_storage(tab);
        self.tell_whole_inventory(tab);
        let event = StorageEvent::Letters {
            letters: self.letters_since(0),
            gone: Vec::new(),
            whole: true,
        };
        self.tell(tab, ToTab::Storage(event));
        self.tell_queue(true);
    }

    /// Tells an event to the tabs that watch the store.
    pub(crate) fn tell_watchers(&mut self, event: impl Fn() -> StorageEvent) {
        for tab in self.tabs.watchers() {
            self.tell(&tab, ToTab::Storage(event()));
        }
    }

    /// The dead letters from this number on.
    pub(crate) fn letters_since(&self, number: u64) -> Vec<DeadLetter> {
        let letters = self.log.store.iter();
        letters
            .flat_map(|store| store.letters_since(number))
            .cloned()
            .gather()
    }

    /// Tells watchers the new dead letters, and those that are gone.
    pub(crate) fn tell_letters(&mut self, letters: &[DeadLetter], gone: &[u64]) {
        self.tell_watchers(|| StorageEvent::Letters {
            letters: letters.to_vec(),
            gone: gone.to_vec(),
            whole: false,
        });
    }

    /// The inventory's entry of a document.
    fn stored_doc(&self, key: &DocKey) -> Option<StoredDoc> {
        self.log.store.as_ref()?.stored(key).cloned()
    }

    /// Tells watchers the inventory's current entry of a document.
    pub(crate) fn tell_inventory(&mut self, key: &DocKey) {
        let stored = self.stored_doc(key);
        let gone = if stored.is_none() {
            vec![key.clone()]
        } else {
            Vec::new()
        };
        let docs: Vec<StoredDoc> = stored.into_iter().gather();
        self.tell_watchers(|| StorageEvent::Inventory {
            docs: docs.clone(),
            gone: gone.clone(),
            whole: false,
        });
    }

    /// Tells a tab the whole inventory.
    pub(crate) fn tell_whole_inventory(&mut self, tab: &TabId) {
        let inventory = self.log.store.as_ref().and_then(|store| store.inventory());
        let Some(docs) = inventory.map(|docs| docs.cloned().gather()) else {
            return;
        };
        let event = StorageEvent::Inventory {
            docs,
            gone: Vec::new(),
            whole: true,
        };
        self.tell(tab, ToTab::Storage(event));
    }

    /// Tells watchers which documents' records are being written, or were.
    pub(crate) fn tell_persist(
        &mut self,
        keys: &[DocKey],
        event: fn(Vec<StoredDoc>) -> StorageEvent,
    ) {
        let docs: Vec<StoredDoc> = keys.iter().filter_map(|key| self.stored_doc(key)).gather();
        self.tell_watchers(|| event(docs.clone()));
    }

    /// Tells watchers how many documents wait to be written, where the number changed or `even_so`.
    pub(crate) fn tell_queue(&mut self, even_so: bool) {
        let Some(store) = self.log.store.as_ref().filter(|_| self.tabs.any_watches()) else {
            return;
        };
        let (size, auto_flush) = (store.queue_size(), store.auto_flush());
        if !even_so && self.log.told_queue == size {
            return;
        }
        self.log.told_queue = size;
        self.tell_watchers(|| StorageEvent::Queue { size, auto_flush });
    }
}
