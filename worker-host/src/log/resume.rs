//! Resume: a tab of an earlier host continues from its state, where this host knows enough.
//!
//! The tab names its revision, and its ops whose outcome it does not know. It gets the revisions that it lacks and the
//! outcomes, or it is told to start again.
//!
//! What it refuses to do: guess. An op whose outcome is unknown fails with a code that says so.

use broker::message::{DocEvent, Ended, Resumed};
use proxy_doc::{DocHandle, DocKey, Error, Gather, Outcome, Seq, TabId, codes};

use crate::host::Host;

impl Host {
    /// Resumes a tab's documents. `remembered`: [`HostDoc::seen`] would name an op of the tab that had been taken. `void`:
    /// documents of which the tab was shown changes that no host knows.
    pub(crate) fn resume(
        &mut self,
        tab: &TabId,
        remembered: bool,
        docs: Vec<Resumed>,
        void: &[DocKey],
    ) {
        for doc in docs {
            let handle = self.open(doc.key.clone());
            self.docs.touch(handle);
            let same_line = doc.line == Some(self.log.line);
            let hidden = same_line && self.may_hide_inflight(handle, tab, remembered, &doc);
            let hidden = hidden || void.contains(&doc.key);
            if self.resume_doc(handle, tab, same_line, hidden, &doc) {
                self.tell_outcomes(handle, tab, remembered, &doc);
                if let (Some(version), _) = self.tell_version(handle, tab) {
                    self.tell_doc(
                        handle,
                        tab,
                        DocEvent::Version {
                            version,
                            early: false,
                        },
                    );
                }
            }
            self.answer_given_up(handle, tab, remembered, &doc);
        }
        self.run();
        if self.tabs.arrive(tab) {
            self.release_history();
        }
    }

    /// Whether an op that the tab waits for may be in a composed span, which names no authors: composing does not wait for
    /// an absent tab. The tab would take the op for another's change, and resend it.
    fn may_hide_inflight(
        &self,
        handle: DocHandle,
        tab: &TabId,
        remembered: bool,
        doc: &Resumed,
    ) -> bool {
        let Some(base) = doc.revision else {
            return false;
        };
        let host_doc = &self.docs[handle];
        doc.sent().any(|seq| {
            let was_taken = !remembered || host_doc.is_taken(tab, seq);
            was_taken && host_doc.hub.may_hide(tab, base, seq)
        })
    }

    /// Resumes one document, or tells the tab to start again. Returns whether it resumed.
    fn resume_doc(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
        same_line: bool,
        hidden: bool,
        doc: &Resumed,
    ) -> bool {
        let host_doc = &mut self.docs[handle];
        host_doc.hub.meet(tab);
        host_doc.hub.enter_life(tab, doc.life, doc.revision);
        let created = doc.inflight.filter(|_| doc.revision.is_none());
        let last = host_doc.seen.get(tab).copied();
        let taken = created.is_some() && created <= last;
        let goes_on = same_line && !hidden && host_doc.hub.resume(tab, doc.revision, created);
        // The tab's create was taken, but the document was reset since.
        let goes_on = goes_on && (!taken || host_doc.hub.has_state(tab));
        host_doc.hub.set_live(tab, doc.live);
        if doc.live && !host_doc.doc.will_subscribe() {
            self.with_doc(handle, |doc, up| doc.subscribe(up, None));
        }
        if goes_on {
            self.catch_up(handle, tab);
            return true;
        }
        if same_line && !hidden && self.resume_rebuilt(handle, tab, doc) {
            return true;
        }
        self.refuse_to_resume(handle, tab, same_line, doc);
        false
    }

