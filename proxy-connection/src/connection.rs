//! The connection of a tab: its mirrored state, the host it talks to, and the loop that runs its tasks.
//!
//! What it refuses to do: decide about a document, which `documents.rs` and [`Doc`] do.

use std::rc::Rc;

use broker::message::{
    CallbackId, MAX_OP_SIZE, PROTOCOL, QueryDoc, Read, ReadAction, State, ToHost, encode,
};
use proxy_doc::{
    Doc, DocHandle, DocMap, Error, Event, Gather, Json, Later, Map, Seq, Set, Stack, Task, Thrown,
    Token, Types, Upstream, codes, next_count,
};

use crate::placement::Placement;
use crate::quarantine::Quarantine;
use crate::requests::Requests;
use crate::session::Session;
use crate::store_mirror::{self, StoreMirror};
use crate::turns::Turns;
use crate::{ProxyDoc, Request, TabEvent, presence};

/// A task of the connection, in its place between tasks of documents.
#[derive(Debug)]
pub(crate) enum OwnerTask {
    /// Send the collected reads.
    EndBulk,
    /// Leave the host, after the ops that were submitted before.
    Close { at_once: bool },
    /// Tell the driver of a new state.
    Announce(State, Option<Json>),
    /// Take the document that a query or the store brought.
    Adopt(Box<QueryDoc>),
    /// Resubscribe presence channels.
    Presences,
    /// Send and show presence of the document, where its state now allows it.
    SettlePresence(DocHandle),
    /// Give the driver an event.
    Emit(Box<TabEvent>),
}

/// A tab's connection.
pub struct ProxyConnection {
    pub(crate) types: Rc<dyn Types>,
    pub(crate) state: State,
    pub(crate) id: Option<String>,
    /// The number of the host's socket binding that the state is of. States of older bindings are ignored.
    pub(crate) generation: u64,
    pub(crate) session: Session,
    pub(crate) store: StoreMirror,
    /// The tab has left its host: nothing is sent to it any more.
    pub(crate) left: bool,
    /// The host that welcomes the tab next does not know its presence: another one went away, perhaps before it had welcomed
    /// the tab, or the tab had left it.
    pub(crate) brings_presence: bool,
    pub(crate) max_op_size: usize,
    /// Where the tab can be asked for URLs, whether its page is visible.
    pub(crate) url_offer: Option<bool>,
    /// The tab takes part in what tabs agree on.
    pub(crate) coordinates: bool,
    pub(crate) next_seq: Seq,
    pub(crate) docs: Map<DocHandle, ProxyDoc>,
    /// Documents of which something was shown early.
    pub(crate) leading: Set<DocHandle>,
    pub(crate) by_key: DocMap<DocHandle>,
    pub(crate) next_handle: u32,
    /// Documents that the tab has forgotten, and the host maybe not: the request that it does. What it says of them until then
    /// is about what the tab had before.
    pub(crate) leaving: DocMap<CallbackId>,
    pub(crate) quarantine: Quarantine,
    pub(crate) requests: Requests,
    pub(crate) turns: Turns,
    pub(crate) queries: Set<u64>,
    pub(crate) presences: presence::Presences,
    pub(crate) bulk: Option<Vec<Read>>,
    pub(crate) stack: Stack,
    pub(crate) owner_tasks: Map<u32, OwnerTask>,
    pub(crate) next_owner_task: u32,
}

impl ProxyConnection {
    /// A connection in `state`, on the first binding of its host to a socket.
    pub fn new(types: Rc<dyn Types>, state: State) -> Self {
        Self {
            types,
            state,
            id: None,
            generation: 1,
            session: Session::default(),
            store: StoreMirror::default(),
            left: false,
            brings_presence: false,
            max_op_size: MAX_OP_SIZE,
            url_offer: None,
            coordinates: false,
            next_seq: Seq(1),
            docs: Map::new(),
            leading: Set::new(),
            by_key: DocMap::new(),
            next_handle: 0,
            leaving: DocMap::new(),
            quarantine: Quarantine::default(),
            requests: Requests::new(1),
            turns: Turns::default(),
            queries: Set::new(),
            presences: presence::Presences::default(),
            bulk: None,
            stack: Stack::default(),
            owner_tasks: Map::new(),
            next_owner_task: 0,
        }
    }

    /// Sets the bytes of JSON above which ops are not composed.
    pub fn limit_ops(&mut self, max_op_size: usize) {
        self.max_op_size = max_op_size;
    }

    // ---- Running ----

    /// The number of tasks on the stack: the `mark` for [`ProxyConnection::poll`] after the next call.
    pub fn depth(&self) -> usize {
        self.stack.depth()
    }

