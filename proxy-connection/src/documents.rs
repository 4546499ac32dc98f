//! The documents of a tab: the calls of the application, and what they send to the host.
//!
//! What it refuses to do: hold data, or transform an op, which [`Doc`] does.

use std::rc::Rc;

use broker::message::{CallbackId, LeadEntry, Read, ReadAction, Resumed, SubmitOp, ToHost, encode};
use proxy_doc::{
    Change, Doc, DocHandle, DocKey, Edge, Error, Gather, Json, Line, OpId, PendingOp, Seq,
    Submission, Token, Version, codes,
};

use crate::placement::Placement;
use crate::{ProxyConnection, Request, TabEvent};

/// A document of a tab.
#[derive(Debug)]
pub(crate) struct ProxyDoc {
    pub(crate) doc: Doc,
    /// The server's version. (The version of `doc` is the host's revision.)
    pub(crate) version: Option<Version>,
    /// The version that the application assigned to `doc.version`; never equal to `version`.
    pub(crate) assigned: Option<Version>,
    /// The host was asked for the server's version because of `assigned`, and has not answered.
    pub(crate) asks_version: bool,
    /// Whether the version of `doc` is a revision of the host's.
    pub(crate) placement: Placement,
    /// The line that the state belongs to.
    pub(crate) line: Option<Line>,
    /// The last op that was sent, and the line that it was sent for. A resend names the same line.
    pub(crate) sent: Option<(Seq, Line)>,
    /// The last subscribe or unsubscribe that was sent: answers to earlier ones end nothing.
    pub(crate) subscribe_sent: Option<CallbackId>,
    /// The op that is on its way to the server: the oldest one, while connected. See [`TabEvent::Sent`].
    pub(crate) on_its_way: Option<Seq>,
    /// The last changes of the state, where the tab was shown them early and does not know that they are durable.
    pub(crate) lead: Vec<LeadEntry>,
    /// The state is about to be given up: it holds what no host knows.
    pub(crate) is_void: bool,
}

impl ProxyConnection {
    /// The handle of a document, which is made where the tab has none.
    pub fn get(&mut self, key: DocKey) -> DocHandle {
        if let Some(handle) = self.by_key.get(&key) {
            return *handle;
        }
        let handle = DocHandle(self.next_handle);
        self.next_handle += 1;
        self.by_key.insert(key.clone(), handle);
        let doc = Doc::new(key, Edge::Tab);
        self.docs.insert(
            handle,
            ProxyDoc {
                doc,
                version: None,
                assigned: None,
                asks_version: false,
                placement: Placement::Placed,
                line: None,
                sent: None,
                subscribe_sent: None,
                on_its_way: None,
                lead: Vec::new(),
                is_void: false,
            },
        );
        handle
    }

    /// The application took the document out of its connection. Pending ops are sent, as far as they can be now, and
    /// their callbacks get `ERR_DOC_NOT_IN_CONNECTION`.
    pub fn abandon(&mut self, handle: DocHandle) {
        let message = "The document was removed from connection.collections before its ops were acknowledged: \
            whether they are committed is not known. Wait for doc.whenNothingPending before";
        let error = Error::new(codes::ERR_DOC_NOT_IN_CONNECTION, message);
        self.with_doc(handle, |doc, up| {
            doc.flush(up);
            doc.abandon(up, &error);
        });
    }

    /// Forgets the document, here and at the host.
    pub fn destroy(&mut self, handle: DocHandle) {
        let presences = self.last_presences(handle);
        if let Some(gone) = self.docs.remove(&handle) {
            let is_of_it = |request: &Request| matches!(request, Request::Read { doc, .. } | Request::Ingest { doc, .. } if *doc == handle);
            self.requests.end_where(&is_of_it);
            self.by_key.remove(gone.doc.key());
            self.turns.forget_doc(handle);
            self.leave_doc(gone.doc.key().clone());
            self.push_presence(presences);
        }
    }

    /// Has the host forget that the tab had this document.
    pub(crate) fn leave_doc(&mut self, key: DocKey) {
        let callback_id = self.requests.open(Request::Leave(key.clone()));
        let DocKey { collection, id } = key.clone();
        self.leaving.insert(key, callback_id);
        self.tell_host(&ToHost::Destroy {
            collection,
            id,
            callback_id: Some(callback_id),
        });
    }

    /// The host has forgotten the document, as it was asked to by this request.
    pub(crate) fn handle_left(&mut self, key: &DocKey, callback_id: CallbackId) {
        if self.leaving.get(key) == Some(&callback_id) {
            self.leaving.remove(key);
        }
    }

