//! The host's side towards the tabs.

pub(crate) mod hub;

use broker::message::{
    Answer, CallbackId, DocEvent, Envelope, PROTOCOL, Read, ReadAction, Resumed, Status, SubmitOp,
    ToHost, ToTab, callback_id, decode, encode,
};
use durable_store::Retention;
use durable_store::record::Entry;
use proxy_doc::{
    Change, DocHandle, DocKey, Error, Naming, OpKind, Outcome, Snapshot, Submission, TabId,
    Version, codes, resolve,
};

use crate::docs::doc::HostDoc;
use crate::host::inputs::{Input, TabMessage};
use crate::host::{Host, Output, Tab, Told, Waiting, identity};
use crate::quarantine::{Cause, died};

impl Host {
    /// One message of a tab. Nothing a tab sends changes anything if it cannot be read.
    pub fn handle_tab(&mut self, tab: &TabId, text: &str) {
        let text = text.into();
        if self.begin(Cause::TabMessage, &text) {
            return self.refuse_text(tab, &text, died());
        }
        match decode::<ToHost>(&text) {
            Ok(message) => {
                // It may have to wait. Whatever is done until then is not its fault.
                self.begin_other();
                let message = Box::new(TabMessage { text, message });
                self.take(Input::Tab(tab.clone(), message));
            }
            Err(error) => self.refuse_text(tab, &text, error),
        }
    }

    /// Answers a message that was not read.
    fn refuse_text(&mut self, tab: &TabId, text: &str, error: Error) {
        match callback_id(text) {
            Some(callback_id) => self.refuse(tab, callback_id, error),
            None => self.warn(format!("From tab {}: {}", tab.0, error.message)),
        }
    }

    /// A tab is gone: closed, crashed, or frozen for good. Its accepted ops stay.
    pub fn tab_gone(&mut self, tab: &TabId) {
        self.take(Input::TabGone(tab.clone()));
    }

    pub(crate) fn lose_tab(&mut self, tab: &TabId) {
        self.leave(tab);
        self.away.remove(tab);
        self.forget_tab(tab);
    }

    pub(crate) fn handle_tab_message(&mut self, tab: &TabId, message: ToHost) {
        if !self.tabs.contains_key(tab) && !matches!(message, ToHost::Register { .. }) {
            return self.warn(format!(
                "Ignoring a message of tab {}, which is not registered",
                tab.0
            ));
        }
        match message {
            ToHost::Register {
                protocol,
                resume,
                machine,
            } => self.register(tab, protocol, resume, machine),
            ToHost::Received { count } => self.confirm(tab, count),
            ToHost::Close { generation } => self.close_for(tab, generation),
            ToHost::Ping {} => self.ping(tab.clone()),
            ToHost::Bulk { reads } => {
                self.start_bulk();
                for read in reads {
                    let what = identity::of_read(&read);
                    self.begin_part(Cause::TabMessage, &what, |host, refused| match refused {
                        Some(error) => host.refuse(tab, read.callback_id, error),
                        None => host.read(tab, read),
                    });
                }
                self.end_bulk();
            }
            ToHost::Read(read) => self.read(tab, read),
            ToHost::Status { callback_id } => {
                let result = Some(Answer::Status(self.status()));
                self.tell(
                    tab,
                    ToTab::Callback {
                        callback_id,
                        error: None,
                        result,
                    },
                );
            }
            ToHost::SubmitOp(op) => self.submit(tab, op, None),
            ToHost::IngestSnapshot {
                collection,
                id,
                snapshot,
                callback_id,
            } => {
                self.ingest(tab, DocKey { collection, id }, snapshot, callback_id);
            }
            ToHost::Query(request) => {
                self.with_queries(|queries, versions| queries.create(tab, request, versions))
            }
            ToHost::DestroyQuery { query_id } => {
                self.with_queries(|queries, _| queries.destroy(tab, query_id))
            }
            ToHost::FetchSnapshot(request) => self.fetch_past_snapshot(tab, request),
            ToHost::PresenceSubscribe(request) => {
                self.with_presence(|presences, _| presences.subscribe(tab, request));
            }
            ToHost::PresenceUnsubscribe(request) => {
                self.with_presence(|presences, _| presences.unsubscribe(tab, request));
            }
            ToHost::PresenceSubmit(submit) => self.submit_presence(tab, submit),
            ToHost::GetBulk {
                collection,
                ids,
                callback_id,
            } => {
                let key = |id| DocKey {
                    collection: collection.clone(),
                    id,
                };
                self.get_bulk(tab, ids.into_iter().map(key).collect(), callback_id);
            }
            ToHost::PutDocs { docs, callback_id } => self.put_docs(tab, &docs, callback_id),
            ToHost::FlushWrites { callback_id } => self.flush_writes(tab, callback_id),
            ToHost::SetAutoFlush { on } => self.set_auto_flush(tab, on),
            ToHost::WatchStorage {} => self.watch_storage(tab),
            ToHost::RemoveLetters { numbers } => self.remove_letters(&numbers),
            ToHost::Wipe { callback_id } => self.wipe(tab, callback_id),
            ToHost::Destroy { collection, id } => {
                if let Some(handle) = self.docs.find(&DocKey { collection, id }) {
                    self.leave_doc(handle, tab);
                }
            }
        }
    }

