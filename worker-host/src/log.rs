//! The host's side towards its store: what is written down, and how a host takes over from one before.
//!
//! An op of a tab and a revision of a document are logged before anything is said of them; what is said
//! goes out behind the write that holds them (`Host::push_out`). A host that takes over applies the
//! journal with the machines that made it, not connected to anything.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::tabs::hub;
use broker::message::{
    Answer, CallbackId, DeadLetter, DocEvent, Ended, QueryDoc, Resumed, StorageEvent, StorageState,
    StoredDoc, ToTab,
};
use durable_store::record::{
    Author, DocRecord, Entry, Letter, RecordedOp, RecordedOutcome, RecordedRevision, Stored,
};
use durable_store::{Documents, DurableStore, Failure, Kept, Restored, Retention, StoreEvent};
use proxy_doc::{
    Change, DocHandle, DocKey, Edit, Error, Naming, OpKind, OtType, Outcome, PendingOp, Seq,
    Submission, TabId, codes, resolve,
};

use crate::docs::doc::HostDoc;
use crate::host::{Host, Output, Said, Waiting};

/// Documents with pending ops that nobody asked for are brought to the server so many at a time.
const MAX_BACKLOG: usize = 64;

/// Where things are kept that go with the host.
pub(crate) const MEMORY: &str = "memory";

/// A document that the store has and nobody here can read: its type is not registered here, say. It
/// stays as it is.
pub(crate) struct Unreadable {
    record: Option<DocRecord>,
    entries: Vec<Entry>,
    error: Error,
}

impl Documents for Host {
    fn record(&self, key: &DocKey) -> Kept {
        let is_left_alone = self.begin_document(key).is_some();
        if let Some(unreadable) = self.unreadable(key) {
            return match &unreadable.record {
                Some(_) if is_left_alone => Kept::AsItIs,
                Some(record) => Kept::Record(Box::new(DocRecord {
                    rest: unreadable.entries.clone(),
                    ..record.clone()
                })),
                None => Kept::AsItIs,
            };
        }
        match self.docs.at(key) {
            Some(host_doc) => self.record_of(host_doc),
            None => Kept::AsItIs,
        }
    }

    fn holds(&self, key: &DocKey) -> bool {
        self.docs.find(key).is_some() || self.is_unreadable(key)
    }
}

impl Host {
    // ---- Writing ----

    fn record_of(&self, host_doc: &HostDoc) -> Kept {
        let HostDoc {
            doc, hub, state, ..
        } = host_doc;
        let ops: Vec<RecordedOp> = doc.unfinished().map(|op| self.record_op(op)).collect();
        let mut outcomes = host_doc.outcomes.clone();
        for (token, outcome) in doc.foreseen() {
            if let Some(author) = self.author_of(token) {
                outcomes.push(RecordedOutcome { author, outcome });
            }
        }
        if doc.version().is_none() && ops.is_empty() && outcomes.is_empty() && hub.is_new() {
            return Kept::Nothing;
        }
        let seen = host_doc.seen.iter();
        Kept::Record(Box::new(DocRecord {
            at: 0,
            version: doc.version(),
            ty: state.ty().map(|ty| ty.uri().to_owned()),
            data: state.data().cloned(),
            missing: state.missing(),
            tail: state.tail().iter().map(Edit::to_text).collect(),
            head: hub.head(),
            log: hub.log().map(record_revision).collect(),
            ops,
            outcomes,
            seen: seen
                .map(|(tab, seq)| Author {
                    tab: tab.clone(),
                    seq: *seq,
                })
                .collect(),
            rest: Vec::new(),
        }))
    }

    fn record_op(&self, op: &PendingOp) -> RecordedOp {
        let authors = op.submissions.iter();
        RecordedOp {
            id: op.id.clone(),
            change: Change::new(&op.kind, op.ty.as_ref()),
            authors: authors
                .filter_map(|submission| self.author_of(submission.token))
                .collect(),
            source: op.source.clone(),
        }
    }

    /// Something happened to the document that the store has to know. `blocking`: before anybody else.
    pub(crate) fn log(&mut self, handle: DocHandle, blocking: bool, entry: impl FnOnce() -> Entry) {
        if self.replaying {
            return;
        }
        if let Some(store) = &mut self.store {
            store.log(self.docs[handle].key(), entry(), blocking);
        }
    }

    /// The document changed in a way that only its whole record says.
    pub(crate) fn rewrite(&mut self, handle: DocHandle) {
        if self.replaying {
            return;
        }
        if let Some(store) = &mut self.store {
            store.rewrite(self.docs[handle].key(), true);
        }
    }

    /// Ops were refused or given up: whoever looks after the application's data can read them.
    pub(crate) fn keep_letters(&mut self, handle: DocHandle, ops: &[PendingOp], error: &Error) {
        let host_doc = &self.docs[handle];
        let Some(store) = self
            .store
            .as_mut()
            .filter(|store| store.retention() == Retention::Durable && !self.replaying)
        else {
            return;
        };
        let first = store.next_letter();
        let mut gone = Vec::new();
        for op in ops {
            gone.extend(store.add_letter(Letter {
                number: 0,
                key: host_doc.doc.key().clone(),
                change: Change::new(&op.kind, op.ty.as_ref()),
                error: error.clone(),
                version: host_doc.doc.version(),
            }));
        }
        self.tell_letters(&self.letters_since(first), &gone);
    }