    /// Resumes a document that was rebuilt without a rejected op, and that contains other ops of the tab. The tab gets the
    /// rebuilt state, as it would have from the earlier host, and the server decides those ops. Returns whether this
    /// applies.
    fn resume_rebuilt(&mut self, handle: DocHandle, tab: &TabId, doc: &Resumed) -> bool {
        let Some(base) = doc.revision else {
            return false;
        };
        if !self.holds_op_of(handle, tab) {
            return false;
        }
        let Ok(Some(snapshot)) = self.bring_up_to_date(handle, tab) else {
            return false;
        };
        let ended = self.ended(handle, tab, doc);
        let known = self.known_ops(handle, tab, doc, &ended);
        let mut revision = base;
        for seq in doc.sent().filter(|seq| known.contains(seq)) {
            let event = DocEvent::Accepted {
                seq,
                revision,
                early: None,
            };
            self.tell_doc(handle, tab, event);
            revision = revision.next();
        }
        let event = DocEvent::Rebuilt {
            snapshot,
            version: self.tell_version(handle, tab).0,
            error: first_failure(&ended).unwrap_or_else(given_up_state),
        };
        self.tell_doc(handle, tab, event);
        true
    }

    /// Tells the tab to start again. Its unfinished ops in this line are void: no op may be based on them.
    fn refuse_to_resume(&mut self, handle: DocHandle, tab: &TabId, same_line: bool, doc: &Resumed) {
        let mut ended = self.ended(handle, tab, doc);
        ended.extend(self.foreseen(handle, tab, doc));
        let cause = first_failure(&ended);
        // An op that is still to be sent, or inflight, must not be reported as rejected.
        let is_open = self.holds_op_of(handle, tab);
        let cause = cause.filter(|_| !is_open);
        let unknown = || {
            if same_line && !is_open {
                return given_up_state();
            }
            let message =
                "The host went away before the server's answer: the op may be committed or not";
            Error::new(codes::ERR_HOST_LOST, message)
        };
        let error = cause.unwrap_or_else(unknown);
        let rest = doc
            .sent()
            .filter(|seq| ended.iter().all(|(of, _)| of != seq));
        let rest: Vec<Seq> = rest.gather();
        let failed = |seq| (seq, Outcome::Failed(error.clone()));
        ended.extend(rest.into_iter().map(failed));
        let ended = ended.into_iter();
        let ended = ended.map(|(seq, outcome)| Ended { seq, outcome });
        self.tell_rollback(handle, tab, error, Vec::new(), ended.gather());
    }

    /// Whether an op of the tab is unfinished: not answered by the server.
    fn holds_op_of(&self, handle: DocHandle, tab: &TabId) -> bool {
        let ops = self.docs[handle].doc.unfinished();
        let mut submissions = ops.flat_map(|op| &op.submissions);
        submissions.any(|submission| {
            let author = self.callers.author(submission.token);
            author.is_some_and(|author| author.tab == *tab)
        })
    }

    /// The known outcomes of ops that the tab waits for.
    fn ended(&self, handle: DocHandle, tab: &TabId, resumed: &Resumed) -> Vec<(Seq, Outcome)> {
        let host_doc = &self.docs[handle];
        let outcomes = host_doc.outcomes.iter();
        let outcomes = outcomes.map(|kept| (&kept.author.tab, kept.author.seq, &kept.outcome));
        outcomes
            .filter(|(of, seq, _)| *of == tab && resumed.waits_for(*seq))
            .map(|(_, seq, outcome)| (seq, outcome.clone()))
            .gather()
    }

    /// The outcomes that ops which the tab waits for are about to get.
    fn foreseen(&self, handle: DocHandle, tab: &TabId, resumed: &Resumed) -> Vec<(Seq, Outcome)> {
        let foreseen = self.docs[handle].doc.foreseen().into_iter();
        foreseen
            .filter_map(|(token, outcome)| Some((self.callers.author(token)?.clone(), outcome)))
            .filter(|(author, _)| author.tab == *tab && resumed.waits_for(author.seq))
            .map(|(author, outcome)| (author.seq, outcome))
            .gather()
    }

