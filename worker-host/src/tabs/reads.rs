//! Reads of tabs: fetch, subscribe and unsubscribe, answered from the document that is here where that can be.
//!
//! What it refuses to do: ask the server itself. The document's machine does that, and answers the caller's token.

use broker::message::{Answer, Read, ReadAction, TabSnapshot};
use proxy_doc::{DocHandle, DocKey, Error, Outcome, TabId, Version, codes};

use crate::host::Host;
use crate::tabs::callers::{Caller, PendingRead};

impl Host {
    /// Carries out a read of a tab.
    pub(crate) fn read(&mut self, tab: &TabId, read: Read) {
        let key = DocKey {
            collection: read.collection.clone(),
            id: read.id.clone(),
        };
        if let Some(error) = self.log.unreadable_error(&key).cloned() {
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
        let has_state = read.revision.is_some();
        let pending = PendingRead {
            doc: handle,
            tab: tab.clone(),
            callback_id: read.callback_id,
            action: read.action,
        };
        match read.action {
            ReadAction::Fetch => self.fetch(handle, pending, has_state, read.from),
            ReadAction::Subscribe => self.subscribe(handle, pending, has_state, read.resume),
            ReadAction::Unsubscribe => self.unsubscribe(handle, pending),
        }
    }

    /// `from`: the application put `doc.version` back, and wants the ops from this version on.
    fn fetch(
        &mut self,
        handle: DocHandle,
        read: PendingRead,
        has_state: bool,
        from: Option<Version>,
    ) {
        if !has_state && self.docs[handle].can_answer(self.connected()) {
            return self.answer_now(handle, &read);
        }
        if !self.connected() {
            return self.answer_offline(&read);
        }
        if let Some(from) = from {
            self.docs[handle].behind.insert(read.tab.clone(), from);
        }
        let token = self.callers.add(Caller::Read(read));
        self.act(handle, |doc, up| match from {
            // A fetch that is on its way already does not ask for these ops.
            Some(_) => doc.fetch_again(up, Some(token)),
            None => doc.fetch(up, Some(token)),
        });
    }

    /// `resumes`: the tab has a state, and only subscribes again.
    fn subscribe(&mut self, handle: DocHandle, read: PendingRead, has_state: bool, resumes: bool) {
        let connected = self.connected();
        let host_doc = &mut self.docs[handle];
        host_doc.hub.set_live(&read.tab, true);
        // What is here stays up to date only where no unsubscribe waits to be sent.
        let stays = !connected || host_doc.doc.will_subscribe();
        let can_answer = stays && host_doc.can_answer(connected);
        if can_answer && (!has_state || (resumes && connected)) {
            return self.answer_now(handle, &read);
        }
        if !connected {
            return self.answer_offline(&read);
        }
        let token = self.callers.add(Caller::Read(read));
        self.act(handle, |doc, up| doc.subscribe(up, Some(token)));
    }

    /// Answered at once while other tabs subscribe the document.
    fn unsubscribe(&mut self, handle: DocHandle, read: PendingRead) {
        let host_doc = &mut self.docs[handle];
        host_doc.subscribers.remove(&read.tab);
        let hub = &mut host_doc.hub;
        hub.set_live(&read.tab, false);
        if hub.is_live() {
            return self.answer_read(handle, &read, &Outcome::Done);
        }
        let token = self.callers.add(Caller::Read(read));
        self.act(handle, |doc, up| doc.unsubscribe(up, Some(token)));
    }

    /// Answers a read from the document that is here.
    fn answer_now(&mut self, handle: DocHandle, read: &PendingRead) {
        self.answer_read(handle, read, &Outcome::Done);
        self.run();
    }

    /// Answers a read that nothing here can answer before the connection is up.
    fn answer_offline(&mut self, read: &PendingRead) {
        self.answer(&read.tab, read.callback_id, Some(Answer::Offline));
    }

    /// Answers a read: what the tab lacks, or a snapshot where it has nothing.
    pub(crate) fn answer_read(&mut self, handle: DocHandle, read: &PendingRead, outcome: &Outcome) {
        let tab = &read.tab;
        self.docs[handle].behind.remove(tab);
        if let Outcome::Failed(error) = outcome {
            let host_doc = &mut self.docs[handle];
            host_doc.refuse(read);
            if host_doc.doc.will_subscribe() && !host_doc.hub.is_live() {
                self.with_doc(handle, |doc, up| doc.unsubscribe(up, None));
            }
            return self.refuse(tab, read.callback_id, error.clone());
        }
        let host_doc = &self.docs[handle];
        let subscribes = read.action == ReadAction::Subscribe
            && self.connected()
            && host_doc.hub.is_live_for(tab);
        if subscribes && !host_doc.doc.subscribed() {
            // The answer had to wait, and the connection was lost meanwhile.
            let token = self.callers.add(Caller::Read(read.clone()));
            self.with_doc(handle, |doc, up| doc.subscribe(up, Some(token)));
            return;
        }
        let mut snapshot = None;
        if read.action != ReadAction::Unsubscribe {
            // A refused op must not be in what the application reads. A tab of an earlier life can go on only from what it
            // sees.
            if !self.tabs.expects_any() {
                self.show_refusals(handle);
            }
            if self.docs[handle].doc.in_hard_rollback() {
                // The server's answer may be older than the rollback and bring no snapshot. There is nothing to answer
                // with before the rollback's own fetch is answered.
                return self.answer_after_fetch(handle, read);
            }
            if self.wait_for_base(handle, read) {
                return;
            }
            match self.bring_up_to_date(handle, tab) {
                Ok(full) => snapshot = full,
                Err(error) => {
                    // Ops here do not apply: get the server's state, and answer then.
                    self.with_doc(handle, |doc, up| doc.hard_rollback(up, error));
                    return self.answer_after_fetch(handle, read);
                }
            }
        }
        if subscribes {
            self.docs[handle].subscribers.insert(tab.clone());
        }
        // An unsubscribe brings no changes: the version waits until something does.
        let version = if self.docs[handle].hub.is_at_head(tab) {
            self.tell_version(handle, tab).0
        } else {
            None
        };
        self.answer(
            tab,
            read.callback_id,
            Some(Answer::Read { snapshot, version }),
        );
        self.place_presences(handle, tab);
    }

    /// Answers a read with what the server says next.
    fn answer_after_fetch(&mut self, handle: DocHandle, read: &PendingRead) {
        let token = self.callers.add(Caller::Read(read.clone()));
        self.with_doc(handle, |doc, up| doc.fetch(up, Some(token)));
    }

    /// A tab without a state needs data that the host does not have: an application brought this document, and its data
    /// may hold what was never committed. Says whether the read waits for the data.
    fn wait_for_base(&mut self, handle: DocHandle, read: &PendingRead) -> bool {
        let host_doc = &mut self.docs[handle];
        if host_doc.hub.has_state(&read.tab) || host_doc.state.missing().is_none() {
            return false;
        }
        host_doc.parked.push(read.clone());
        self.want_base(handle);
        true
    }

    /// A tab gave its state up, perhaps over an op that cannot be applied. Gives up the state here too where it cannot
    /// be computed: the fetch that replaces it then answers the tab as well.
    pub(crate) fn give_up_unusable(&mut self, handle: DocHandle) {
        self.show_refusals(handle);
        if let Some(error) = self.docs[handle].unusable(&*self.types) {
            self.act(handle, |doc, up| doc.hard_rollback(up, error));
        }
    }

    /// Brings the tab to the head: by what it lacks, or by a snapshot where it has no state. `None` also where there is
    /// nothing to give yet.
    ///
    /// # Errors
    /// An op here does not apply to the document's data.
    pub(crate) fn bring_up_to_date(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
    ) -> Result<Option<TabSnapshot>, Error> {
        if self.docs[handle].hub.has_state(tab) {
            self.catch_up(handle, tab);
            return Ok(None);
        }
        self.show_refusals(handle);
        let host_doc = &mut self.docs[handle];
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
