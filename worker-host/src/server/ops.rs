//! Ops: sends an op to the server, takes its acknowledgement or rejection, and takes ops of others.
//!
//! What it refuses to do: decide when an op is sent; the document's machine does.

use std::iter;

use broker::message::{DocEvent, ToTab, encode};
use proxy_doc::{Change, DocHandle, Error, OpId, OpKind, OtType, PendingOp, Seq, Version, codes};

use durable_store::Blocking;
use durable_store::format::JournalEntry;

use crate::docs::host_doc::HostDoc;
use crate::host::Host;
use crate::server::wire::{Extra, Incoming, OpMessage};

impl Host {
    /// Sends the document's inflight op, behind the write that holds it.
    pub(crate) fn send_op(&mut self, handle: DocHandle) {
        let host_doc = &mut self.docs[handle];
        let Some(op) = host_doc.doc.inflight() else {
            return;
        };
        let change = Change::new(&op.kind, None);
        let key = host_doc.doc.key();
        let text = encode(&OpMessage {
            a: "op",
            c: &key.collection,
            d: &key.id,
            v: Some(host_doc.doc.version()),
            src: op.id.src.as_deref(),
            seq: Some(op.id.seq),
            x: Extra {
                source: op.source.as_ref(),
            },
            op: change.op,
            create: change.create,
            del: change.del,
        });
        let src = self.server.op_ids.src(self.log.keeps_numbers());
        self.docs[handle].doc.mark_sent(src);
        let sender = self.sender_of(handle);
        self.docs.sending.begin(handle, sender);
        self.outbox.push_op(self.log.barrier(), handle, text);
    }

    // ---- What the server sends ----

    /// Takes an `op` message: an acknowledgement, a rejection, or an op of another client.
    pub(crate) fn handle_op(&mut self, mut message: Incoming, error: Option<Error>) {
        let handle = self.handle_of(&message);
        if let Some(error) = error {
            return match handle {
                Some(handle) if self.docs[handle].is_of_another(&message.op_id()) => {
                    self.warn(format!(
                        "Ignoring the refusal of an op that is not on its way: {error}"
                    ));
                }
                Some(handle) if self.docs[handle].doc.inflight().is_some() => {
                    self.handle_op_error(handle, error, message.seq);
                }
                Some(_) | None => self.tell_op_error(&message, &error),
            };
        }
        let Some(handle) = handle else {
            return;
        };
        self.docs[handle].silence.end();
        let Some(v) = message.v else {
            return self.ask_for_op(handle, &message);
        };
        if self.is_nameless_ack(handle, &message) && self.ask_for_inflight(handle) {
            return self.warn("Op without src and seq: fetching".to_owned());
        }
        let was_sent = self.docs[handle].is_inflight(&message.op_id());
        if self.is_ack(handle, &message) {
            let is_with_fixups = self.is_with_fixups(handle, v, &message);
            let host_doc = &mut self.docs[handle];
            if !is_with_fixups {
                // If the host lacks earlier ops, the document's machine asks for them first.
                host_doc.answered_ahead = (!host_doc.is_next(v)).then(|| message.op_id());
                return self.handle_ack(handle, v, &message);
            }
            // The answer to the op is under way, or a resend asks for it.
            let is_answered = host_doc.answered_ahead.take() == Some(message.op_id());
            if !was_sent || is_answered {
                self.act(handle, |doc, up| doc.send_again(up));
            }
            return;
        }
        if self.asks_for_given_up(handle, v, &message) {
            return;
        }
        let src = message.src.take();
        let change = message.change();
        // The op is transformed over pending ops, and tabs apply it to the data that they show.
        self.show_refusals(handle);
        self.run();
        self.bring_past_op(handle, v, src.as_deref(), &change);
        let logged = change.as_ref().ok().filter(|_| self.log.is_kept());
        let logged = logged.cloned();
        let kind = self.read_change(handle, v, change);
        if let Ok(kind) = &kind {
            self.cache_op_for_presence(handle, v, kind, src.as_deref());
        }
        let kind = match kind {
            Ok(kind) => kind,
            Err(error) => {
                self.act(handle, |doc, up| doc.handle_unreadable_op(up, error));
                return;
            }
        };
        if let (Some(change), true) = (logged, self.docs[handle].is_next(v)) {
            let src = src.clone();
            self.log(handle, Blocking::Outputs, || JournalEntry::Remote {
                v,
                src,
                change,
            });
        }
        self.commit_remote(handle, v, src, kind);
    }

