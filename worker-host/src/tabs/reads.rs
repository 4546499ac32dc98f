//! Reads of tabs: fetch, subscribe and unsubscribe, answered from the document that is here where that can be.
//!
//! What it refuses to do: ask the server itself. The document's machine does that, and answers the caller's token.

use broker::message::{Answer, CallbackId, Read, ReadAction, TabSnapshot, ToTab};
use proxy_doc::{DocHandle, DocKey, Error, Outcome, TabId, codes};

use crate::host::Host;
use crate::host::Waiting;

impl Host {
    pub(crate) fn read(&mut self, tab: &TabId, read: Read) {
        let key = DocKey {
            collection: read.collection.clone(),
            id: read.id.clone(),
        };
        if let Some(error) = self.unreadable_error(&key) {
            return self.refuse(tab, read.callback_id, error);
        }
        let handle = self.open(key);
        self.docs.touch(handle);
        let host_doc = &mut self.docs[handle];
        host_doc.hub.meet(tab);
        host_doc.hub.enter_life(tab, read.life, read.revision);
        let starts_again = read.revision.is_none() && read.life > 0;
        if starts_again && read.action != ReadAction::Unsubscribe {
            self.give_up_unusable(handle);
        }
        let host_doc = &mut self.docs[handle];
        let unplaced = read
            .revision
            .filter(|base| !host_doc.hub.can_stand_at(tab, *base));
        if let Some(base) = unplaced
            && read.action != ReadAction::Unsubscribe
        {
            let message = format!("The host does not have revision {base} of this tab");
            let error = Error::new(codes::ERR_REVISION_NOT_KEPT, message);
            self.tell_rollback(handle, tab, error, Vec::new(), Vec::new());
        }
        match read.action {
            ReadAction::Fetch => self.fetch(handle, tab, &read),
            ReadAction::Subscribe => self.subscribe(handle, tab, &read),
            ReadAction::Unsubscribe => self.unsubscribe(handle, tab, read.callback_id),
        }
    }

    fn fetch(&mut self, handle: DocHandle, tab: &TabId, read: &Read) {
        if read.revision.is_none() && self.docs[handle].can_answer(self.connected()) {
            return self.answer_now(handle, tab, read);
        }
        if !self.connected() {
            return self.answer_offline(tab, read.callback_id);
        }
        let token = self.waiting_read(tab, read);
        if let Some(from) = read.from {
            self.docs[handle].behind.insert(tab.clone(), from);
        }
        self.act(handle, |doc, up| match read.from {
            // A fetch that is on its way already does not ask for these ops.
            Some(_) => doc.fetch_again(up, Some(token)),
            None => doc.fetch(up, Some(token)),
        });
    }

    fn subscribe(&mut self, handle: DocHandle, tab: &TabId, read: &Read) {
        let held = self.docs[handle].can_answer(self.connected());
        self.docs[handle].hub.set_live(tab, true);
        if held && (read.revision.is_none() || (read.resume && self.connected())) {
            return self.answer_now(handle, tab, read);
        }
        if !self.connected() {
            return self.answer_offline(tab, read.callback_id);
        }
        let token = self.waiting_read(tab, read);
        self.act(handle, |doc, up| doc.subscribe(up, Some(token)));
    }

    fn unsubscribe(&mut self, handle: DocHandle, tab: &TabId, callback_id: CallbackId) {
        let host_doc = &mut self.docs[handle];
        host_doc.hub.set_live(tab, false);
        let action = ReadAction::Unsubscribe;
        if host_doc.hub.is_live() {
            return self.answer_read(handle, tab, callback_id, action, &Outcome::Done);
        }
        let token = self.token(Waiting::Read {
            tab: tab.clone(),
            callback_id,
            action,
        });
        self.act(handle, |doc, up| doc.unsubscribe(up, Some(token)));
    }

    fn waiting_read(&mut self, tab: &TabId, read: &Read) -> proxy_doc::Token {
        let Read {
            callback_id,
            action,
            ..
        } = *read;
        self.token(Waiting::Read {
            tab: tab.clone(),
            callback_id,
            action,
        })
    }