    // ---- Coming and going ----

    fn register(&mut self, tab: &TabId, protocol: u32, resume: Vec<Resumed>, machine: Option<u32>) {
        let may_live = self.tabs.contains_key(tab) || self.expected.contains(tab);
        let remembered = may_live && self.store.is_some();
        // A tab that registers again has nothing of what was sent before.
        self.leave(tab);
        self.away.remove(tab);
        // A host serves its own protocol and the one before.
        if protocol != PROTOCOL && Some(protocol) != PROTOCOL.checked_sub(1) {
            self.tabs.insert(tab.clone(), Tab::default());
            self.tell(tab, ToTab::Incompatible { protocol: PROTOCOL });
            self.tabs.remove(tab);
            return;
        }
        self.tabs.insert(tab.clone(), Tab::default());
        self.met_tabs = true;
        if let Some(store) = &mut self.store {
            store.add_tab(tab);
        }
        if self.options.opens_sockets && !self.wants_socket {
            self.connect();
        }
        let connection = self.connection_state();
        self.tell(
            tab,
            ToTab::Welcome {
                protocol: PROTOCOL,
                machine,
                connection,
                storage: self.storage_state(),
            },
        );
        self.resume(tab, remembered, resume);
    }

    fn leave(&mut self, tab: &TabId) {
        if self.tabs.remove(tab).is_none() {
            return;
        }
        // An answer would make the tab known again, or reach its next life, which did not ask.
        let is_read =
            |waiting: &Waiting| matches!(waiting, Waiting::Read { tab: of, .. } if of == tab);
        self.waiting.retain(|_, waiting| !is_read(waiting));
        // What still waits to be said to it is said to nobody.
        self.out
            .retain(|said| !matches!(&said.output, Output::ToTab { tab: to, .. } if to == tab));
        self.leave_pongs(tab);
        self.with_queries(|queries, _| queries.tab_gone(tab));
        self.past_snapshots.retain(|_, past| !past.is_for(tab));
        self.with_presence(|presences, view| presences.tab_gone(tab, view));
        self.start_bulk();
        for handle in self.docs.handles() {
            self.leave_doc(handle, tab);
        }
        self.end_bulk();
    }

    fn leave_doc(&mut self, handle: DocHandle, tab: &TabId) {
        let host_doc = &mut self.docs[handle];
        if host_doc.leave(tab) {
            self.act(handle, |doc, up| doc.unsubscribe(up, None));
        }
        self.docs.touch(handle);
    }

    fn close_for(&mut self, tab: &TabId, generation: u64) {
        if self.options.private {
            self.generation = self.generation.max(generation);
            self.close();
        } else {
            self.leave(tab);
            self.away.insert(tab.clone());
        }
    }

    fn status(&self) -> Status {
        let pending = self
            .docs
            .iter()
            .map(|host_doc| host_doc.doc.unfinished().count());
        Status {
            tabs: self.tabs.len(),
            sockets: usize::from(self.connected()),
            docs: self.docs.len(),
            pending_ops: pending.sum(),
        }
    }

    // ---- Telling ----

    pub(crate) fn tell(&mut self, tab: &TabId, message: ToTab) {
        let Some(known) = self.tabs.get_mut(tab) else {
            return;
        };
        known.posted += 1;
        let urgent = matches!(message, ToTab::Connection(_) | ToTab::Welcome { .. });
        let text = encode(&Envelope {
            epoch: self.options.epoch,
            message,
        });
        self.push_out(Output::ToTab {
            tab: tab.clone(),
            text,
            urgent,
        });
    }

    pub(crate) fn tell_all(&mut self, message: impl Fn() -> ToTab) {
        let tabs: Vec<TabId> = self.tabs.keys().cloned().collect();
        for tab in tabs {
            self.tell(&tab, message());
        }
    }