    /// A tab may not have heard how an op of it ended.
    pub(crate) fn keep_outcomes(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
        seqs: &[Seq],
        outcome: &Outcome,
    ) {
        if self.store.is_some() && self.may_live(tab) {
            self.docs[handle].keep_outcomes(tab, seqs, outcome);
        }
    }

    /// The tab is registered, or was and is not known to be gone.
    fn may_live(&self, tab: &TabId) -> bool {
        let may_come = self.expected.contains(tab) || self.away.contains(tab);
        self.replaying || self.tabs.contains_key(tab) || may_come
    }

    // ---- The storage's answers ----

    /// What came of [`Output::Storage`].
    pub fn handle_storage(&mut self, number: u64, reply: Result<Vec<Option<String>>, Failure>) {
        self.begin_other();
        self.with_store(|store, host| store.handle_reply(number, reply, host));
        self.handle_store_events();
    }

    /// Where the driver keeps things, and why nowhere better: said before the store is open.
    pub fn set_storage_mode(&mut self, mode: String, reason: Option<String>) {
        if self.store.as_ref().is_some_and(|store| store.is_lost()) {
            // It is only being tried.
            return;
        }
        self.storage_mode = mode;
        self.storage_error = reason.map(|reason| Error::new(codes::ERR_STORAGE, reason));
    }

    /// Which of the tabs in [`Output::FindTabs`] live.
    pub fn tabs_found(&mut self, living: &[TabId]) {
        self.begin_other();
        if let Some(store) = &mut self.store {
            store.handle_tabs(living);
        }
        self.handle_store_events();
    }

    /// Nothing has come in for a while: a good moment for what can wait.
    pub fn handle_idle(&mut self) {
        self.begin_other();
        if self.may_begin_anew() {
            self.now.push_back(Output::BeginAnew);
        }
        if let Some(store) = &mut self.store {
            store.handle_idle();
        }
        self.handle_store_events();
    }

    /// Whether [`Host::handle_idle`] would be of use.
    pub fn wants_idle(&self) -> bool {
        let store_does = self.store.as_ref().is_some_and(|store| store.wants_idle());
        store_does || self.may_begin_anew()
    }

    /// Whether another host could go on with the store now: what tabs said to this one has ended, and they know how.
    fn may_begin_anew(&self) -> bool {
        self.storage_answers
            && !self.over
            && !self.is_store_closed()
            && self.wiping.is_empty()
            && self.flushes.is_empty()
            && self.inbox.is_empty()
            && self.out.is_empty()
            && !self.tabs.values().any(|tab| tab.stalled)
            && !self.docs.any_write_pending()
    }

    /// Whether nothing is asked of the storage any more, until [`Host::resume_store`]: see [`DurableStore::close`].
    pub fn close_store(&mut self) -> bool {
        let store = self.store.as_mut();
        store.is_none_or(|store| store.close())
    }

    /// Uses the storage again.
    pub fn resume_store(&mut self) {
        if let Some(store) = &mut self.store {
            store.resume();
        }
        self.handle_store_events();
    }

    /// Whether the store is not open yet, and everything waits for it.
    pub(crate) fn is_restoring(&self) -> bool {
        self.store.as_ref().is_some_and(|store| !store.is_ready())
    }

    pub(crate) fn with_store<R>(
        &mut self,
        action: impl FnOnce(&mut DurableStore, &Self) -> R,
    ) -> Option<R> {
        let mut store = self.store.take()?;
        let result = action(&mut store, self);
        self.store = Some(store);
        Some(result)
    }

    pub(crate) fn ask_for(&mut self, keys: Vec<DocKey>) {
        if let (Some(store), false) = (&mut self.store, keys.is_empty()) {
            store.load(keys);
        }
        // A store that was given up answers at once.
        if self.store.as_ref().is_some_and(|store| !store.is_durable()) {
            self.handle_loads();
        }
    }

    fn handle_loads(&mut self) {
        while let Some(event) = self.store.as_mut().and_then(|store| store.poll_event()) {
            self.handle_store_event(event);
        }
    }

    pub(crate) fn handle_store_events(&mut self) {
        self.handle_loads();
        self.pump();
        self.settle();
    }

    fn handle_store_event(&mut self, event: StoreEvent) {
        match event {
            StoreEvent::FindTabs(tabs) => self.now.push_back(Output::FindTabs(tabs)),
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
            StoreEvent::Answers => self.storage_answers = true,
            StoreEvent::Wiped(result) => self.finish_wipe(result),
            StoreEvent::Warn(text) => self.warn(text),
        }
    }

    /// Nothing is durable from here on. What the store holds may be sent by a later life under the
    /// identity that it has there, so nothing composes into it any more.
    fn lose_store(&mut self, failure: &Failure, unwritten: &[(DocKey, Option<Author>)]) {
        for host_doc in self.docs.iter_mut() {
            host_doc.doc.freeze();
        }
        self.warn(format!(
            "The durable store cannot be used: {}",
            failure.message
        ));
        self.storage_error = Some(storage_error(failure));
        self.storage_mode = MEMORY.to_owned();
        self.line = self.store.as_ref().map_or(self.line, |store| store.line());
        self.tell_line();
        self.give_up_unwritten(unwritten);
    }