    /// The machine of a document.
    pub fn doc(&self, handle: DocHandle) -> Option<&Doc> {
        self.docs.get(&handle).map(|doc| &doc.doc)
    }

    /// The machine of a document, to set the properties that an application may set.
    pub fn doc_mut(&mut self, handle: DocHandle) -> Option<&mut Doc> {
        self.docs.get_mut(&handle).map(|doc| &mut doc.doc)
    }

    /// `doc.submitOp`; see [`Doc::submit_op`].
    pub fn submit_op(
        &mut self,
        handle: DocHandle,
        op: &Json,
        source: Option<Json>,
        submission: Submission,
    ) {
        self.with_doc(handle, |doc, up| doc.submit_op(up, op, source, submission));
    }

    /// `doc.pendingOps.push`: an op that the application kept over a restart, and that its data contains already.
    ///
    /// # Errors
    /// The errors of [`Change::read`].
    pub fn restore_op(
        &mut self,
        handle: DocHandle,
        change: Change,
        earlier: Option<OpId>,
        submission: Submission,
    ) -> Result<(), Error> {
        let types = Rc::clone(&self.types);
        if let Some(known) = self.docs.get_mut(&handle) {
            let ty = known.doc.ty().cloned();
            let kind = change.read(ty.as_ref(), &*types)?;
            known.doc.restore(kind, ty, earlier, submission);
        }
        Ok(())
    }

    /// `doc.create`.
    pub fn create(
        &mut self,
        handle: DocHandle,
        type_name: String,
        data: Option<Json>,
        source: Option<Json>,
        submission: Submission,
    ) {
        self.with_doc(handle, |doc, up| {
            doc.create(up, type_name, data, source, submission)
        });
    }

    /// `doc.del`.
    pub fn del(&mut self, handle: DocHandle, source: Option<Json>, submission: Submission) {
        self.with_doc(handle, |doc, up| doc.del(up, source, submission));
    }

    /// `doc.fetch`.
    pub fn fetch(&mut self, handle: DocHandle, callback: Option<Token>) {
        self.with_doc(handle, |doc, up| doc.fetch(up, callback));
    }

    /// `doc.subscribe`.
    pub fn subscribe(&mut self, handle: DocHandle, callback: Option<Token>) {
        self.with_doc(handle, |doc, up| doc.subscribe(up, callback));
    }

    /// `doc.unsubscribe`.
    pub fn unsubscribe(&mut self, handle: DocHandle, callback: Option<Token>) {
        self.with_doc(handle, |doc, up| doc.unsubscribe(up, callback));
    }

    /// `doc.flush`, now.
    pub fn flush(&mut self, handle: DocHandle) {
        self.with_doc(handle, |doc, up| doc.flush(up));
    }

    /// `doc.flush` of a page that may have no later moment; see [`Doc::send_ahead`].
    pub fn send_ahead(&mut self, handle: DocHandle) {
        self.with_doc(handle, |doc, up| doc.send_ahead(up));
    }

    /// `doc.pause`.
    pub fn pause(&mut self, handle: DocHandle) {
        self.with_doc(handle, |doc, _| doc.pause());
    }

    /// `doc.resume`.
    pub fn resume(&mut self, handle: DocHandle) {
        self.with_doc(handle, |doc, up| doc.resume(up));
    }

    /// Rolls the document back hard, with `error`.
    pub fn hard_rollback(&mut self, handle: DocHandle, error: Error) {
        self.with_doc(handle, |doc, up| doc.hard_rollback(up, error));
    }

    /// The next tick after [`Later::Unsubscribed`](proxy_doc::Later::Unsubscribed).
    pub fn finish_unsubscribe(&mut self, handle: DocHandle) {
        self.with_doc(handle, |doc, up| {
            if doc.asks(false) {
                doc.handle_subscribe(up, Ok(None));
            }
        });
    }

    // ---- To the host ----

    pub(crate) fn send_op(&mut self, handle: DocHandle) -> Option<TabEvent> {
        let known = self.docs.get_mut(&handle)?;
        let doc = &known.doc;
        let op = doc.inflight()?;
        let seq = op.id.seq?;
        // A resend is for the line of the first send: the host before may have accepted the op for that line.
        let before = known.sent.filter(|(sent, _)| *sent == seq);
        if before.is_none() && self.waits_for_version(handle) {
            return None;
        }
        let known = self.docs.get_mut(&handle)?;
        let doc = &known.doc;
        let op = doc.inflight()?;
        let line = before.map_or(self.session.line, |(_, line)| Some(line));
        known.sent = line.map(|line| (seq, line));
        let message = ToHost::SubmitOp(submission_of(doc, op, line)?);
        let tokens = op.submissions.iter().map(|of| of.token).gather();
        Some(TabEvent::SubmitOp(Some(encode(&message)), seq, tokens))
    }

