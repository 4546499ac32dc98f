//! Submitting: what an application asks for, and what composes (`submitOp`, `create`, `del`, `_pushOp`).

use super::{Doc, Upstream};
use crate::{
    CreateData, Error, Event, Json, OpId, OpKind, OtType, Outcome, PendingOp, Source, Submission,
    Task, codes,
};

impl Doc {
    /// Submits an edit of the data: applies it at once, sends it in the next tick.
    ///
    /// `op` is as the application gave it for json0, and normalized by the driver for other types.
    /// `source` is given where [`Doc::submit_source`] is set.
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
        self.submit_as(up, kind, source, None, submission);
    }

    /// [`Doc::submit`] of an op that was sent with an identity in an earlier life.
    pub fn submit_as(
        &mut self,
        up: &mut Upstream<'_>,
        kind: OpKind,
        source: Option<Json>,
        earlier: Option<OpId>,
        submission: Submission,
    ) {
        self.flush_later(up);
        up.push(Task::Catch);
        let op = PendingOp {
            kind: kind.clone(),
            ty: self.ty.clone(),
            submissions: vec![submission],
            source,
            prevent_compose: self.prevent_compose,
            id: OpId::default(),
            sent: false,
            earlier,
            serial: self.next_serial,
        };
        self.next_serial += 1;
        let applied = match self.push_op(op) {
            Ok(()) => self.apply(up, kind, Source::Local(submission.token), None),
            Err(error) => Err(error),
        };
        if let Err(error) = applied {
            self.hard_rollback(up, error);
        }
    }

    /// Queues an op that the application kept from an earlier life, the data holding it already
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
            serial: self.next_serial,
        });
        self.next_serial += 1;
    }

    pub(super) fn push_op(&mut self, op: PendingOp) -> Result<(), Error> {
        if let Some(stack) = &mut self.apply_stack {
            // A remote op is being applied: its remaining components must be transformed by this
            // op alone, so it must not melt into another one yet.
            stack.push(op.serial);
            self.pending.push_back(op);
            return Ok(());
        }
        self.compose_or_push(op)
    }

    pub(super) fn compose_or_push(&mut self, op: PendingOp) -> Result<(), Error> {
        let rest = match self.pending.back_mut() {
            Some(last) => last.try_compose(op)?,
            None => Some(op),
        };
        self.pending.extend(rest);
        Ok(())
    }

    pub(super) fn pop_apply_stack(&mut self, depth: usize) -> Result<(), Error> {
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
                result = self.compose_or_push(op);
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
