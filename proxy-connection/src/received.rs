//! The messages of the host, and what each changes in the tab.
//!
//! What it refuses to do: trust that a message is for the state that is here. A document that was given up counts its
//! lives, and a machine that crashed its successors.

use std::rc::Rc;

use broker::message::{
    Answer, CallbackId, ConnectionEvent, ConnectionState, DocEvent, Envelope, PROTOCOL, ReadAction,
    State, StorageEvent, TabSnapshot, ToHost, ToTab, decode,
};
use proxy_doc::{
    Change, Doc, DocHandle, DocKey, Error, Event, OpKind, Seq, Snapshot, SnapshotType, Task,
    Version, codes,
};

use crate::{Asked, OwnerTask, ProxyConnection, TabEvent};

/// Messages after which the tab confirms what it received, so that the host can forget.
const CONFIRM_EVERY: u64 = 64;

impl ProxyConnection {
    /// One message of the host.
    pub fn handle_message(&mut self, text: &str) {
        match decode::<Envelope>(text) {
            Ok(envelope) => self.handle_envelope(envelope),
            Err(error) => self.push_event(TabEvent::Warn(error.message)),
        }
    }

    fn handle_envelope(&mut self, envelope: Envelope) {
        if self.is_for_predecessor(&envelope.message) {
            return;
        }
        if matches!(envelope.message, ToTab::Welcome { .. }) {
            self.welcomed = true;
            let handles: Vec<DocHandle> = self.docs.keys().rev().copied().collect();
            for handle in handles {
                self.stack.push(handle, Task::Flush);
                if self.docs[&handle].doc.version().is_none() {
                    self.stack.push(handle, Task::ConnectionState);
                }
            }
            let is_another = self.epoch.is_some_and(|epoch| epoch != envelope.epoch);
            if std::mem::take(&mut self.returns) || is_another {
                self.announce_presences();
            }
            self.epoch = Some(envelope.epoch);
            (self.received, self.confirmed) = (0, 0);
        } else if self.epoch.is_some_and(|epoch| epoch != envelope.epoch) {
            return self.push_event(TabEvent::Warn(
                "Ignoring a message of another host life".to_owned(),
            ));
        }
        self.count_received();
        self.presences.author = None;
        match envelope.message {
            ToTab::Welcome {
                connection,
                storage,
                ..
            } => {
                self.line = Some(storage.line);
                self.handle_storage_event(StorageEvent::State(storage));
                self.handle_connection_state(connection);
            }
            ToTab::Storage(event) => self.handle_storage_event(event),
            ToTab::Incompatible { protocol } => self.handle_incompatible(protocol),
            ToTab::Connection(event) => self.handle_connection_event(event),
            ToTab::Callback {
                callback_id,
                error,
                result,
            } => {
                self.handle_answer(callback_id, error, result);
            }
            ToTab::Presence { channel, event } => self.handle_presence_event(&channel, event),
            ToTab::Query { query_id, event } => self.handle_query_event(query_id, event),
            ToTab::Doc {
                collection,
                id,
                event,
            } => {
                if let Some(handle) = self.by_key.get(&DocKey { collection, id }).copied() {
                    self.handle_doc_event(handle, event);
                }
            }
        }
    }

    /// Whether the message was on its way to a machine of this tab that has crashed.
    fn is_for_predecessor(&self, message: &ToTab) -> bool {
        match message {
            // A host of an older build does not say whom it means.
            ToTab::Welcome { machine, .. } => machine.is_some_and(|of| of != self.machine),
            ToTab::Incompatible { .. } => false,
            ToTab::Storage(_)
            | ToTab::Connection(_)
            | ToTab::Callback { .. }
            | ToTab::Query { .. }
            | ToTab::Presence { .. }
            | ToTab::Doc { .. } => self.machine > 0 && !self.welcomed,
        }
    }

    fn count_received(&mut self) {
        self.received += 1;
        if self.received - self.confirmed >= CONFIRM_EVERY {
            self.confirmed = self.received;
            // Pushed before what the message does, so it is posted after that was processed.
            self.tell_host(&ToHost::Received {
                count: self.received,
            });
        }
    }

    fn handle_incompatible(&mut self, protocol: u32) {
        self.left = true;
        let message = format!(
            "The shared worker speaks protocol {protocol}, this page {PROTOCOL}: close or reload the older tabs"
        );
        self.set_state(State::Stopped, None);
        self.push_event(TabEvent::Error(Error::new(
            codes::ERR_HOST_INCOMPATIBLE,
            message,
        )));
    }

    fn handle_connection_state(&mut self, now: ConnectionState) {
        if now.generation >= self.generation || self.epoch.is_none() {
            self.generation = now.generation;
            self.id = now.id.or(self.id.take());
            if !self.left {
                self.set_state(now.state, now.reason);
            }
        }
    }