    /// Sends what is pending behind the inflight op.
    pub(crate) fn send_ops_ahead(&mut self, handle: DocHandle) -> Option<TabEvent> {
        let known = self.docs.get(&handle)?;
        let inflight = known.doc.inflight().and_then(|op| op.id.seq);
        // The inflight op may wait for something. What is behind it is for the same line.
        let (_, line) = known.sent.filter(|(seq, _)| Some(*seq) == inflight)?;
        let numbered = self.with_doc(handle, |doc, up| doc.number_ahead(up))??;
        let doc = &self.docs.get(&handle)?.doc;
        let sent = doc.unaccepted().take(numbered);
        let ops: Vec<SubmitOp> = sent
            .filter_map(|op| submission_of(doc, op, Some(line)))
            .gather();
        let tokens = |op: &PendingOp| op.submissions.iter().map(|of| of.token).gather();
        let sent = doc.unaccepted().take(numbered).skip(1);
        let mut events: Vec<TabEvent> = sent
            .filter_map(|op| Some(TabEvent::SubmitOp(None, op.id.seq?, tokens(op))))
            .gather();
        // Events are a stack.
        if let Some(TabEvent::SubmitOp(text, ..)) = events.first_mut() {
            *text = Some(encode(&ToHost::SubmitAhead { ops }));
        }
        for event in events.into_iter().rev() {
            self.push_event(event);
        }
        None
    }

    /// A read of the document as it is now, of which `request` says what it is for. `resumes`: the tab has a state, and only
    /// subscribes again.
    pub(crate) fn read(
        &mut self,
        handle: DocHandle,
        action: ReadAction,
        resumes: bool,
        request: Request,
    ) -> Option<Read> {
        let known = self.docs.get_mut(&handle)?;
        let callback_id = self.requests.open(request);
        if action != ReadAction::Fetch {
            known.subscribe_sent = Some(callback_id);
        }
        let doc = &known.doc;
        let DocKey { collection, id } = doc.key().clone();
        Some(Read {
            action,
            collection,
            id,
            revision: known.revision(),
            life: doc.life(),
            resume: resumes,
            from: known.behind().filter(|_| action == ReadAction::Fetch),
            callback_id,
        })
    }
}

impl ProxyDoc {
    /// The document as a takeover needs it; `None` where there is nothing to resume. `line`: the connection's.
    pub(crate) fn resumed(&self, line: Option<Line>) -> Option<Resumed> {
        let doc = &self.doc;
        let inflight = doc.inflight().and_then(|op| op.id.seq);
        let behind = doc.unaccepted().skip(usize::from(inflight.is_some()));
        let ahead = behind.filter(|op| op.sent).filter_map(|op| op.id.seq);
        let ahead: Vec<Seq> = ahead.gather();
        let accepted: Vec<Seq> = doc.accepted().filter_map(|op| op.id.seq).gather();
        let given_up = doc.given_up();
        let waits = inflight.is_some() || !accepted.is_empty() || !given_up.is_empty();
        // No host has given the version of a state that is not placed.
        let revision = self.revision();
        if revision.is_none() && !waits {
            return None;
        }
        // Ops of a machine that crashed belong to no state of this machine.
        let line = line.filter(|_| inflight.is_none());
        let line = self.line.or(self.sent.map(|(_, line)| line)).or(line);
        let last = self.lead.last().map(|change| change.revision.next());
        // Another one is of a state that was given up.
        let lead = if last == revision {
            self.lead.clone()
        } else {
            Vec::new()
        };
        Some(Resumed {
            key: doc.key().clone(),
            revision,
            line: line.filter(|_| !self.is_void),
            life: doc.life(),
            live: doc.want_subscribe(),
            inflight,
            ahead,
            accepted,
            given_up,
            lead,
        })
    }
}

/// An op of the document, as it is sent for `line`; `None` where it has no number yet.
fn submission_of(doc: &Doc, op: &PendingOp, line: Option<Line>) -> Option<SubmitOp> {
    let DocKey { collection, id } = doc.key().clone();
    Some(SubmitOp {
        collection,
        id,
        revision: doc.version().map(|v| proxy_doc::Revision(v.0)),
        life: doc.life(),
        line,
        seq: op.id.seq?,
        change: Change::new(&op.kind, op.ty.as_ref()),
        source: op.source.clone(),
        earlier: op.earlier.clone(),
        prevent_compose: op.prevent_compose,
    })
}
