//! The stored forms of a document: its whole record, and entries of the journal.
//!
//! A tab's op and a document's revision are logged before any output says something of them.
//!
//! What it refuses to do: decide when a record is written; the store does.

use durable_store::format::{
    Author, DocRecord, JournalEntry, RecordedOp, RecordedOutcome, RecordedSpan,
};
use durable_store::{Blocking, Documents, Kept, Retention};
use proxy_doc::{
    Change, DocHandle, DocKey, DocMap, Edit, Error, Gather, Outcome, PendingOp, Seq, TabId, resolve,
};

use super::Unreadable;
use crate::docs::Docs;
use crate::docs::host_doc::HostDoc;
use crate::host::Host;
use crate::quarantine::Quarantine;
use crate::tabs::callers::Callers;
use crate::tabs::hub;

/// The documents as the store sees them.
pub(crate) struct Records<'a> {
    pub(super) docs: &'a Docs,
    pub(super) callers: &'a Callers,
    pub(super) unreadable: &'a DocMap<Unreadable>,
    pub(super) quarantine: &'a Quarantine,
}

impl Documents for Records<'_> {
    fn record(&self, key: &DocKey) -> Kept {
        let is_left_alone = self.quarantine.begin_document(key).is_some();
        if let Some(unreadable) = self.unreadable.get(key) {
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
        self.docs.find(key).is_some() || self.unreadable.contains_key(key)
    }
}

impl Records<'_> {
    /// The document's whole record.
    fn record_of(&self, host_doc: &HostDoc) -> Kept {
        let HostDoc {
            doc, hub, state, ..
        } = host_doc;
        let ops: Vec<RecordedOp> = doc.unfinished().map(|op| self.record_op(op)).gather();
        let mut outcomes = host_doc.outcomes.clone();
        for (token, outcome) in doc.foreseen() {
            if let Some(author) = self.callers.author(token).cloned() {
                outcomes.push(RecordedOutcome { author, outcome });
            }
        }
        if doc.version().is_none() && ops.is_empty() && outcomes.is_empty() && hub.is_new() {
            return Kept::Nothing;
        }
        let seen = host_doc.seen.iter();
        Kept::Record(Box::new(DocRecord {
            key: None,
            at: 0,
            view: 0,
            version: doc.version(),
            ty: state.ty().map(|ty| ty.uri().to_owned()),
            data: state.data().cloned(),
            missing: state.missing(),
            tail: state.tail().iter().map(Edit::to_text).gather(),
            head: hub.head(),
            log: hub.log().map(record_span).gather(),
            ops,
            refusal: host_doc.unshown_refusal().cloned(),
            outcomes,
            seen: seen
                .map(|(tab, seq)| Author {
                    tab: tab.clone(),
                    seq: *seq,
                })
                .gather(),
            rest: Vec::new(),
        }))
    }

    /// An op that the server has not acknowledged, as it is stored.
    fn record_op(&self, op: &PendingOp) -> RecordedOp {
        let authors = op.submissions.iter();
        RecordedOp {
            id: op.id.clone(),
            change: Change::new(&op.kind, op.ty.as_ref()),
            authors: authors
                .filter_map(|submission| self.callers.author(submission.token).cloned())
                .gather(),
            source: op.source.clone(),
        }
    }
}

impl Host {
    /// Logs a change of the document.
    pub(crate) fn log(
        &mut self,
        handle: DocHandle,
        blocking: Blocking,
        entry: impl FnOnce() -> JournalEntry,
    ) {
        if self.log.is_replaying {
            return;
        }
        if let Some(store) = &mut self.log.store {
            let host_doc = &mut self.docs[handle];
            let key = host_doc.key().clone();
            let entry = entry();
            let since = &mut host_doc.since_revision;
            let goes_on = since.goes_on_with(&entry, blocking, host_doc.hub.count_tabs());
            let noted = goes_on.then(|| entry.clone());
            store.log(&key, entry, blocking);
            match noted {
                Some(entry) => since.push(entry),
                None => since.begin_anew(store.barrier()),
            }
        }
    }

