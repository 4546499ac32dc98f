//! Ops that the server refuses, where they cannot be taken back and the ops after them stay
//! ([`Options::keeps_pending`](crate::Options::keeps_pending)).
//!
//! Without an inverse the tabs see the document without the refused op only when it is built anew: its confirmed state,
//! and every pending op applied to that (`Host::rebuild`). Done for each of a run of refusals, that costs the square of
//! their number. So it is done for the first one, and then when as many answers have come as ops are left: as often as
//! their number can be halved. In between, a refusal costs an entry of the journal, and the tabs still see the op, though
//! its callback was called.
//!
//! What needs the true state has it built first (`Host::show_refusals`): an op of somebody else, a tab that opens the
//! document, the end of the connection. It is also built when no op is left. An op is sent only if it applies to the
//! confirmed state, whatever tabs see.

use std::ops::Range;

use broker::message::DocEvent;
use durable_store::Blocking;
use durable_store::format::JournalEntry;
use proxy_doc::{
    DocHandle, Error, Gather, OpKind, Outcome, PendingOp, Submission, TabId, Token, codes,
};

use super::host_doc::HostDoc;
use crate::host::Host;

/// Refusals of one document since the server last had no op of it to answer.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// Answers of the server since the document was built last.
    answers: usize,
    /// The last refusal of an op that tabs still see.
    unshown: Option<Error>,
    /// The serial of the pending op that was found to apply to the confirmed state.
    checked: Option<u64>,
}

impl Refusals {
    /// Tabs of an earlier life still see an op that was refused.
    pub(crate) fn unshown(error: Error) -> Self {
        Self {
            unshown: Some(error),
            ..Self::default()
        }
    }

    /// The server answered an op.
    pub(crate) fn note_answer(&mut self) {
        self.answers += 1;
    }

    /// An op was submitted: it may be composed into the next one, which is to be checked again then.
    pub(crate) fn note_submission(&mut self) {
        self.checked = None;
    }

    /// Whether to build a document with so many ops anew has been earned.
    fn have_paid_for(&self, ops: usize) -> bool {
        self.answers >= ops
    }
}

impl HostDoc {
    /// The last refusal of an op that tabs still see.
    pub(crate) fn unshown_refusal(&self) -> Option<&Error> {
        self.refusals.as_ref()?.unshown.as_ref()
    }

    /// Whether the next op must not be sent: it may have to do with one that was refused.
    pub(crate) fn holds_sends(&self) -> bool {
        let Some(refusals) = self.refusals.as_ref().filter(|of| of.unshown.is_some()) else {
            return false;
        };
        let next = self.doc.unaccepted().next();
        next.is_some_and(|next| refusals.checked != Some(next.serial))
    }
}

impl Host {
    /// Whether the ops after the inflight one stay where the server refuses that, though it cannot be taken back.
    pub(crate) fn keeps_others(&self, handle: DocHandle) -> bool {
        let host_doc = &self.docs[handle];
        self.options.keeps_pending
            && host_doc.state.missing().is_none()
            && host_doc.doc.version().is_some()
            && (host_doc.unshown_refusal().is_some() || !host_doc.doc.can_undo())
    }

    /// Whether tabs may go on seeing an op that was refused. On a document that was not created, or was deleted, none of
    /// the others may be left.
    pub(crate) fn may_put_off(&self, handle: DocHandle, refused: &PendingOp) -> bool {
        let HostDoc { doc, refusals, .. } = &self.docs[handle];
        let left = doc.unfinished().count() - 1;
        let has_paid = |of: &Refusals| of.have_paid_for(left.saturating_sub(1));
        let is_due = refusals.as_ref().is_none_or(has_paid);
        matches!(refused.kind, OpKind::Edit(_)) && !is_due
    }

    /// The oldest op ends, and tabs see it for a while yet. `follows`: as in [`JournalEntry::Refused`].
    pub(crate) fn put_off_refusal(
        &mut self,
        handle: DocHandle,
        op: PendingOp,
        error: Error,
        follows: bool,
    ) {
        self.log(handle, Blocking::Outputs, || JournalEntry::Refused {
            id: op.id.clone(),
            error: error.clone(),
            follows,
        });
        self.keep_letters(handle, &[op], &error);
        self.end_refused(handle, &error, follows);
    }

    /// As [`Host::put_off_refusal`], where that is in the store.
    pub(crate) fn end_refused(&mut self, handle: DocHandle, error: &Error, follows: bool) {
        let refusals = self.docs[handle].refusals.get_or_insert_default();
        if !follows {
            refusals.note_answer();
        }
        refusals.unshown = Some(error.clone());
        let outcome = outcome(error, follows);
        self.act(handle, |doc, up| doc.end_first(up, outcome));
    }

    /// After an input: shows what was refused where that is due, and lets the next ops be sent.
    pub(crate) fn settle_refusals(&mut self) {
        if self.log.is_restoring() {
            return;
        }
        for handle in self.docs.touched_and_refused() {
            if self.must_show_refusals(handle) {
                self.show_refusals(handle);
            } else if self.docs[handle].holds_sends() {
                self.give_up_misfits(handle);
                self.with_doc(handle, |doc, up| doc.flush(up));
            }
            self.run();
            let host_doc = &mut self.docs[handle];
            if !host_doc.doc.has_write_pending() && host_doc.unshown_refusal().is_none() {
                host_doc.refusals = None;
            }
        }
        // Others may have been shown in the input itself.
        self.run();
    }