    pub(crate) fn tell_doc(&mut self, handle: DocHandle, tab: &TabId, event: DocEvent) {
        let host_doc = &self.docs[handle];
        let DocKey { collection, id } = host_doc.doc.key().clone();
        let told = match &event {
            DocEvent::Op { next, .. } => Some(Told::Revision(*next)),
            DocEvent::Accepted { revision, .. } => Some(Told::Revision(revision.next())),
            DocEvent::Outcome { seqs, .. } => Some(Told::Outcome(seqs.clone())),
            DocEvent::Past { .. }
            | DocEvent::Rejected { .. }
            | DocEvent::Version { .. }
            | DocEvent::Rollback { .. }
            | DocEvent::Rebuilt { .. }
            | DocEvent::Load { .. }
            | DocEvent::Error(_) => None,
        };
        self.tell(
            tab,
            ToTab::Doc {
                collection,
                id,
                event,
            },
        );
        if let (Some(told), Some(known)) = (told, self.tabs.get_mut(tab)) {
            known.unconfirmed.push_back((known.posted, handle, told));
            known.stalled |= known.unconfirmed.len() >= self.options.max_unconfirmed;
        }
    }

    pub(crate) fn refuse(&mut self, tab: &TabId, callback_id: CallbackId, error: Error) {
        self.tell(
            tab,
            ToTab::Callback {
                callback_id,
                error: Some(error),
                result: None,
            },
        );
    }

    /// Notes that the tab learns the document's version with what is sent next: the version, and whether it is news.
    pub(crate) fn tell_version(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
    ) -> (Option<Version>, bool) {
        let host_doc = &mut self.docs[handle];
        let version = host_doc.doc.version();
        (version, host_doc.hub.tell_version(tab, version))
    }

    /// Tells live tabs a version that moved without a change: an op of another tab was acknowledged.
    /// Those that lack changes learn it with these.
    pub(crate) fn tell_versions(&mut self, handle: DocHandle) {
        let tabs = self
            .docs
            .get(handle)
            .map(|host_doc| host_doc.hub.tabs_at_head())
            .unwrap_or_default();
        for tab in tabs {
            if let (Some(version), true) = self.tell_version(handle, &tab) {
                self.tell_doc(handle, &tab, DocEvent::Version { version });
            }
        }
    }

    fn confirm(&mut self, tab: &TabId, count: u64) {
        let Some(known) = self.tabs.get_mut(tab) else {
            return;
        };
        let mut seen: Vec<(DocHandle, Told)> = Vec::new();
        while known
            .unconfirmed
            .front()
            .is_some_and(|(posted, ..)| *posted <= count)
        {
            let told = known.unconfirmed.pop_front();
            seen.extend(told.map(|(_, handle, told)| (handle, told)));
        }
        let wakes =
            known.stalled && known.unconfirmed.len() < self.options.max_unconfirmed.div_ceil(2);
        known.stalled &= !wakes;
        for (handle, told) in seen {
            let Some(host_doc) = self.docs.get_mut(handle) else {
                continue;
            };
            match told {
                Told::Revision(revision) => host_doc.hub.received(tab, revision),
                Told::Outcome(seqs) => host_doc.forget_outcomes(tab, &seqs),
            }
        }
        if wakes {
            for handle in self.docs.handles() {
                if self.docs[handle].hub.live_tabs().contains(tab) {
                    self.catch_up(handle, tab);
                }
            }
            self.with_presence(|presences, _| presences.refresh(tab));
        }
    }

    // ---- Reading ----

