//! Events of the store, and the driver's news of the storage.
//!
//! What it refuses to do: touch the storage. Requests go out by `Output::Storage`.

use broker::message::StorageEvent;
use durable_store::{DurableStore, Failure, Restored, StoreEvent};
use proxy_doc::{DocKey, Error, TabId, codes};

use super::records::Records;
use super::resign::Ending;
use crate::host::{Host, Output};

impl Host {
    /// Takes the driver's reply to [`Output::Storage`].
    pub fn handle_storage(&mut self, number: u64, reply: Result<Vec<Option<String>>, Failure>) {
        if matches!(self.ending, Ending::Deposed | Ending::Over) {
            return;
        }
        self.begin_other();
        self.with_store(|store, host| store.handle_reply(number, reply, host));
        self.handle_store_events();
    }

    /// Sets where the driver stores, and the reason why nowhere better. To be called before the store is open.
    pub fn set_storage_mode(&mut self, mode: String, reason: Option<String>) {
        if self.log.store.as_ref().is_some_and(|store| store.is_lost()) {
            // The storage is only being tried.
            return;
        }
        self.log.mode = mode;
        self.log.error = reason.map(|reason| Error::new(codes::ERR_STORAGE, reason));
    }

    /// Takes the answer to [`Output::FindTabs`]: which of those tabs live.
    pub fn tabs_found(&mut self, living: &[TabId]) {
        if self.is_ending() {
            return;
        }
        self.begin_other();
        self.await_tabs(living);
        self.handle_store_events();
    }

    /// Does work that can wait. To be called when no input has come for a while.
    pub fn handle_idle(&mut self) {
        if self.is_ending() {
            return;
        }
        self.begin_other();
        if self.may_begin_anew() {
            self.outbox.push_now(Output::BeginAnew);
        }
        self.tell_durable();
        if let Some(store) = &mut self.log.store {
            store.handle_idle();
        }
        self.handle_store_events();
    }

    /// Whether [`Host::handle_idle`] would be of use.
    pub fn wants_idle(&self) -> bool {
        let store_does = self
            .log
            .store
            .as_ref()
            .is_some_and(|store| store.wants_idle());
        let owes_word = self.tabs.any_durable_lead(self.log.committed());
        !self.is_ending() && (store_does || self.may_begin_anew() || owes_word)
    }

    /// Whether another host could go on with the store now.
    fn may_begin_anew(&self) -> bool {
        self.log.answers
            && !self.log.is_over
            && !self.log.is_closed()
            && self.log.wiping.is_empty()
            && self.owes_nothing()
    }

    /// Whether all requests and ops of tabs have ended, and the tabs were told so.
    pub(super) fn owes_nothing(&self) -> bool {
        self.log.flushes.is_empty()
            && self.inbox.is_empty()
            && self.outbox.is_empty()
            && !self.tabs.any_stalled()
            && !self.docs.any_write_pending()
    }

    /// Closes the store if it is at rest. Returns whether it is closed: no request to the storage follows then until
    /// [`Host::resume_store`]. See [`DurableStore::close`].
    pub fn close_store(&mut self) -> bool {
        let store = self.log.store.as_mut();
        store.is_none_or(|store| store.close())
    }

    /// Uses the storage again.
    pub fn resume_store(&mut self) {
        if self.is_ending() {
            return;
        }
        if let Some(store) = &mut self.log.store {
            store.resume();
        }
        self.handle_store_events();
    }

    /// Lets the store act, with access to the documents.
    pub(crate) fn with_store<R>(
        &mut self,
        action: impl FnOnce(&mut DurableStore, &Records<'_>) -> R,
    ) -> Option<R> {
        let records = Records {
            docs: &self.docs,
            callers: &self.callers,
            unreadable: &self.log.unreadable,
            quarantine: &self.quarantine,
        };
        self.log.store.as_mut().map(|store| action(store, &records))
    }

    /// Reads documents from the store.
    pub(crate) fn ask_for(&mut self, keys: Vec<DocKey>) {
        if let (Some(store), false) = (&mut self.log.store, keys.is_empty())
            && store.load(keys)
        {
            self.handle_loads();
        }
    }

    /// Carries out the store's events.
    fn handle_loads(&mut self) {
        while let Some(event) = self.log.store.as_mut().and_then(|store| store.poll_event()) {
            if self.is_ending() {
                self.handle_last_event(event);
            } else {
                self.handle_store_event(event);
            }
        }
    }

    /// Carries out the store's events, and the inputs that waited for them.
    pub(crate) fn handle_store_events(&mut self) {
        self.handle_loads();
        if self.is_ending() {
            return;
        }
        self.pump();
        self.settle();
    }

    /// Carries out one event of the store.
    pub(super) fn handle_store_event(&mut self, event: StoreEvent) {
        match event {
            StoreEvent::FindTabs(tabs) => self.outbox.push_now(Output::FindTabs(tabs)),
            StoreEvent::Restored(docs) => self.take_over(docs),
            StoreEvent::Loaded(docs) => {
                for (key, record) in docs {
                    self.restore_doc(Restored {
                        key,
                        record,
                        entries: Vec::new(),
                    });
                }
            }
            StoreEvent::Inventory => self.take_inventory(),
            StoreEvent::InventoryChanged(key) => self.tell_inventory(&key),
            StoreEvent::Persisting(keys) => self.tell_persist(&keys, StorageEvent::Persisting),
            StoreEvent::Persisted(keys) => {
                for key in &keys {
                    self.touch(key);
                }
                self.tell_persist(&keys, StorageEvent::Persisted);
            }
            StoreEvent::WriteFailed(failure) => {
                let error = storage_error(&failure);
                self.tell_watchers(|| StorageEvent::WriteFailed(error.clone()));
            }
            StoreEvent::Lost(failure, unwritten) => self.lose_store(&failure, &unwritten),
            StoreEvent::Fenced(failure) => self.end_deposed(failure.message),
            StoreEvent::Answers => self.log.answers = true,
            StoreEvent::Wiped(result) => self.finish_wipe(result),
            StoreEvent::Damaged(error) => self.note_damage(&error),
            StoreEvent::Warn(text) => self.warn(text),
        }
    }
}

pub(super) fn storage_error(failure: &Failure) -> Error {
    let code = failure.code.as_deref();
    let code = code.unwrap_or(match failure.kind {
        durable_store::FailureKind::Quota => codes::ERR_STORAGE_FULL,
        durable_store::FailureKind::Silent => codes::ERR_STORAGE_TIMEOUT,
        durable_store::FailureKind::Closed
        | durable_store::FailureKind::Fenced
        | durable_store::FailureKind::Unavailable
        | durable_store::FailureKind::Other => codes::ERR_STORAGE,
    });
    Error::new(code, failure.message.clone())
}
