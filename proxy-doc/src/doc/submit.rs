//! Submitting and composing (`submitOp`, `create`, `del`, `_pushOp`), and the ops of the log after a restart.

use super::{Doc, MAX_SEQ, Naming, Upstream};
use crate::{
    CreateData, Error, Event, Json, OpId, OpKind, Origin, OtType, Outcome, PendingOp, Submission,
    Task, Version, codes,
};

impl Doc {
    /// Submits an edit of the data: applies it at once, sends it in the next tick.
    ///
    /// `op` of json0 is normalized here; the driver has normalized one of another type. `source` is given where
    /// [`Doc::submit_source`] is set.
    pub fn submit_op(
        &mut self,
        up: &mut Upstream<'_>,
        op: &Json,
        source: Option<Json>,
        submission: Submission,
    ) {
        let Some(ty) = &self.ty else {
            let (code, what) = if self.in_hard_rollback() {
                (
                    codes::ERR_DOC_IN_HARD_ROLLBACK,
                    "Document is performing hard rollback",
                )
            } else {
                (
                    codes::ERR_DOC_DOES_NOT_EXIST,
                    "Document has not been created",
                )
            };
            let message = format!("Cannot submit op. {what}. {}", self.key);
            return refuse(up, Error::new(code, message), submission);
        };
        match ty.normalize(op) {
            Ok(edit) => self.submit(up, OpKind::Edit(edit), source, submission),
            Err(error) => refuse(up, error, submission),
        }
    }

    /// Creates the document.
    pub fn create(
        &mut self,
        up: &mut Upstream<'_>,
        type_name: String,
        data: Option<Json>,
        source: Option<Json>,
        submission: Submission,
    ) {
        if self.ty.is_some() {
            let error = Error::new(codes::ERR_DOC_ALREADY_CREATED, "Document already exists");
            return refuse(up, error, submission);
        }
        let data = CreateData::Text(data);
        self.submit(up, OpKind::Create { type_name, data }, source, submission);
    }

    /// Deletes the document.
    pub fn del(&mut self, up: &mut Upstream<'_>, source: Option<Json>, submission: Submission) {
        if self.ty.is_none() {
            let error = Error::new(codes::ERR_DOC_DOES_NOT_EXIST, "Document does not exist");
            return refuse(up, error, submission);
        }
        self.submit(up, OpKind::Del, source, submission);
    }

    /// Submits an op that was checked against the present state already.
    pub fn submit(
        &mut self,
        up: &mut Upstream<'_>,
        kind: OpKind,
        source: Option<Json>,
        submission: Submission,
    ) {
        self.submit_as(up, kind, source, Naming::New, submission);
    }

    /// [`Doc::submit`] of an op that may have an identity already. Returns the op's identity; `None` where the op was
    /// composed into the one before it.
    pub fn submit_as(
        &mut self,
        up: &mut Upstream<'_>,
        kind: OpKind,
        source: Option<Json>,
        naming: Naming,
        submission: Submission,
    ) -> Option<OpId> {
        self.flush_later(up);
        up.push(Task::Catch);
        let serial = self.next_serial;
        self.next_serial += 1;
        let (restored, earlier) = match naming {
            Naming::New => (None, None),
            Naming::Earlier(id) => (None, Some(id)),
            Naming::Restored(id) => (Some(id), None),
        };
        let op = PendingOp {
            ty: self.ty.clone(),
            submissions: vec![submission],
            source,
            prevent_compose: self.prevent_compose,
            id: OpId::default(),
            sent: false,
            earlier,
            size: kind.size(),
            serial,
            kind: kind.clone(),
        };
        let pushed = match restored {
            Some(id) => self.push_restored(op, id),
            None => self.push_op(up, op),
        };
        let id = self
            .pending
            .back()
            .filter(|op| op.serial == serial)
            .map(|op| op.id.clone());
        let applied = match pushed {
            Ok(()) => self.apply(up, kind, Origin::Local(submission.token), None),
            Err(error) => Err(error),
        };
        if let Err(error) = applied {
            self.hard_rollback(up, error);
        }
        id
    }

    /// Queues an op of the log as it was queued when it was logged.
    fn push_restored(&mut self, mut op: PendingOp, id: Option<OpId>) -> Result<(), Error> {
        let rest = match (id, self.pending.back_mut()) {
            (None, Some(last)) => last.compose(op)?,
            (id, _) => {
                op.id = id.unwrap_or_default();
                Some(op)
            }
        };
        self.pending.extend(rest);
        Ok(())
    }

    /// Queues an op that the application kept over a restart, and that its data contains already
    /// (`doc.pendingOps.push`). It is sent with the next [`Doc::flush`].
    pub fn restore(
        &mut self,
        kind: OpKind,
        ty: Option<OtType>,
        earlier: Option<OpId>,
        submission: Submission,
    ) {
        self.pending.push_back(PendingOp {
            kind,
            ty,
            submissions: vec![submission],
            source: None,
            prevent_compose: false,
            id: OpId::default(),
            sent: false,
            earlier,
            size: 0,
            serial: self.next_serial,
        });
        self.next_serial += 1;
    }

