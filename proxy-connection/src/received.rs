//! The host's messages, and the changes that follow from each.
//!
//! What it refuses to do: apply a message to a state that it is not for. Answers and snapshots name the life of the
//! document, ops the revision.

use std::rc::Rc;

use broker::message::{
    Answer, CallbackId, ConnectionEvent, ConnectionState, DocEvent, Early, Envelope, LeadEntry,
    PROTOCOL, ReadAction, Rewind, State, StorageEvent, ToHost, ToTab, decode,
};
use proxy_doc::{
    Change, DocHandle, DocKey, Epoch, Error, Event, Gather, OpKind, Revision, Task, Token, Version,
    codes,
};

use crate::{OwnerTask, ProxyConnection, ProxyDoc, Request, TabEvent};

impl ProxyConnection {
    /// Handles one message of the host.
    pub fn handle_message(&mut self, text: &str) {
        self.quarantine.touch_none();
        match decode::<Envelope>(text) {
            Ok(envelope) => self.handle_envelope(envelope, text.len()),
            Err(error) => self.push_event(TabEvent::Warn(error.message)),
        }
    }

    /// `length`: of the message, in bytes.
    fn handle_envelope(&mut self, envelope: Envelope, length: usize) {
        if self.session.is_for_predecessor(&envelope.message) {
            return;
        }
        if let ToTab::Welcome { void, rewinds, .. } = &envelope.message {
            self.handle_welcome(envelope.epoch, void, rewinds);
        } else if !self.session.is_with(envelope.epoch) {
            return self.push_event(TabEvent::Warn(
                "Ignoring a message of another host life".to_owned(),
            ));
        }
        if let Some(count) = self.session.count_received() {
            // Pushed before what the message does, so it is posted after that was processed.
            self.tell_host(&ToHost::Received { count });
        }
        if envelope.message.settles() {
            self.end_leads();
        }
        self.presences.author = None;
        match envelope.message {
            ToTab::Welcome {
                connection,
                storage,
                ..
            } => {
                self.session.view = Some(storage.view);
                self.session.line = Some(storage.line);
                self.handle_storage_event(StorageEvent::State(storage));
                self.handle_connection_state(connection);
                self.tell_url_offer();
                if self.coordinates {
                    self.push_event(TabEvent::Coordination(None));
                }
            }
            ToTab::Durable {} => {}
            ToTab::Storage(event) => self.handle_storage_event(event),
            ToTab::Incompatible { protocol } => self.handle_incompatible(protocol),
            ToTab::Connection(event) => self.handle_connection_event(event),
            ToTab::Callback {
                callback_id,
                error,
                result,
            } => {
                self.handle_answer(callback_id, error, result, length);
            }
            ToTab::Presence { channel, event } => self.handle_presence_event(&channel, event),
            ToTab::Coordination(say) => self.push_event(TabEvent::Coordination(Some(say))),
            ToTab::Query { query_id, event } => self.handle_query_event(query_id, event),
            ToTab::Doc {
                collection,
                id,
                event,
            } => {
                let key = DocKey { collection, id };
                let handle = self.by_key.get(&key).copied();
                if let Some(handle) = handle.filter(|_| !self.leaving.contains_key(&key)) {
                    self.handle_doc_event(handle, event);
                }
            }
        }
    }

    /// The host has answered the registration: what waited for that can be sent.
    fn handle_welcome(&mut self, epoch: Epoch, void: &[DocKey], rewinds: &[Rewind]) {
        let is_another = self.session.welcome(epoch);
        self.void(void);
        // Before presence is announced, which stands on a document's ops.
        self.rewind(rewinds);
        let handles: Vec<DocHandle> = self.docs.keys().rev().copied().gather();
        for handle in handles {
            self.stack.push(handle, Task::Flush);
            if self.docs[&handle].doc.version().is_none() {
                self.stack.push(handle, Task::ConnectionState);
            }
        }
        if std::mem::take(&mut self.brings_presence) || is_another {
            self.announce_presences();
        }
    }

    /// All that the tab was shown is durable.
    fn end_leads(&mut self) {
        for handle in std::mem::take(&mut self.leading).into_values() {
            if let Some(known) = self.docs.get_mut(&handle) {
                known.lead.clear();
            }
        }
    }

    /// The tab was shown what no host knows. It is told to start again with these documents; should the host die before, the
    /// next one has to tell it.
    fn void(&mut self, keys: &[DocKey]) {
        for key in keys {
            let handle = self.by_key.get(key);
            if let Some(known) = handle.and_then(|handle| self.docs.get_mut(handle)) {
                // It may have been given up since the tab registered.
                known.is_void = known.doc.version().is_some();
            }
        }
    }