    fn handle_connection_event(&mut self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::State(now) => self.handle_connection_state(now),
            ConnectionEvent::SocketError(error) => {
                self.push_event(TabEvent::ConnectionError(error))
            }
            ConnectionEvent::Error(error) => self.push_event(TabEvent::Error(error)),
            ConnectionEvent::Pong => self.push_event(TabEvent::Pong),
        }
    }

    fn handle_answer(
        &mut self,
        callback_id: CallbackId,
        error: Option<Error>,
        result: Option<Answer>,
    ) {
        let asked = self.asked.remove(&callback_id);
        if let Some(Asked::Stored(token, _)) = asked {
            return self.handle_stored(token, error, result);
        }
        let answer = error.map_or(Ok(result), Err);
        match asked {
            Some(Asked::Read(handle, action, life)) => {
                self.handle_read_answer(handle, action, life, answer);
            }
            Some(Asked::Ingest(handle, life)) => self.handle_ingested(handle, life, answer),
            Some(Asked::Version(handle)) => self.handle_version_answer(handle, answer),
            Some(Asked::Presence(asked)) => {
                self.handle_presence_answer(callback_id, asked, answer.err());
            }
            Some(Asked::Snapshot(token)) => {
                let snapshot = match answer {
                    Ok(Some(Answer::Snapshot(message))) => Ok(message),
                    Ok(_) => Err(Error::badly_formed("The host sent no snapshot")),
                    Err(error) => Err(error),
                };
                self.push_event(TabEvent::Snapshot(token, snapshot));
            }
            Some(Asked::Status(token)) => {
                if let Ok(Some(Answer::Status(status))) = answer {
                    self.push_event(TabEvent::Status(token, status));
                }
            }
            Some(Asked::Stored(..)) | None => {}
        }
    }

    fn handle_read_answer(
        &mut self,
        handle: DocHandle,
        action: ReadAction,
        life: u32,
        answer: Result<Option<Answer>, Error>,
    ) {
        if let Ok(Some(Answer::Offline)) = answer {
            return self.handle_read_offline(handle, action);
        }
        let (answer, version) = match answer {
            Err(error) => (Err(error), None),
            Ok(Some(Answer::Read { snapshot, version })) => {
                let is_past = snapshot.is_some() || self.is_past(handle, life);
                let snapshot = self.usable(handle, snapshot);
                if is_past && snapshot.is_none() && self.ask_again(handle, action) {
                    return;
                }
                (Ok(snapshot), version)
            }
            Ok(
                Some(
                    Answer::Offline
                    | Answer::Ingested { .. }
                    | Answer::Status(_)
                    | Answer::Snapshot(_)
                    | Answer::Docs(_),
                )
                | None,
            ) => (Ok(None), None),
        };
        self.with_doc(handle, |doc, up| match action {
            ReadAction::Fetch => doc.handle_fetch(up, answer),
            ReadAction::Subscribe | ReadAction::Unsubscribe => {
                if doc.asks(action == ReadAction::Subscribe) {
                    doc.handle_subscribe(up, answer);
                } else {
                    // The question was given up. The host believes the tab to have what it sent.
                    doc.ingest_snapshot(up, answer.ok().flatten(), None);
                }
            }
        });
        self.take_version(handle, version);
    }

    /// Whether the state was given up that the document had in this life.
    fn is_past(&self, handle: DocHandle, life: u32) -> bool {
        let known = self.docs.get(&handle);
        known.is_some_and(|known| known.doc.life() != life)
    }

    /// The answer was for a state that the tab has given up since, or for a loaded snapshot that the host's state is
    /// to replace, and nothing has come in its place. Where no other fetch is on its way to bring that, the question
    /// is asked anew: a fetch that waits for this answer has not been sent. Says whether it asked.
    fn ask_again(&mut self, handle: DocHandle, action: ReadAction) -> bool {
        let Some(known) = self.docs.get_mut(&handle) else {
            return false;
        };
        let doc = &mut known.doc;
        known.replaced &= doc.version().is_none();
        let (waits, others) = match action {
            ReadAction::Fetch => (true, doc.fetches().saturating_sub(1)),
            ReadAction::Subscribe => (doc.asks(true), doc.fetches()),
            ReadAction::Unsubscribe => (false, 0),
        };
        let will_come = !known.replaced && others > 0;
        if !waits || doc.version().is_some() || will_come {
            return false;
        }
        if action == ReadAction::Fetch {
            doc.postpone_fetch();
        }
        if let Some(event) = self.send_read(handle, action) {
            self.push_event(event);
        }
        true
    }

    /// The snapshot, if it is for the state that the tab has now.
    pub(crate) fn usable(
        &self,
        handle: DocHandle,
        snapshot: Option<TabSnapshot>,
    ) -> Option<Snapshot> {
        let known = self.docs.get(&handle)?;
        snapshot
            .filter(|snapshot| snapshot.life == known.doc.life() && !known.unplaced)
            .map(to_snapshot)
    }

    fn handle_read_offline(&mut self, handle: DocHandle, action: ReadAction) {
        let connected = self.connected();
        self.with_doc(handle, |doc, up| {
            up.can_read = connected;
            match action {
                ReadAction::Fetch => doc.handle_fetch_offline(up),
                ReadAction::Subscribe | ReadAction::Unsubscribe => doc.handle_subscribe_offline(up),
            }
        });
    }

    fn handle_ingested(
        &mut self,
        handle: DocHandle,
        life: u32,
        answer: Result<Option<Answer>, Error>,
    ) {
        if self.has_doc_presence(handle) {
            self.push_owner(OwnerTask::SettlePresence(handle));
        }
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        if known.doc.life() != life {
            return;
        }
        known.unplaced = false;
        let revision = match answer {
            Ok(Some(Answer::Ingested { revision })) => revision,
            Ok(_) | Err(_) => None,
        };
        match revision {
            Some(revision) => {
                known.doc.place(Version(revision.0));
                self.with_doc(handle, |doc, up| doc.flush(up));
            }
            // The host has moved on. What was loaded is only good to look at: get the host's state.
            None => {
                let message = "The ingested snapshot is not the host's state";
                let error = Error::new(codes::ERR_REVISION_NOT_KEPT, message);
                known.learn_version(None);
                known.replaced = !known.doc.has_write_pending();
                self.with_doc(handle, |doc, up| doc.refresh(up, error));
            }
        }
    }

    pub(crate) fn take_version(&mut self, handle: DocHandle, version: Option<Version>) {
        if let Some(known) = self.docs.get_mut(&handle)
            && known.doc.version().is_some()
            && !known.unplaced
            // A host that took over may not know yet what the one before was told.
            && version > known.version
        {
            known.learn_version(version);
        }
    }

    fn handle_doc_event(&mut self, handle: DocHandle, event: DocEvent) {
        if self.has_doc_presence(handle) {
            self.push_owner(OwnerTask::SettlePresence(handle));
        }
        match event {
            DocEvent::Op {
                revision,
                next,
                version,
                src,
                tab,
                change,
            } => {
                self.presences.author = tab;
                self.handle_op(
                    handle,
                    Version(revision.0),
                    Version(next.0),
                    version,
                    src,
                    change,
                );
            }
            DocEvent::Past {
                version,
                src,
                change,
            } => self.handle_past_op(handle, version, src, change),
            DocEvent::Accepted { seq, revision } => {
                self.with_doc(handle, |doc, up| {
                    doc.handle_accepted(up, seq, Version(revision.0))
                });
            }
            DocEvent::Rejected { seq, error } => self.handle_rejected(handle, seq, error),
            DocEvent::Outcome {
                seqs,
                outcome,
                version,
            } => {
                self.take_version(handle, version);
                self.with_doc(handle, |doc, up| doc.handle_outcome(up, &seqs, outcome));
            }
            DocEvent::Version { version } => self.take_version(handle, Some(version)),
            DocEvent::Rollback {
                error,
                rejected,
                life,
                ended,
            } => {
                let ended: Vec<_> = ended.into_iter().map(|op| (op.seq, op.outcome)).collect();
                self.with_doc(handle, |doc, up| {
                    if doc.life() <= life {
                        doc.handle_rollback(up, error, &rejected, &ended);
                    }
                });
            }
            DocEvent::Rebuilt {
                snapshot,
                version,
                error,
            } => {
                if let Some(snapshot) = self.usable(handle, Some(snapshot)) {
                    self.with_doc(handle, |doc, up| doc.handle_rebuilt(up, snapshot, &error));
                }
                self.take_version(handle, version);
            }
            DocEvent::Load { snapshot, version } => {
                let snapshot = self.usable(handle, Some(snapshot));
                self.with_doc(handle, |doc, up| doc.ingest_snapshot(up, snapshot, None));
                self.take_version(handle, version);
            }
            DocEvent::Error(error) => self.push_event(TabEvent::Doc(handle, Event::Error(error))),
        }
    }

    pub(crate) fn handle_op(
        &mut self,
        handle: DocHandle,
        revision: Version,
        next: Version,
        version: Option<Version>,
        src: Option<String>,
        change: Change,
    ) {
        let types = Rc::clone(&self.types);
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        if known.unplaced || known.doc.version() != Some(revision) {
            return;
        }
        if known.skips(version) {
            return self.skip_op(handle, next, version);
        }
        known.learn_version(version.or(known.version));
        let kind: Result<OpKind, Error> = change.read(known.doc.ty(), &*types);
        self.with_doc(handle, |doc, up| match kind {
            Ok(kind) => doc.handle_op(up, revision, next, src, kind),
            Err(error) => doc.handle_unreadable_op(up, error),
        });
    }

    fn handle_rejected(&mut self, handle: DocHandle, seq: Seq, error: Error) {
        let ours = self
            .doc(handle)
            .and_then(Doc::inflight)
            .is_some_and(|op| op.id.seq == Some(seq));
        if !ours {
            return;
        }
        self.with_doc(handle, |doc, up| {
            if error.is(codes::ERR_REVISION_NOT_KEPT) {
                doc.hard_rollback(up, error);
            } else {
                doc.handle_op_error(up, error, Some(seq));
            }
        });
    }
}

fn to_snapshot(snapshot: TabSnapshot) -> Snapshot {
    let ty = snapshot.ty.map_or(SnapshotType::None, SnapshotType::Uri);
    Snapshot {
        v: Some(Version(snapshot.revision.0)),
        ty,
        data: snapshot.data,
    }
}