    fn read(&mut self, tab: &TabId, read: Read) {
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

    // ---- Writing ----

    /// Takes an op of a tab, unless there is a `refusal`.
    pub(crate) fn submit(&mut self, tab: &TabId, op: SubmitOp, refusal: Option<Error>) {
        let key = DocKey {
            collection: op.collection.clone(),
            id: op.id.clone(),
        };
        if op.line.is_some_and(|line| line != self.line) {
            return;
        }
        let unreadable = self.unreadable_error(&key);
        let handle = self.open(key);
        self.docs.touch(handle);
        // The tab hears that it was given up when it is told of the rollback.
        if self.docs[handle].hub.is_void(tab, op.life) {
            return;
        }
        let seq = op.seq;
        if let Some(error) = unreadable {
            return self.tell_doc(handle, tab, DocEvent::Rejected { seq, error });
        }
        if self.docs[handle].is_taken(tab, seq) {
            return;
        }
        let admitted = match refusal {
            Some(error) => Err(error),
            None => self.admit(handle, tab, &op),
        };
        match admitted {
            Err(error) => self.tell_doc(handle, tab, DocEvent::Rejected { seq, error }),
            Ok(kind) => self.submit_admitted(handle, tab, op, kind),
        }
    }

    fn submit_admitted(&mut self, handle: DocHandle, tab: &TabId, op: SubmitOp, kind: OpKind) {
        let seq = op.seq;
        let token = self.token(Waiting::Op {
            tab: tab.clone(),
            seq,
        });
        let submission = Submission {
            token,
            callback: true,
        };
        let logged = self.store.as_ref().map(|_| kind.clone());
        let ty = self.docs[handle].doc.ty().cloned();
        let naming = op.earlier.map_or(Naming::New, Naming::Earlier);
        let source = op.source.clone();
        let id = self.with_doc(handle, |doc, up| {
            doc.prevent_compose = op.prevent_compose;
            doc.submit_as(up, kind, op.source, naming, submission)
        });
        self.note_seen(handle, tab, seq);
        self.keep_own_seq();
        self.log(handle, true, || Entry::Local {
            tab: tab.clone(),
            seq,
            id,
            change: logged.map_or_else(Change::default, |kind| Change::new(&kind, ty.as_ref())),
            source,
        });
        self.run();
    }

    /// Reads an op of a tab and brings it to the head.
    fn admit(&mut self, handle: DocHandle, tab: &TabId, op: &SubmitOp) -> Result<OpKind, Error> {
        let types = std::rc::Rc::clone(&self.types);
        let host_doc = &mut self.docs[handle];
        host_doc.hub.meet(tab);
        host_doc.hub.enter_life(tab, op.life, op.revision);
        if let Some(store) = self.store.as_ref().filter(|store| store.is_full()) {
            let kept = store.retention() == Retention::Durable;
            if kept && let Some(error) = &self.storage_error {
                return Err(error.clone());
            }
        }
        if host_doc.doc.in_hard_rollback() {
            let message = format!(
                "Cannot submit op. Document is performing hard rollback. {}",
                host_doc.doc.key()
            );
            return Err(Error::new(codes::ERR_DOC_IN_HARD_ROLLBACK, message));
        }
        let mut kind = op.change.clone().read(host_doc.doc.ty(), &*types)?;
        if let OpKind::Create { type_name, .. } = &kind {
            resolve(&*types, type_name)?;
        }
        match op.revision {
            Some(base) => {
                let ty = op.change.ty.as_deref().and_then(|uri| types.resolve(uri));
                host_doc.hub.received(tab, base);
                host_doc.hub.transform(tab, base, &mut kind, ty.as_ref())?;
            }
            None if !matches!(kind, OpKind::Create { .. }) => {
                return Err(Error::badly_formed("Only a create needs no revision"));
            }
            // From nothing: whatever the tab had before, it has what it creates now.
            None if host_doc.doc.ty().is_none() => host_doc.hub.attach(tab),
            None => {}
        }
        match (&kind, host_doc.doc.ty()) {
            (OpKind::Create { .. }, Some(_)) => Err(Error::new(
                codes::ERR_DOC_ALREADY_CREATED,
                "Invalid op submitted. Document already created",
            )),
            (OpKind::Edit(_), None) => Err(Error::new(
                codes::ERR_DOC_DOES_NOT_EXIST,
                "Document does not exist",
            )),
            _ => Ok(kind),
        }
    }

    // ---- Snapshots from applications ----

    fn ingest(&mut self, tab: &TabId, key: DocKey, snapshot: Snapshot, callback_id: CallbackId) {
        let handle = self.open(key);
        self.docs.touch(handle);
        let v = snapshot.v;
        self.docs[handle].hub.meet(tab);
        if self.docs[handle].doc.version().is_none() {
            self.act(handle, |doc, up| {
                doc.ingest_snapshot(up, Some(snapshot), None)
            });
            // The type and the version are the application's word; the data is the tab's own.
            let HostDoc { doc, state, .. } = &mut self.docs[handle];
            if let (Some(version), Some(ty)) = (doc.version(), doc.ty()) {
                state.load_without_data(ty.clone(), version);
            }
            self.rewrite(handle);
        }
        // The tab's state can be placed only where it is exactly the host's: the same version, and nothing pending.
        let HostDoc { doc, hub, .. } = &mut self.docs[handle];
        let placed = (doc.version() == v && !doc.has_write_pending()).then(|| {
            hub.attach(tab);
            hub.head()
        });
        let result = Some(Answer::Ingested { revision: placed });
        self.tell(
            tab,
            ToTab::Callback {
                callback_id,
                error: None,
                result,
            },
        );
    }
}
