//! What a tab knows of the durable store, and asks of it.
//!
//! The store is the host's. What an application asks without waiting for an answer is mirrored here.

use std::collections::BTreeMap;

use broker::message::{Answer, DeadLetter, StorageEvent, StorageState, StoredDoc, ToHost};
use proxy_doc::{DocHandle, DocKey, Error, Token, Version, codes};

use crate::{Asked, OwnerTask, ProxyConnection, TabEvent};

/// The mirror of the store.
#[derive(Debug)]
pub(crate) struct Storage {
    state: Option<StorageState>,
    queue_size: usize,
    auto_flush: bool,
    inventory: Inventory,
    letters: Vec<DeadLetter>,
    watches: bool,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            state: None,
            queue_size: 0,
            auto_flush: true,
            inventory: Inventory::default(),
            letters: Vec::new(),
            watches: false,
        }
    }
}

/// The documents of the store, by their place in a list.
#[derive(Debug, Default)]
struct Inventory {
    places: BTreeMap<DocKey, DocHandle>,
    docs: Vec<Option<StoredDoc>>,
}

impl Inventory {
    fn get(&self, key: &DocKey) -> Option<&StoredDoc> {
        let place = self.places.get(key)?;
        self.docs[place.0 as usize].as_ref()
    }

    fn put(&mut self, doc: StoredDoc) {
        match self.places.get(&doc.key) {
            Some(place) => self.docs[place.0 as usize] = Some(doc),
            None => {
                let place = DocHandle(self.docs.len() as u32);
                self.places.insert(doc.key.clone(), place);
                self.docs.push(Some(doc));
            }
        }
    }

    fn remove(&mut self, key: &DocKey) {
        if let Some(place) = self.places.get(key) {
            self.docs[place.0 as usize] = None;
        }
    }
}

impl ProxyConnection {
    // ---- What is so ----

    /// What the host's store is; nothing before the host has said so.
    pub fn storage_state(&self) -> Option<&StorageState> {
        self.storage.state.as_ref()
    }

    /// How many documents wait to be written.
    pub fn queue_size(&self) -> usize {
        self.storage.queue_size
    }

    /// Whether documents are written by themselves.
    pub fn auto_flush(&self) -> bool {
        self.storage.auto_flush
    }

    /// The documents of the store.
    pub fn inventory(&self) -> impl Iterator<Item = &StoredDoc> {
        self.storage.inventory.docs.iter().flatten()
    }

    /// Whether the store has the document, at `version` at least.
    pub fn is_stored(&self, key: &DocKey, version: Option<Version>) -> bool {
        let stored = self.storage.inventory.get(key);
        stored.is_some_and(|stored| version.is_none() || stored.version >= version)
    }

    /// The ops that were refused or given up, oldest first.
    pub fn dead_letters(&self) -> &[DeadLetter] {
        &self.storage.letters
    }

    // ---- Asking ----

    /// Has the mirror kept up to date.
    pub fn watch_storage(&mut self) {
        self.storage.watches = true;
        self.tell_host(&ToHost::WatchStorage {});
    }

    /// Opens documents as the store has them, without a word to the server.
    pub fn get_bulk(&mut self, collection: String, ids: Vec<String>, token: Token) {
        let callback_id = self.ask(Asked::Stored(token));
        self.tell_host(&ToHost::GetBulk {
            collection,
            ids,
            callback_id,
        });
    }

    /// Writes documents to the store.
    pub fn put_docs(&mut self, docs: &[DocHandle], token: Token) {
        let callback_id = self.ask(Asked::Stored(token));
        let keys = docs.iter().filter_map(|handle| self.docs.get(handle));
        let docs = keys.map(|known| known.doc.key().clone()).collect();
        self.tell_host(&ToHost::PutDocs { docs, callback_id });
    }

    /// Writes everything that waits for it.
    pub fn flush_writes(&mut self, token: Token) {
        let callback_id = self.ask(Asked::Stored(token));
        self.tell_host(&ToHost::FlushWrites { callback_id });
    }

    /// Whether documents are to be written by themselves.
    pub fn set_auto_flush(&mut self, on: bool) {
        self.storage.auto_flush = on;
        self.tell_host(&ToHost::SetAutoFlush { on });
    }

    /// Somebody has seen to these dead letters.
    pub fn remove_letters(&mut self, numbers: Vec<u64>) {
        self.storage
            .letters
            .retain(|letter| !numbers.contains(&letter.number));
        self.tell_host(&ToHost::RemoveLetters { numbers });
    }

    /// Stops every tab, and deletes everything that is stored.
    pub fn wipe(&mut self, token: Token) {
        let callback_id = self.ask(Asked::Stored(token));
        self.tell_host(&ToHost::Wipe { callback_id });
    }

    // ---- From the host ----

    pub(crate) fn handle_stored(&mut self, token: Token, answer: Result<Option<Answer>, Error>) {
        let (docs, result) = match answer {
            Ok(Some(Answer::Docs(docs))) => (docs, Ok(())),
            Ok(_) => (Vec::new(), Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        self.push_event(TabEvent::Stored(token, result));
        for doc in docs.into_iter().rev() {
            self.push_owner(OwnerTask::Adopt(Box::new(doc)));
        }
    }

    pub(crate) fn handle_storage_event(&mut self, event: StorageEvent) {
        let storage = &mut self.storage;
        match &event {
            StorageEvent::State(state) => {
                self.line = Some(state.line);
                storage.state = Some(state.clone());
            }
            StorageEvent::Queue { size, auto_flush } => {
                storage.queue_size = *size;
                storage.auto_flush = *auto_flush;
            }
            StorageEvent::Inventory { docs, gone, whole } => {
                if *whole {
                    storage.inventory = Inventory::default();
                }
                for doc in docs {
                    storage.inventory.put(doc.clone());
                }
                for key in gone {
                    storage.inventory.remove(key);
                }
            }
            StorageEvent::Letters(letters) => storage.letters.clone_from(letters),
            StorageEvent::Wiped => self.stop_for_wipe(),
            StorageEvent::Persisting(_)
            | StorageEvent::Persisted(_)
            | StorageEvent::WriteFailed(_)
            | StorageEvent::Persist => {}
        }
        self.push_event(TabEvent::Storage(event));
    }

    /// What another host has to be asked again.
    pub(crate) fn resume_storage(&mut self) {
        if self.storage.watches {
            self.tell_host(&ToHost::WatchStorage {});
        }
    }

    /// Everything is being deleted: nothing goes to the host any more, and what has no end gets one.
    fn stop_for_wipe(&mut self) {
        self.left = true;
        self.storage.inventory = Inventory::default();
        self.storage.letters.clear();
        let error = Error::new(codes::ERR_STORAGE, "The store was wiped");
        let handles: Vec<DocHandle> = self.docs.keys().copied().collect();
        for handle in handles {
            self.with_doc(handle, |doc, up| doc.abandon(up, &error));
        }
        self.set_state(broker::message::State::Closed, None);
    }
}