    /// The storage may have these ops, or not, or as they were before. What it has a later life sends, and
    /// what it does not have the tab may send to that again: this life must send none of them. Without an
    /// author that is so of all ops of the document.
    fn give_up_unwritten(&mut self, unwritten: &[(DocKey, Option<Author>)]) {
        let mut by_key: BTreeMap<&DocKey, Vec<&Option<Author>>> = BTreeMap::new();
        for (key, author) in unwritten {
            by_key.entry(key).or_default().push(author);
        }
        let mut given_up = Vec::new();
        for (key, authors) in by_key {
            let authors: Option<Vec<&Author>> = authors.into_iter().map(Option::as_ref).collect();
            given_up.extend(self.first_unwritten(key, authors.as_deref()));
        }
        let handles: BTreeSet<DocHandle> = given_up.iter().map(|(handle, _)| *handle).collect();
        let is_of = |said: &Said| said.op.is_some_and(|handle| handles.contains(&handle));
        self.out.retain(|said| !is_of(said));
        for (handle, range) in given_up {
            self.give_up_ops(handle, range);
        }
        self.run();
    }

    /// The ops from the first one on that is by one of these authors.
    fn first_unwritten(
        &self,
        key: &DocKey,
        authors: Option<&[&Author]>,
    ) -> Option<(DocHandle, Range<usize>)> {
        let handle = self.docs.find(key)?;
        let doc = &self.docs[handle].doc;
        let is_unwritten = |submission: &Submission| {
            let author = self.author_of(submission.token);
            let is_of =
                |authors: &[&Author]| author.is_some_and(|author| authors.contains(&&author));
            authors.is_none_or(is_of)
        };
        let concerns = |op: &PendingOp| op.submissions.iter().any(is_unwritten);
        let first = doc.unfinished().position(concerns)?;
        Some((handle, first..doc.unfinished().count()))
    }

    fn give_up_ops(&mut self, handle: DocHandle, range: Range<usize>) {
        let Some(error) = self.storage_error.clone() else {
            return;
        };
        let is_whole = self.docs[handle].state.missing().is_none();
        if !is_whole || !self.rebuild(handle, &error, range) {
            self.act(handle, |doc, up| doc.hard_rollback(up, error));
        }
    }

    /// Tells every tab what the store is now, in front of what waits to be told: that belongs to another
    /// line. Who is still to be welcomed learns it next.
    fn tell_line(&mut self) {
        let state = self.storage_state();
        let mut late: Vec<Said> = std::mem::take(&mut self.out).into();
        let is_for = |said: &Said, tab: &TabId| matches!(&said.output, Output::ToTab { tab: to, .. } if to == tab);
        let tabs: Vec<TabId> = self.tabs.keys().cloned().collect();
        for tab in tabs {
            let waiting = late.iter().filter(|said| is_for(said, &tab));
            let waiting = waiting.count() as u64;
            let Some(known) = self.tabs.get_mut(&tab) else {
                continue;
            };
            let welcome = late.iter().position(|said| is_for(said, &tab));
            let welcome = welcome.filter(|_| waiting == known.posted);
            let before = (known.posted - waiting).max(1);
            for (posted, ..) in &mut known.unconfirmed {
                *posted += u64::from(*posted > before);
            }
            self.tell(&tab, ToTab::Storage(StorageEvent::State(state.clone())));
            if let Some(at) = welcome
                && let Some(told) = self.out.pop_back()
            {
                late.insert(at + 1, told);
            }
        }
        self.out.extend(late);
    }

    // ---- Taking over ----

    fn take_over(&mut self, docs: Vec<Restored>) {
        if let Some(store) = &self.store {
            self.line = store.line();
            for tab in store.tabs() {
                self.expected.insert(tab.clone());
            }
        }
        for doc in docs {
            self.restore_doc(doc);
        }
        self.go_on_counting();
    }

    /// No op of this life may get a number that one of the same connection id has had.
    pub(crate) fn go_on_counting(&mut self) {
        let Some(src) = self.op_src() else {
            return;
        };
        let kept = self.store.as_ref().and_then(|store| store.seq_after(src));
        self.next_seq = self.next_seq.max(kept.unwrap_or(self.next_seq));
    }

    /// Opens a document as the store has it.
    fn restore_doc(&mut self, restored: Restored) {
        let Restored {
            key,
            record,
            mut entries,
        } = restored;
        if self.docs.find(&key).is_some() || self.is_unreadable(&key) {
            return;
        }
        let refusal = self.begin_document(&key);
        let store = self.store.as_ref();
        let mut goes = store.is_some_and(|store| store.is_deleting(&key));
        let record = match record {
            Ok(record) => {
                goes &= record.is_some();
                record.unwrap_or_default()
            }
            Err(error) => {
                let unreadable = Unreadable {
                    record: None,
                    entries,
                    error,
                };
                return self.leave_alone(key, unreadable);
            }
        };
        let mut all = record.rest.clone();
        all.append(&mut entries);
        let handle = self.open(key.clone());
        self.docs.keep_fresh(handle);
        self.replaying = true;
        let result = match refusal {
            Some(error) => Err(error),
            None => self.restore_state(handle, &record, &all),
        };
        self.replaying = false;
        if let Err(error) = result {
            self.docs.remove(handle);
            self.warn(format!("Leaving {key} in the store as it is: {error}"));
            let unreadable = Unreadable {
                record: Some(record),
                entries: all,
                error,
            };
            return self.leave_alone(key, unreadable);
        }
        self.finish_restoring(handle);
        if goes {
            // Somebody needed it again in the meantime.
            self.rewrite(handle);
        }
    }