    /// Takes back early accepts that the new host does not have.
    fn rewind(&mut self, rewinds: &[Rewind]) {
        for Rewind { doc, revision, seq } in rewinds {
            if let Some(handle) = self.by_key.get(doc).copied() {
                self.with_doc(handle, |doc, up| {
                    doc.handle_rewind(up, *seq, Version(revision.0));
                });
            }
        }
    }

    /// Whether the tab keeps something for the next host: what it was shown early and does not know to be durable.
    pub fn has_lead(&self) -> bool {
        !self.leading.is_empty()
    }

    fn handle_incompatible(&mut self, protocol: u32) {
        // What the host would not read is kept for the next one.
        self.left = true;
        // A host that is older hands over to one that speaks this protocol.
        if protocol < PROTOCOL {
            return;
        }
        let message =
            format!("The host speaks protocol {protocol}, this page {PROTOCOL}: reload this page");
        self.set_state(State::Stopped, None);
        self.push_event(TabEvent::Error(Error::new(
            codes::ERR_HOST_INCOMPATIBLE,
            message,
        )));
    }

    fn handle_connection_state(&mut self, now: ConnectionState) {
        if now.generation >= self.generation || self.session.is_first() {
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
            ConnectionEvent::UrlWanted(round) => self.push_event(TabEvent::UrlWanted(round)),
        }
    }

    fn handle_answer(
        &mut self,
        callback_id: CallbackId,
        error: Option<Error>,
        result: Option<Answer>,
        length: usize,
    ) {
        let brings = matches!(
            result,
            Some(Answer::Read {
                snapshot: Some(_),
                ..
            })
        );
        self.turns.end(callback_id, brings.then_some(length));
        let Some(request) = self.requests.end(callback_id) else {
            return;
        };
        if let Request::Store(token, request) = request {
            return self.handle_stored(token, request, error, result, length);
        }
        let answer = error.map_or(Ok(result), Err);
        match request {
            Request::Read { doc, action, life } => {
                // A subscribe that was sent again since is answered by itself.
                let known = self.docs.get(&doc);
                let is_awaited = known.is_some_and(|known| {
                    action == ReadAction::Fetch
                        || (known.subscribe_sent == Some(callback_id)
                            && known.doc.asks(action == ReadAction::Subscribe))
                });
                self.handle_read_answer(doc, action, life, is_awaited, answer);
            }
            Request::Ingest { doc, life } => self.handle_ingested(doc, life, answer),
            Request::Version(doc) => self.handle_version_answer(doc, answer),
            Request::Leave(key) => self.handle_left(&key, callback_id),
            Request::Presence(request) => {
                self.handle_presence_answer(request, answer.err());
            }
            Request::Snapshot(token) => {
                let snapshot = match answer {
                    Ok(Some(Answer::Snapshot(message))) => Ok(message),
                    Ok(_) => Err(Error::badly_formed("The host sent no snapshot")),
                    Err(error) => Err(error),
                };
                self.push_event(TabEvent::Snapshot(token, snapshot));
            }
            Request::Status(token, _) => match answer {
                Ok(Some(Answer::Status(status))) => {
                    self.push_event(TabEvent::Status(token, status));
                }
                answer => self.refuse_question(token, answer.err()),
            },
            Request::Debug(token) => match answer {
                Ok(Some(Answer::Debug(answer))) => {
                    self.push_event(TabEvent::Debug(token, answer));
                }
                answer => self.refuse_question(token, answer.err()),
            },
            Request::Store(..) => {}
        }
    }

    /// A question about the host has no answer: the message trapped, say, or the host is older than the question.
    fn refuse_question(&mut self, token: Token, error: Option<Error>) {
        let error = error.unwrap_or_else(|| Error::badly_formed("The host sent no answer"));
        self.push_event(TabEvent::Stored(token, Err(error)));
    }

