//! Takeover: reads the log of an earlier host, and restores its documents.
//!
//! A document's journal is applied by the machines that made it, without a connection. A document that cannot be read stays
//! in the store as it is.
//!
//! What it refuses to do: send, tell or write anything while it replays.

use broker::message::LeadEntry;
use durable_store::format::{Author, DocRecord, JournalEntry};
use durable_store::{DurableStore, Restored};
use proxy_doc::{
    DocHandle, DocKey, Edit, Error, Naming, OpId, OpKind, OtType, PendingOp, codes, resolve,
};

use super::Unreadable;
use super::records::read_span;
use crate::docs::host_doc::HostDoc;
use crate::docs::refusals::Refusals;
use crate::host::Host;

impl Host {
    /// Takes over the state of the earlier host, now that the store is open.
    pub(crate) fn take_over(&mut self, docs: Vec<Restored>) {
        if let Some(store) = &self.log.store {
            self.log.line = store.line();
            for tab in store.tabs() {
                self.tabs.expect(tab);
            }
        }
        self.take_over_decisions();
        // Before anything is logged, since each entry fixes the next seq.
        self.go_on_counting();
        for doc in docs {
            self.restore_doc(doc);
        }
        self.log_leads();
    }

    /// Raises the next seq above those of earlier ops with the same connection id.
    pub(crate) fn go_on_counting(&mut self) {
        let op_ids = &self.server.op_ids;
        let src = op_ids.src(self.log.keeps_numbers()).map(str::to_owned);
        let Some(src) = src else {
            return;
        };
        let store = self.log.store.as_ref();
        let stored = store.and_then(|store| store.seq_after(&src));
        let led = self.seq_after_leads(&src);
        let op_ids = &mut self.server.op_ids;
        let kept = stored.max(led).unwrap_or_default();
        op_ids.set_next_seq(op_ids.next_seq().max(kept));
        if led > stored && !self.log.is_restoring() {
            self.keep_own_seq();
        }
    }

