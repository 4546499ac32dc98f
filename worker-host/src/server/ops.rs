//! The host's side towards the server (`lib/client/connection.js`).

use std::iter;

use broker::message::{ConnectionEvent, ConnectionState, DocEvent, State, ToTab, encode};
use proxy_doc::{
    Change, DocHandle, DocKey, Entries, Error, Json, OpId, OpKind, OtType, PendingOp, Seq,
    Snapshot, TabId, Version, codes, json_string, next_count, read_json,
};

use durable_store::record::Entry;

use crate::docs::doc::HostDoc;
use crate::host::inputs::{Input, Message};
use crate::host::{Host, Output, ReadyState, identity, op_src};
use crate::quarantine::{Cause, died};
use crate::server::bulk::{Action, Bulk, single};
use crate::server::wire::{
    BulkItem, Extra, Handshake, Incoming, OpMessage, PROTOCOL, PROTOCOL_MINOR, snapshot,
};

impl Host {
    // ---- The socket ----

    /// A host that opens its own sockets starts to do so.
    pub fn connect(&mut self) {
        self.wants_socket = true;
        self.now.push_back(Output::OpenSocket);
    }

    /// A socket takes the place of the one before. The driver has closed that one.
    pub fn bind_socket(&mut self, ready: ReadyState) {
        self.take(Input::Bound(ready));
    }

    /// The socket is open.
    pub fn socket_opened(&mut self) {
        self.take(Input::Opened);
    }

    /// The socket closed, for the `reason` that its `onclose` gave, as JSON. `random` is in [0, 1).
    pub fn socket_closed(&mut self, reason: Option<Json>, random: f64) {
        self.take(Input::Closed(reason, random));
    }

    /// The socket reported an error, as JSON.
    pub fn socket_failed(&mut self, error: Json) {
        self.take(Input::Failed(error));
    }

    /// One message from the server.
    pub fn socket_message(&mut self, text: &str) {
        let text = text.into();
        if self.begin(Cause::ServerMessage, &text) {
            return self.warn(format!("From the server: {}: {text}", died().message));
        }
        match read_json(&text) {
            Ok(message) => {
                // It may have to wait. Whatever is done until then is not its fault.
                self.begin_other();
                self.take(Input::Message(Box::new(Message { text, message })));
            }
            Err(error) => self.warn(format!("Failed to parse message: {error}")),
        }
    }

    pub(crate) fn take_socket(&mut self, ready: ReadyState) {
        self.generation = next_count(self.generation);
        self.forget_socket();
        self.set_state(ready.state(), None);
        if ready == ReadyState::Open {
            self.send_handshake();
        }
    }

    /// The socket is gone: what waits to be sent on it is not for the next one, and pings on it stay unanswered.
    fn forget_socket(&mut self) {
        self.pongs.clear();
        self.out
            .retain(|said| !matches!(said.output, Output::Send(_)));
    }

    pub(crate) fn take_open(&mut self) {
        self.set_state(State::Connecting, None);
        self.send_handshake();
    }

