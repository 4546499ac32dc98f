//! A tab's mirror of the host's durable store, and the tab's requests to that store.
//!
//! The store itself is the host's. What an application reads synchronously (inventory, queue size, dead letters, the
//! store's state) is answered from this mirror, which the host's [`StorageEvent`]s keep up to date.
//!
//! What it refuses to do: read or write storage, or decide what is stored.

use std::collections::{BTreeMap, BTreeSet};

use broker::message::{
    Answer, CallbackId, DeadLetter, StorageEvent, StorageState, StoredDoc, ToHost,
};
use proxy_doc::{DocHandle, DocKey, Error, Token, Version, codes};

use crate::{Asked, OwnerTask, ProxyConnection, TabEvent};

/// The mirror of the store, and the requests that are held back.
#[derive(Debug)]
pub(crate) struct StoreMirror {
    state: Option<StorageState>,
    queue_size: usize,
    auto_flush: bool,
    inventory: Inventory,
    letters: Vec<DeadLetter>,
    watches: bool,
    /// What is to be asked as soon as the host has certain ops, in order.
    waiting: Vec<Waiting>,
}

/// A question that waits.
#[derive(Debug)]
struct Waiting {
    token: Token,
    question: Question,
    /// Documents with ops that the host has yet to accept.
    behind: Vec<DocKey>,
}

/// What was asked of the store.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    GetBulk {
        collection: String,
        ids: Vec<String>,
    },
    PutDocs(Vec<DocKey>),
    FlushWrites,
    Wipe,
}