    /// Fetches the ops from the document's version on, since an op came without a readable version: the op is among them,
    /// with its version.
    fn ask_for_op(&mut self, handle: DocHandle, message: &Incoming) {
        self.warn("Op without a version: fetching".to_owned());
        if !self.docs[handle].is_inflight(&message.op_id()) {
            self.act(handle, |doc, up| doc.fetch(up, None));
        } else if !self.ask_for_inflight(handle) {
            let message = "The server acknowledged an op without saying its version";
            let error = Error::badly_formed(message);
            self.act(handle, |doc, up| doc.handle_unusable_ack(up, error));
        }
    }

    /// Whether the message may be the acknowledgement of the inflight op, without the identity that would say so.
    fn is_nameless_ack(&self, handle: DocHandle, message: &Incoming) -> bool {
        message.is_bare()
            && (message.src.is_none() || message.seq.is_none())
            && self.docs[handle].doc.inflight().is_some()
    }

    /// Fetches an op of this connection that was given up while it was inflight, and that the server committed: the
    /// acknowledgement does not contain the change. Returns whether the fetch is new, as [`Host::ask_for_inflight`].
    ///
    /// ShareDB's client takes such a message for a no-op, and has other data than the server from then on.
    fn asks_for_given_up(&mut self, handle: DocHandle, v: Version, message: &Incoming) -> bool {
        let ids = &self.server.op_ids;
        let src = message.src.as_deref();
        let is_own = src.is_some_and(|src| {
            ids.connection_id() == Some(src) || ids.src(self.log.keeps_numbers()) == Some(src)
        });
        let host_doc = &mut self.docs[handle];
        let is_old = host_doc.doc.version().is_some_and(|version| v < version);
        let id = message.op_id();
        if !is_own || is_old || !message.is_bare() || host_doc.asked_for.as_ref() == Some(&id) {
            return false;
        }
        host_doc.asked_for = Some(id);
        // A fetch that is under way may have been answered before the op was committed.
        self.act(handle, |doc, up| doc.fetch_again(up, None));
        true
    }

    /// Fetches the ops from the document's version on, to find the inflight one among them. Returns whether the fetch is
    /// new: the host does not ask again if the server's answer is no better.
    fn ask_for_inflight(&mut self, handle: DocHandle) -> bool {
        let host_doc = &mut self.docs[handle];
        let id = host_doc.doc.inflight().map(|op| op.id.clone());
        if host_doc.asked_for == id {
            return false;
        }
        host_doc.asked_for = id;
        self.act(handle, |doc, up| doc.fetch_again(up, None));
        true
    }

    /// Takes another client's op at `v`; the confirmed state takes it if it is the next one.
    pub(crate) fn commit_remote(
        &mut self,
        handle: DocHandle,
        v: Version,
        src: Option<String>,
        kind: OpKind,
    ) {
        let host_doc = &mut self.docs[handle];
        if host_doc.is_next(v)
            && let Err(error) = host_doc.commit(&kind, &*self.types)
        {
            return self.act(handle, |doc, up| doc.hard_rollback(up, error));
        }
        self.act(handle, |doc, up| doc.handle_op(up, v, v.next(), src, kind));
    }

    /// Tells all tabs that the server rejected an op that this host did not send: the application may have written it to
    /// the socket. The document may exist in a tab only.
    pub(crate) fn tell_op_error(&mut self, message: &Incoming, error: &Error) {
        let (Some(collection), Some(id)) = (&message.c, &message.d) else {
            return self.warn(format!("The server refused an op of no document: {error}"));
        };
        self.tell_all(|| ToTab::Doc {
            collection: collection.clone(),
            id: id.clone(),
            event: DocEvent::Error(error.clone()),
        });
    }

