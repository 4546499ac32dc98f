//! Rolling back what was rejected, or everything (`_rollback`, `_hardRollback`).

use super::{Doc, Edge, Rollback, Upstream, Waiter, tokens};
use crate::{Error, Event, OpKind, Outcome, PendingOp, Task, codes, transform_x};

impl Doc {
    /// The inflight op was rejected: undo just that one where the type can, or everything.
    pub(super) fn rollback(&mut self, up: &mut Upstream<'_>, error: Error) {
        let Some(op) = &self.inflight else {
            return;
        };
        let inverse = match (&op.kind, &op.ty) {
            (OpKind::Edit(edit), Some(ty)) => ty.invert(edit),
            (OpKind::Edit(_) | OpKind::Create { .. } | OpKind::Del | OpKind::Noop, _) => None,
        };
        let Some(inverse) = inverse else {
            return self.hard_rollback(up, error);
        };
        let src = op.id.src.clone();
        let mut undo = OpKind::Edit(inverse);
        for op in &mut self.pending {
            if let Err(error) = transform_x(op, &mut undo) {
                return self.hard_rollback(up, error);
            }
        }
        let outcome = if error.is(codes::ERR_OP_SUBMIT_REJECTED) {
            Outcome::Null
        } else {
            Outcome::Failed(error)
        };
        up.push(Task::ClearInflight(outcome));
        self.apply_remote(up, undo, src);
    }

    /// Gives up all ops and the data, and starts again from a snapshot (`_hardRollback`).
    ///
    /// The owner also calls this where it found the state unusable.
    pub fn hard_rollback(&mut self, up: &mut Upstream<'_>, error: Error) {
        // Only the server's rejection singles an op out; what a tab finds by itself hits all alike.
        let rejected = match self.edge {
            Edge::Host => self.inflight.take().into_iter().collect(),
            Edge::Tab => Vec::new(),
        };
        let others = self.take_ops();
        self.start_rollback(
            up,
            Rollback {
                error,
                rejected,
                others,
            },
        );
    }

    pub(super) fn take_ops(&mut self) -> Vec<PendingOp> {
        let accepted = std::mem::take(&mut self.accepted);
        let pending = std::mem::take(&mut self.pending);
        accepted
            .into_iter()
            .chain(self.inflight.take())
            .chain(pending)
            .collect()
    }

    pub(super) fn start_rollback(&mut self, up: &mut Upstream<'_>, rollback: Rollback) {
        self.rollbacks += 1;
        self.life += 1;
        self.ty = None;
        self.version = None;
        self.apply_stack = None;
        let error = rollback.error.clone();
        let rejected = rollback
            .rejected
            .iter()
            .flat_map(|op| tokens(&op.submissions))
            .collect();
        self.request_fetch(up, Waiter::Rollback(Box::new(rollback)), true);
        up.emit(Event::Clear { error, rejected });
    }

    pub(super) fn finish_rollback(
        &mut self,
        up: &mut Upstream<'_>,
        rollback: Rollback,
        fetch_error: Option<Error>,
    ) {
        self.rollbacks -= 1;
        let Rollback {
            mut error,
            mut rejected,
            mut others,
        } = rollback;
        let soft = error.is(codes::ERR_OP_SUBMIT_REJECTED);
        let forgiven = if soft {
            std::mem::take(&mut rejected)
        } else {
            Vec::new()
        };
        if soft {
            error = Error::new(
                codes::ERR_PENDING_OP_REMOVED_BY_OP_SUBMIT_REJECTED,
                "Discarding pending op because of hard rollback during ERR_OP_SUBMIT_REJECTED",
            );
        }
        rejected.append(&mut others);
        let quiet = soft && rejected.is_empty();
        let all_heard = !rejected.is_empty() && rejected.iter().all(PendingOp::has_callback);
        // Every tab rolls back by itself, and says so to its own application.
        if self.edge == Edge::Tab && !quiet && !all_heard {
            up.push(Task::Unheard(error.clone()));
        }
        for op in rejected.iter().rev() {
            let outcome = Outcome::Failed(error.clone());
            up.emit(Event::Callback {
                tokens: tokens(&op.submissions),
                outcome,
            });
        }
        for op in forgiven.iter().rev() {
            up.emit(Event::Callback {
                tokens: tokens(&op.submissions),
                outcome: Outcome::Done,
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