impl Default for StoreMirror {
    fn default() -> Self {
        Self {
            state: None,
            queue_size: 0,
            auto_flush: true,
            inventory: Inventory::default(),
            letters: Vec::new(),
            watches: false,
            waiting: Vec::new(),
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
        self.store.state.as_ref()
    }

    /// How many documents wait to be written, as far as this tab knows.
    pub fn queue_size(&self) -> usize {
        let asked = self.asked.values().filter_map(|asked| match asked {
            Asked::Stored(_, question) => Some(question),
            Asked::Read(..)
            | Asked::Ingest(..)
            | Asked::Version(_)
            | Asked::Status(_)
            | Asked::Snapshot(_)
            | Asked::Presence(_) => None,
        });
        let waiting = self.store.waiting.iter();
        let waiting = waiting.map(|waiting| &waiting.question);
        let own = asked.chain(waiting).flat_map(|question| match question {
            Question::PutDocs(docs) => docs.as_slice(),
            Question::GetBulk { .. } | Question::FlushWrites | Question::Wipe => &[],
        });
        // Not collected: that would sort, and every browser would download how.
        let mut docs = BTreeSet::new();
        docs.extend(own);
        self.store.queue_size.max(docs.len())
    }

    /// Whether documents are written by themselves.
    pub fn auto_flush(&self) -> bool {
        self.store.auto_flush
    }

    /// The documents of the store.
    pub fn inventory(&self) -> impl Iterator<Item = &StoredDoc> {
        self.store.inventory.docs.iter().flatten()
    }

    /// The documents of the store with ops that the server has not acknowledged.
    pub fn pending_stored(&self) -> impl Iterator<Item = &StoredDoc> {
        self.inventory().filter(|stored| stored.pending)
    }

    /// Whether the store has the document, at `version` at least.
    pub fn is_stored(&self, key: &DocKey, version: Option<Version>) -> bool {
        let stored = self.store.inventory.get(key);
        stored.is_some_and(|stored| version.is_none() || stored.version >= version)
    }

    /// The ops that were refused or given up, oldest first.
    pub fn dead_letters(&self) -> &[DeadLetter] {
        &self.store.letters
    }

    // ---- Asking ----

    /// Has the mirror kept up to date, also by the hosts that come after this one.
    pub fn watch_storage(&mut self) {
        self.store.watches = true;
        self.tell_host(&ToHost::WatchStorage {});
    }

    /// Opens documents as the store has them, without a word to the server.
    pub fn get_bulk(&mut self, collection: String, ids: Vec<String>, token: Token) {
        self.ask_store(token, Question::GetBulk { collection, ids });
    }

    /// Writes documents to the store, with all that was submitted to them before.
    pub fn put_docs(&mut self, docs: &[DocHandle], token: Token) {
        let keys = docs.iter().filter_map(|handle| self.docs.get(handle));
        let docs = keys.map(|known| known.doc.key().clone()).collect();
        self.ask_store(token, Question::PutDocs(docs));
    }

    /// Writes everything that waits for it, and what was submitted in this tab before.
    pub fn flush_writes(&mut self, token: Token) {
        self.ask_store(token, Question::FlushWrites);
    }

    /// Whether documents are to be written by themselves.
    pub fn set_auto_flush(&mut self, on: bool) {
        self.store.auto_flush = on;
        self.tell_host(&ToHost::SetAutoFlush { on });
    }

    /// Somebody has seen to these dead letters.
    pub fn remove_letters(&mut self, numbers: Vec<u64>) {
        self.store
            .letters
            .retain(|letter| !numbers.contains(&letter.number));
        self.tell_host(&ToHost::RemoveLetters { numbers });
    }

    /// Stops every tab, and deletes everything that is stored.
    pub fn wipe(&mut self, token: Token) {
        self.ask_store(token, Question::Wipe);
    }

    /// Whether this tab has asked for everything to be deleted, and has no answer: where the host dies
    /// meanwhile, the next one has to be asked.
    pub fn is_wiping(&self) -> bool {
        let mut asked = self.asked.values();
        asked.any(|asked| matches!(asked, Asked::Stored(_, Question::Wipe)))
    }

    fn ask_store(&mut self, token: Token, question: Question) {
        if self.left {
            return self.push_event(TabEvent::Stored(token, Err(closed())));
        }
        let behind = self.unaccepted(&question, token);
        self.store.waiting.push(Waiting {
            token,
            question,
            behind,
        });
    }

    /// Which documents a question waits for: whoever has something written means what he submitted before.
    fn unaccepted(&self, question: &Question, token: Token) -> Vec<DocKey> {
        let is_behind = |key: &&DocKey| !self.is_accepted(key, token);
        match question {
            Question::GetBulk { .. } | Question::Wipe => Vec::new(),
            Question::PutDocs(keys) => keys.iter().filter(is_behind).cloned().collect(),
            Question::FlushWrites => self.by_key.keys().filter(is_behind).cloned().collect(),
        }
    }

    /// Asks what was waiting for ops to be accepted. Says whether there was something.
    pub(crate) fn ask_waiting(&mut self) -> bool {
        let mut waiting = std::mem::take(&mut self.store.waiting);
        let ready = waiting
            .iter_mut()
            .position(|Waiting { token, behind, .. }| {
                while behind.pop_if(|key| self.is_accepted(key, *token)).is_some() {}
                behind.is_empty()
            });
        let ready = ready.map(|at| waiting.remove(at));
        self.store.waiting = waiting;
        let Some(Waiting {
            token, question, ..
        }) = ready
        else {
            return false;
        };
        let callback_id = CallbackId(self.next_callback);
        let message = question.message(callback_id);
        self.ask(Asked::Stored(token, question));
        self.tell_host(&message);
        true
    }

    /// Whether the host has all that was submitted to the document before `token` was given, since tokens are counted
    /// up; but for what the application holds back.
    fn is_accepted(&self, key: &DocKey, token: Token) -> bool {
        let handle = self.by_key.get(key);
        let Some(known) = handle.and_then(|handle| self.docs.get(handle)) else {
            return true;
        };
        let submissions = known.doc.unaccepted().flat_map(|op| &op.submissions);
        let mut earlier = submissions.filter(|submission| submission.token < token);
        known.doc.paused() || earlier.next().is_none()
    }

    // ---- From the host ----

    /// Documents come also with an error: it is about those that nobody can read.
    pub(crate) fn handle_stored(
        &mut self,
        token: Token,
        error: Option<Error>,
        answer: Option<Answer>,
    ) {
        self.push_event(TabEvent::Stored(token, error.map_or(Ok(()), Err)));
        let Some(Answer::Docs(docs)) = answer else {
            return;
        };
        for doc in docs.into_iter().rev() {
            self.push_owner(OwnerTask::Adopt(Box::new(doc)));
        }
    }

    pub(crate) fn handle_storage_event(&mut self, event: StorageEvent) {
        let store = &mut self.store;
        match &event {
            StorageEvent::State(state) => {
                store.state = Some(state.clone());
                self.enter_line(state.line);
            }
            StorageEvent::Queue { size, auto_flush } => {
                store.queue_size = *size;
                store.auto_flush = *auto_flush;
            }
            StorageEvent::Inventory { docs, gone, whole } => {
                if *whole {
                    store.inventory = Inventory::default();
                }
                for doc in docs {
                    store.inventory.put(doc.clone());
                }
                for key in gone {
                    store.inventory.remove(key);
                }
            }
            StorageEvent::Letters {
                letters,
                gone,
                whole,
            } => {
                let goes = |letter: &DeadLetter| *whole || gone.contains(&letter.number);
                store.letters.retain(|letter| !goes(letter));
                store.letters.extend(letters.iter().cloned());
            }
            StorageEvent::Wiped => self.stop_for_wipe(),
            StorageEvent::Persisting(_)
            | StorageEvent::Persisted(_)
            | StorageEvent::WriteFailed(_) => {}
        }
        self.push_event(TabEvent::Storage(event));
    }

    /// The host has begun another history. It did not take what was sent to it as a part of the old one.
    fn enter_line(&mut self, line: u64) {
        let before = self.line.replace(line);
        if before == Some(line) {
            return;
        }
        let handles: Vec<DocHandle> = self.docs.keys().rev().copied().collect();
        for handle in handles {
            if let Some(known) = self.docs.get_mut(&handle) {
                known.sent = None;
                // What is of an older one is about to be given up.
                if known.line == before {
                    known.line = Some(line);
                }
            }
            self.with_doc(handle, |doc, up| doc.send_again(up));
        }
        let mut waiting = std::mem::take(&mut self.store.waiting);
        for Waiting {
            token,
            question,
            behind,
        } in &mut waiting
        {
            *behind = self.unaccepted(question, *token);
        }
        self.store.waiting = waiting;
    }

    /// What another host has to be asked again.
    pub(crate) fn resume_storage(&mut self) {
        if self.store.watches && !self.left {
            self.tell_host(&ToHost::WatchStorage {});
        }
        if !self.store.auto_flush && !self.left {
            self.tell_host(&ToHost::SetAutoFlush { on: false });
        }
        let asked = self.asked.iter();
        let again = asked.filter_map(|(callback_id, asked)| match asked {
            Asked::Stored(_, question) => Some(question.message(*callback_id)),
            Asked::Read(..)
            | Asked::Ingest(..)
            | Asked::Version(_)
            | Asked::Status(_)
            | Asked::Snapshot(_)
            | Asked::Presence(_) => None,
        });
        for message in again.collect::<Vec<_>>() {
            self.tell_host(&message);
        }
    }

    /// The host will not answer any more, but to a wipe.
    pub(crate) fn refuse_stored(&mut self, error: &Error) {
        let mut refused: Vec<Token> = Vec::new();
        self.asked.retain(|_, asked| match asked {
            Asked::Stored(_, Question::Wipe) => true,
            Asked::Stored(token, _) | Asked::Status(token) => {
                refused.push(*token);
                false
            }
            Asked::Read(..)
            | Asked::Ingest(..)
            | Asked::Version(_)
            | Asked::Snapshot(_)
            | Asked::Presence(_) => true,
        });
        let waiting = std::mem::take(&mut self.store.waiting);
        refused.extend(waiting.into_iter().map(|waiting| waiting.token));
        for token in refused.into_iter().rev() {
            self.push_event(TabEvent::Stored(token, Err(error.clone())));
        }
    }

    /// Snapshots of the past will not come any more.
    fn refuse_snapshots(&mut self, error: &Error) {
        let asked = std::mem::take(&mut self.asked);
        for (callback_id, asked) in asked {
            match asked {
                Asked::Snapshot(token) => {
                    self.push_event(TabEvent::Snapshot(token, Err(error.clone())));
                }
                Asked::Read(..)
                | Asked::Ingest(..)
                | Asked::Version(_)
                | Asked::Status(_)
                | Asked::Presence(_)
                | Asked::Stored(..) => {
                    self.asked.insert(callback_id, asked);
                }
            }
        }
    }

    /// Everything is being deleted: nothing goes to the host any more, and what has no end gets one.
    fn stop_for_wipe(&mut self) {
        self.left = true;
        self.store.inventory = Inventory::default();
        self.store.letters.clear();
        self.store.queue_size = 0;
        self.set_state(broker::message::State::Closed, None);
        let error = Error::new(codes::ERR_STORAGE, "The store was wiped");
        self.refuse_stored(&error);
        self.refuse_snapshots(&error);
        let handles: Vec<DocHandle> = self.docs.keys().copied().collect();
        for handle in handles {
            self.with_doc(handle, |doc, up| doc.abandon(up, &error));
        }
    }
}

impl Question {
    fn message(&self, callback_id: CallbackId) -> ToHost {
        match self {
            Self::GetBulk { collection, ids } => ToHost::GetBulk {
                collection: collection.clone(),
                ids: ids.clone(),
                callback_id,
            },
            Self::PutDocs(docs) => ToHost::PutDocs {
                docs: docs.clone(),
                callback_id,
            },
            Self::FlushWrites => ToHost::FlushWrites { callback_id },
            Self::Wipe => ToHost::Wipe { callback_id },
        }
    }
}

/// Why nothing can be asked.
pub(crate) fn closed() -> Error {
    Error::new(codes::ERR_CONNECTION_CLOSED, "The connection is closed")
}