    /// Tells the tab its ops' outcomes. An op of which no host knows the outcome fails.
    fn tell_outcomes(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
        remembered: bool,
        resumed: &Resumed,
    ) {
        let mut ended = self.ended(handle, tab, resumed);
        let known = self.known_ops(handle, tab, resumed, &ended);
        let unknown = resumed.accepted.iter().filter(|seq| !known.contains(seq));
        let host_doc = &self.docs[handle];
        let end = |seq: &Seq| {
            let end = if remembered && !host_doc.is_taken(tab, *seq) {
                discarded()
            } else {
                unknown_end()
            };
            (*seq, end)
        };
        ended.extend(unknown.map(end));
        self.tell_ended(handle, tab, ended);
    }

    /// Tells the tab which of the ops that it gave up this host holds, so that it does not end them itself.
    fn answer_given_up(&mut self, handle: DocHandle, tab: &TabId, remembered: bool, doc: &Resumed) {
        if doc.given_up.is_empty() {
            return;
        }
        let open = self.open_ops(handle, tab, doc);
        let (seqs, others): (Vec<Seq>, Vec<Seq>) =
            doc.given_up.iter().partition(|seq| open.contains(seq));
        if !seqs.is_empty() {
            self.tell_doc(handle, tab, DocEvent::Taken { seqs });
        }
        // A taken op of a remembered tab stays known until the tab has confirmed its outcome.
        if remembered {
            return;
        }
        let ended = self.ended(handle, tab, doc);
        let is_unknown = |seq: &Seq| ended.iter().all(|(of, _)| of != seq);
        let unknown = others.into_iter().filter(is_unknown);
        let unknown = unknown.map(|seq| (seq, unknown_end())).gather();
        self.tell_ended(handle, tab, unknown);
    }

    /// The tab's ops whose outcome it will still be told.
    fn open_ops(&self, handle: DocHandle, tab: &TabId, resumed: &Resumed) -> Vec<Seq> {
        let unfinished = self.docs[handle].doc.unfinished();
        let mut open: Vec<Seq> = unfinished
            .flat_map(|op| &op.submissions)
            .filter_map(|submission| self.callers.author(submission.token))
            .filter(|author| author.tab == *tab)
            .map(|author| author.seq)
            .gather();
        let foreseen = self.foreseen(handle, tab, resumed);
        open.extend(foreseen.iter().map(|(seq, _)| *seq));
        open
    }

    /// The ops of the tab whose outcome this host knows, or will know.
    fn known_ops(
        &self,
        handle: DocHandle,
        tab: &TabId,
        resumed: &Resumed,
        ended: &[(Seq, Outcome)],
    ) -> Vec<Seq> {
        let mut known = self.open_ops(handle, tab, resumed);
        known.extend(ended.iter().map(|(seq, _)| *seq));
        known
    }

    /// Tells the tab these outcomes.
    fn tell_ended(&mut self, handle: DocHandle, tab: &TabId, ended: Vec<(Seq, Outcome)>) {
        for (seq, outcome) in ended {
            let version = self.tell_version(handle, tab).0;
            let seqs = vec![seq];
            let event = DocEvent::Outcome {
                seqs,
                outcome,
                version,
                early: false,
            };
            self.tell_doc(handle, tab, event);
        }
    }
}

/// The error of the first op that failed.
fn first_failure(ended: &[(Seq, Outcome)]) -> Option<Error> {
    ended.iter().find_map(|(_, outcome)| match outcome {
        Outcome::Failed(error) => Some(error.clone()),
        Outcome::Done | Outcome::Null => None,
    })
}

fn given_up_state() -> Error {
    let message = "The host gave up the state that the tab stands at";
    Error::new(codes::ERR_REVISION_NOT_KEPT, message)
}

fn unknown_end() -> Outcome {
    let message = "The host does not know what became of the op";
    Outcome::Failed(Error::new(codes::ERR_HOST_LOST, message))
}

/// The outcome of an op that an earlier host accepted early, and that its tab no longer has.
fn discarded() -> Outcome {
    let message = "The host went away before the op was stored, and its tab gave up the state that held it: it is discarded";
    Outcome::Failed(Error::new(codes::ERR_REVISION_NOT_KEPT, message))
}