    fn leave_alone(&mut self, key: DocKey, unreadable: Unreadable) {
        self.inbox.bring(&key);
        self.unreadable.insert(key, unreadable);
    }

    fn finish_restoring(&mut self, handle: DocHandle) {
        let expects = !self.expected.is_empty();
        let host_doc = &mut self.docs[handle];
        host_doc.doc.freeze();
        let expected = &self.expected;
        host_doc
            .outcomes
            .retain(|outcome| expected.contains(&outcome.author.tab));
        host_doc.seen.retain(|tab, _| expected.contains(tab));
        if expects {
            host_doc.hub.keep_until_head();
        } else {
            host_doc.hub.release();
        }
        self.note_document(handle);
        if self.connected() {
            self.act(handle, |doc, up| doc.handle_connection_state(up));
        }
    }

    fn restore_state(
        &mut self,
        handle: DocHandle,
        record: &DocRecord,
        entries: &[Entry],
    ) -> Result<(), Error> {
        self.read_record(handle, record)?;
        for entry in entries {
            self.replay(handle, entry)?;
        }
        // Where ops were given up as they were made, the record was written anew, and holds the entry.
        if self.docs[handle].doc.in_hard_rollback() {
            let message = "The stored ops cannot be applied here";
            return Err(Error::new(codes::ERR_STORAGE, message));
        }
        Ok(())
    }

    fn read_record(&mut self, handle: DocHandle, record: &DocRecord) -> Result<(), Error> {
        let types = std::rc::Rc::clone(&self.types);
        let ty = record.ty.as_deref();
        let ty: Option<OtType> = ty.map(|uri| resolve(&*types, uri)).transpose()?;
        let mut ops = Vec::new();
        // The type at the head, after all pending ops.
        let mut now = ty.clone();
        for op in &record.ops {
            let kind = op.change.clone().read(now.as_ref(), &*types)?;
            let mut pending =
                PendingOp::restored(kind, now.clone(), op.id.clone(), op.source.clone());
            match &pending.kind {
                OpKind::Create { type_name, .. } => now = Some(resolve(&*types, type_name)?),
                OpKind::Del => now = None,
                OpKind::Edit(_) | OpKind::Noop => {}
            }
            for author in &op.authors {
                let submission = self.submission(author);
                pending.submissions.push(submission);
            }
            ops.push(pending);
        }
        let mut log = Vec::new();
        for revision in &record.log {
            log.push((
                revision.from,
                revision.next,
                read_revision(revision, &*types)?,
            ));
        }
        let tail: Result<Vec<Edit>, Error> = match &ty {
            Some(ty) => record.tail.iter().map(|op| ty.parse(op)).collect(),
            None => Ok(Vec::new()),
        };
        let tail = tail?;
        let host_doc = &mut self.docs[handle];
        host_doc
            .state
            .restore(ty, record.data.clone(), tail, record.missing);
        host_doc.doc.restore_state(record.version, now, ops);
        host_doc.hub.restore(record.head, log);
        host_doc.outcomes = record.outcomes.clone();
        for author in &record.seen {
            host_doc.seen.insert(author.tab.clone(), author.seq);
        }
        Ok(())
    }

    fn submission(&mut self, author: &Author) -> Submission {
        let token = self.token(Waiting::Op {
            tab: author.tab.clone(),
            seq: author.seq,
        });
        Submission {
            token,
            callback: true,
        }
    }

    /// Does again what an earlier life did, by the same machines.
    fn replay(&mut self, handle: DocHandle, entry: &Entry) -> Result<(), Error> {
        let types = std::rc::Rc::clone(&self.types);
        let host_doc = &self.docs[handle];
        let ty = host_doc.doc.ty().cloned();
        match entry {
            Entry::Local {
                tab,
                seq,
                id,
                change,
                source,
            } => {
                let kind = change.clone().read(ty.as_ref(), &*types)?;
                let author = Author {
                    tab: tab.clone(),
                    seq: *seq,
                };
                let submission = self.submission(&author);
                self.note_seen(handle, tab, *seq);
                let naming = Naming::Logged(id.clone());
                self.act(handle, |doc, up| {
                    doc.submit_as(up, kind, source.clone(), naming, submission)
                });
            }
            Entry::Remote { v, src, change } => {
                let kind = change.clone().read(ty.as_ref(), &*types)?;
                self.commit_remote(handle, *v, src.clone(), kind);
            }
            // The store leaves out what was forgotten.
            Entry::Forgotten {} => {}
            Entry::Ack { id, v, fixups } => {
                self.act(handle, |doc, up| doc.take_up(up, id));
                let ty = self.type_of_ack(handle).or(ty);
                let fixups: Result<Vec<OpKind>, Error> = fixups
                    .iter()
                    .map(|fixup| fixup.clone().read(ty.as_ref(), &*types))
                    .collect();
                self.commit_own(handle, *v, fixups);
            }
        }
        Ok(())
    }