    fn answer_now(&mut self, handle: DocHandle, tab: &TabId, read: &Read) {
        self.answer_read(handle, tab, read.callback_id, read.action, &Outcome::Done);
        self.run();
    }

    fn answer_offline(&mut self, tab: &TabId, callback_id: CallbackId) {
        self.tell(
            tab,
            ToTab::Callback {
                callback_id,
                error: None,
                result: Some(Answer::Offline),
            },
        );
    }

    /// Answers a read: what the tab lacks, or a snapshot where it has nothing.
    pub(crate) fn answer_read(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
        callback_id: CallbackId,
        action: ReadAction,
        outcome: &Outcome,
    ) {
        self.docs[handle].behind.remove(tab);
        if let Outcome::Failed(error) = outcome {
            return self.refuse(tab, callback_id, error.clone());
        }
        let mut snapshot = None;
        if action != ReadAction::Unsubscribe {
            if self.wait_for_rollback(handle, tab, callback_id, action)
                || self.wait_for_base(handle, tab, callback_id, action)
            {
                return;
            }
            match self.bring_up_to_date(handle, tab) {
                Ok(full) => snapshot = full,
                Err(error) => {
                    // Ops here do not apply: get the server's state, and answer then.
                    self.with_doc(handle, |doc, up| doc.hard_rollback(up, error));
                    return self.answer_after_fetch(handle, tab, callback_id, action);
                }
            }
        }
        // An unsubscribe brings no changes: the version waits until something does.
        let version = if self.docs[handle].hub.is_at_head(tab) {
            self.tell_version(handle, tab).0
        } else {
            None
        };
        let result = Some(Answer::Read { snapshot, version });
        self.tell(
            tab,
            ToTab::Callback {
                callback_id,
                error: None,
                result,
            },
        );
        self.place_presences(handle, tab);
    }

    /// An answer of the server may be older than a hard rollback: it brings no snapshot, and there is
    /// nothing here to answer with before the rollback's own fetch is answered.
    fn wait_for_rollback(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
        callback_id: CallbackId,
        action: ReadAction,
    ) -> bool {
        if !self.docs[handle].doc.in_hard_rollback() {
            return false;
        }
        self.answer_after_fetch(handle, tab, callback_id, action);
        true
    }

    /// Answers a read with what the server says next.
    fn answer_after_fetch(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
        callback_id: CallbackId,
        action: ReadAction,
    ) {
        let token = self.token(Waiting::Read {
            tab: tab.clone(),
            callback_id,
            action,
        });
        self.with_doc(handle, |doc, up| doc.fetch(up, Some(token)));
    }

    /// A tab without a state needs data that the host does not have: an application brought this
    /// document, and its data may hold what was never committed.
    fn wait_for_base(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
        callback_id: CallbackId,
        action: ReadAction,
    ) -> bool {
        let host_doc = &mut self.docs[handle];
        if host_doc.hub.has_state(tab) || host_doc.state.missing().is_none() {
            return false;
        }
        host_doc.parked.push((tab.clone(), callback_id, action));
        self.want_base(handle);
        true
    }

    /// A tab gave its state up, perhaps over an op that cannot be applied. Gives up the state here too where it cannot
    /// be computed: the fetch that replaces it then answers the tab as well.
    pub(crate) fn give_up_unusable(&mut self, handle: DocHandle) {
        if let Some(error) = self.docs[handle].unusable(&*self.types) {
            self.act(handle, |doc, up| doc.hard_rollback(up, error));
        }
    }

    pub(crate) fn bring_up_to_date(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
    ) -> Result<Option<TabSnapshot>, Error> {
        let host_doc = &mut self.docs[handle];
        if host_doc.hub.has_state(tab) {
            self.catch_up(handle, tab);
            return Ok(None);
        }
        if host_doc.is_empty() {
            return Ok(None);
        }
        if host_doc.state.missing().is_some() {
            // A query's result: the tab gets it when the data has come.
            self.want_base(handle);
            return Ok(None);
        }
        host_doc.snapshot_for(tab, &*self.types).map(Some)
    }
}
