//! The host's side of snapshots of the past: sends the requests, and takes the answers to tabs and documents.

use broker::message::{Answer, DocEvent, SnapshotAt, SnapshotRequest, ToTab};
use proxy_doc::{DocHandle, Error, Json, Outcome, TabId, json_string};

use super::{Asker, Subject};
use crate::host::Host;
use crate::server::wire::Incoming;

impl Host {
    /// A tab asks for a snapshot.
    pub(crate) fn fetch_past_snapshot(&mut self, tab: &TabId, request: SnapshotRequest) {
        let SnapshotRequest {
            collection,
            id,
            at,
            callback_id,
        } = request;
        let asker = Asker::Tab(tab.clone(), callback_id);
        let message = self
            .past_snapshots
            .ask(asker, Subject { collection, id, at });
        self.send_all(message);
    }

    /// Gets the data that an application's snapshot stood for: it may hold more than was committed.
    pub(crate) fn want_base(&mut self, handle: DocHandle) {
        let host_doc = &mut self.docs[handle];
        let (Some(version), false) = (host_doc.state.missing(), host_doc.base_asked) else {
            return;
        };
        host_doc.base_asked = true;
        let key = host_doc.key();
        let subject = Subject {
            collection: json_string(&key.collection),
            id: json_string(&key.id),
            at: SnapshotAt::Version(Some(version.0)),
        };
        let message = self.past_snapshots.ask(Asker::Base(handle), subject);
        self.send_all(message);
    }

    /// The connection came or went.
    pub(crate) fn resend_past_snapshots(&mut self) {
        let messages = self.past_snapshots.set_connected(self.connected());
        self.send_all(messages);
    }

    fn send_all(&mut self, messages: impl IntoIterator<Item = String>) {
        for text in messages {
            self.send(text);
        }
    }

    /// The server's answer (`nf`, `nt`). `whole` is all of the message: the tab's shim makes the snapshot from it.
    pub(crate) fn handle_past_snapshot(
        &mut self,
        message: &Incoming,
        error: Option<Error>,
        whole: Option<Json>,
    ) {
        let id = message.number();
        match id.and_then(|id| self.past_snapshots.handle_answer(id)) {
            Some(Asker::Tab(tab, callback_id)) => {
                let result = whole.filter(|_| error.is_none()).map(Answer::Snapshot);
                let message = ToTab::Callback {
                    callback_id,
                    error,
                    result,
                };
                self.tell(&tab, message);
            }
            Some(Asker::Base(handle)) => self.take_base(handle, message, error),
            None => {}
        }
    }

    fn take_base(&mut self, handle: DocHandle, message: &Incoming, error: Option<Error>) {
        let Some(host_doc) = self.docs.get_mut(handle) else {
            return;
        };
        host_doc.base_asked = false;
        let parked = std::mem::take(&mut host_doc.parked);
        if let Some(error) = error {
            for read in parked {
                self.refuse(&read.tab, read.callback_id, error.clone());
            }
            return;
        }
        if host_doc.state.missing().is_some() {
            host_doc.state.supply(message.data.clone());
            self.rewrite(handle);
        }
        let waiting = self.docs[handle].hub.followers_without_state();
        for read in parked {
            self.answer_read(handle, &read, &Outcome::Done);
        }
        for tab in waiting {
            self.bring_result(handle, &tab);
        }
        self.run();
    }

    /// Gives a tab the state of a document that came into its query before there was one to give.
    fn bring_result(&mut self, handle: DocHandle, tab: &TabId) {
        match self.bring_up_to_date(handle, tab) {
            Ok(Some(snapshot)) => {
                let version = self.tell_version(handle, tab).0;
                self.tell_doc(handle, tab, DocEvent::Load { snapshot, version });
            }
            Ok(None) => {}
            // Ops here do not apply: the tab gets the server's state when the host has it.
            Err(error) => {
                self.with_doc(handle, |doc, up| doc.hard_rollback(up, error));
            }
        }
    }
}
