//! Taking back a rejected op, or giving up all ops and the data (`_rollback`, `_hardRollback`).

use super::{Doc, Edge, Rollback, Snapshot, SnapshotType, Upstream, Waiter, tokens};
use crate::{
    Error, Event, Fifo, Gather, OpId, OpKind, OtType, Outcome, PendingOp, Seq, Submission, Task,
    Token, codes, transform_x,
};

impl Doc {
    /// The inflight op was rejected: takes back that op where the type has an inverse, otherwise rolls back hard.
    pub(super) fn rollback(&mut self, up: &mut Upstream<'_>, error: Error) {
        let Some(op) = &self.inflight else {
            return;
        };
        let src = op.id.src.clone();
        let (undo, pending) = match self.undo() {
            Ok(undone) => undone,
            Err(cause) => return self.hard_rollback(up, cause.unwrap_or(error)),
        };
        self.pending = pending;
        let outcome = if error.is(codes::ERR_OP_SUBMIT_REJECTED) {
            Outcome::Null
        } else {
            Outcome::Failed(error)
        };
        up.push(Task::ClearInflight(outcome));
        self.apply_remote(up, undo, src);
    }

    /// Whether the inflight op can be taken back, and those after it stay.
    pub fn can_undo(&self) -> bool {
        self.undo().is_ok()
    }

    /// The op that takes the inflight op back, and the pending ops without it. `None` where there is no inverse.
    ///
    /// # Errors
    /// What a type threw.
    fn undo(&self) -> Result<(OpKind, Fifo<PendingOp>), Option<Error>> {
        let inverse = self
            .inflight
            .as_ref()
            .and_then(|op| match (&op.kind, &op.ty) {
                (OpKind::Edit(edit), Some(ty)) => ty.invert(edit),
                (OpKind::Edit(_) | OpKind::Create { .. } | OpKind::Del | OpKind::Noop, _) => None,
            });
        let mut undo = OpKind::Edit(inverse.ok_or(None)?);
        let mut pending = self.pending.clone();
        for op in pending.iter_mut() {
            transform_x(op, &mut undo).map_err(Some)?;
        }
        Ok((undo, pending))
    }

    /// Drops the ops without an end that do not `stay`, which has a word for each of [`Doc::unfinished`], and gives
    /// them. `ty` is the type after those that stay. The inflight op stays inflight.
    pub fn drop_unfinished(&mut self, stay: &[bool], ty: Option<OtType>) -> Vec<PendingOp> {
        let mut stay = stay.iter().copied();
        let mut dropped = Vec::new();
        let mut keep = |op: PendingOp| {
            if stay.next().unwrap_or(true) {
                return Some(op);
            }
            dropped.push(op);
            None
        };
        self.accepted = std::mem::take(&mut self.accepted)
            .into_iter()
            .filter_map(&mut keep)
            .collect();
        self.inflight = self.inflight.take().and_then(&mut keep);
        self.pending = std::mem::take(&mut self.pending)
            .into_iter()
            .filter_map(&mut keep)
            .collect();
        self.ty = ty;
        dropped
    }

    /// The oldest op that the upstream has not taken ends; those after it stay as they are. The data still holds the
    /// op: the owner loads it without, when it can.
    pub fn end_first(&mut self, up: &mut Upstream<'_>, outcome: Outcome) {
        let first = self.inflight.take().or_else(|| self.pending.pop_front());
        if let Some(op) = first {
            self.finish(up, op.submissions, outcome);
        }
    }

    /// The host has rebuilt its state without an op that the server rejected. The snapshot contains the accepted ops,
    /// as far as they apply. The others are based on a state that is gone.
    pub fn handle_rebuilt(&mut self, up: &mut Upstream<'_>, snapshot: Snapshot, error: &Error) {
        self.apply_stack = None;
        let unaccepted = self
            .inflight
            .take()
            .into_iter()
            .chain(std::mem::take(&mut self.pending));
        for op in unaccepted.gather().into_iter().rev() {
            self.finish(up, op.submissions, Outcome::Failed(error.clone()));
        }
        self.version = snapshot.v;
        let type_name = match snapshot.ty {
            SnapshotType::Uri(uri) => Some(uri),
            SnapshotType::Default | SnapshotType::None => None,
        };
        self.ty = type_name.as_deref().and_then(|name| up.types.resolve(name));
        up.emit(Event::Load {
            type_name,
            data: snapshot.data,
        });
    }