    /// An id that the application chose is one of other lives, too: its numbers are remembered.
    pub(crate) fn keep_own_seq(&mut self) {
        if !self.numbers_are_kept() {
            return;
        }
        let src = self.op_src().map(str::to_owned);
        if let (Some(store), Some(src)) = (&mut self.store, src) {
            store.set_seq(&src, self.next_seq);
        }
    }

    pub(crate) fn note_seen(&mut self, handle: DocHandle, tab: &TabId, seq: Seq) {
        if self.store.is_some() {
            self.docs[handle].seen.insert(tab.clone(), seq);
        }
    }

    /// Why the document cannot be used, where the store has it and nobody here can read it.
    pub(crate) fn unreadable_error(&self, key: &DocKey) -> Option<Error> {
        self.unreadable(key)
            .map(|unreadable| unreadable.error.clone())
    }

    fn unreadable(&self, key: &DocKey) -> Option<&Unreadable> {
        self.unreadable.get(key)
    }

    pub(crate) fn is_unreadable(&self, key: &DocKey) -> bool {
        self.unreadable.contains_key(key)
    }

    /// The inventory is known: documents with pending ops are brought to the server, whether or not a
    /// tab asks for them.
    fn take_inventory(&mut self) {
        let Some(store) = &self.store else {
            return;
        };
        if store.retention() == Retention::Durable {
            let stored = store.inventory().into_iter().flatten();
            let pending = stored.filter(|stored| stored.pending);
            self.backlog = pending.map(|stored| stored.key.clone()).collect();
        }
        self.work_off();
        let watchers: Vec<TabId> = self.watchers.iter().cloned().collect();
        for tab in watchers {
            self.tell_whole_inventory(&tab);
        }
    }

    /// Loads the next documents whose ops have to be brought to the server.
    pub(crate) fn work_off(&mut self) {
        let mut draining = std::mem::take(&mut self.draining);
        draining.retain(|key| {
            let host_doc = self.docs.at(key);
            let drained = host_doc.is_some_and(|host_doc| !host_doc.doc.has_write_pending());
            !drained && !self.is_unreadable(key)
        });
        let mut keys = Vec::new();
        while draining.len() < MAX_BACKLOG {
            let Some(key) = self.backlog.pop_front() else {
                break;
            };
            if self.docs.find(&key).is_none() {
                keys.push(key.clone());
            }
            draining.push(key);
        }
        self.draining = draining;
        self.ask_for(keys);
    }

    // ---- Tabs that come from another host ----

    /// A tab goes on where it was with the host before, as far as that is known here. `remembered`: had an op of
    /// it been taken, [`HostDoc::seen`] would say so.
    pub(crate) fn resume(&mut self, tab: &TabId, remembered: bool, docs: Vec<Resumed>) {
        for doc in docs {
            let handle = self.open(doc.key.clone());
            self.docs.touch(handle);
            let same_line = doc.line == Some(self.line);
            let hidden = same_line && self.may_hide_inflight(handle, tab, remembered, &doc);
            self.resume_doc(handle, tab, same_line, hidden, &doc);
        }
        self.run();
        self.expect_no_more(tab);
    }

    /// Whether the op that the tab waits for may be in the history, composed into an entry of which nobody knows the
    /// authors: while the tab was away nobody was owed it. The tab would get it as somebody else's, and send it again.
    fn may_hide_inflight(
        &self,
        handle: DocHandle,
        tab: &TabId,
        remembered: bool,
        doc: &Resumed,
    ) -> bool {
        let (Some(base), Some(seq)) = (doc.revision, doc.inflight) else {
            return false;
        };
        let host_doc = &self.docs[handle];
        let was_taken = !remembered || host_doc.is_taken(tab, seq);
        was_taken && host_doc.hub.may_hide(tab, base, seq)
    }

    fn resume_doc(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
        same_line: bool,
        hidden: bool,
        doc: &Resumed,
    ) {
        let host_doc = &mut self.docs[handle];
        host_doc.hub.meet(tab);
        host_doc.hub.enter_life(tab, doc.life, doc.revision);
        let created = doc.inflight.filter(|_| doc.revision.is_none());
        let last = host_doc.seen.get(tab).copied();
        let taken = created.is_some() && created <= last;
        let goes_on = same_line && !hidden && host_doc.hub.resume(tab, doc.revision, created);
        // What it created was taken, and is no more.
        let goes_on = goes_on && (!taken || host_doc.hub.has_state(tab));
        host_doc.hub.set_live(tab, doc.live);
        if doc.live && !host_doc.doc.want_subscribe() {
            self.with_doc(handle, |doc, up| doc.subscribe(up, None));
        }
        if !goes_on {
            return self.refuse_to_resume(handle, tab, same_line, doc);
        }
        self.catch_up(handle, tab);
        self.tell_outcomes(handle, tab, doc);
        if let (Some(version), _) = self.tell_version(handle, tab) {
            self.tell_doc(handle, tab, DocEvent::Version { version });
        }
    }