    pub(crate) fn take_close(&mut self, reason: Option<Json>, random: f64) {
        let state = match reason.as_ref().map(|reason| reason.get()) {
            Some(r#""closed""# | r#""Closed""#) => State::Closed,
            Some(r#""stopped""# | r#""Stopped by server""#) => State::Stopped,
            Some(_) | None => State::Disconnected,
        };
        self.forget_socket();
        self.set_state(state, reason);
        if self.options.opens_sockets && self.wants_socket {
            let delay = self.reconnect.next_delay(random);
            self.now.push_back(Output::StartTimer(delay));
        }
    }

    pub(crate) fn take_socket_error(&mut self, error: &Json) {
        self.tell_all(|| ToTab::Connection(ConnectionEvent::SocketError(error.clone())));
    }

    /// The time of [`Output::StartTimer`] is over, or the network is back.
    pub fn handle_timer(&mut self) {
        self.begin_other();
        let idle = matches!(
            self.state,
            State::Disconnected | State::Closed | State::Stopped
        );
        if self.wants_socket && idle {
            self.now.push_back(Output::OpenSocket);
        }
    }

    pub(crate) fn warn(&mut self, text: String) {
        self.now.push_back(Output::Warn(text));
    }

    pub(crate) fn send(&mut self, text: String) {
        self.push_out(Output::Send(text));
    }

    fn send_handshake(&mut self) {
        let message = Handshake {
            a: "hs",
            id: Some(self.id.as_deref()),
            protocol: PROTOCOL,
            protocol_minor: PROTOCOL_MINOR,
        };
        let text = encode(&message);
        self.send(text);
    }

    // ---- The state ----

    /// What the tabs are told of the connection.
    pub(crate) fn connection_state(&self) -> ConnectionState {
        ConnectionState {
            state: self.state,
            reason: self.reason.clone(),
            id: self.id.clone(),
            generation: self.generation,
        }
    }

    pub(crate) fn set_state(&mut self, state: State, reason: Option<Json>) {
        if self.state == state {
            return;
        }
        let from_idle = matches!(
            self.state,
            State::Disconnected | State::Stopped | State::Closed
        );
        let refused = (state == State::Connecting && !from_idle)
            || (state == State::Connected && self.state != State::Connecting);
        if refused {
            let (from, to) = (self.state.as_str(), state.as_str());
            let message = format!("Cannot transition directly from {from} to {to}");
            let error = Error::new(codes::ERR_CONNECTION_STATE_TRANSITION_INVALID, message);
            return self.fail(error);
        }
        self.state = state;
        self.reason = reason;
        if let (State::Connected, Some(store)) = (state, &mut self.store) {
            // It says which documents have ops for the server.
            store.want_inventory();
        }
        self.bulk = Some(Bulk::default());
        let connected = self.connected();
        self.with_queries(|queries, versions| queries.set_connected(connected, versions));
        for handle in self.docs.handles() {
            self.act(handle, |doc, up| doc.handle_connection_state(up));
        }
        self.with_presence(|presences, view| presences.set_connected(connected, view));
        self.resend_past_snapshots();
        self.end_bulk();
        let now = self.connection_state();
        self.tell_all(|| ToTab::Connection(ConnectionEvent::State(now.clone())));
    }

    /// An error of the connection, for every tab.
    fn fail(&mut self, error: Error) {
        self.tell_all(|| ToTab::Connection(ConnectionEvent::Error(error.clone())));
    }

    pub(crate) fn start_bulk(&mut self) {
        self.bulk.get_or_insert_default();
    }

    pub(crate) fn end_bulk(&mut self) {
        let bulk = self.bulk.take();
        let messages = bulk.map(|bulk| bulk.messages()).unwrap_or_default();
        for text in messages {
            self.send(text);
        }
    }

    // ---- What documents send ----

    pub(crate) fn send_read(&mut self, handle: DocHandle, action: Action) {
        let host_doc = &self.docs[handle];
        let key = host_doc.key();
        let version = match action {
            Action::Fetch => host_doc.fetch_version(),
            Action::Subscribe | Action::Unsubscribe => host_doc.doc.version(),
        };
        match &mut self.bulk {
            Some(bulk) => bulk.add(
                action,
                key,
                version.filter(|_| action != Action::Unsubscribe),
            ),
            None => {
                let text = single(action, key, version);
                self.send(text);
            }
        }
    }

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
        let src =
            op_src(&self.options, self.id.as_deref(), self.numbers_are_kept()).map(str::to_owned);
        self.docs[handle].doc.mark_sent(src.as_deref());
        self.docs.note_sending(handle);
        self.send(text);
        if let Some(said) = self.out.back_mut() {
            said.op = Some(handle);
        }
    }

    // ---- What the server sends ----

    pub(crate) fn handle_message(&mut self, Message { text, mut message }: Message) {
        let whole = || proxy_doc::json((*text).to_owned()).ok();
        let error = message.error.take().map(|error| error.into_error(whole()));
        self.dispatch(message, error, whole);
    }

    /// A message, or the `error` that stands in for what it brings. `whole` gives all of it.
    pub(crate) fn dispatch(
        &mut self,
        message: Incoming,
        error: Option<Error>,
        whole: impl Fn() -> Option<Json>,
    ) {
        match message.a.as_str() {
            "init" if message.knows_handshake() => self.send_handshake(),
            "init" | "hs" => match error {
                Some(error) => self.fail(error),
                None => self.initialize(&message),
            },
            "f" => self.handle_read(&message, error, Action::Fetch),
            "s" => self.handle_read(&message, error, Action::Subscribe),
            "u" => self.handle_read(&message, error, Action::Unsubscribe),
            "bf" => self.handle_bulk(&message, error, Action::Fetch),
            "bs" => self.handle_bulk(&message, error, Action::Subscribe),
            "bu" => self.handle_bulk(&message, error, Action::Unsubscribe),
            "op" => self.handle_op(message, error),
            "qf" | "qs" => self.with_queries(|queries, _| queries.handle_answer(&message, error)),
            "q" => self.with_queries(|queries, _| queries.handle_update(&message, error)),
            "qu" => {}
            "nf" | "nt" => self.handle_past_snapshot(&message, error, whole()),
            "pp" => self.handle_pong(error),
            "p" | "ps" | "pu" | "pr" => self.handle_presence(message, error),
            other => self.warn(format!("Ignoring unrecognized message {other}")),
        }
    }

    fn initialize(&mut self, message: &Incoming) {
        if self.state != State::Connecting {
            return;
        }
        let protocol = message.protocol.as_ref();
        if protocol.and_then(Json::count) != Some(u64::from(PROTOCOL)) {
            let text = protocol.map_or("undefined", Json::get);
            let message = format!("Unsupported protocol version: {text}");
            return self.fail(Error::new(
                codes::ERR_PROTOCOL_VERSION_NOT_SUPPORTED,
                message,
            ));
        }
        let ty = message.ty.as_deref().unwrap_or("undefined");
        let known = self
            .types
            .resolve(ty)
            .is_some_and(|ty| ty.uri() == self.types.default_uri());
        if !known {
            let message = format!("{ty} does not match the server default type");
            return self.fail(Error::new(codes::ERR_DEFAULT_TYPE_MISMATCH, message));
        }
        let Some(id) = message.id.as_ref().and_then(Json::string) else {
            let error = Error::new(
                codes::ERR_CLIENT_ID_BADLY_FORMED,
                "Client id must be a string",
            );
            return self.fail(error);
        };
        self.id = Some(id);
        self.reconnect.succeeded();
        self.set_state(State::Connected, None);
    }

    pub(crate) fn handle_of(&self, message: &Incoming) -> Option<DocHandle> {
        self.find(message.c.as_deref()?, message.d.as_deref()?)
    }

    fn find(&self, collection: &str, id: &str) -> Option<DocHandle> {
        let key = DocKey {
            collection: collection.to_owned(),
            id: id.to_owned(),
        };
        self.docs.find(&key)
    }

    fn handle_read(&mut self, message: &Incoming, error: Option<Error>, action: Action) {
        if let Some(handle) = self.handle_of(message) {
            let answer = match error {
                Some(error) => Err(error),
                None => snapshot(message.data.as_ref()),
            };
            self.answer(handle, action, answer);
        }
    }

    fn answer(
        &mut self,
        handle: DocHandle,
        action: Action,
        answer: Result<Option<Snapshot>, Error>,
    ) {
        self.act(handle, |doc, up| match action {
            Action::Fetch => doc.handle_fetch(up, answer),
            Action::Subscribe | Action::Unsubscribe => doc.handle_subscribe(up, answer),
        });
    }

    fn handle_bulk(&mut self, message: &Incoming, error: Option<Error>, action: Action) {
        let Some(collection) = message.c.as_deref() else {
            return self.warn("Invalid bulk message".to_owned());
        };
        if let Some(data) = &message.data {
            return self.handle_bulk_data(collection, data, error, action);
        }
        let Some(ids) = message.bulk_ids() else {
            return self.warn("Invalid bulk message".to_owned());
        };
        for id in ids {
            if let Some(handle) = self.find(collection, &id) {
                let answer = error.clone().map_or(Ok(None), Err);
                self.answer(handle, action, answer);
            }
        }
    }

    fn handle_bulk_data(
        &mut self,
        collection: &str,
        data: &Json,
        error: Option<Error>,
        action: Action,
    ) {
        let Ok(Entries(items)) = data.parse::<Entries<Json>>() else {
            return self.warn("Invalid bulk message".to_owned());
        };
        for (id, item) in items {
            let Some(handle) = self.find(collection, &id) else {
                continue;
            };
            let what = identity::of_answer(action, collection, &id);
            self.begin_part(Cause::ServerMessage, &what, |host, refused| {
                let answer = match error.clone().or(refused) {
                    Some(error) => Err(error),
                    None => bulk_answer(&item),
                };
                host.answer(handle, action, answer);
            });
        }
    }

    fn handle_op(&mut self, mut message: Incoming, error: Option<Error>) {
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
        let Some(v) = message.v else {
            return self.ask_for_op(handle, &message);
        };
        if self.is_nameless_ack(handle, &message) && self.ask_for_inflight(handle) {
            return self.warn("Op without src and seq: fetching".to_owned());
        }
        if self.is_ack(handle, &message) {
            return self.handle_ack(handle, v, &message);
        }
        let src = message.src.take();
        let change = message.change();
        self.bring_past_op(handle, v, src.as_deref(), &change);
        let logged = change.as_ref().ok().filter(|_| self.store.is_some());
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
            self.log(handle, true, || Entry::Remote { v, src, change });
        }
        self.commit_remote(handle, v, src, kind);
    }

