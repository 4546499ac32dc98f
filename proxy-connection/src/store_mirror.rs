//! A tab's mirror of the host's durable store, and the tab's requests to that store.
//!
//! The store itself is the host's. What an application reads synchronously (inventory, queue size, dead letters, the
//! store's state) is answered from this mirror, which the host's [`StorageEvent`]s keep up to date.
//!
//! What it refuses to do: read or write storage, or decide what is stored.

use broker::message::{Answer, CallbackId, QueryDoc, StorageEvent, StorageState, ToHost};
use proxy_doc::{
    DeadLetter, DocHandle, DocKey, DocMap, Error, Gather, Line, Set, StoredDoc, Token, Version,
    codes,
};

use crate::{OwnerTask, ProxyConnection, Request, TabEvent};

/// The mirror of the store, and the requests to it that are held back.
#[derive(Debug)]
pub(crate) struct StoreMirror {
    state: Option<StorageState>,
    queue_size: usize,
    auto_flush: bool,
    inventory: Inventory,
    letters: Vec<DeadLetter>,
    watches: bool,
    /// Requests that wait until the host has accepted certain ops, oldest first.
    held: Vec<HeldRequest>,
}

/// A request that waits for ops to be accepted.
#[derive(Debug)]
struct HeldRequest {
    token: Token,
    request: StoreRequest,
    /// Documents with ops that the host has not accepted.
    behind: Vec<DocKey>,
}

/// A request to the store.
#[derive(Clone, Debug)]
pub(crate) enum StoreRequest {
    GetBulk {
        collection: String,
        /// What the host was asked for last.
        ids: Vec<String>,
        /// What it is asked for next, in parts; the last document first.
        rest: Vec<String>,
        /// Why documents of parts before cannot be read.
        error: Option<Error>,
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
            held: Vec::new(),
        }
    }
}

/// The documents of the store. A document keeps its index in `docs`, also when it was removed and comes again.
#[derive(Debug, Default)]
struct Inventory {
    places: DocMap<DocHandle>,
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
    // ---- The mirror ----

    /// The state of the host's store; `None` before the welcome.
    pub fn storage_state(&self) -> Option<&StorageState> {
        self.store.state.as_ref()
    }

    /// The number of documents that wait to be written, as far as this tab knows.
    pub fn queue_size(&self) -> usize {
        let open = self.requests.to_store().map(|(_, request)| request);
        let held = self.store.held.iter().map(|held| &held.request);
        let own = open.chain(held).flat_map(|request| match request {
            StoreRequest::PutDocs(docs) => docs.as_slice(),
            StoreRequest::GetBulk { .. } | StoreRequest::FlushWrites | StoreRequest::Wipe => &[],
        });
        let docs: Set<&DocKey> = own.collect();
        self.store.queue_size.max(docs.len())
    }

    /// Whether documents are written without a request.
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

    /// The ops that were rejected or given up, oldest first.
    pub fn dead_letters(&self) -> &[DeadLetter] {
        &self.store.letters
    }

    // ---- Requests ----

    /// Has the host keep the mirror up to date, and the hosts after it.
    pub fn watch_storage(&mut self) {
        self.store.watches = true;
        self.tell_host(&ToHost::WatchStorage {});
    }

    /// Opens documents as the store has them, without a message to the server.
    pub fn get_bulk(&mut self, collection: String, ids: Vec<String>, token: Token) {
        let mut rest = ids;
        rest.reverse();
        let request = StoreRequest::GetBulk {
            collection,
            ids: Vec::new(),
            rest,
            error: None,
        };
        self.ask_store(token, request);
    }

    /// Writes documents to the store, with the ops that were submitted to them before.
    pub fn put_docs(&mut self, docs: &[DocHandle], token: Token) {
        let keys = docs.iter().filter_map(|handle| self.docs.get(handle));
        let docs = keys.map(|known| known.doc.key().clone()).gather();
        self.ask_store(token, StoreRequest::PutDocs(docs));
    }

    /// Writes all queued documents, and the ops that were submitted in this tab before.
    pub fn flush_writes(&mut self, token: Token) {
        self.ask_store(token, StoreRequest::FlushWrites);
    }