    /// Has the whole record written: no journal entry can express the change.
    pub(crate) fn rewrite(&mut self, handle: DocHandle) {
        if self.log.is_replaying {
            return;
        }
        if let Some(store) = &mut self.log.store {
            let host_doc = &mut self.docs[handle];
            store.rewrite(host_doc.key(), Blocking::Outputs);
            host_doc.since_revision.begin_anew(store.barrier());
        }
    }

    /// Keeps ops that were refused or given up as dead letters, for the application to read.
    pub(crate) fn keep_letters(&mut self, handle: DocHandle, ops: &[PendingOp], error: &Error) {
        let host_doc = &self.docs[handle];
        let Some(store) = self
            .log
            .store
            .as_mut()
            .filter(|store| store.retention() == Retention::Durable && !self.log.is_replaying)
        else {
            return;
        };
        let first = store.next_letter();
        let mut gone = Vec::new();
        for op in ops {
            gone.extend(store.add_letter(
                host_doc.doc.key().clone(),
                Change::new(&op.kind, op.ty.as_ref()),
                error.clone(),
                host_doc.doc.version(),
            ));
        }
        self.tell_letters(&self.letters_since(first), &gone);
    }

    /// Keeps the outcome of a tab's ops, which the tab may not have heard.
    pub(crate) fn keep_outcomes(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
        seqs: &[Seq],
        outcome: &Outcome,
    ) {
        if self.log.store.is_some() && (self.log.is_replaying || self.tabs.may_live(tab)) {
            self.docs[handle].keep_outcomes(tab, seqs, outcome);
        }
    }

    /// Notes the seq of a taken op, by which a resend is recognized.
    pub(crate) fn note_seen(&mut self, handle: DocHandle, tab: &TabId, seq: Seq) {
        self.docs[handle].seen.insert(tab.clone(), seq);
    }

    /// Stores the next seq of an id that the application chose, for later hosts.
    pub(crate) fn keep_own_seq(&mut self) {
        let keeps_numbers = self.log.keeps_numbers();
        let op_ids = &self.server.op_ids;
        if let (Some(store), Some(src)) = (&mut self.log.store, op_ids.kept_src(keeps_numbers)) {
            store.set_seq(src, op_ids.next_seq());
        }
    }

    /// Notes in the inventory whether the document has pending ops.
    pub(crate) fn note_document(&mut self, handle: DocHandle) {
        let Some(store) = &mut self.log.store else {
            return;
        };
        let doc = &self.docs[handle].doc;
        if doc.version().is_some() || doc.has_write_pending() {
            let key = doc.key().clone();
            // Tabs are told at once: an application asks for pending ops before it lets its page go.
            if store.note(&key, doc.version(), doc.has_write_pending()) {
                self.tell_inventory(&key);
            }
        }
    }

    /// Whether the store lets the document leave memory. A dirty document is rewritten first; a session's is deleted.
    pub(crate) fn may_forget(&mut self, handle: DocHandle) -> bool {
        let Some(store) = &mut self.log.store else {
            return true;
        };
        if !store.is_durable() {
            return true;
        }
        let key = self.docs[handle].key();
        match store.retention() {
            // A tab of an earlier host may register and go on with the document.
            Retention::Session if self.tabs.expects_any() => return false,
            Retention::Session => store.delete(key),
            Retention::Durable if store.is_dirty(key) => {
                store.rewrite(key, Blocking::Nothing);
                return false;
            }
            Retention::Durable => {}
        }
        true
    }
}

fn record_span(
    (from, next, revised): (proxy_doc::Revision, proxy_doc::Revision, &hub::Revised),
) -> RecordedSpan {
    RecordedSpan {
        from,
        next,
        change: Change::new(&revised.kind, revised.ty.as_ref()),
        author: revised.author.clone(),
        version: revised.version,
        src: revised.src.clone(),
    }
}

pub(super) fn read_span(
    span: &RecordedSpan,
    types: &dyn proxy_doc::Types,
) -> Result<hub::Revised, Error> {
    let change = span.change.clone();
    let named = change.create.as_ref().map(|create| create.ty.clone());
    let ty = change.ty.clone().or(named);
    let ty = ty.map(|name| resolve(types, &name)).transpose()?;
    Ok(hub::Revised {
        kind: change.read(ty.as_ref(), types)?,
        ty,
        author: span.author.clone(),
        version: span.version,
        src: span.src.clone(),
    })
}