    fn must_show_refusals(&self, handle: DocHandle) -> bool {
        let HostDoc { doc, refusals, .. } = &self.docs[handle];
        let have_paid = |of: &Refusals| of.have_paid_for(doc.unfinished().count());
        let is_due = !self.connected() || refusals.as_ref().is_none_or(have_paid);
        // A tab of an earlier life can go on only from what it sees.
        is_due && !self.tabs.expects_any()
    }

    /// Ends the next ops that do not apply to the confirmed state any more, up to one that does.
    fn give_up_misfits(&mut self, handle: DocHandle) {
        let types = std::rc::Rc::clone(&self.types);
        loop {
            let HostDoc {
                doc,
                state,
                refusals,
                ..
            } = &mut self.docs[handle];
            let Some(refusals) = refusals else {
                return;
            };
            let next = doc.unaccepted().next().filter(|_| doc.inflight().is_none());
            let Some((next, error)) = next.zip(refusals.unshown.clone()) else {
                return;
            };
            // An op whose fit cannot be told here is tried when the document is built anew.
            let is_unknown = state.missing().is_some();
            if is_unknown
                || state
                    .fitting(&[next], &*types)
                    .map_or(true, |(fits, _)| fits[0])
            {
                refusals.checked = Some(next.serial);
                return;
            }
            let next = next.clone();
            self.put_off_refusal(handle, next, error, true);
        }
    }

    /// Builds the document anew where tabs still see an op that was refused. What follows from that is left on the
    /// stack, as by [`Host::with_doc`].
    pub(crate) fn show_refusals(&mut self, handle: DocHandle) {
        let host_doc = &self.docs[handle];
        let Some(error) = host_doc.unshown_refusal().cloned() else {
            return;
        };
        let is_whole = host_doc.state.missing().is_none();
        self.rewrite(handle);
        if !is_whole || !self.rebuild(handle, &error, 0..0) {
            self.with_doc(handle, |doc, up| doc.hard_rollback(up, error));
        }
    }

    /// Builds the document anew from its confirmed state, without these ops: one that the server refused, say. Ops that
    /// need one of them are given up with it. Says whether that was possible.
    pub(crate) fn rebuild(
        &mut self,
        handle: DocHandle,
        error: &Error,
        without: Range<usize>,
    ) -> bool {
        let types = std::rc::Rc::clone(&self.types);
        let HostDoc {
            doc, hub, state, ..
        } = &mut self.docs[handle];
        let numbered = doc.unfinished().enumerate();
        let others = numbered.filter(|(n, _)| !without.contains(n));
        let others: Vec<&PendingOp> = others.map(|(_, op)| op).gather();
        let Ok((fits, ty)) = state.fitting(&others, &*types) else {
            return false;
        };
        let mut stay = fits;
        stay.splice(without.start..without.start, without.clone().map(|_| false));
        let mut dropped = doc.drop_unfinished(&stay, ty);
        let before = stay[..without.start].iter().filter(|stays| !**stays);
        let first = before.count();
        let refused: Vec<PendingOp> = dropped.drain(first..first + without.len()).gather();
        let given_up = dropped;
        let tabs = hub.tabs_with_state();
        self.docs[handle].reset_history();
        self.docs[handle].refusals.get_or_insert_default();
        self.void_presences(handle);
        self.keep_letters(handle, &refused, error);
        self.keep_letters(handle, &given_up, error);
        self.end_dropped(handle, &refused, &outcome(error, false));
        self.end_dropped(handle, &given_up, &outcome(error, true));
        for tab in tabs {
            self.tell_rebuilt(handle, &tab, error);
        }
        self.with_doc(handle, |doc, up| doc.flush(up));
        true
    }

    fn end_dropped(&mut self, handle: DocHandle, ops: &[PendingOp], outcome: &Outcome) {
        let token = |submission: &Submission| submission.token;
        for op in ops {
            let tokens: Vec<Token> = op.submissions.iter().map(token).gather();
            self.call_back(handle, &tokens, outcome);
        }
    }

    fn tell_rebuilt(&mut self, handle: DocHandle, tab: &TabId, error: &Error) {
        match self.bring_up_to_date(handle, tab) {
            Ok(Some(snapshot)) => {
                let version = self.tell_version(handle, tab).0;
                let error = error.clone();
                let event = DocEvent::Rebuilt {
                    snapshot,
                    version,
                    error,
                };
                self.tell_doc(handle, tab, event);
            }
            Ok(None) | Err(_) => {
                self.tell_rollback(handle, tab, error.clone(), Vec::new(), Vec::new());
            }
        }
    }
}

/// What the callbacks of a refused op hear, or those of an op that `follows` it.
fn outcome(error: &Error, follows: bool) -> Outcome {
    if error.is(codes::ERR_OP_SUBMIT_REJECTED) && !follows {
        Outcome::Null
    } else {
        Outcome::Failed(error.clone())
    }
}