    /// Turns the writing of documents without a request on or off.
    pub fn set_auto_flush(&mut self, on: bool) {
        self.store.auto_flush = on;
        self.tell_host(&ToHost::SetAutoFlush { on });
    }

    /// Removes dead letters that the application has dealt with.
    pub fn remove_letters(&mut self, numbers: Vec<u64>) {
        self.store
            .letters
            .retain(|letter| !numbers.contains(&letter.number));
        self.tell_host(&ToHost::RemoveLetters { numbers });
    }

    /// Stops every tab, and deletes everything that is stored.
    pub fn wipe(&mut self, token: Token) {
        self.ask_store(token, StoreRequest::Wipe);
    }

    /// Whether a [`ProxyConnection::wipe`] of this tab has no answer: where the host dies meanwhile, the next host is
    /// asked.
    pub fn is_wiping(&self) -> bool {
        let mut open = self.requests.to_store();
        open.any(|(_, request)| matches!(request, StoreRequest::Wipe))
    }

    fn ask_store(&mut self, token: Token, request: StoreRequest) {
        if self.left {
            return self.push_event(TabEvent::Stored(token, Err(closed())));
        }
        let behind = self.unaccepted(&request, token);
        self.store.held.push(HeldRequest {
            token,
            request,
            behind,
        });
    }

    /// The documents that a request waits for: a write includes the ops that were submitted before it.
    fn unaccepted(&self, request: &StoreRequest, token: Token) -> Vec<DocKey> {
        let is_behind = |key: &&DocKey| !self.is_accepted(key, token);
        match request {
            StoreRequest::GetBulk { .. } | StoreRequest::Wipe => Vec::new(),
            StoreRequest::PutDocs(keys) => keys.iter().filter(is_behind).cloned().gather(),
            StoreRequest::FlushWrites => self.by_key.keys().filter(is_behind).cloned().gather(),
        }
    }

    /// Whether requests are held back.
    pub(crate) fn has_held_request(&self) -> bool {
        !self.store.held.is_empty()
    }

    /// Sends the oldest held request whose ops are accepted. Returns whether there was one.
    pub(crate) fn send_held_request(&mut self) -> bool {
        let mut held = std::mem::take(&mut self.store.held);
        let ready = held
            .iter_mut()
            .position(|HeldRequest { token, behind, .. }| {
                while behind.pop_if(|key| self.is_accepted(key, *token)).is_some() {}
                behind.is_empty()
            });
        let ready = ready.map(|at| held.remove(at));
        self.store.held = held;
        let Some(HeldRequest { token, request, .. }) = ready else {
            return false;
        };
        self.send_to_store(token, request);
        true
    }

    /// Sends a request to the store, or its next part.
    fn send_to_store(&mut self, token: Token, mut request: StoreRequest) {
        if let StoreRequest::GetBulk { ids, rest, .. } = &mut request {
            let left = rest.len().saturating_sub(self.turns.part());
            *ids = rest.split_off(left);
            ids.reverse();
        }
        let message = request.message(self.requests.next_id());
        self.requests.open(Request::Store(token, request));
        self.tell_host(&message);
    }

    /// Whether the host has accepted all ops of the document that were submitted before `token` was given (tokens are
    /// counted up), except those that the application holds back.
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

    /// An answer can have documents and an error: the error is about documents that cannot be read.
    pub(crate) fn handle_stored(
        &mut self,
        token: Token,
        request: StoreRequest,
        error: Option<Error>,
        answer: Option<Answer>,
        length: usize,
    ) {
        let StoreRequest::GetBulk {
            collection,
            rest,
            error: earlier,
            ..
        } = request
        else {
            return self.push_event(TabEvent::Stored(token, error.map_or(Ok(()), Err)));
        };
        let docs = match answer {
            Some(Answer::Docs(docs)) => docs,
            Some(_) | None => Vec::new(),
        };
        if let Some(bytes) = length.checked_div(docs.len()) {
            self.turns.learn(bytes);
        }
        let error = earlier.or(error);
        if rest.is_empty() {
            self.push_event(TabEvent::Stored(token, error.map_or(Ok(()), Err)));
            return self.adopt_all(docs);
        }
        self.adopt_all(docs);
        let ids = Vec::new();
        let next = StoreRequest::GetBulk {
            collection,
            ids,
            rest,
            error,
        };
        // On the stack above the documents: the host reads on while the tab takes these.
        self.send_to_store(token, next);
    }

