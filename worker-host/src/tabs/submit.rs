//! A tab's op: checks it, transforms it to the head, gives it its `(src, seq)`, and logs it.
//!
//! Only tabs hear of the op before the write that holds it is durable; see `log/barrier.rs` and `log/early.rs`.
//!
//! What it refuses to do: send anything to the server. The document's machine does that, one op at a time.

use broker::message::{DocEvent, SubmitOp};
use durable_store::Blocking;
use durable_store::format::{Author, JournalEntry};
use proxy_doc::{
    Change, DocHandle, DocKey, Error, Fifo, Naming, OpId, OpKind, OtType, PendingOp, TabId, codes,
    resolve,
};

use crate::host::Host;

impl Host {
    /// Takes an op of a tab, unless there is a `refusal`.
    pub(crate) fn submit(&mut self, tab: &TabId, op: SubmitOp, refusal: Option<Error>) {
        let key = DocKey {
            collection: op.collection.clone(),
            id: op.id.clone(),
        };
        if op.line.is_some_and(|line| line != self.log.line()) {
            return;
        }
        let unreadable = self.log.unreadable_error(&key).cloned();
        let handle = self.open(key);
        self.docs.touch(handle);
        // The rollback that the tab is told names the op as given up.
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

    /// Gives the op to the document's machine, which gives it its `(src, seq)`, and logs it.
    fn submit_admitted(&mut self, handle: DocHandle, tab: &TabId, op: SubmitOp, kind: OpKind) {
        let seq = op.seq;
        let submission = self.callers.add_op(Author {
            tab: tab.clone(),
            seq,
        });
        let logged = self.log.is_kept().then(|| kind.clone());
        let ty = self.docs[handle].doc.ty().cloned();
        let naming = op.earlier.map_or(Naming::New, Naming::Earlier);
        let source = op.source.clone();
        if let Some(refusals) = &mut self.docs[handle].refusals {
            refusals.note_submission();
        }
        let id = self.with_doc(handle, |doc, up| {
            doc.prevent_compose = op.prevent_compose;
            doc.submit_as(up, kind, op.source, naming, submission)
        });
        self.note_seen(handle, tab, seq);
        self.keep_own_seq();
        self.log(handle, Blocking::Outputs, || JournalEntry::Local {
            tab: tab.clone(),
            seq,
            id,
            change: logged.map_or_else(Change::default, |kind| Change::new(&kind, ty.as_ref())),
            source,
        });
        self.run();
    }

    /// Takes ops that a tab has sent ahead. An op that cannot be taken gets no answer: the tab resends it if it goes on,
    /// and is answered then.
    pub(crate) fn submit_ahead(&mut self, tab: &TabId, ops: Vec<SubmitOp>) {
        let Some(first) = ops.first() else {
            return;
        };
        let key = DocKey {
            collection: first.collection.clone(),
            id: first.id.clone(),
        };
        let is_past = first.line.is_some_and(|line| line != self.log.line());
        if is_past || self.log.refusal().is_some() || self.log.unreadable_error(&key).is_some() {
            return;
        }
        let handle = self.open(key);
        self.docs.touch(handle);
        let Ok(Some(rest)) = self.bring_ahead_to_head(handle, tab, first, &ops) else {
            return;
        };
        let mut ops = ops.into_iter();
        for PendingOp { kind, id, .. } in rest {
            let host_doc = &self.docs[handle];
            let fits = check_existence(&kind, host_doc.doc.ty()).is_ok();
            let op = ops.find(|op| Some(op.seq) == id.seq);
            let Some(op) = op.filter(|op| fits && !host_doc.is_taken(tab, op.seq)) else {
                return;
            };
            let next = host_doc.hub.head().next();
            self.submit_admitted(handle, tab, op, kind);
            let host_doc = &self.docs[handle];
            if host_doc.hub.head() != next || host_doc.doc.in_hard_rollback() {
                return;
            }
        }
    }

    /// Reads ops that were sent ahead, and transforms to the head those that the history does not contain.
    fn bring_ahead_to_head(
        &self,
        handle: DocHandle,
        tab: &TabId,
        first: &SubmitOp,
        ops: &[SubmitOp],
    ) -> Result<Option<Fifo<PendingOp>>, Error> {
        let host_doc = &self.docs[handle];
        let SubmitOp { life, revision, .. } = *first;
        let is_living = host_doc.hub.life(tab) == life && !host_doc.hub.is_void(tab, life);
        if !is_living || host_doc.doc.in_hard_rollback() {
            return Ok(None);
        }
        let mut read = Fifo::new();
        for op in ops {
            let kind = op.change.read(host_doc.doc.ty(), &*self.types)?;
            let ty = match &kind {
                OpKind::Create { type_name, .. } => Some(resolve(&*self.types, type_name)?),
                _ => op.change.edit_type(host_doc.doc.ty(), &*self.types)?,
            };
            let id = OpId {
                src: None,
                seq: Some(op.seq),
            };
            read.push_back(PendingOp::restored(kind, ty, id, None));
        }
        host_doc.hub.transform_ahead(tab, revision, read)
    }

    /// Reads an op of a tab and brings it to the head.
    fn admit(&mut self, handle: DocHandle, tab: &TabId, op: &SubmitOp) -> Result<OpKind, Error> {
        let types = std::rc::Rc::clone(&self.types);
        let host_doc = &mut self.docs[handle];
        host_doc.hub.meet(tab);
        host_doc.hub.enter_life(tab, op.life, op.revision);
        if let Some(error) = self.log.refusal() {
            return Err(error.clone());
        }
        // A query may have brought a state before the rollback's own fetch did, or a tab may have created one.
        let is_without = host_doc.doc.version().is_none() && host_doc.doc.ty().is_none();
        let is_create = op.change.create.is_some();
        if host_doc.doc.in_hard_rollback() && is_without && !is_create {
            let message = format!(
                "Cannot submit op. Document is performing hard rollback. {}",
                host_doc.doc.key()
            );
            return Err(Error::new(codes::ERR_DOC_IN_HARD_ROLLBACK, message));
        }
        let mut kind = op.change.read(host_doc.doc.ty(), &*types)?;
        if let OpKind::Create { type_name, .. } = &kind {
            resolve(&*types, type_name)?;
            // The document may have come from the server, by a history that does not contain the tab's revision.
            check_existence(&kind, host_doc.doc.ty())?;
        }
        match op.revision {
            Some(base) => {
                let ty = op.change.edit_type(host_doc.doc.ty(), &*types)?;
                host_doc.hub.received(tab, base);
                host_doc.hub.transform(tab, base, &mut kind, ty.as_ref())?;
            }
            None if !matches!(kind, OpKind::Create { .. }) => {
                return Err(Error::badly_formed("Only a create needs no revision"));
            }
            // A create from nothing: the tab's state is now the document that it creates.
            None if host_doc.doc.ty().is_none() => host_doc.hub.attach(tab),
            None => {}
        }
        check_existence(&kind, host_doc.doc.ty())?;
        Ok(kind)
    }
}

/// Checks that the op fits a document of this type: a create needs no document, an edit needs one.
///
/// # Errors
/// `ERR_DOC_ALREADY_CREATED`, `ERR_DOC_DOES_NOT_EXIST`.
fn check_existence(kind: &OpKind, ty: Option<&OtType>) -> Result<(), Error> {
    match (kind, ty) {
        (OpKind::Create { .. }, Some(_)) => Err(Error::new(
            codes::ERR_DOC_ALREADY_CREATED,
            "Invalid op submitted. Document already created",
        )),
        (OpKind::Edit(_), None) => Err(Error::new(
            codes::ERR_DOC_DOES_NOT_EXIST,
            "Document does not exist",
        )),
        _ => Ok(()),
    }
}