    /// Gives up the ops and the data, and starts again from a snapshot (`_hardRollback`).
    ///
    /// What the host has accepted is not a tab's to give up: those ops are in the snapshot, and end as the host says. So
    /// do ops on their way to the host, if it says before the snapshot that it has accepted them.
    ///
    /// The owner also calls this where it finds the state unusable.
    pub fn hard_rollback(&mut self, up: &mut Upstream<'_>, error: Error) {
        // Only the server's rejection singles an op out; what a tab finds by itself hits all alike.
        let (rejected, others) = match self.edge {
            Edge::Host => (self.inflight.take().into_iter().gather(), self.take_ops()),
            Edge::Tab => (Vec::new(), self.take_unaccepted()),
        };
        self.orphan_accepted();
        self.start_rollback(
            up,
            Rollback {
                error,
                rejected,
                others,
                ended: Vec::new(),
            },
        );
    }

    /// Continues a document of a machine that crashed. The upstream may have the ops that were `sent`, and tells their
    /// outcome. The `lost` ops, which it does not have, end with `error` when the state is here again.
    pub fn recover(
        &mut self,
        up: &mut Upstream<'_>,
        sent: Vec<(Seq, Vec<Submission>)>,
        lost: Vec<Submission>,
        error: Error,
    ) {
        let op = |submissions: Vec<Submission>, seq: Option<Seq>| PendingOp {
            submissions,
            ..PendingOp::restored(OpKind::Noop, None, OpId { src: None, seq }, None)
        };
        let sent = sent
            .into_iter()
            .map(|(seq, submissions)| op(submissions, Some(seq)));
        self.accepted.extend(sent);
        self.orphan_accepted();
        let others: Vec<PendingOp> = lost.into_iter().map(|of| op(vec![of], None)).gather();
        let waiter = if others.is_empty() {
            Waiter::Refresh
        } else {
            let rejected = Vec::new();
            Waiter::Rollback(Box::new(Rollback {
                error,
                rejected,
                others,
                ended: Vec::new(),
            }))
        };
        // Until the state has come there is nothing to write to, and a writer is told so.
        self.rollbacks += 1;
        self.request_fetch(up, waiter, true);
    }

    pub(super) fn take_ops(&mut self) -> Vec<PendingOp> {
        let accepted = std::mem::take(&mut self.accepted);
        let unaccepted = self.take_unaccepted();
        accepted.into_iter().chain(unaccepted).gather()
    }

    pub(super) fn take_unaccepted(&mut self) -> Vec<PendingOp> {
        let pending = std::mem::take(&mut self.pending);
        self.inflight.take().into_iter().chain(pending).gather()
    }

    /// The hard rollbacks that wait for their snapshot.
    pub(super) fn waiting_rollbacks(&self, act: &mut dyn FnMut(&Rollback)) {
        let waiters = self.inflight_fetch.iter().chain(&self.pending_fetch);
        for waiter in waiters.chain(self.waiting_for_writes.iter().flatten()) {
            if let Waiter::Rollback(rollback) = waiter {
                act(rollback);
            }
        }
    }

    /// [`Doc::waiting_rollbacks`], to change them.
    pub(super) fn change_rollbacks(&mut self, act: &mut dyn FnMut(&mut Rollback)) {
        let waiters = self
            .inflight_fetch
            .iter_mut()
            .chain(&mut self.pending_fetch);
        for waiter in waiters.chain(self.waiting_for_writes.iter_mut().flatten()) {
            if let Waiter::Rollback(rollback) = waiter {
                act(rollback);
            }
        }
    }

    pub(super) fn start_rollback(&mut self, up: &mut Upstream<'_>, rollback: Rollback) {
        self.rollbacks += 1;
        self.life += 1;
        self.unload();
        self.apply_stack = None;
        let error = rollback.error.clone();
        let rejected = rollback
            .rejected
            .iter()
            .flat_map(|op| tokens(&op.submissions))
            .gather();
        let discarded = match self.edge {
            Edge::Host => rollback.ops().cloned().gather(),
            Edge::Tab => Vec::new(),
        };
        self.request_fetch(up, Waiter::Rollback(Box::new(rollback)), true);
        up.emit(Event::Clear {
            error,
            rejected,
            discarded,
        });
    }

    /// Gives up all ops for good, with `error`. The data stays.
    pub fn abandon(&mut self, up: &mut Upstream<'_>, error: &Error) {
        for op in self.take_ops().into_iter().rev() {
            self.finish(up, op.submissions, Outcome::Failed(error.clone()));
        }
    }