    /// Sets version, type and ops to those of the store. The document must have no state.
    pub fn restore_state(
        &mut self,
        version: Option<Version>,
        ty: Option<OtType>,
        ops: impl IntoIterator<Item = PendingOp>,
    ) {
        self.version = version;
        self.ty = ty;
        for mut op in ops {
            op.serial = self.next_serial;
            self.next_serial += 1;
            self.pending.push_back(op);
        }
    }

    /// Forbids composing into the ops that are pending now: another host may send them as they are, before this one or
    /// after it.
    pub fn freeze(&mut self) {
        for op in self.pending.iter_mut() {
            op.sent = true;
        }
    }

    /// Whether the upstream can have committed the op of this identity, which it can only where all ops before it are
    /// no-ops. `None`: there is no such op.
    pub fn can_take_up(&self, id: &OpId) -> Option<bool> {
        let at = self.unaccepted().position(|op| op.id == *id)?;
        Some(self.unaccepted().take(at).all(PendingOp::is_nothing))
    }

    /// The op of this identity was answered: makes it the inflight one. The ops before it were found to be no-ops, and
    /// count as committed.
    pub fn take_up(&mut self, up: &mut Upstream<'_>, id: &OpId) {
        let mut ops = self
            .inflight
            .take()
            .into_iter()
            .chain(std::mem::take(&mut self.pending));
        for op in ops.by_ref() {
            if op.id == *id {
                self.inflight = Some(op);
                break;
            }
            self.finish(up, op.submissions, Outcome::Done);
        }
        self.pending = ops.collect();
    }

    /// The upstream committed the op of this identity, and perhaps ops before it that are no no-ops. Which of them
    /// cannot be known, so all others are given up.
    pub fn give_up_others(&mut self, up: &mut Upstream<'_>, id: &OpId, error: Error) {
        self.take_up_alone(up, id);
        self.hard_rollback(up, error);
    }

    fn take_up_alone(&mut self, up: &mut Upstream<'_>, id: &OpId) {
        if let Some(op) = self.inflight.take_if(|op| op.id == *id) {
            return self.finish(up, op.submissions, Outcome::Done);
        }
        let at = self.pending.iter().position(|op| op.id == *id);
        if let Some(op) = at.and_then(|at| self.pending.remove(at)) {
            self.finish(up, op.submissions, Outcome::Done);
        }
    }

    pub(super) fn push_op(&mut self, up: &mut Upstream<'_>, op: PendingOp) -> Result<(), Error> {
        if let Some(stack) = &mut self.apply_stack {
            // A remote op is being applied: its remaining components must be transformed by this
            // op alone, so it must not be composed into another one yet.
            stack.push(op.serial);
            self.pending.push_back(op);
            return Ok(());
        }
        self.compose_or_push(up, op)
    }

    pub(super) fn compose_or_push(
        &mut self,
        up: &mut Upstream<'_>,
        op: PendingOp,
    ) -> Result<(), Error> {
        let rest = match self.pending.back_mut() {
            Some(last) => last.try_compose(op, up.max_op_size)?,
            None => Some(op),
        };
        let Some(mut op) = rest else {
            return Ok(());
        };
        if up.names_ops && up.next_seq.0 < MAX_SEQ {
            op.id = op.earlier.clone().unwrap_or_else(|| up.next_id());
        }
        self.pending.push_back(op);
        Ok(())
    }

    pub(super) fn pop_apply_stack(
        &mut self,
        up: &mut Upstream<'_>,
        depth: usize,
    ) -> Result<(), Error> {
        let Some(stack) = &mut self.apply_stack else {
            return Ok(());
        };
        if depth > 0 {
            stack.truncate(depth);
            return Ok(());
        }
        let first = stack.first().copied();
        self.apply_stack = None;
        let Some(at) =
            first.and_then(|serial| self.pending.iter().position(|op| op.serial == serial))
        else {
            return Ok(());
        };
        let mut result = Ok(());
        for op in self.pending.split_off(at) {
            // After an error the rest only waits for the rollback, which answers all callbacks.
            if result.is_err() {
                self.pending.push_back(op);
            } else {
                result = self.compose_or_push(up, op);
            }
        }
        result
    }
}

fn refuse(up: &mut Upstream<'_>, error: Error, submission: Submission) {
    if submission.callback {
        up.emit(Event::Callback {
            tokens: vec![submission.token],
            outcome: Outcome::Failed(error),
        });
    } else {
        up.emit(Event::Callback {
            tokens: vec![submission.token],
            outcome: Outcome::Done,
        });
        up.push(Task::Unheard(error));
    }
}