    fn adopt_all(&mut self, docs: Vec<QueryDoc>) {
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

    /// The host has begun another line. It did not accept ops that were sent for the old one.
    fn enter_line(&mut self, line: Line) {
        let before = self.session.line.replace(line);
        if before == Some(line) {
            return;
        }
        let handles: Vec<DocHandle> = self.docs.keys().rev().copied().gather();
        for handle in handles {
            if let Some(known) = self.docs.get_mut(&handle) {
                known.sent = None;
                // A state of an even older line is about to be given up.
                if known.line == before {
                    known.line = Some(line);
                }
            }
            self.with_doc(handle, |doc, up| doc.send_again(up));
        }
        let mut held = std::mem::take(&mut self.store.held);
        for HeldRequest {
            token,
            request,
            behind,
        } in &mut held
        {
            *behind = self.unaccepted(request, *token);
        }
        self.store.held = held;
    }

    /// Repeats at another host the requests to the store.
    pub(crate) fn resume_storage(&mut self) {
        if self.store.watches && !self.left {
            self.tell_host(&ToHost::WatchStorage {});
        }
        if !self.store.auto_flush && !self.left {
            self.tell_host(&ToHost::SetAutoFlush { on: false });
        }
        let open = self.requests.to_store();
        let again = open.map(|(callback_id, request)| request.message(callback_id));
        for message in again.gather() {
            self.tell_host(&message);
        }
    }

    /// Ends all requests to the store with `error`, except a wipe, which alone is still answered.
    pub(crate) fn refuse_stored(&mut self, error: &Error) {
        let is_refused = |request: &Request| match request {
            Request::Store(_, StoreRequest::Wipe) => false,
            Request::Store(..) | Request::Status(..) | Request::Debug(_) => true,
            Request::Read { .. }
            | Request::Ingest { .. }
            | Request::Version(_)
            | Request::Snapshot(_)
            | Request::Presence(_)
            | Request::Leave(_) => false,
        };
        let mut refused: Vec<Token> = Vec::new();
        for request in self.requests.end_where(&is_refused) {
            if let Request::Store(token, _) | Request::Status(token, _) | Request::Debug(token) =
                request
            {
                refused.push(token);
            }
        }
        let held = std::mem::take(&mut self.store.held);
        refused.extend(held.into_iter().map(|held| held.token));
        for token in refused.into_iter().rev() {
            self.push_event(TabEvent::Stored(token, Err(error.clone())));
        }
    }

    /// Ends all requests for snapshots of the past with `error`.
    fn refuse_snapshots(&mut self, error: &Error) {
        let is_snapshot = |request: &Request| matches!(request, Request::Snapshot(_));
        for request in self.requests.end_where(&is_snapshot) {
            if let Request::Snapshot(token) = request {
                self.push_event(TabEvent::Snapshot(token, Err(error.clone())));
            }
        }
    }

    /// The store is wiped: nothing is sent to the host any more, and open calls end with an error.
    fn stop_for_wipe(&mut self) {
        self.left = true;
        self.store.inventory = Inventory::default();
        self.store.letters.clear();
        self.store.queue_size = 0;
        self.set_state(broker::message::State::Closed, None);
        let error = Error::new(codes::ERR_STORAGE, "The store was wiped");
        self.refuse_stored(&error);
        self.refuse_snapshots(&error);
        let handles: Vec<DocHandle> = self.docs.keys().copied().gather();
        for handle in handles {
            self.with_doc(handle, |doc, up| doc.abandon(up, &error));
        }
    }
}

impl StoreRequest {
    fn message(&self, callback_id: CallbackId) -> ToHost {
        match self {
            Self::GetBulk {
                collection, ids, ..
            } => ToHost::GetBulk {
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

/// The error of calls that need a host, after the connection was closed.
pub(crate) fn closed() -> Error {
    Error::new(codes::ERR_CONNECTION_CLOSED, "The connection is closed")
}