    /// The outcomes that callbacks get once the snapshot has come that hard rollbacks wait for.
    pub fn foreseen(&self) -> Vec<(Token, Outcome)> {
        let mut all = Vec::new();
        self.waiting_rollbacks(&mut |rollback| {
            for (submissions, outcome) in rollback.ends() {
                let tokens = tokens(&submissions).into_iter();
                all.extend(tokens.map(|token| (token, outcome.clone())));
            }
        });
        all
    }

    pub(super) fn finish_rollback(
        &mut self,
        up: &mut Upstream<'_>,
        rollback: Rollback,
        fetch_error: Option<Error>,
    ) {
        self.rollbacks -= 1;
        let soft = rollback.is_soft();
        let error = rollback.error_of_others();
        let ends = rollback.ends();
        let ended = rollback.ended;
        let mut failed = ends.iter().filter(|end| is_failure(end)).peekable();
        // These errors are about ops: that the state was loaded again is nothing to tell.
        let about_ops = error.is(codes::ERR_HOST_LOST) || error.is(codes::ERR_REVISION_NOT_KEPT);
        let any_failed = failed.peek().is_some();
        let quiet = (soft || about_ops) && !any_failed;
        let is_told = |end: &(Vec<Submission>, Outcome)| is_failure(end) && is_heard(end);
        let all_heard = failed.all(is_heard) && (any_failed || ended.iter().any(is_told));
        // Every tab rolls back by itself, and says so to its own application.
        if self.edge == Edge::Tab && !quiet && !all_heard {
            up.push(Task::Unheard(error.clone()));
        }
        for (submissions, outcome) in ended.into_iter().rev() {
            self.finish(up, submissions, outcome);
        }
        for (submissions, outcome) in ends.into_iter().rev() {
            up.emit(Event::Callback {
                tokens: tokens(&submissions),
                outcome,
            });
        }
        if let Some(cause) = fetch_error {
            let message = format!("Hard rollback fetch failed: {}", cause.message);
            up.emit(Event::Error(Error::new(
                codes::ERR_HARD_ROLLBACK_FETCH_FAILED,
                message,
            )));
            up.emit(Event::Warn(format!(
                "Hard rollback doc fetch failed. {cause}"
            )));
        }
    }
}

fn is_failure((_, outcome): &(Vec<Submission>, Outcome)) -> bool {
    matches!(outcome, Outcome::Failed(_))
}

fn is_heard((submissions, _): &(Vec<Submission>, Outcome)) -> bool {
    submissions.iter().any(|submission| submission.callback)
}

impl Waiter {
    /// Whether an answer without a state leaves this waiting.
    pub(super) fn needs_state(&self) -> bool {
        match self {
            Self::Rollback(_) | Self::Refresh | Self::Check => true,
            Self::Nobody | Self::Token(_) | Self::NoOp => false,
        }
    }
}

impl Rollback {
    /// The host ends these ops, some of which the server has `rejected`. It has no other word for them.
    pub(super) fn of(error: Error, mut ops: Vec<PendingOp>, rejected: &[Seq]) -> Self {
        ops.iter_mut().for_each(|op| op.sent = false);
        let is_rejected = |op: &PendingOp| op.id.seq.is_some_and(|seq| rejected.contains(&seq));
        let (rejected, others) = ops.into_iter().partition(is_rejected);
        Self {
            error,
            rejected,
            others,
            ended: Vec::new(),
        }
    }

    fn ops(&self) -> impl Iterator<Item = &PendingOp> {
        self.rejected.iter().chain(&self.others)
    }

    /// Whether the rejection is a soft one, `ERR_OP_SUBMIT_REJECTED`.
    fn is_soft(&self) -> bool {
        self.error.is(codes::ERR_OP_SUBMIT_REJECTED)
    }

    fn error_of_others(&self) -> Error {
        if !self.is_soft() {
            return self.error.clone();
        }
        Error::new(
            codes::ERR_PENDING_OP_REMOVED_BY_OP_SUBMIT_REJECTED,
            "Discarding pending op because of hard rollback during ERR_OP_SUBMIT_REJECTED",
        )
    }

    /// The submissions of each op, with the outcome: in ShareDB a soft rejection is no error of the op itself.
    pub(super) fn ends(&self) -> Vec<(Vec<Submission>, Outcome)> {
        let others = Outcome::Failed(self.error_of_others());
        let rejected = if self.is_soft() {
            Outcome::Done
        } else {
            others.clone()
        };
        let mut ends = Vec::new();
        for (ops, outcome) in [(&self.rejected, rejected), (&self.others, others)] {
            for op in ops {
                ends.push((op.submissions.clone(), outcome.clone()));
            }
        }
        ends
    }
}
