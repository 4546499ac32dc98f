//! Reads of tabs: fetch, subscribe and unsubscribe, answered from the host's document where possible.
//!
//! What it refuses to do: ask the server itself. The document's machine asks, and answers the caller's token.

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

    /// Carries out a fetch. `from`: the application set `doc.version` back, and wants the ops from this version on.
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
            // A fetch that is under way does not ask for these ops.
            Some(_) => doc.fetch_again(up, Some(token)),
            None => doc.fetch(up, Some(token)),
        });
    }

    /// Carries out a subscribe. `resumes`: the tab has a state, and only subscribes again.
    fn subscribe(&mut self, handle: DocHandle, read: PendingRead, has_state: bool, resumes: bool) {
        let connected = self.connected();
        let host_doc = &mut self.docs[handle];
        host_doc.hub.set_live(&read.tab, true);
        // The host's document stays up to date only where no unsubscribe waits to be sent.
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

    /// Carries out an unsubscribe. It is answered at once while other tabs are subscribed.
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

    /// Answers a read from the host's document.
    fn answer_now(&mut self, handle: DocHandle, read: &PendingRead) {
        self.answer_read(handle, read, &Outcome::Done);
        self.run();
    }

    /// Answers a read as offline: the host has nothing to answer it with, and no connection.
    fn answer_offline(&mut self, read: &PendingRead) {
        self.answer(&read.tab, read.callback_id, Some(Answer::Offline));
    }

    /// Answers a read: with the changes that the tab lacks, or with a snapshot where it has no state.
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
            // Data that the application reads must not contain a refused op. A tab of an earlier life can go on only from
            // the state that it sees.
            if !self.tabs.expects_any() {
                self.show_refusals(handle);
            }
            if self.docs[handle].doc.in_hard_rollback() {
                // The server's answer may be older than the rollback and bring no snapshot. The read can be answered only
                // after the rollback's own fetch.
                return self.answer_after_fetch(handle, read);
            }
            if self.wait_for_base(handle, read) {
                return;
            }
            match self.bring_up_to_date(handle, tab) {
                Ok(full) => snapshot = full,
                Err(error) => {
                    // The host's ops do not apply: fetch the server's state, then answer.
                    self.with_doc(handle, |doc, up| doc.hard_rollback(up, error));
                    return self.answer_after_fetch(handle, read);
                }
            }
        }
        if subscribes {
            self.docs[handle].subscribers.insert(tab.clone());
        }
        // An unsubscribe brings no changes, so the tab learns the version with its next changes.
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

    /// Fetches the document, and answers the read then.
    fn answer_after_fetch(&mut self, handle: DocHandle, read: &PendingRead) {
        let token = self.callers.add(Caller::Read(read.clone()));
        self.with_doc(handle, |doc, up| doc.fetch(up, Some(token)));
    }

    /// Parks the read of a tab without a state where the host does not have the data: an application ingested this
    /// document, and its data may contain ops that were never committed. Returns whether the read waits for the data.
    fn wait_for_base(&mut self, handle: DocHandle, read: &PendingRead) -> bool {
        let host_doc = &mut self.docs[handle];
        if host_doc.hub.has_state(&read.tab) || host_doc.state.missing().is_none() {
            return false;
        }
        host_doc.parked.push(read.clone());
        self.want_base(handle);
        true
    }

    /// Gives up the host's state where it cannot be computed, since a tab gave up its own, perhaps over an op that does not
    /// apply. The fetch that replaces the state then answers the tab as well.
    pub(crate) fn give_up_unusable(&mut self, handle: DocHandle) {
        self.show_refusals(handle);
        if let Some(error) = self.docs[handle].unusable(&*self.types) {
            self.act(handle, |doc, up| doc.hard_rollback(up, error));
        }
    }

    /// Brings the tab to the head: by the changes that it lacks, or by a snapshot where it has no state. `None`: the
    /// changes were sent, or the host has no data yet.
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
            // The document is a query's result: the tab gets it when the data has arrived.
            self.want_base(handle);
            return Ok(None);
        }
        host_doc.snapshot_for(tab, &*self.types).map(Some)
    }
}