    fn handle_read_answer(
        &mut self,
        handle: DocHandle,
        action: ReadAction,
        life: u32,
        is_awaited: bool,
        answer: Result<Option<Answer>, Error>,
    ) {
        if self.quarantine.touch(handle) {
            return;
        }
        if let Ok(Some(Answer::Offline)) = answer {
            if is_awaited {
                self.handle_read_offline(handle, action);
            }
            return;
        }
        let (answer, version) = match answer {
            Err(error) => {
                self.settle_unanswered(handle, true);
                (Err(error), None)
            }
            Ok(Some(Answer::Read { snapshot, version })) => {
                let is_past = snapshot.is_some() || self.is_past(handle, life);
                let snapshot = self.usable(handle, snapshot);
                if is_past && snapshot.is_none() && is_awaited && self.ask_again(handle, action) {
                    return;
                }
                (Ok(snapshot), version)
            }
            Ok(
                Some(
                    Answer::Offline
                    | Answer::Ingested { .. }
                    | Answer::Status(_)
                    | Answer::Debug(_)
                    | Answer::Snapshot(_)
                    | Answer::Docs(_),
                )
                | None,
            ) => (Ok(None), None),
        };
        self.with_doc(handle, |doc, up| match action {
            ReadAction::Fetch => doc.handle_fetch(up, answer),
            ReadAction::Subscribe | ReadAction::Unsubscribe if is_awaited => {
                doc.handle_subscribe(up, answer);
            }
            // The request was given up, but the host believes that the tab has the state that it sent.
            ReadAction::Subscribe | ReadAction::Unsubscribe => {
                doc.ingest_snapshot(up, answer.ok().flatten(), None);
            }
        });
        self.take_version(handle, version);
        self.settle_unanswered(handle, false);
    }

    /// Whether the document has given up the state of this life.
    fn is_past(&self, handle: DocHandle, life: u32) -> bool {
        let known = self.docs.get(&handle);
        known.is_some_and(|known| known.doc.life() != life)
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

    pub(crate) fn take_version(&mut self, handle: DocHandle, version: Option<Version>) {
        if let Some(known) = self.docs.get_mut(&handle)
            && known.revision().is_some()
            // After a takeover the host may not know yet which version the host before was told.
            && version > known.version
        {
            known.learn_version(version);
        }
    }

    fn handle_doc_event(&mut self, handle: DocHandle, event: DocEvent) {
        if self.quarantine.touch(handle) {
            return;
        }
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
                early,
            } => {
                self.presences.author = tab;
                self.keep_lead(handle, revision, early);
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
            DocEvent::Accepted {
                seq,
                revision,
                early,
            } => {
                self.keep_lead(handle, revision, early);
                self.with_doc(handle, |doc, up| {
                    doc.handle_accepted(up, seq, Version(revision.0))
                });
            }
            DocEvent::Taken { seqs } => {
                self.with_doc(handle, |doc, _| doc.handle_taken(&seqs));
            }
            DocEvent::Rejected { seq, error } => {
                self.with_doc(handle, |doc, up| doc.handle_rejected(up, seq, error));
            }
            DocEvent::Outcome {
                seqs,
                outcome,
                version,
                early: _,
            } => {
                self.take_version(handle, version);
                self.with_doc(handle, |doc, up| doc.handle_outcome(up, &seqs, outcome));
            }
            DocEvent::Version { version, early: _ } => self.take_version(handle, Some(version)),
            DocEvent::Rollback {
                error,
                rejected,
                life,
                ended,
            } => {
                let ended: Vec<_> = ended.into_iter().map(|op| (op.seq, op.outcome)).gather();
                self.with_doc(handle, |doc, up| {
                    doc.handle_rollback(up, life, error, &rejected, &ended)
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
            DocEvent::Error(error) if self.has_told(handle, &error) => {}
            DocEvent::Error(error) => self.push_event(TabEvent::Doc(handle, Event::Error(error))),
        }
    }

    /// Whether the tab lacks the type of an ingested snapshot itself, and has said so.
    fn has_told(&self, handle: DocHandle, error: &Error) -> bool {
        let lacks_type = |known: &ProxyDoc| known.placement.is_open() && known.doc.ty().is_none();
        error.is(codes::ERR_DOC_TYPE_NOT_RECOGNIZED)
            && self.docs.get(&handle).is_some_and(lacks_type)
    }

    /// Where a change is shown early: what the next host needs of it is kept, if the change is taken.
    fn keep_lead(&mut self, handle: DocHandle, revision: Revision, early: Option<Early>) {
        let takes = |known: &&mut ProxyDoc| known.revision() == Some(revision);
        if let Some(Early { entries, .. }) = early
            && let Some(known) = self.docs.get_mut(&handle).filter(takes)
        {
            known.lead.push(LeadEntry { revision, entries });
            self.leading.insert(handle);
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
        if known.revision() != Some(Revision(revision.0)) {
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
}
