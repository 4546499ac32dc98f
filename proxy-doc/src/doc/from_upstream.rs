//! Ops from the upstream: those of other clients, and the outcome of own ones (`_handleOp`, `_opAcknowledged`).

use super::{Doc, Edge, Rollback, Upstream, Waiter, tokens};
use crate::{
    Error, Event, Gather, OpKind, Origin, Outcome, PendingOp, Seq, Submission, Task, Version,
    codes, transform_x,
};

impl Doc {
    /// A committed op of another client: transforms the own ops over it, and applies it.
    ///
    /// An old op is ignored. On a gap the host fetches. A tab gets no gap from its host, so there an op that does not
    /// fit belongs to a state that was given up.
    ///
    /// `next` is the count after the op: `v` + 1, or more where a lagging tab gets several ops composed into one.
    pub fn handle_op(
        &mut self,
        up: &mut Upstream<'_>,
        v: Version,
        next: Version,
        src: Option<String>,
        mut kind: OpKind,
    ) {
        let Some(version) = self.version.filter(|version| v <= *version) else {
            return match self.edge {
                Edge::Host => self.fetch_missed(up, next),
                Edge::Tab => (),
            };
        };
        if v < version {
            return;
        }
        if let Err(error) = self.transform_unsettled(&mut kind) {
            return self.hard_rollback(up, error);
        }
        self.version = Some(next);
        self.apply_remote(up, kind, src);
    }

    /// An op of the upstream could not be read: fetches a snapshot in its place.
    pub fn handle_unreadable_op(&mut self, up: &mut Upstream<'_>, error: Error) {
        self.hard_rollback(up, error);
    }

    /// The server committed the inflight op, and the state after it is not known: starts again from a snapshot. Pending
    /// ops are given up with `error`.
    pub fn handle_unusable_ack(&mut self, up: &mut Upstream<'_>, error: Error) {
        let committed = self.inflight.take();
        self.hard_rollback(up, error);
        // On top of the stack: the op's outcome is told before the rollback.
        if let Some(op) = committed {
            self.finish(up, op.submissions, Outcome::Done);
        }
    }

    /// A committed op, transformed to change a state that contains the own ops.
    ///
    /// # Errors
    /// `ERR_DOC_WAS_DELETED`, `ERR_DOC_ALREADY_CREATED`, or what the type threw.
    pub fn over_pending(&self, mut kind: OpKind) -> Result<OpKind, Error> {
        for op in self.unaccepted() {
            transform_x(&mut op.clone(), &mut kind)?;
        }
        Ok(kind)
    }

    pub(super) fn transform_unsettled(&mut self, server: &mut OpKind) -> Result<(), Error> {
        for client in self.inflight.iter_mut().chain(self.pending.iter_mut()) {
            transform_x(client, server)?;
        }
        Ok(())
    }

    pub(super) fn apply_remote(
        &mut self,
        up: &mut Upstream<'_>,
        kind: OpKind,
        src: Option<String>,
    ) {
        up.push(Task::Catch);
        if let Err(error) = self.apply(up, kind, Origin::Remote, src) {
            self.hard_rollback(up, error);
        }
    }

    /// Whether the inflight op can be the one that the server committed at `v`.
    pub fn is_next(&self, v: Version) -> bool {
        self.inflight
            .as_ref()
            .is_some_and(|op| matches!(op.kind, OpKind::Create { .. }) || self.version == Some(v))
    }

    /// The server committed the inflight op at `v` (`_opAcknowledged`), and changed it by `fixups`.
    pub fn handle_ack(&mut self, up: &mut Upstream<'_>, v: Version, fixups: Vec<OpKind>) {
        let Some(inflight) = &self.inflight else {
            return;
        };
        if matches!(inflight.kind, OpKind::Create { .. }) {
            self.version = Some(v);
        } else if self.version != Some(v) {
            // All ops before ours should have come before its acknowledgement.
            let expected = self
                .version
                .map_or_else(|| "null".to_owned(), |v| v.to_string());
            let text = format!("Invalid version from server. Expected: {expected} Received: {v}");
            self.fetch_missed(up, v.next());
            return up.emit(Event::Warn(text));
        }
        let src = inflight.id.src.clone();
        let mut changes = Vec::with_capacity(fixups.len());
        for mut fixup in fixups {
            let fails = |op| transform_x(op, &mut fixup).err();
            let failed = self.pending.iter_mut().find_map(fails);
            if let Some(error) = failed {
                return self.hard_rollback(up, error);
            }
            changes.push(fixup);
        }
        up.push(Task::ClearInflight(Outcome::Done));
        up.push(Task::CountVersion);
        for change in changes.into_iter().rev() {
            self.apply_remote(up, change, src.clone());
        }
    }

    /// The upstream rejected the inflight op, or answered an op message with an error.
    pub fn handle_op_error(&mut self, up: &mut Upstream<'_>, error: Error, seq: Option<Seq>) {
        let ours = self.inflight.as_ref().map(|op| op.id.seq);
        match ours {
            None => up.emit(Event::Error(error)),
            // The server found the op to be a no-op. After a fetch it counts as committed.
            Some(inflight) if error.is(codes::ERR_NO_OP) && inflight == seq => {
                self.request_fetch(up, Waiter::NoOp, false);
            }
            Some(_) => self.rollback(up, error),
        }
    }