    /// An op came without a version that can be read. The server's ops from the document's version on have it among
    /// them, and say the version.
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
        let is_empty = message.op.is_none() && message.create.is_none() && message.del.is_none();
        is_empty
            && (message.src.is_none() || message.seq.is_none())
            && self.docs[handle].doc.inflight().is_some()
    }

    /// Fetches the ops from the document's version on, to find the inflight one among them. Says whether that is new:
    /// a server that answers no better is not asked for ever.
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

    /// Gives an op that is in the state here to the tabs that want it again.
    fn bring_past_op(
        &mut self,
        handle: DocHandle,
        v: Version,
        src: Option<&str>,
        change: &Result<Change, Error>,
    ) {
        let host_doc = &self.docs[handle];
        let tabs = host_doc.tabs_lacking(v);
        let Ok(change) = change else {
            return;
        };
        if tabs.is_empty() {
            return;
        }
        let ty = host_doc.doc.ty().cloned();
        // The tabs' states contain what is pending here. An op that cannot be read, or meets a delete, is not given:
        // the tab then takes the whole state instead.
        let read = change.clone().read(ty.as_ref(), &*self.types);
        let Ok(kind) = read.and_then(|kind| host_doc.doc.over_pending(kind)) else {
            return;
        };
        for tab in tabs {
            self.docs[handle].behind.insert(tab.clone(), v.next());
            let event = DocEvent::Past {
                version: v,
                src: src.map(str::to_owned),
                change: Change::new(&kind, ty.as_ref()),
            };
            self.tell_doc(handle, &tab, event);
        }
    }

    /// Somebody else's op at `v`: where it is the next one the confirmed state takes it.
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

    /// The server refused an op that this host did not send: the application may have written it to the socket. The
    /// document may exist in a tab only.
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

    /// The server refused the inflight op.
    fn handle_op_error(&mut self, handle: DocHandle, error: Error, seq: Option<Seq>) {
        let refused = self.docs[handle].doc.inflight().cloned();
        let Some(refused) = refused.filter(|_| !error.is(codes::ERR_NO_OP)) else {
            return self.act(handle, |doc, up| doc.handle_op_error(up, error, seq));
        };
        self.rewrite(handle);
        let HostDoc { doc, state, .. } = &self.docs[handle];
        let keeps = self.options.keeps_pending
            && state.missing().is_none()
            && doc.version().is_some()
            && !doc.can_undo();
        if keeps && self.rebuild(handle, &error, 0..1) {
            return self.run();
        }
        let doc = &self.docs[handle].doc;
        let life = doc.life();
        let cause = error.clone();
        // What the store holds may be sent by a later life, and nobody can tell that life of this: it would
        // not know the ops after it again.
        let lost = self.store.as_ref().is_some_and(|store| !store.is_durable());
        let others = doc.unfinished().count() > 1;
        // The server began anew, or was restored from a backup. A client that reloads loses its state and starts
        // again; what is kept would be refused for ever.
        let ahead = codes::ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT;
        let is_ahead = self.store.is_some() && error.is(ahead);
        self.act(handle, |doc, up| {
            if is_ahead || (lost && others) {
                doc.hard_rollback(up, error);
            } else {
                doc.handle_op_error(up, error, seq);
            }
        });
        // What is given up together with the document is kept there.
        if self.docs[handle].doc.life() == life {
            self.keep_letters(handle, &[refused], &cause);
        }
    }

    /// Whether the message acknowledges the inflight op, or one of an earlier life that is the inflight one from now on.
    pub(crate) fn is_ack(&mut self, handle: DocHandle, message: &Incoming) -> bool {
        let id = message.op_id();
        self.docs[handle].is_inflight(&id) || self.take_up(handle, message.v, &id)
    }

    /// An earlier life sent an op that waits here to be sent again, and the server committed it: makes it
    /// the inflight one.
    fn take_up(&mut self, handle: DocHandle, v: Option<Version>, id: &OpId) -> bool {
        let doc = &self.docs[handle].doc;
        // What comes too early is asked for again.
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

    /// Reads an op that fits the document's version. Of others only the version matters.
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
        let doc = &host_doc.doc;
        match change?.read(doc.ty(), &*self.types) {
            Err(error) if error.is(codes::ERR_OT_OP_BADLY_FORMED) => {
                Err(Error::new(codes::ERR_OT_OP_NOT_APPLIED, error.message))
            }
            read => read,
        }
    }

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
            // To hear of it twice harms nobody, but for a create: a server that has deleted the document since
            // would create it again. And what the server added is a revision, to be kept first.
            let blocking = created || !changes.is_empty();
            self.log(handle, blocking, || Entry::Ack {
                id,
                v,
                fixups: changes,
            });
        }
        self.commit_own(handle, v, fixups);
    }

    /// The type of the document that the inflight op leaves.
    pub(crate) fn type_of_ack(&self, handle: DocHandle) -> Option<OtType> {
        let doc = &self.docs[handle].doc;
        let created = doc.inflight().and_then(|op| match &op.kind {
            OpKind::Create { type_name, .. } => self.types.resolve(type_name),
            OpKind::Edit(_) | OpKind::Del | OpKind::Noop => None,
        });
        doc.ty().cloned().or(created)
    }

    /// The server committed the inflight op at `v`, and these on top of it.
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

    fn handle_pong(&mut self, error: Option<Error>) {
        let event = || match &error {
            Some(error) => ConnectionEvent::Error(error.clone()),
            None => ConnectionEvent::Pong,
        };
        match self.pongs.pop_front() {
            Some(Some(tab)) => self.tell(&tab, ToTab::Connection(event())),
            Some(None) => {}
            // The application wrote the ping to the socket itself.
            None => self.tell_all(|| ToTab::Connection(event())),
        }
    }

    /// The tab's pings go unanswered. They keep their places: the server answers in order.
    pub(crate) fn leave_pongs(&mut self, tab: &TabId) {
        for asked in &mut self.pongs {
            asked.take_if(|of| of == tab);
        }
    }

    /// Asks the server for a pong, for `tab`.
    pub(crate) fn ping(&mut self, tab: TabId) {
        if !self.connected() {
            return;
        }
        self.pongs.push_back(Some(tab));
        self.send(r#"{"a":"pp"}"#.to_owned());
    }

    /// Closes the connection as the application asked for.
    pub(crate) fn close(&mut self) {
        self.wants_socket = false;
        self.now.push_back(Output::CloseSocket);
        if self.options.opens_sockets {
            self.set_state(State::Closed, Some(json_string("closed")));
        }
    }
}

/// One document's part of the answer to a bulk read.
fn bulk_answer(item: &Json) -> Result<Option<Snapshot>, Error> {
    let refused = item.parse::<BulkItem>().ok().and_then(|item| item.error);
    match refused {
        Some(error) => Err(error.into_error(None)),
        None => snapshot(Some(item)),
    }
}