    /// Takes the server's rejection of the inflight op.
    fn handle_op_error(&mut self, handle: DocHandle, error: Error, seq: Option<Seq>) {
        let refused = self.docs[handle].doc.inflight().cloned();
        let Some(refused) = refused.filter(|_| !error.is(codes::ERR_NO_OP)) else {
            return self.act(handle, |doc, up| doc.handle_op_error(up, error, seq));
        };
        if self.keeps_others(handle) {
            if self.may_put_off(handle, &refused) {
                return self.put_off_refusal(handle, refused, error, false);
            }
            self.rewrite(handle);
            if self.rebuild(handle, &error, 0..1) {
                return self.run();
            }
        }
        self.rewrite(handle);
        let doc = &self.docs[handle].doc;
        let life = doc.life();
        let cause = error.clone();
        // A later host may send the stored ops. It cannot be told of this rejection, and would not recognize the ops
        // after the rejected one.
        let lost = self.log.is_lost();
        let others = doc.unfinished().count() > 1;
        // The server lost its data, or was restored from a backup. A client that reloads loses its state and starts
        // again; ops in a log would be rejected for ever.
        let ahead = codes::ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT;
        let is_ahead = self.log.is_kept() && error.is(ahead);
        self.act(handle, |doc, up| {
            if is_ahead || (lost && others) {
                doc.hard_rollback(up, error);
            } else {
                doc.handle_op_error(up, error, seq);
            }
        });
        // Ops that are given up together with the document are kept as letters there.
        if self.docs[handle].doc.life() == life {
            self.keep_letters(handle, &[refused], &cause);
        }
    }

    /// Whether the message acknowledges the inflight op, or an op of an earlier host, which then becomes the inflight one.
    pub(crate) fn is_ack(&mut self, handle: DocHandle, message: &Incoming) -> bool {
        let id = message.op_id();
        self.docs[handle].is_inflight(&id) || self.take_up(handle, message.v, &id)
    }

    /// Makes an op the inflight one that an earlier host sent, that waits to be resent, and that the server committed.
    /// Returns whether there is such an op.
    fn take_up(&mut self, handle: DocHandle, v: Option<Version>, id: &OpId) -> bool {
        let doc = &self.docs[handle].doc;
        // An acknowledgement that comes too early is asked for again.
        let is_next = id.seq.is_some() && doc.version().is_some() && doc.version() == v;
        let Some(can) = doc.can_take_up(id).filter(|_| is_next) else {
            return false;
        };
        self.act(handle, |doc, up| {
            if can {
                doc.take_up(up, id);
            } else {
                let message =
                    "Another op was committed before this one, which may be committed or not";
                doc.give_up_others(up, id, Error::new(codes::ERR_HOST_LOST, message));
            }
        });
        true
    }

    /// Whether the message carries the inflight op with fixups composed into it, as the server committed it. That is how
    /// catch-ups and subscriptions carry ops. The fixups by themselves are in the server's answer to the op, also where
    /// the op is a resend.
    fn is_with_fixups(&self, handle: DocHandle, v: Version, message: &Incoming) -> bool {
        let host_doc = &self.docs[handle];
        let Some(inflight) = host_doc.doc.inflight().filter(|_| host_doc.doc.is_next(v)) else {
            return false;
        };
        let is_answer = message.op.is_none() && message.create.is_none();
        // A server whose answer did not name the op will not send another answer.
        if is_answer || host_doc.asked_for.as_ref() == Some(&inflight.id) {
            return false;
        }
        let ty = self.type_of_ack(handle);
        let change = message.change();
        let committed = change.and_then(|change| change.read(ty.as_ref(), &*self.types));
        let text = |kind: &OpKind| encode(&Change::new(kind, None));
        !committed.is_ok_and(|kind| text(&kind) == text(&inflight.kind))
    }