    /// The tab has to start again. What it did not hear of in this line is no more: nothing may be based on it.
    fn refuse_to_resume(&mut self, handle: DocHandle, tab: &TabId, same_line: bool, doc: &Resumed) {
        let mut ended = self.ended(handle, tab, doc);
        ended.extend(self.foreseen(handle, tab, doc));
        let cause = ended.iter().find_map(|(_, outcome)| match outcome {
            Outcome::Failed(error) => Some(error.clone()),
            Outcome::Done | Outcome::Null => None,
        });
        let (code, message) = if same_line {
            let message = "The host gave up the state that the tab stands at";
            (codes::ERR_REVISION_NOT_KEPT, message)
        } else {
            let message =
                "The host went away before the server's answer: the op may be committed or not";
            (codes::ERR_HOST_LOST, message)
        };
        let error = cause.unwrap_or_else(|| Error::new(code, message));
        let inflight = doc.inflight.into_iter();
        let rest = inflight.filter(|seq| ended.iter().all(|(of, _)| of != seq));
        let rest: Vec<Seq> = rest.collect();
        let failed = |seq| (seq, Outcome::Failed(error.clone()));
        ended.extend(rest.into_iter().map(failed));
        let ended = ended.into_iter();
        let ended = ended.map(|(seq, outcome)| Ended { seq, outcome });
        self.tell_rollback(handle, tab, error, Vec::new(), ended.collect());
    }

    /// How the ops ended that the tab waits for, as far as they did.
    fn ended(&self, handle: DocHandle, tab: &TabId, resumed: &Resumed) -> Vec<(Seq, Outcome)> {
        let host_doc = &self.docs[handle];
        let outcomes = host_doc.outcomes.iter();
        let outcomes = outcomes.map(|kept| (&kept.author.tab, kept.author.seq, &kept.outcome));
        outcomes
            .filter(|(of, seq, _)| *of == tab && resumed.waits_for(*seq))
            .map(|(_, seq, outcome)| (seq, outcome.clone()))
            .collect()
    }

    /// How ops are about to end that the tab waits for.
    fn foreseen(&self, handle: DocHandle, tab: &TabId, resumed: &Resumed) -> Vec<(Seq, Outcome)> {
        let foreseen = self.docs[handle].doc.foreseen().into_iter();
        foreseen
            .filter_map(|(token, outcome)| Some((self.author_of(token)?, outcome)))
            .filter(|(author, _)| author.tab == *tab && resumed.waits_for(author.seq))
            .map(|(author, outcome)| (author.seq, outcome))
            .collect()
    }

    fn tell_outcomes(&mut self, handle: DocHandle, tab: &TabId, resumed: &Resumed) {
        let mut ended = self.ended(handle, tab, resumed);
        let host_doc = &self.docs[handle];
        let unfinished = host_doc.doc.unfinished();
        let mut known: Vec<Seq> = unfinished
            .flat_map(|op| &op.submissions)
            .filter_map(|submission| self.author_of(submission.token))
            .filter(|author| author.tab == *tab)
            .map(|author| author.seq)
            .collect();
        known.extend(ended.iter().map(|(seq, _)| *seq));
        let foreseen = self.foreseen(handle, tab, resumed);
        known.extend(foreseen.iter().map(|(seq, _)| *seq));
        for seq in &resumed.accepted {
            if !known.contains(seq) {
                let message = "The host does not know what became of the op";
                let error = Error::new(codes::ERR_HOST_LOST, message);
                ended.push((*seq, Outcome::Failed(error)));
            }
        }
        self.tell_ended(handle, tab, ended);
    }

    fn tell_ended(&mut self, handle: DocHandle, tab: &TabId, ended: Vec<(Seq, Outcome)>) {
        for (seq, outcome) in ended {
            let version = self.tell_version(handle, tab).0;
            let seqs = vec![seq];
            let event = DocEvent::Outcome {
                seqs,
                outcome,
                version,
            };
            self.tell_doc(handle, tab, event);
        }
    }

    /// A tab of an earlier life has come, or is gone. After the last one nothing is kept for them.
    pub(crate) fn expect_no_more(&mut self, tab: &TabId) {
        if !self.expected.remove(tab) || !self.expected.is_empty() {
            return;
        }
        for host_doc in self.docs.iter_mut() {
            host_doc.hub.release();
        }
        self.docs.touch_all();
    }

    /// A tab is gone for good: nobody asks how its ops ended.
    pub(crate) fn forget_tab(&mut self, tab: &TabId) {
        let Some(store) = &mut self.store else {
            return;
        };
        store.remove_tab(tab);
        self.watchers.remove(tab);
        if self.flushing_tabs.contains(tab) {
            self.set_auto_flush(tab, true);
        }
        for host_doc in self.docs.iter_mut() {
            host_doc.forget_tab(tab);
        }
        self.expect_no_more(tab);
    }

    // ---- What tabs ask of the store ----