    /// The host has accepted the inflight op, as the change from revision `v` to the next: sends the next op. Where the
    /// document is paused, the op may be one that was sent ahead.
    pub fn handle_accepted(&mut self, up: &mut Upstream<'_>, seq: Seq, v: Version) {
        let is_meant = |op: &PendingOp| op.id.seq == Some(seq);
        if self.inflight.is_none() && self.pending.front().is_some_and(is_meant) {
            self.inflight = self.pending.pop_front();
        }
        let Some(op) = self.inflight.take_if(|op| is_meant(op)) else {
            return self.spare(seq);
        };
        self.version = Some(v.next());
        self.accepted.push_back(op);
        self.forget_given_up(seq);
        self.flush(up);
    }

    /// The new host does not have the ops from `seq` on, which were accepted early. No change of others came after them, so they
    /// are inflight and pending again, based on revision `v`.
    pub fn handle_rewind(&mut self, up: &mut Upstream<'_>, seq: Seq, v: Version) {
        // By its life the host drops what was sent since the registration, which is based on these ops. It counts one life
        // more than was registered, as the tab does after a hard rollback since then: that state is another one.
        self.life += 1;
        let is_first = |op: &PendingOp| op.id.seq == Some(seq);
        let Some(at) = self.accepted.iter().position(is_first) else {
            return;
        };
        let again = self.accepted.split_off(at);
        if self.orphaned >= Some(seq) {
            return self.end_orphans(up, again);
        }
        let inflight = self.inflight.take();
        let mut ops = again
            .into_iter()
            .chain(inflight)
            .chain(std::mem::take(&mut self.pending));
        self.inflight = ops.next();
        self.pending = ops.collect();
        self.version = Some(v);
        self.send_again(up);
    }

    /// The host tells the outcome of accepted ops.
    pub fn handle_outcome(&mut self, up: &mut Upstream<'_>, seqs: &[Seq], outcome: Outcome) {
        let (mut ended, mut given_up) = (Vec::new(), Vec::new());
        let orphaned = self.orphaned;
        self.accepted.retain(|op| {
            let is_ended = op.id.seq.is_some_and(|seq| seqs.contains(&seq));
            if is_ended && op.id.seq <= orphaned {
                given_up.append(&mut op.submissions);
            } else if is_ended {
                ended.append(&mut op.submissions);
            }
            !is_ended
        });
        for seq in seqs {
            if let Some(op) = self.take_given_up(*seq) {
                given_up.extend(op.submissions);
            }
        }
        if !given_up.is_empty() {
            self.end_given_up(up, vec![(given_up, outcome.clone())]);
        }
        if !ended.is_empty() {
            self.finish(up, ended, outcome);
        }
    }

    /// The host rejected an op. A refused state is given up; otherwise the op is taken back, if it can be.
    pub fn handle_rejected(&mut self, up: &mut Upstream<'_>, seq: Seq, error: Error) {
        if self.inflight.as_ref().map(|op| op.id.seq) != Some(Some(seq)) {
            return self.refuse_given_up(up, seq, error);
        }
        if error.is(codes::ERR_REVISION_NOT_KEPT) {
            self.hard_rollback(up, error);
        } else {
            self.handle_op_error(up, error, Some(seq));
        }
    }

    /// The host rolled back hard. `rejected` are the ops of this tab that the server rejected. After a takeover the
    /// host may know the outcome of ops, `ended`, of which this tab does not know that they were accepted.
    ///
    /// Where the tab has given up that state itself, which was of this `life`, only what the host had accepted for it ends.
    pub fn handle_rollback(
        &mut self,
        up: &mut Upstream<'_>,
        life: u32,
        error: Error,
        rejected: &[Seq],
        ended: &[(Seq, Outcome)],
    ) {
        let is_past = self.life > life;
        let ops = if is_past {
            std::mem::take(&mut self.accepted).into_iter().gather()
        } else {
            self.take_ops()
        };
        let rest = self.end_known(up, ops, ended);
        let rollback = Rollback::of(error, rest, rejected);
        if is_past {
            self.end_given_up(up, rollback.ends());
        } else {
            self.start_rollback(up, rollback);
        }
    }

    /// Ends those of the ops, and of those that hard rollbacks are about to end, of which the outcome is known. Gives the
    /// others of `ops`.
    fn end_known(
        &mut self,
        up: &mut Upstream<'_>,
        mut ops: Vec<PendingOp>,
        ended: &[(Seq, Outcome)],
    ) -> Vec<PendingOp> {
        for (seq, _) in ended {
            ops.extend(self.take_given_up(*seq));
        }
        let end = |op: &PendingOp| {
            let found = ended.iter().find(|(seq, _)| op.id.seq == Some(*seq));
            found.map(|(_, outcome)| outcome.clone())
        };
        let (over, rest): (Vec<_>, Vec<_>) = ops.into_iter().partition(|op| end(op).is_some());
        // Called back when the data is gone: a task below another runs after it.
        for op in over.into_iter().rev() {
            if let Some(outcome) = end(&op) {
                self.finish(up, op.submissions, outcome);
            }
        }
        rest
    }

    pub(super) fn finish(
        &mut self,
        up: &mut Upstream<'_>,
        submissions: Vec<Submission>,
        outcome: Outcome,
    ) {
        let heard = submissions.iter().any(|submission| submission.callback);
        if let Outcome::Failed(error) = &outcome
            && !heard
        {
            up.push(Task::Unheard(error.clone()));
        }
        up.push(Task::NothingPending);
        up.push(Task::Flush);
        up.emit(Event::Callback {
            tokens: tokens(&submissions),
            outcome,
        });
    }

    pub(super) fn clear_inflight(&mut self, up: &mut Upstream<'_>, outcome: Outcome) {
        if let Some(op) = self.inflight.take() {
            self.finish(up, op.submissions, outcome);
        }
    }
}