    /// Opens a document from its stored state.
    pub(crate) fn restore_doc(&mut self, restored: Restored) {
        let Restored {
            key,
            record,
            mut entries,
        } = restored;
        if self.docs.find(&key).is_some() || self.log.is_unreadable(&key) {
            return;
        }
        let refusal = self.quarantine.begin_document(&key);
        let record = match record {
            Ok(record) => record.unwrap_or_default(),
            Err(error) => {
                if error.is(codes::ERR_STORAGE_DAMAGED) {
                    self.note_damage(&error);
                }
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
        let lead = self.take_lead(&key);
        let restored = match refusal {
            Some(error) => Err(error),
            None => self.restore_with(&key, &record, &all, &lead),
        };
        let handle = match restored {
            Ok(handle) => handle,
            Err(error) => {
                self.warn(format!("Leaving {key} in the store as it is: {error}"));
                let error = self.damage(&key, error);
                let unreadable = Unreadable {
                    record: Some(record),
                    entries: all,
                    error,
                };
                return self.leave_alone(key, unreadable);
            }
        };
        self.finish_restoring(handle);
    }

    /// Opens a document from its stored state and a lead.
    ///
    /// # Errors
    /// What is stored cannot be read or applied here.
    fn restore_with(
        &mut self,
        key: &DocKey,
        record: &DocRecord,
        entries: &[JournalEntry],
        lead: &[LeadEntry],
    ) -> Result<DocHandle, Error> {
        let handle = self.open(key.clone());
        self.docs.keep_fresh(handle);
        self.log.is_replaying = true;
        let result = self.restore_state(handle, record, entries);
        let view = self.log.store().map_or(0, DurableStore::view);
        // A journal entry may be of any earlier host.
        let view = if entries.is_empty() {
            record.view
        } else {
            view.saturating_sub(1)
        };
        let host_doc = &mut self.docs[handle];
        host_doc.restored = Some((view, host_doc.hub.head()));
        let followed = result.map(|()| self.follow_lead(handle, lead));
        self.log.is_replaying = false;
        match followed {
            Ok(Ok(done)) => {
                self.log_lead(handle, done);
                Ok(handle)
            }
            Ok(Err(error)) => {
                self.docs.remove(handle);
                self.warn(format!("{key}: {error}"));
                self.restore_with(key, record, entries, &[])
            }
            Err(error) => {
                self.docs.remove(handle);
                Err(error)
            }
        }
    }

    /// The error as it is, where another host might open the document (it knows more types, say); else that it is damaged.
    fn damage(&mut self, key: &DocKey, error: Error) -> Error {
        let is_here = [
            codes::ERR_DOC_TYPE_NOT_RECOGNIZED,
            codes::ERR_OT_SUBTYPE_NOT_RECOGNIZED,
            codes::ERR_INPUT_QUARANTINED,
        ];
        if is_here.into_iter().any(|code| error.is(code)) {
            return error;
        }
        let message = format!("The stored document {key} is damaged: {}", error.message);
        let error = Error::new(codes::ERR_STORAGE_DAMAGED, message);
        self.note_damage(&error);
        error
    }

    /// Leaves the document in the store as it is. A damaged one without pending ops is loaded anew from the server.
    fn leave_alone(&mut self, key: DocKey, unreadable: Unreadable) {
        let stored = self.log.store().and_then(|store| store.stored(&key));
        let is_clean = unreadable.entries.is_empty() && stored.is_some_and(|doc| !doc.pending);
        if is_clean && unreadable.error.is(codes::ERR_STORAGE_DAMAGED) {
            let handle = self.open(key);
            self.docs.keep_fresh(handle);
            return self.finish_restoring(handle);
        }
        self.inbox.bring(&key);
        self.log.unreadable.insert(key, unreadable);
    }

    /// Drops outcomes and seqs of tabs that are no longer expected, and lets the document act.
    fn finish_restoring(&mut self, handle: DocHandle) {
        let host_doc = &mut self.docs[handle];
        host_doc.doc.freeze();
        let tabs = &self.tabs;
        host_doc
            .outcomes
            .retain(|outcome| tabs.expects(&outcome.author.tab));
        host_doc.seen.retain(|tab, _| tabs.expects(tab));
        if tabs.expects_any() {
            host_doc.hub.keep_until_head();
        } else {
            host_doc.hub.release();
        }
        self.note_document(handle);
        if self.connected() {
            self.act(handle, |doc, up| doc.handle_connection_state(up));
        }
    }

    /// Reads the record, and replays the journal entries after it.
    ///
    /// # Errors
    /// Something cannot be read or applied here. The document is then to be dropped from memory.
    fn restore_state(
        &mut self,
        handle: DocHandle,
        record: &DocRecord,
        entries: &[JournalEntry],
    ) -> Result<(), Error> {
        self.read_record(handle, record)?;
        for entry in entries {
            self.replay(handle, entry)?;
        }
        // If ops had been given up when they were made, the record would have been rewritten and contain the entry.
        if self.docs[handle].doc.in_hard_rollback() {
            let message = "The stored ops cannot be applied here";
            return Err(Error::new(codes::ERR_STORAGE, message));
        }
        Ok(())
    }

    /// Takes over a document's record.
    fn read_record(&mut self, handle: DocHandle, record: &DocRecord) -> Result<(), Error> {
        let types = std::rc::Rc::clone(&self.types);
        let ty = record.ty.as_deref();
        let ty: Option<OtType> = ty.map(|uri| resolve(&*types, uri)).transpose()?;
        let mut ops = Vec::new();
        // The type at the head, after all pending ops.
        let mut now = ty.clone();
        for op in &record.ops {
            assert_named(&op.id)?;
            let kind = op.change.clone().read(now.as_ref(), &*types)?;
            let mut pending =
                PendingOp::restored(kind, now.clone(), op.id.clone(), op.source.clone());
            match &pending.kind {
                OpKind::Create { type_name, .. } => now = Some(resolve(&*types, type_name)?),
                OpKind::Del => now = None,
                OpKind::Edit(_) | OpKind::Noop => {}
            }
            for author in &op.authors {
                let submission = self.callers.add_op(author.clone());
                pending.submissions.push(submission);
            }
            ops.push(pending);
        }
        let mut log = Vec::new();
        for span in &record.log {
            log.push((span.from, span.next, read_span(span, &*types)?));
        }
        let tail: Result<Vec<Edit>, Error> = match &ty {
            Some(ty) => record.tail.iter().map(|op| ty.parse(op)).collect(),
            None => Ok(Vec::new()),
        };
        let tail = tail?;
        let is_json0 = matches!(ty, Some(OtType::Json0(_)));
        if is_json0 && record.data.is_none() && record.missing.is_none() {
            return Err(Error::plain("it has no data"));
        }
        let host_doc = &mut self.docs[handle];
        host_doc
            .state
            .restore(ty, record.data.clone(), tail, record.missing);
        host_doc.doc.restore_state(record.version, now, ops);
        host_doc.hub.restore(record.head, log);
        host_doc.outcomes = record.outcomes.clone();
        host_doc.refusals = record.refusal.clone().map(Refusals::unshown);
        for author in &record.seen {
            host_doc.seen.insert(author.tab.clone(), author.seq);
        }
        Ok(())
    }

    /// Replays one entry of an earlier host, by the same machines.
    pub(super) fn replay(&mut self, handle: DocHandle, entry: &JournalEntry) -> Result<(), Error> {
        let types = std::rc::Rc::clone(&self.types);
        let HostDoc { doc, state, .. } = &self.docs[handle];
        match entry {
            JournalEntry::Local {
                tab,
                seq,
                id,
                change,
                source,
            } => {
                id.as_ref().map_or(Ok(()), assert_named)?;
                let kind = change.clone().read(doc.ty(), &*types)?;
                let author = Author {
                    tab: tab.clone(),
                    seq: *seq,
                };
                let submission = self.callers.add_op(author);
                self.note_seen(handle, tab, *seq);
                let naming = Naming::Restored(id.clone());
                self.act(handle, |doc, up| {
                    doc.submit_as(up, kind, source.clone(), naming, submission)
                });
            }
            JournalEntry::Remote { v, src, change } => {
                let kind = change.clone().read(state.ty(), &*types)?;
                self.commit_remote(handle, *v, src.clone(), kind);
            }
            JournalEntry::Refused { id, error, follows } => {
                self.act(handle, |doc, up| doc.take_up(up, id));
                self.end_refused(handle, error, *follows);
            }
            // The store leaves out entries before this one.
            JournalEntry::Forgotten {} => {}
            JournalEntry::Ack { id, v, fixups } => {
                self.act(handle, |doc, up| doc.take_up(up, id));
                let ty = self.type_of_ack(handle);
                let fixups: Result<Vec<OpKind>, Error> = fixups
                    .iter()
                    .map(|fixup| fixup.clone().read(ty.as_ref(), &*types))
                    .collect();
                self.commit_own(handle, *v, fixups);
            }
        }
        Ok(())
    }
}

/// Checks that an op has an identity: the server may have the op already.
fn assert_named(id: &OpId) -> Result<(), Error> {
    let has_src = id.src.as_ref().is_some_and(|src| !src.is_empty());
    if has_src && id.seq.is_some() {
        return Ok(());
    }
    Err(Error::plain("an op has no identity"))
}
