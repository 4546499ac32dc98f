//! Ops of a state that a tab has given up, and that its host may have all the same.
//!
//! What the host has accepted is in the document and will be committed: those ops are orphans, without a state of the tab,
//! and end as the host says. Of ops that were on their way the tab hears before the snapshot that ends its hard rollback
//! whether the host has accepted them; those of which it hears nothing end with the rollback.
//!
//! What it refuses to do: send such an op again. It belongs to no state that the tab has.

use super::{Doc, Rollback, Upstream};
use crate::{Error, Fifo, Gather, Outcome, PendingOp, Seq, Submission, Task, codes};

impl Doc {
    /// The state that the accepted ops belong to is given up.
    pub(super) fn orphan_accepted(&mut self) {
        self.orphaned = self.accepted.back().and_then(|op| op.id.seq);
    }

    /// The host has these ops that a hard rollback was about to end.
    pub fn handle_taken(&mut self, seqs: &[Seq]) {
        for seq in seqs {
            self.spare(*seq);
        }
    }

    /// The host has accepted an op that a hard rollback was about to end.
    pub(super) fn spare(&mut self, seq: Seq) {
        if let Some(op) = self.take_given_up(seq) {
            self.accepted.push_back(op);
            self.orphan_accepted();
        }
    }

    /// The host has accepted a later op: of those before it that a hard rollback ends it has none.
    pub(super) fn forget_given_up(&mut self, seq: Seq) {
        self.change_rollbacks(&mut |rollback| {
            for op in &mut rollback.others {
                op.sent &= op.id.seq > Some(seq);
            }
        });
    }

    /// The host has refused an op that a hard rollback was about to end.
    pub(super) fn refuse_given_up(&mut self, up: &mut Upstream<'_>, seq: Seq, error: Error) {
        if let Some(op) = self.take_given_up(seq) {
            self.end_given_up(up, vec![(op.submissions, Outcome::Failed(error))]);
        }
    }

    /// No host knows these accepted ops of a state that was given up: they end. A state that was loaded with them is given
    /// up, too, with what was done on it.
    pub(super) fn end_orphans(&mut self, up: &mut Upstream<'_>, orphans: Fifo<PendingOp>) {
        let message = "The host went away before it had stored the op: it is discarded";
        let error = Error::new(codes::ERR_HOST_LOST, message);
        let mut lost: Vec<PendingOp> = orphans.into_iter().gather();
        if self.version.is_none() {
            let end = |op: PendingOp| (op.submissions, Outcome::Failed(error.clone()));
            return self.end_given_up(up, lost.into_iter().map(end).gather());
        }
        lost.append(&mut self.take_unaccepted());
        self.orphan_accepted();
        self.start_rollback(up, Rollback::of(error, lost, &[]));
    }

    /// The ops that were sent, and that a hard rollback ends when its snapshot comes. A host may have them all the same:
    /// what it says of them it says before the snapshot.
    pub fn given_up(&self) -> Vec<Seq> {
        let mut seqs = Vec::new();
        self.waiting_rollbacks(&mut |rollback| {
            let sent = rollback.others.iter().filter(|op| op.sent);
            seqs.extend(sent.filter_map(|op| op.id.seq));
        });
        seqs
    }

    pub(super) fn take_given_up(&mut self, seq: Seq) -> Option<PendingOp> {
        let mut taken = None;
        self.change_rollbacks(&mut |rollback| {
            let is_meant = |op: &PendingOp| op.sent && op.id.seq == Some(seq);
            if let Some(at) = rollback.others.iter().position(is_meant) {
                taken = Some(rollback.others.remove(at));
            }
        });
        taken
    }

    /// Ends ops of a state that was given up: when there is a state again, as everything that a hard rollback ends.
    pub(super) fn end_given_up(
        &mut self,
        up: &mut Upstream<'_>,
        mut ends: Vec<(Vec<Submission>, Outcome)>,
    ) {
        let mut waits = false;
        self.change_rollbacks(&mut |rollback| {
            waits = true;
            rollback.ended.append(&mut ends);
        });
        if waits {
            return up.push(Task::NothingPending);
        }
        for (submissions, outcome) in ends.into_iter().rev() {
            self.finish(up, submissions, outcome);
        }
    }
}