    /// The next event, from the tasks above `mark`.
    pub fn poll(&mut self, mark: usize) -> Option<TabEvent> {
        loop {
            let Some((handle, task)) = self.stack.pop(mark) else {
                if self.send_held_request() || self.send_next_reads() {
                    continue;
                }
                return None;
            };
            let event = match task {
                Task::Owner(number) => self.run_owner_task(number),
                task => self.run_doc_task(handle, task),
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// Whether [`ProxyConnection::poll`] may have an event above `mark`. Where not, it has none until the next call.
    pub fn may_follow(&self, mark: usize) -> bool {
        self.stack.depth() > mark || self.has_held_request() || self.turns.any_waits()
    }

    /// User code threw `error` in the last polled event. Returns whether a document's `try` caught it, which then rolls
    /// back hard as in ShareDB; otherwise the driver throws it on.
    pub fn threw(&mut self, mark: usize, error: Error) -> bool {
        match self.stack.unwind(mark) {
            Thrown::Uncaught => false,
            Thrown::Caught(handle) => {
                self.with_doc(handle, |doc, up| doc.hard_rollback(up, error));
                true
            }
        }
    }

    fn run_doc_task(&mut self, handle: DocHandle, task: Task) -> Option<TabEvent> {
        if matches!(task, Task::ConnectionState) {
            self.resume_version(handle);
        }
        let event = self.with_doc(handle, |doc, up| doc.run(up, task))??;
        match event {
            Event::SendOp => self.send_op(handle),
            Event::SendAhead => self.send_ops_ahead(handle),
            Event::SendFetch => self.send_read(handle, ReadAction::Fetch),
            Event::SendSubscribe => self.send_read(handle, ReadAction::Subscribe),
            Event::SendUnsubscribe => self.send_read(handle, ReadAction::Unsubscribe),
            Event::Later(Later::Unsubscribed) => {
                // The host stops sending other tabs' ops. Nothing waits for its answer.
                self.push_event(TabEvent::Doc(handle, event));
                self.send_read(handle, ReadAction::Unsubscribe)
            }
            Event::Warn(text) => Some(TabEvent::Warn(text)),
            event => {
                if let (Event::Clear { .. }, Some(doc)) = (&event, self.docs.get_mut(&handle)) {
                    doc.learn_version(None);
                    doc.placement = Placement::Placed;
                    doc.is_void = false;
                }
                Some(TabEvent::Doc(handle, event))
            }
        }
    }

    fn run_owner_task(&mut self, number: u32) -> Option<TabEvent> {
        match self.owner_tasks.remove(&number)? {
            OwnerTask::EndBulk => self.end_bulk_now(),
            OwnerTask::Close { at_once } => {
                self.close_now(at_once, true);
                None
            }
            OwnerTask::Announce(state, reason) => Some(TabEvent::State(state, reason)),
            OwnerTask::Adopt(doc) => Some(self.adopt(*doc)),
            OwnerTask::Presences => {
                self.presence_connection_changed();
                None
            }
            OwnerTask::SettlePresence(handle) => {
                self.settle_presence(handle);
                None
            }
            OwnerTask::Emit(event) => Some(*event),
        }
    }

    pub(crate) fn push_owner(&mut self, task: OwnerTask) {
        let number = self.next_owner_task;
        self.next_owner_task = number.wrapping_add(1);
        self.owner_tasks.insert(number, task);
        self.stack.push(DocHandle(u32::MAX), Task::Owner(number));
    }

    pub(crate) fn push_event(&mut self, event: TabEvent) {
        self.push_owner(OwnerTask::Emit(Box::new(event)));
    }

    pub(crate) fn with_doc<R>(
        &mut self,
        handle: DocHandle,
        action: impl FnOnce(&mut Doc, &mut Upstream<'_>) -> R,
    ) -> Option<R> {
        if self.quarantine.touch(handle) {
            return None;
        }
        let connected = self.connected();
        let welcomed = self.session.is_welcomed();
        let ProxyDoc {
            doc,
            placement,
            line,
            on_its_way,
            ..
        } = self.docs.get_mut(&handle)?;
        let mut up = Upstream {
            me: handle,
            // A document that the host holds can be opened offline, too.
            can_read: welcomed && (connected || (doc.version().is_none() && !self.left)),
            // Before the welcome the tab knows no line, and could not tell a later host which one its ops were sent
            // for.
            can_write: welcomed && !self.left && !placement.is_open(),
            src: self.id.as_deref(),
            next_seq: &mut self.next_seq,
            names_ops: false,
            max_op_size: self.max_op_size,
            types: &*self.types,
            stack: &mut self.stack,
        };
        let result = action(doc, &mut up);
        *line = line
            .or(self.session.line)
            .filter(|_| doc.version().is_some());
        let oldest = doc.unfinished().next().filter(|op| op.sent && connected);
        let now = oldest.and_then(|op| op.id.seq);
        if std::mem::replace(on_its_way, now) != now
            && let Some(seq) = now
        {
            self.push_event(TabEvent::Sent(handle, seq));
        }
        Some(result)
    }

    pub(crate) fn connected(&self) -> bool {
        self.state == State::Connected
    }

    // ---- The connection ----

    /// The mirrored state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The real connection's id, once known.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Sends the first message to a host. To another host than before it names the documents of this tab.
    pub fn register(&mut self) {
        // While the store is being wiped nothing is resumed.
        self.left &= self.is_wiping();
        self.session.register();
        self.place_brought();
        let resume = if self.session.is_resumed() && !self.left {
            let docs = self.docs.values();
            docs.filter_map(|doc| doc.resumed(self.session.line))
                .gather()
        } else {
            Vec::new()
        };
        self.tell_host(&ToHost::Register {
            protocol: PROTOCOL,
            resume,
            machine: Some(self.session.machine()),
            view: self.session.view,
        });
    }

    /// The host may ask this tab for URLs, by [`TabEvent::UrlWanted`](crate::TabEvent::UrlWanted). It asks visible pages
    /// first: to be called again when that changes.
    pub fn offer_urls(&mut self, visible: bool) {
        if self.url_offer.replace(visible) != Some(visible) && self.session.is_welcomed() {
            self.tell_url_offer();
        }
    }

    pub(crate) fn tell_url_offer(&mut self) {
        if let Some(visible) = self.url_offer {
            self.tell_host(&ToHost::OfferUrls { visible });
        }
    }

    /// Gives the URL that was wanted for the socket of the number `round`, or says why there is none.
    pub fn answer_url(&mut self, round: u64, answer: Result<String, Error>) {
        let (url, error) = match answer {
            Ok(url) => (Some(url), None),
            Err(error) => (None, Some(error)),
        };
        self.tell_host(&ToHost::Url { round, url, error });
    }

    /// The tab takes part in what tabs agree on: [`TabEvent::Coordination`](crate::TabEvent::Coordination) says so when a
    /// host takes the tab, and at once where one has.
    pub fn coordinate(&mut self) {
        self.coordinates = true;
        if self.session.is_welcomed() {
            self.push_event(TabEvent::Coordination(None));
        }
    }

    /// Says something to the host about what tabs agree on: one of `Ask`.
    pub fn tell_coordination(&mut self, ask: Json) {
        self.tell_host(&ToHost::Coordination(ask));
    }

    /// The host died. The connection goes on with the next host, at which the driver has called
    /// [`ProxyConnection::register`]: that host tells which ops it has and their outcome, and is sent the others again.
    /// Where it does not continue the tab's line, the documents are loaded again, and callbacks of ops without an
    /// outcome get `ERR_HOST_LOST`, since a resend might commit such an op twice. The driver creates queries again.
    pub fn host_lost(&mut self) {
        self.change_host(State::Disconnected);
    }

    /// The application opens the connection again that it closed. The driver has called [`ProxyConnection::register`]
    /// at a host. Otherwise as [`ProxyConnection::host_lost`].
    pub fn reconnect(&mut self) {
        self.change_host(State::Connecting);
    }

    fn change_host(&mut self, state: State) {
        self.generation = 0;
        self.brings_presence = true;
        self.turns.clear();
        // Presence is announced to the next host with its values, and the store's requests are sent again. Documents
        // and applications repeat their own.
        let is_repeated =
            |request: &Request| matches!(request, Request::Presence(_) | Request::Store(..));
        for request in self.requests.end_where(&|request| !is_repeated(request)) {
            match request {
                Request::Status(token, details) => self.ask_status(token, details),
                // The host that was asked about is gone, with what it had noted.
                Request::Debug(token) => {
                    let message = "The host went away before it answered";
                    let error = Error::new(codes::ERR_HOST_LOST, message);
                    self.push_event(TabEvent::Stored(token, Err(error)));
                }
                Request::Read { .. }
                | Request::Ingest { .. }
                | Request::Version(_)
                | Request::Leave(_)
                | Request::Snapshot(_)
                | Request::Presence(_)
                | Request::Store(..) => {}
            }
        }
        self.leaving.clear();
        self.forget_asked_versions();
        self.drop_remote_presences();
        self.resume_storage();
        self.queries.clear();
        let message =
            "The host went away before the server's answer: the op may be committed or not";
        let error = Error::new(codes::ERR_HOST_LOST, message);
        let handles: Vec<DocHandle> = self.docs.keys().copied().gather();
        for handle in handles {
            let Some(known) = self.docs.get_mut(&handle) else {
                continue;
            };
            // The next host knows nothing of an ingested snapshot that this one had not placed.
            let was_open = known.placement.is_open();
            if was_open {
                known.placement = Placement::Placed;
                known.learn_version(None);
            }
            self.with_doc(handle, |doc, up| {
                if was_open {
                    doc.handle_upstream_lost(up, error.clone());
                } else {
                    doc.handle_upstream_changed(up);
                }
            });
        }
        self.set_state(state, None);
    }

    /// Closes the connection.
    ///
    /// `at_once`: the host is outside this page, so the state changes before the call returns, as with a socket that
    /// reports synchronously. Otherwise the socket's own report changes it. `leave`: the host goes on for other tabs,
    /// without this one.
    pub fn close(&mut self, at_once: bool, leave: bool) {
        if !leave || self.left {
            return self.close_now(at_once, leave);
        }
        // The host goes on for other tabs, and can still take the ops that were submitted before.
        self.push_owner(OwnerTask::Close { at_once });
        let handles: Vec<DocHandle> = self.docs.keys().rev().copied().gather();
        for handle in handles {
            self.with_doc(handle, |doc, up| doc.send_ahead(up));
        }
    }

    fn close_now(&mut self, at_once: bool, leave: bool) {
        if at_once {
            self.generation = next_count(self.generation);
        }
        let generation = self.generation;
        if at_once {
            self.set_state(State::Closed, Some(proxy_doc::json_string("closed")));
        }
        self.left |= leave;
        if leave {
            self.refuse_stored(&store_mirror::closed());
        }
        self.tell_host(&ToHost::Close { generation });
    }

    /// The application bound another socket, in `state`, to a host outside this page.
    pub fn rebind(&mut self, state: State) {
        self.generation = next_count(self.generation);
        self.left = false;
        self.set_state(state, None);
    }

    /// Asks the server for a pong.
    ///
    /// # Errors
    /// `ERR_CANNOT_PING_OFFLINE`.
    pub fn ping(&mut self) -> Result<(), Error> {
        if !self.connected() {
            let message = "Socket must be CONNECTED to ping";
            return Err(Error::new(codes::ERR_CANNOT_PING_OFFLINE, message));
        }
        self.tell_host(&ToHost::Ping {});
        Ok(())
    }

    /// Asks for the host's status, with details or without; the answer is [`TabEvent::Status`].
    pub fn ask_status(&mut self, token: Token, details: bool) {
        if self.left {
            return self.push_event(TabEvent::Stored(token, Err(store_mirror::closed())));
        }
        let callback_id = self.requests.open(Request::Status(token, details));
        self.tell_host(&ToHost::Status {
            details,
            callback_id,
        });
    }

    /// Asks the host's driver for something; the answer is [`TabEvent::Debug`], or `ERR_HOST_LOST` by
    /// [`TabEvent::Stored`].
    pub fn ask_driver(&mut self, token: Token, request: Json) {
        if self.left {
            return self.push_event(TabEvent::Stored(token, Err(store_mirror::closed())));
        }
        let callback_id = self.requests.open(Request::Debug(token));
        self.tell_host(&ToHost::Debug {
            request,
            callback_id,
        });
    }

    /// Collects reads until [`ProxyConnection::end_bulk`].
    pub fn start_bulk(&mut self) {
        self.bulk.get_or_insert_default();
    }

    /// Sends the collected reads as one.
    pub fn end_bulk(&mut self) {
        self.push_owner(OwnerTask::EndBulk);
    }

    fn end_bulk_now(&mut self) -> Option<TabEvent> {
        let reads = self.bulk.take().filter(|reads| !reads.is_empty())?;
        Some(TabEvent::ToHost(encode(&ToHost::Bulk { reads })))
    }

    pub(crate) fn tell_host(&mut self, message: &ToHost) {
        self.push_event(TabEvent::ToHost(encode(message)));
    }

    pub(crate) fn set_state(&mut self, state: State, reason: Option<Json>) {
        if self.state == state {
            return;
        }
        self.state = state;
        // Away from the server the host answers from what it has: that must not wait for what the server was asked.
        self.turns.forget_sent();
        self.push_owner(OwnerTask::Announce(state, reason));
        self.push_owner(OwnerTask::EndBulk);
        self.start_bulk();
        self.push_owner(OwnerTask::Presences);
        let handles: Vec<DocHandle> = self.docs.keys().rev().copied().gather();
        for handle in handles {
            self.stack.push(handle, Task::ConnectionState);
        }
    }
}