    pub(crate) fn get_bulk(&mut self, tab: &TabId, keys: Vec<DocKey>, callback_id: CallbackId) {
        let mut docs = Vec::new();
        let mut error = None;
        for key in keys {
            if let Some(why) = self.unreadable_error(&key) {
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
        self.tell(
            tab,
            ToTab::Callback {
                callback_id,
                error,
                result,
            },
        );
    }

    pub(crate) fn put_docs(&mut self, tab: &TabId, docs: &[DocKey], callback_id: CallbackId) {
        if let Err(error) = self.durable() {
            return self.refuse(tab, callback_id, error);
        }
        if let Some(error) = docs.iter().find_map(|key| self.unreadable_error(key)) {
            return self.refuse(tab, callback_id, error);
        }
        for key in docs {
            let is_here = self.docs.find(key).is_some();
            let Some(store) = self.store.as_mut().filter(|_| is_here) else {
                continue;
            };
            if store.auto_flush() {
                store.rewrite(key, false);
            } else {
                store.put_later(key);
            }
        }
        let auto = self.store.as_ref().is_some_and(|store| store.auto_flush());
        self.tell_queue(false);
        self.answer_written(tab, callback_id, auto);
    }

    pub(crate) fn flush_writes(&mut self, tab: &TabId, callback_id: CallbackId) {
        if let Some(store) = &mut self.store {
            store.flush();
        }
        self.answer_written(tab, callback_id, true);
    }

    fn durable(&self) -> Result<(), Error> {
        match &self.store {
            Some(store) if store.retention() == Retention::Durable => Ok(()),
            Some(_) | None => Err(Error::new(codes::ERR_STORAGE, "No DurableStore available")),
        }
    }

    /// Answers at once, or when everything is written that waits now.
    fn answer_written(&mut self, tab: &TabId, callback_id: CallbackId, waits: bool) {
        let store = self.store.as_mut().filter(|_| waits);
        let until = store.map(|store| store.mark());
        self.flushes.push(crate::host::Flush {
            tab: tab.clone(),
            callback_id,
            until,
        });
        self.answer_flushes();
    }

    /// Answers those whose writes are done.
    pub(crate) fn answer_flushes(&mut self) {
        if self.flushes.is_empty() {
            return;
        }
        let is_kept = self.storage_mode != MEMORY
            && self.store.as_ref().is_some_and(|store| store.is_durable());
        let lost = self.storage_error.clone().filter(|_| !is_kept);
        for flush in std::mem::take(&mut self.flushes) {
            let waits = flush.until.as_ref().zip(self.store.as_mut());
            if waits.is_some_and(|(until, store)| !store.has_reached(until)) {
                self.flushes.push(flush);
                continue;
            }
            let error = lost.clone().filter(|_| flush.until.is_some());
            self.tell(
                &flush.tab,
                ToTab::Callback {
                    callback_id: flush.callback_id,
                    error,
                    result: None,
                },
            );
        }
    }

    /// Records are rewritten by themselves unless a tab wants to say when, for as long as it lives.
    pub(crate) fn set_auto_flush(&mut self, tab: &TabId, on: bool) {
        if on {
            self.flushing_tabs.remove(tab);
        } else {
            self.flushing_tabs.insert(tab.clone());
        }
        let on = self.flushing_tabs.is_empty();
        if let Some(store) = &mut self.store {
            store.set_auto_flush(on);
        }
        self.tell_queue(true);
    }

    pub(crate) fn watch_storage(&mut self, tab: &TabId) {
        self.watchers.insert(tab.clone());
        self.tell_whole_inventory(tab);
        let event = StorageEvent::Letters {
            letters: self.letters_since(0),
            gone: Vec::new(),
            whole: true,
        };
        self.tell(tab, ToTab::Storage(event));
        self.tell_queue(true);
    }

    pub(crate) fn remove_letters(&mut self, numbers: &[u64]) {
        if let Some(store) = &mut self.store {
            store.remove_letters(numbers);
        }
        self.tell_letters(&[], numbers);
    }

    pub(crate) fn wipe(&mut self, tab: &TabId, callback_id: CallbackId) {
        // What is kept for a session goes with it, and an application's store is not this host's to delete.
        if let Err(error) = self.durable() {
            return self.refuse(tab, callback_id, error);
        }
        self.wiping.push((tab.clone(), callback_id));
        if self.wiping.len() > 1 {
            return;
        }
        // First everything stops, in every tab; then it is deleted.
        self.close();
        self.tell_all(|| ToTab::Storage(StorageEvent::Wiped));
        self.docs.clear();
        self.unreadable.clear();
        self.inbox.bring_all();
        self.backlog.clear();
        self.draining.clear();
        if let Some(store) = &mut self.store {
            store.wipe();
        }
    }

    /// Whether everything was deleted, or could not be: this host is of no use any more.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn finish_wipe(&mut self, result: Result<(), Failure>) {
        self.over = true;
        for (tab, callback_id) in std::mem::take(&mut self.wiping) {
            let error = result.as_ref().err().map(storage_error);
            self.tell(
                &tab,
                ToTab::Callback {
                    callback_id,
                    error,
                    result: None,
                },
            );
        }
    }

    // ---- What tabs are told of the store ----

    pub(crate) fn storage_state(&self) -> StorageState {
        let kept = |store: &DurableStore| store.retention() == Retention::Durable;
        StorageState {
            line: self.line,
            mode: self.storage_mode.clone(),
            durable: self.store.as_ref().is_some_and(|store| store.is_durable()),
            kept: self.store.as_deref().is_some_and(kept),
            reason: self.storage_error.clone(),
        }
    }

    fn tell_watchers(&mut self, event: impl Fn() -> StorageEvent) {
        let watchers: Vec<TabId> = self.watchers.iter().cloned().collect();
        for tab in watchers {
            self.tell(&tab, ToTab::Storage(event()));
        }
    }

    fn letters_since(&self, number: u64) -> Vec<DeadLetter> {
        let letters = self.store.iter();
        letters
            .flat_map(|store| store.letters_since(number))
            .cloned()
            .map(|letter| DeadLetter {
                number: letter.number,
                key: letter.key,
                change: letter.change,
                error: letter.error,
                version: letter.version,
            })
            .collect()
    }

    fn tell_letters(&mut self, letters: &[DeadLetter], gone: &[u64]) {
        self.tell_watchers(|| StorageEvent::Letters {
            letters: letters.to_vec(),
            gone: gone.to_vec(),
            whole: false,
        });
    }

    fn stored_doc(&self, key: &DocKey) -> Option<StoredDoc> {
        let stored = self.store.as_ref()?.stored(key)?;
        Some(stored_doc(stored))
    }

    fn tell_inventory(&mut self, key: &DocKey) {
        let stored = self.stored_doc(key);
        let gone = if stored.is_none() {
            vec![key.clone()]
        } else {
            Vec::new()
        };
        let docs: Vec<StoredDoc> = stored.into_iter().collect();
        self.tell_watchers(|| StorageEvent::Inventory {
            docs: docs.clone(),
            gone: gone.clone(),
            whole: false,
        });
    }

    fn tell_whole_inventory(&mut self, tab: &TabId) {
        let inventory = self.store.as_ref().and_then(|store| store.inventory());
        let Some(docs) = inventory.map(|docs| docs.map(stored_doc).collect()) else {
            return;
        };
        let event = StorageEvent::Inventory {
            docs,
            gone: Vec::new(),
            whole: true,
        };
        self.tell(tab, ToTab::Storage(event));
    }

    fn tell_persist(&mut self, keys: &[DocKey], event: fn(Vec<StoredDoc>) -> StorageEvent) {
        let docs: Vec<StoredDoc> = keys.iter().filter_map(|key| self.stored_doc(key)).collect();
        self.tell_watchers(|| event(docs.clone()));
    }

    /// Tells how many documents wait to be written, where that is news.
    pub(crate) fn tell_queue(&mut self, even_so: bool) {
        let Some(store) = self.store.as_ref().filter(|_| !self.watchers.is_empty()) else {
            return;
        };
        let (size, auto_flush) = (store.queue_size(), store.auto_flush());
        if !even_so && self.told_queue == size {
            return;
        }
        self.told_queue = size;
        self.tell_watchers(|| StorageEvent::Queue { size, auto_flush });
    }

    /// Notes in the inventory whether the document has pending ops.
    pub(crate) fn note_document(&mut self, handle: DocHandle) {
        let Some(store) = &mut self.store else {
            return;
        };
        let doc = &self.docs[handle].doc;
        if doc.version().is_some() || doc.has_write_pending() {
            store.note(doc.key(), doc.version(), doc.has_write_pending());
        }
    }

    /// Whether the document may leave the memory, as far as the store is concerned.
    pub(crate) fn may_forget(&mut self, handle: DocHandle) -> bool {
        let Some(store) = &mut self.store else {
            return true;
        };
        if !store.is_durable() {
            return true;
        }
        let key = self.docs[handle].key();
        match store.retention() {
            // A tab of an earlier life may come and go on with it.
            Retention::Session if !self.expected.is_empty() => return false,
            Retention::Session => store.delete(key),
            Retention::Durable if store.is_dirty(key) => {
                store.rewrite(key, false);
                return false;
            }
            Retention::Durable => {}
        }
        true
    }
}

/// A stored document whose ops do not apply to its data. Nothing is given up for a read of the store: pending ops stay
/// until somebody asks the server for the document.
fn not_applied(key: &DocKey, why: &Error) -> Error {
    let message = format!(
        "{key} cannot be read from the store: its ops do not apply to its data ({}). Fetch or subscribe to it while \
         connected: it is loaded from the server then",
        why.message
    );
    Error::new(codes::ERR_STORAGE, message)
}

fn record_revision(
    (from, next, entry): (proxy_doc::Revision, proxy_doc::Revision, &hub::Entry),
) -> RecordedRevision {
    RecordedRevision {
        from,
        next,
        change: Change::new(&entry.kind, entry.ty.as_ref()),
        author: entry.author.clone(),
        version: entry.version,
        src: entry.src.clone(),
    }
}

fn read_revision(
    revision: &RecordedRevision,
    types: &dyn proxy_doc::Types,
) -> Result<hub::Entry, Error> {
    let change = revision.change.clone();
    let named = change.create.as_ref().map(|create| create.ty.clone());
    let ty = change.ty.clone().or(named);
    let ty = ty.map(|name| resolve(types, &name)).transpose()?;
    Ok(hub::Entry {
        kind: change.read(ty.as_ref(), types)?,
        ty,
        author: revision.author.clone(),
        version: revision.version,
        src: revision.src.clone(),
    })
}

fn stored_doc(stored: &Stored) -> StoredDoc {
    StoredDoc {
        key: stored.key.clone(),
        version: stored.version,
        pending: stored.pending,
    }
}

fn storage_error(failure: &Failure) -> Error {
    let code = failure.code.as_deref();
    let code = code.unwrap_or(match failure.kind {
        durable_store::FailureKind::Quota => codes::ERR_STORAGE_FULL,
        durable_store::FailureKind::Silent => codes::ERR_STORAGE_TIMEOUT,
        durable_store::FailureKind::Closed
        | durable_store::FailureKind::Unavailable
        | durable_store::FailureKind::Other => codes::ERR_STORAGE,
    });
    Error::new(code, failure.message.clone())
}