    /// Reads an op that fits the document's version. Any other op is read as a no-op, since only its version matters.
    fn read_change(
        &self,
        handle: DocHandle,
        v: Version,
        change: Result<Change, Error>,
    ) -> Result<OpKind, Error> {
        let host_doc = &self.docs[handle];
        if !host_doc.is_next(v) {
            return Ok(OpKind::Noop);
        }
        match change?.read(host_doc.state.ty(), &*self.types) {
            Err(error) if error.is(codes::ERR_OT_OP_BADLY_FORMED) => {
                Err(Error::new(codes::ERR_OT_OP_NOT_APPLIED, error.message))
            }
            read => read,
        }
    }

    /// Takes the acknowledgement of the inflight op at `v`.
    fn handle_ack(&mut self, handle: DocHandle, v: Version, message: &Incoming) {
        let host_doc = &self.docs[handle];
        let sent = match host_doc.doc.inflight() {
            Some(op) if !self.presences.is_empty() => Some(op.kind.clone()),
            Some(_) | None => None,
        };
        let id = host_doc.doc.inflight().map(|op| op.id.clone());
        let creates = |op: &PendingOp| matches!(op.kind, OpKind::Create { .. });
        let created = host_doc.doc.inflight().is_some_and(creates);
        let ty = self.type_of_ack(handle);
        let changes = message.fixups();
        if changes.as_ref().is_ok_and(|changes| !changes.is_empty()) {
            // Fixups are treated as an op of another client.
            self.show_refusals(handle);
            self.run();
        }
        let fixups: Result<Vec<OpKind>, Error> = changes.clone().and_then(|changes| {
            let changes = changes.into_iter();
            changes
                .map(|change| change.read(ty.as_ref(), &*self.types))
                .collect()
        });
        if let Some(kind) = sent {
            self.cache_op_for_presence(handle, v, &kind, message.src.as_deref());
        }
        let is_next = self.docs[handle].doc.is_next(v);
        if let (true, Some(id), Ok(changes)) = (is_next, id, changes) {
            // A repeated acknowledgement harms only a create: a server that has deleted the document since then would
            // create it again. The server's fixups are a revision, which must be logged first.
            let blocking = if created || !changes.is_empty() {
                Blocking::Outputs
            } else {
                Blocking::Nothing
            };
            self.log(handle, blocking, || JournalEntry::Ack {
                id,
                v,
                fixups: changes,
            });
        }
        self.commit_own(handle, v, fixups);
    }

    /// The type of the document after the inflight op.
    pub(crate) fn type_of_ack(&self, handle: DocHandle) -> Option<OtType> {
        let HostDoc { doc, state, .. } = &self.docs[handle];
        match doc.inflight().map(|op| &op.kind) {
            Some(OpKind::Create { type_name, .. }) => self.types.resolve(type_name),
            Some(OpKind::Edit(_) | OpKind::Del | OpKind::Noop) | None => state.ty().cloned(),
        }
    }

    /// Commits the inflight op at `v`, and the server's fixups on top of it.
    pub(crate) fn commit_own(
        &mut self,
        handle: DocHandle,
        v: Version,
        fixups: Result<Vec<OpKind>, Error>,
    ) {
        let host_doc = &mut self.docs[handle];
        let inflight = host_doc.doc.inflight();
        let own = inflight
            .filter(|_| host_doc.doc.is_next(v))
            .map(|op| op.kind.clone());
        if let Some(own) = own {
            if let Some(refusals) = &mut host_doc.refusals {
                refusals.note_answer();
            }
            let mut kinds = iter::once(&own).chain(fixups.iter().flatten());
            if let Err(error) = kinds.try_for_each(|kind| host_doc.commit(kind, &*self.types)) {
                return self.act(handle, |doc, up| doc.hard_rollback(up, error));
            }
        }
        self.act(handle, |doc, up| match fixups {
            Ok(fixups) => doc.handle_ack(up, v, fixups),
            Err(error) => doc.handle_unreadable_op(up, error),
        });
    }
}
