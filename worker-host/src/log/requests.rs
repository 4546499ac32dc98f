//! Tabs' requests to the store: documents in bulk, writes to wait for, dead letters to drop, and the wipe.
//!
//! What it refuses to do: delete the store before every tab was told to stop.

use broker::message::{Answer, CallbackId, QueryDoc, StorageEvent, ToTab};
use durable_store::{Blocking, Failure, Retention};
use proxy_doc::{DocKey, Error, TabId, codes};

use super::events::storage_error;
use super::{Flush, MEMORY};
use crate::host::Host;

impl Host {
    /// Answers with documents as the host or the store has them, pending ops applied.
    pub(crate) fn get_bulk(&mut self, tab: &TabId, keys: Vec<DocKey>, callback_id: CallbackId) {
        let mut docs = Vec::new();
        let mut error = None;
        for key in keys {
            if let Some(why) = self.log.unreadable_error(&key).cloned() {
                error.get_or_insert_with(|| {
                    let message = format!("{key} cannot be read: {}", why.message);
                    Error { message, ..why }
                });
                continue;
            }
            let handle = self.open(key.clone());
            self.docs.touch(handle);
            self.docs[handle].hub.meet(tab);
            let snapshot = match self.bring_up_to_date(handle, tab) {
                Ok(snapshot) => snapshot,
                Err(why) => {
                    error.get_or_insert_with(|| not_applied(&key, &why));
                    continue;
                }
            };
            let version = self.tell_version(handle, tab).0;
            docs.push(QueryDoc {
                collection: key.collection,
                id: key.id,
                snapshot,
                version,
            });
        }
        let result = Some(Answer::Docs(docs));
        self.answer_with(tab, callback_id, error, result);
    }

    /// Has documents' records written.
    pub(crate) fn put_docs(&mut self, tab: &TabId, docs: &[DocKey], callback_id: CallbackId) {
        if let Err(error) = self.durable() {
            return self.refuse(tab, callback_id, error);
        }
        if let Some(error) = docs
            .iter()
            .find_map(|key| self.log.unreadable_error(key).cloned())
        {
            return self.refuse(tab, callback_id, error);
        }
        for key in docs {
            let is_here = self.docs.find(key).is_some();
            let Some(store) = self.log.store.as_mut().filter(|_| is_here) else {
                continue;
            };
            if store.auto_flush() {
                store.rewrite(key, Blocking::Nothing);
            } else {
                store.put_later(key);
            }
        }
        let auto = self
            .log
            .store
            .as_ref()
            .is_some_and(|store| store.auto_flush());
        self.tell_queue(false);
        self.answer_written(tab, callback_id, auto);
    }

    /// Has everything written, then answers.
    pub(crate) fn flush_writes(&mut self, tab: &TabId, callback_id: CallbackId) {
        if let Some(store) = &mut self.log.store {
            store.flush();
        }
        self.answer_written(tab, callback_id, true);
    }

    /// Checks that a durable store keeps documents.
    ///
    /// # Errors
    /// `ERR_STORAGE` where there is none.
    fn durable(&self) -> Result<(), Error> {
        match &self.log.store {
            Some(store) if store.retention() == Retention::Durable => Ok(()),
            Some(_) | None => Err(Error::new(codes::ERR_STORAGE, "No DurableStore available")),
        }
    }

    /// Answers at once, or, if `waits`, when all writes queued now are done.
    fn answer_written(&mut self, tab: &TabId, callback_id: CallbackId, waits: bool) {
        let store = self.log.store.as_mut().filter(|_| waits);
        let until = store.map(|store| store.mark());
        self.log.flushes.push(Flush {
            tab: tab.clone(),
            callback_id,
            until,
        });
        self.answer_flushes();
    }

    /// Answers the requests whose writes are done.
    pub(crate) fn answer_flushes(&mut self) {
        if self.log.flushes.is_empty() {
            return;
        }
        let is_kept = self.log.mode != MEMORY
            && self
                .log
                .store
                .as_ref()
                .is_some_and(|store| store.is_durable());
        let lost = self.log.error.clone().filter(|_| !is_kept);
        for flush in std::mem::take(&mut self.log.flushes) {
            let waits = flush.until.as_ref().zip(self.log.store.as_mut());
            if waits.is_some_and(|(until, store)| !store.has_reached(until)) {
                self.log.flushes.push(flush);
                continue;
            }
            let error = lost.clone().filter(|_| flush.until.is_some());
            self.answer_with(&flush.tab, flush.callback_id, error, None);
        }
    }

    /// Sets whether the tab lets records be rewritten automatically. With `on` false it decides itself, for as long as it
    /// lives.
    pub(crate) fn set_auto_flush_of(&mut self, tab: &TabId, on: bool) {
        self.tabs.set_flushes_itself(tab, !on);
        self.set_auto_flush();
    }

    /// Turns automatic rewriting on or off, after a tab that decides itself came or went.
    pub(crate) fn set_auto_flush(&mut self) {
        let on = !self.tabs.any_flushes_itself();
        if let Some(store) = &mut self.log.store {
            store.set_auto_flush(on);
        }
        self.tell_queue(true);
    }

    /// Drops dead letters that the application has dealt with.
    pub(crate) fn remove_letters(&mut self, numbers: &[u64]) {
        if let Some(store) = &mut self.log.store {
            store.remove_letters(numbers);
        }
        self.tell_letters(&[], numbers);
    }

    /// Stops everything, in every tab, and then deletes what is stored.
    pub(crate) fn wipe(&mut self, tab: &TabId, callback_id: CallbackId) {
        // A session's store ends with the session, so only a durable one is wiped.
        if let Err(error) = self.durable() {
            return self.refuse(tab, callback_id, error);
        }
        self.log.wiping.push((tab.clone(), callback_id));
        if self.log.wiping.len() > 1 {
            return;
        }
        // First everything stops, in every tab; then it is deleted.
        self.close();
        self.tell_all(|| ToTab::Storage(StorageEvent::Wiped));
        self.docs.clear();
        self.log.unreadable.clear();
        self.inbox.bring_all();
        self.log.backlog.clear();
        if let Some(store) = &mut self.log.store {
            store.wipe();
        }
    }

    /// Whether everything was deleted, or the deletion failed: this host is of no use any more.
    pub fn is_over(&self) -> bool {
        self.log.is_over
    }

    /// Ends the wipe, and answers the tabs that asked for it.
    pub(crate) fn finish_wipe(&mut self, result: Result<(), Failure>) {
        self.log.is_over = true;
        for (tab, callback_id) in std::mem::take(&mut self.log.wiping) {
            let error = result.as_ref().err().map(storage_error);
            self.answer_with(&tab, callback_id, error, None);
        }
    }
}

/// The error for a stored document whose ops do not apply to its data. A read of the store gives nothing up: pending ops
/// stay until a tab asks the server for the document.
fn not_applied(key: &DocKey, why: &Error) -> Error {
    let message = format!(
        "{key} cannot be read from the store: its ops do not apply to its data ({}). Fetch or subscribe to it while \
         connected: it is loaded from the server then",
        why.message
    );
    Error::new(codes::ERR_STORAGE, message)
}
