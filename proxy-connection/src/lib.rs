//! What a tab holds of a ShareDB connection: documents, the mirrored connection state, and the
//! conversation with the host.
//!
//! [`ProxyConnection`] is a state machine. Calls of the application and messages of the host go in;
//! [`TabEvent`]s come out of [`ProxyConnection::poll`], one at a time, and the driver runs each
//! before it asks for the next. A listener may call back in between: the driver notes
//! [`ProxyConnection::depth`] before every call and polls down to it, so that nested calls nest as
//! they do in the stock client.
//!
//! What it refuses to do: hold data, run user code, know how the host is reached.

mod presence;
mod queries;
mod recover;
mod storage;
mod version;

use std::collections::BTreeMap;
use std::rc::Rc;

use broker::message::{
    Answer, CallbackId, ConnectionEvent, ConnectionState, DocEvent, Envelope, PROTOCOL, QueryDoc,
    Read, ReadAction, Resumed, State, Status, StorageEvent, SubmitOp, TabSnapshot, ToHost, ToTab,
    decode, encode,
};
use proxy_doc::{
    Change, Doc, DocHandle, DocKey, Edge, Error, Event, Json, Later, Map, OpId, OpKind, Seq, Set,
    Snapshot, SnapshotType, Stack, Submission, Task, Thrown, Token, Types, Upstream, Version,
    codes, next_count,
};

pub use presence::TabPresenceEvent;
pub use queries::TabQueryEvent;
pub use recover::{Predecessors, Survivors};

/// Messages after which the tab confirms what it received, so that the host can forget.
const CONFIRM_EVERY: u64 = 64;
/// Bytes of JSON above which ops do not compose any more; the host's limit.
const MAX_OP_SIZE: usize = 512 * 1024;

/// Something the driver has to do.
#[derive(Debug)]
pub enum TabEvent {
    /// Post this text to the host.
    ToHost(String),
    /// Post this text to the host: the op with this number, made of these submissions.
    SubmitOp(String, Seq, Vec<Token>),
    /// Do this for a document.
    Doc(DocHandle, Event),
    /// The document's oldest op of this number goes to the server now, perhaps not for the first time.
    Sent(DocHandle, Seq),
    /// The connection changed its state: emit the state's own event, then `state`.
    State(State, Option<Json>),
    /// Emit `connection error`.
    ConnectionError(Json),
    /// Emit `error`.
    Error(Error),
    /// Emit `pong`.
    Pong,
    /// The answer to [`ProxyConnection::ask_status`].
    Status(Token, Status),
    /// The host brought a document: the application's Doc for it has to be there before its events.
    OpenDoc(DocHandle, DocKey),
    /// Something happened to a query.
    Query(u64, TabQueryEvent),
    /// The answer to [`ProxyConnection::fetch_snapshot`]: the server's message.
    Snapshot(Token, Result<Json, Error>),
    /// Something happened on a presence channel.
    Presence(String, TabPresenceEvent),
    /// The answer to a call about the store, or that a call gets none.
    Stored(Token, Result<(), Error>),
    /// Something happened in the store.
    Storage(StorageEvent),
    /// Write a warning to the log.
    Warn(String),
}

/// A document of a tab.
#[derive(Debug)]
struct ProxyDoc {
    doc: Doc,
    /// The server's version; `doc` counts the host's revisions.
    version: Option<Version>,
    /// What the application assigned to `doc.version` instead; never the same.
    assigned: Option<Version>,
    /// The host was asked because of that.
    asks_version: bool,
    /// An application's snapshot is loaded, and the host has not said which revision it is.
    unplaced: bool,
    /// It could not be placed, and the host's state is asked for instead.
    replaced: bool,
    /// The history that the state belongs to.
    line: Option<u64>,
    /// The last op that was sent, and the history that it was sent for.
    sent: Option<(Seq, u64)>,
    /// The op on its way to the server: the oldest one, while there is a connection.
    on_its_way: Option<Seq>,
}

/// What an answer of the host is for.
#[derive(Debug)]
enum Asked {
    /// And the life of the state that the document had then.
    Read(DocHandle, ReadAction, u32),
    /// And the life of the state that the snapshot became.
    Ingest(DocHandle, u32),
    /// How far the server is, see `version.rs`.
    Version(DocHandle),
    Status(Token),
    Snapshot(Token),
    Presence(presence::PresenceAsked),
    Stored(Token, storage::Question),
}

/// A task of the connection between tasks of documents.
#[derive(Debug)]
enum OwnerTask {
    EndBulk,
    /// Leave the host.
    Close {
        at_once: bool,
    },
    Announce(State, Option<Json>),
    Adopt(Box<QueryDoc>),
    /// Resubscribe presence channels.
    Presences,
    /// A document may have come where its presence can be sent or shown.
    SettlePresence(DocHandle),
    Emit(Box<TabEvent>),
}

/// A tab's connection.
pub struct ProxyConnection {
    types: Rc<dyn Types>,
    state: State,
    id: Option<String>,
    generation: u64,
    epoch: Option<u64>,
    /// The history that the revisions here belong to.
    line: Option<u64>,
    /// The host has named its line since this tab registered. Until then nothing new is asked of it: it
    /// belongs to the line that comes.
    welcomed: bool,
    /// What is known of the store.
    storage: storage::Storage,
    left: bool,
    /// It had left the host, which forgot what this tab shows, and comes again.
    returns: bool,
    max_op_size: usize,
    /// How many machines of this tab have crashed.
    machine: u32,
    /// The history that the last of those belonged to.
    line_before: Option<u64>,
    next_seq: Seq,
    docs: Map<DocHandle, ProxyDoc>,
    by_key: BTreeMap<DocKey, DocHandle>,
    next_handle: u32,
    asked: Map<CallbackId, Asked>,
    next_callback: u64,
    queries: Set<u64>,
    presences: presence::Presences,
    bulk: Option<Vec<Read>>,
    stack: Stack,
    owner_tasks: Map<u32, OwnerTask>,
    next_owner_task: u32,
    received: u64,
    confirmed: u64,
}

impl ProxyConnection {
    /// A connection in `state`, on the first binding of its host to a socket.
    pub fn new(types: Rc<dyn Types>, state: State) -> Self {
        Self {
            types,
            state,
            id: None,
            generation: 1,
            epoch: None,
            line: None,
            welcomed: false,
            storage: storage::Storage::default(),
            left: false,
            returns: false,
            max_op_size: MAX_OP_SIZE,
            machine: 0,
            line_before: None,
            next_seq: Seq(1),
            docs: Map::new(),
            by_key: BTreeMap::new(),
            next_handle: 0,
            asked: Map::new(),
            next_callback: 1,
            queries: Set::new(),
            presences: presence::Presences::default(),
            bulk: None,
            stack: Stack::default(),
            owner_tasks: Map::new(),
            next_owner_task: 0,
            received: 0,
            confirmed: 0,
        }
    }

    /// Ops do not compose into one of more than so many bytes of JSON.
    pub fn limit_ops(&mut self, max_op_size: usize) {
        self.max_op_size = max_op_size;
    }

    // ---- Running ----

    /// How much is still to do; the `mark` for [`ProxyConnection::poll`] after the next call.
    pub fn depth(&self) -> usize {
        self.stack.depth()
    }

    /// The next thing to do, down to `mark`.
    pub fn poll(&mut self, mark: usize) -> Option<TabEvent> {
        loop {
            let Some((handle, task)) = self.stack.pop(mark) else {
                if self.ask_waiting() {
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

    /// What the last polled event ran threw `error`. Says whether a document's `try` caught it
    /// (ShareDB rolls that document back hard); if not, the driver throws it on.
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
            Event::SendFetch => self.send_read(handle, ReadAction::Fetch),
            Event::SendSubscribe => self.send_read(handle, ReadAction::Subscribe),
            Event::SendUnsubscribe => self.send_read(handle, ReadAction::Unsubscribe),
            Event::Later(Later::Unsubscribed) => {
                // The host stops sending what it may have from other tabs; nobody waits for its answer.
                self.push_event(TabEvent::Doc(handle, event));
                self.send_read(handle, ReadAction::Unsubscribe)
            }
            Event::Warn(text) => Some(TabEvent::Warn(text)),
            event => {
                if let (Event::Clear { .. }, Some(doc)) = (&event, self.docs.get_mut(&handle)) {
                    doc.learn_version(None);
                    doc.unplaced = false;
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

    fn push_owner(&mut self, task: OwnerTask) {
        let number = self.next_owner_task;
        self.next_owner_task = number.wrapping_add(1);
        self.owner_tasks.insert(number, task);
        self.stack.push(DocHandle(u32::MAX), Task::Owner(number));
    }

    fn push_event(&mut self, event: TabEvent) {
        self.push_owner(OwnerTask::Emit(Box::new(event)));
    }

    fn with_doc<R>(
        &mut self,
        handle: DocHandle,
        action: impl FnOnce(&mut Doc, &mut Upstream<'_>) -> R,
    ) -> Option<R> {
        let connected = self.connected();
        let heard = self.welcomed;
        let ProxyDoc {
            doc,
            unplaced,
            line,
            on_its_way,
            ..
        } = self.docs.get_mut(&handle)?;
        let mut up = Upstream {
            me: handle,
            // What the host holds can be opened offline, too.
            can_read: heard && (connected || (doc.version().is_none() && !self.left)),
            // A tab that had no word of a host could not say to the next one which host may have its ops.
            can_write: heard && !self.left && !*unplaced,
            src: self.id.as_deref(),
            next_seq: &mut self.next_seq,
            names_ops: false,
            max_op_size: self.max_op_size,
            types: &*self.types,
            stack: &mut self.stack,
        };
        let result = action(doc, &mut up);
        *line = line.or(self.line).filter(|_| doc.version().is_some());
        let oldest = doc.unfinished().next().filter(|op| op.sent && connected);
        let now = oldest.and_then(|op| op.id.seq);
        if std::mem::replace(on_its_way, now) != now
            && let Some(seq) = now
        {
            self.push_event(TabEvent::Sent(handle, seq));
        }
        Some(result)
    }

    fn connected(&self) -> bool {
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

    /// The first message to a host. To another one than before it says what this tab holds.
    pub fn register(&mut self) {
        // Where everything is being deleted there is nothing to go on with.
        self.left &= self.is_wiping();
        self.welcomed = false;
        let resume = if (self.epoch.is_some() || self.machine > 0) && !self.left {
            let docs = self.docs.values();
            docs.filter_map(|doc| doc.resumed(self.line)).collect()
        } else {
            Vec::new()
        };
        self.tell_host(&ToHost::Register {
            protocol: PROTOCOL,
            resume,
            machine: Some(self.machine),
        });
    }

    /// The host died, and nobody knows how far it came. The connection goes on with the next host,
    /// which the driver has reached and [`ProxyConnection::register`]ed at: it says which ops it has
    /// and how they ended, and gets the others again. Where it does not know the history that this tab
    /// stands on, the documents load anew, and callbacks of ops without an end get `ERR_HOST_LOST`, since
    /// to send such an op again might double it. Queries are the driver's to create again.
    pub fn host_lost(&mut self) {
        self.change_host(State::Disconnected);
    }

    /// The application closed the connection and opens it again: the driver has reached a host, and
    /// [`ProxyConnection::register`]ed at it. Otherwise as [`ProxyConnection::host_lost`].
    pub fn reconnect(&mut self) {
        self.returns = true;
        self.change_host(State::Connecting);
    }

    fn change_host(&mut self, state: State) {
        self.generation = 0;
        // What was asked of presence is announced to the next host, with the values; of the store, asked again.
        for (callback_id, asked) in std::mem::take(&mut self.asked) {
            match asked {
                Asked::Presence(_) | Asked::Stored(..) => {
                    self.asked.insert(callback_id, asked);
                }
                Asked::Status(token) => self.ask_status(token),
                // Documents and applications ask again.
                Asked::Read(..) | Asked::Ingest(..) | Asked::Version(_) | Asked::Snapshot(_) => {}
            }
        }
        self.forget_asked_versions();
        self.drop_remote_presences();
        self.resume_storage();
        self.queries.clear();
        let message =
            "The host went away before the server's answer: the op may be committed or not";
        let error = Error::new(codes::ERR_HOST_LOST, message);
        let handles: Vec<DocHandle> = self.docs.keys().copied().collect();
        for handle in handles {
            let Some(known) = self.docs.get_mut(&handle) else {
                continue;
            };
            // An application's snapshot that the host had not placed yet is placed nowhere.
            let unplaced = std::mem::take(&mut known.unplaced);
            if unplaced {
                known.learn_version(None);
            }
            self.with_doc(handle, |doc, up| {
                if unplaced {
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
    /// `at_once`: the host is elsewhere, so the state changes before the call returns, as it does
    /// with a socket that reports synchronously. Otherwise the socket's own report changes it.
    /// `leave`: the host has other tabs, and this one is no longer one of them.
    pub fn close(&mut self, at_once: bool, leave: bool) {
        if !leave || self.left {
            return self.close_now(at_once, leave);
        }
        // A host that has other tabs goes on: what was submitted before is for it.
        self.push_owner(OwnerTask::Close { at_once });
        let handles: Vec<DocHandle> = self.docs.keys().rev().copied().collect();
        for handle in handles {
            self.with_doc(handle, |doc, up| doc.flush(up));
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
            self.refuse_stored(&storage::closed());
        }
        self.tell_host(&ToHost::Close { generation });
    }

    /// The application bound another socket, in `state`, and the host is elsewhere.
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

    /// Asks the host what it has.
    pub fn ask_status(&mut self, token: Token) {
        if self.left {
            return self.push_event(TabEvent::Stored(token, Err(storage::closed())));
        }
        let callback_id = self.ask(Asked::Status(token));
        self.tell_host(&ToHost::Status { callback_id });
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

    fn tell_host(&mut self, message: &ToHost) {
        self.push_event(TabEvent::ToHost(encode(message)));
    }

    fn ask(&mut self, asked: Asked) -> CallbackId {
        let callback_id = CallbackId(self.next_callback);
        self.next_callback += 1;
        self.asked.insert(callback_id, asked);
        callback_id
    }

    fn set_state(&mut self, state: State, reason: Option<Json>) {
        if self.state == state {
            return;
        }
        self.state = state;
        self.push_owner(OwnerTask::Announce(state, reason));
        self.push_owner(OwnerTask::EndBulk);
        self.start_bulk();
        self.push_owner(OwnerTask::Presences);
        let handles: Vec<DocHandle> = self.docs.keys().rev().copied().collect();
        for handle in handles {
            self.stack.push(handle, Task::ConnectionState);
        }
    }

    // ---- Documents ----

    /// The document, made where it is not known yet.
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
                unplaced: false,
                replaced: false,
                line: None,
                sent: None,
                on_its_way: None,
            },
        );
        handle
    }

    /// The application took the document out of its connection. What is pending is sent, as far as it can be
    /// now, and its callbacks get `ERR_DOC_NOT_IN_CONNECTION`.
    pub fn abandon(&mut self, handle: DocHandle) {
        let message = "The document was removed from connection.collections before its ops were acknowledged: \
            whether they are committed is not known. Wait for doc.whenNothingPending before";
        let error = Error::new(codes::ERR_DOC_NOT_IN_CONNECTION, message);
        self.with_doc(handle, |doc, up| {
            doc.flush(up);
            doc.abandon(up, &error);
        });
    }

    /// Forgets the document.
    pub fn destroy(&mut self, handle: DocHandle) {
        let presences = self.last_presences(handle);
        if let Some(gone) = self.docs.remove(&handle) {
            let DocKey { collection, id } = gone.doc.key().clone();
            self.by_key.remove(gone.doc.key());
            self.tell_host(&ToHost::Destroy { collection, id });
            self.push_messages(presences);
        }
    }

    /// The machine of a document, to read from.
    pub fn doc(&self, handle: DocHandle) -> Option<&Doc> {
        self.docs.get(&handle).map(|doc| &doc.doc)
    }

    /// The machine of a document, to set what an application may set.
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

    /// `doc.pendingOps.push`: an op that the application kept, and its data holds already.
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

    /// `doc.pause`.
    pub fn pause(&mut self, handle: DocHandle) {
        self.with_doc(handle, |doc, _| doc.pause());
    }

    /// `doc.resume`.
    pub fn resume(&mut self, handle: DocHandle) {
        self.with_doc(handle, |doc, up| doc.resume(up));
    }

    /// A hard rollback on demand.
    pub fn hard_rollback(&mut self, handle: DocHandle, error: Error) {
        self.with_doc(handle, |doc, up| doc.hard_rollback(up, error));
    }

    /// The next tick of [`Later::Unsubscribed`].
    pub fn finish_unsubscribe(&mut self, handle: DocHandle) {
        self.with_doc(handle, |doc, up| {
            if doc.asks(false) {
                doc.handle_subscribe(up, Ok(None));
            }
        });
    }

    /// `doc.ingestSnapshot`: takes effect at once, and the host is asked where it belongs.
    pub fn ingest_snapshot(
        &mut self,
        handle: DocHandle,
        snapshot: Snapshot,
        callback: Option<Token>,
    ) {
        let Some(known) = self.docs.get(&handle) else {
            return;
        };
        let (version, has_state) = (
            snapshot.v,
            known.doc.ty().is_some() || known.doc.has_write_pending(),
        );
        if version.is_none() || has_state {
            // Refused, or a reason to fetch: the machine decides by versions of the server.
            return self.ingest_over_state(handle, snapshot, callback);
        }
        if known.version > version {
            self.with_doc(handle, |doc, up| doc.ingest_snapshot(up, None, callback));
            return;
        }
        let life = known.doc.life();
        let callback_id = self.ask(Asked::Ingest(handle, life));
        let DocKey { collection, id } = self.docs[&handle].doc.key().clone();
        let message = ToHost::IngestSnapshot {
            collection,
            id,
            snapshot: snapshot.clone(),
            callback_id,
        };
        if let Some(known) = self.docs.get_mut(&handle) {
            known.version = version;
            known.assigned = None;
            known.unplaced = true;
        }
        self.tell_host(&message);
        self.with_doc(handle, |doc, up| {
            doc.ingest_snapshot(up, Some(snapshot), callback)
        });
    }

    fn ingest_over_state(
        &mut self,
        handle: DocHandle,
        mut snapshot: Snapshot,
        callback: Option<Token>,
    ) {
        let Some(known) = self.docs.get(&handle) else {
            return;
        };
        // Only newer or not matters here; the machine compares with its own count.
        let newer = snapshot.v > known.version;
        let own = known.doc.version();
        snapshot.v = snapshot.v.map(|v| match own {
            Some(own) if newer => own.next(),
            Some(own) => own,
            None => v,
        });
        self.with_doc(handle, |doc, up| {
            doc.ingest_snapshot(up, Some(snapshot), callback)
        });
    }

    // ---- To the host ----

    fn send_op(&mut self, handle: DocHandle) -> Option<TabEvent> {
        let known = self.docs.get_mut(&handle)?;
        let doc = &known.doc;
        let op = doc.inflight()?;
        let seq = op.id.seq?;
        // It is sent again for what it was sent for: the host before may have taken it for that.
        let before = known.sent.filter(|(sent, _)| *sent == seq);
        if before.is_none() && self.waits_for_version(handle) {
            return None;
        }
        let known = self.docs.get_mut(&handle)?;
        let doc = &known.doc;
        let op = doc.inflight()?;
        let line = before.map_or(self.line, |(_, line)| Some(line));
        known.sent = line.map(|line| (seq, line));
        let DocKey { collection, id } = doc.key().clone();
        let message = ToHost::SubmitOp(SubmitOp {
            collection,
            id,
            revision: doc.version().map(|v| proxy_doc::Revision(v.0)),
            life: doc.life(),
            line,
            seq,
            change: Change::new(&op.kind, op.ty.as_ref()),
            source: op.source.clone(),
            earlier: op.earlier.clone(),
            prevent_compose: op.prevent_compose,
        });
        let tokens = op.submissions.iter().map(|of| of.token).collect();
        Some(TabEvent::SubmitOp(encode(&message), seq, tokens))
    }

    fn send_read(&mut self, handle: DocHandle, action: ReadAction) -> Option<TabEvent> {
        let life = self.docs.get(&handle)?.doc.life();
        self.send_read_as(handle, action, Asked::Read(handle, action, life))
    }

    fn send_read_as(
        &mut self,
        handle: DocHandle,
        action: ReadAction,
        asked: Asked,
    ) -> Option<TabEvent> {
        let callback_id = self.ask(asked);
        let known = self.docs.get(&handle)?;
        let doc = &known.doc;
        let DocKey { collection, id } = doc.key().clone();
        // An unplaced state has a version of the server, not a revision.
        let revision = doc.version().filter(|_| !known.unplaced);
        let read = Read {
            action,
            collection,
            id,
            revision: revision.map(|v| proxy_doc::Revision(v.0)),
            life: doc.life(),
            resume: self.bulk.is_some() && doc.resuming(),
            from: known.behind().filter(|_| action == ReadAction::Fetch),
            callback_id,
        };
        match &mut self.bulk {
            Some(reads) => {
                reads.push(read);
                None
            }
            None => Some(TabEvent::ToHost(encode(&ToHost::Read(read)))),
        }
    }

    // ---- From the host ----

    /// One message of the host.
    pub fn handle_message(&mut self, text: &str) {
        match decode::<Envelope>(text) {
            Ok(envelope) => self.handle_envelope(envelope),
            Err(error) => self.push_event(TabEvent::Warn(error.message)),
        }
    }

    fn handle_envelope(&mut self, envelope: Envelope) {
        if self.is_for_predecessor(&envelope.message) {
            return;
        }
        if matches!(envelope.message, ToTab::Welcome { .. }) {
            self.welcomed = true;
            let handles: Vec<DocHandle> = self.docs.keys().rev().copied().collect();
            for handle in handles {
                self.stack.push(handle, Task::Flush);
                if self.docs[&handle].doc.version().is_none() {
                    self.stack.push(handle, Task::ConnectionState);
                }
            }
            let is_another = self.epoch.is_some_and(|epoch| epoch != envelope.epoch);
            if std::mem::take(&mut self.returns) || is_another {
                self.announce_presences();
            }
            self.epoch = Some(envelope.epoch);
            (self.received, self.confirmed) = (0, 0);
        } else if self.epoch.is_some_and(|epoch| epoch != envelope.epoch) {
            return self.push_event(TabEvent::Warn(
                "Ignoring a message of another host life".to_owned(),
            ));
        }
        self.count_received();
        self.presences.author = None;
        match envelope.message {
            ToTab::Welcome {
                connection,
                storage,
                ..
            } => {
                self.line = Some(storage.line);
                self.handle_storage_event(StorageEvent::State(storage));
                self.handle_connection_state(connection);
            }
            ToTab::Storage(event) => self.handle_storage_event(event),
            ToTab::Incompatible { protocol } => self.handle_incompatible(protocol),
            ToTab::Connection(event) => self.handle_connection_event(event),
            ToTab::Callback {
                callback_id,
                error,
                result,
            } => {
                self.handle_answer(callback_id, error, result);
            }
            ToTab::Presence { channel, event } => self.handle_presence_event(&channel, event),
            ToTab::Query { query_id, event } => self.handle_query_event(query_id, event),
            ToTab::Doc {
                collection,
                id,
                event,
            } => {
                if let Some(handle) = self.by_key.get(&DocKey { collection, id }).copied() {
                    self.handle_doc_event(handle, event);
                }
            }
        }
    }

    /// Whether the message was on its way to a machine of this tab that has crashed.
    fn is_for_predecessor(&self, message: &ToTab) -> bool {
        match message {
            // A host of an older build does not say whom it means.
            ToTab::Welcome { machine, .. } => machine.is_some_and(|of| of != self.machine),
            ToTab::Incompatible { .. } => false,
            ToTab::Storage(_)
            | ToTab::Connection(_)
            | ToTab::Callback { .. }
            | ToTab::Query { .. }
            | ToTab::Presence { .. }
            | ToTab::Doc { .. } => self.machine > 0 && !self.welcomed,
        }
    }

    fn count_received(&mut self) {
        self.received += 1;
        if self.received - self.confirmed >= CONFIRM_EVERY {
            self.confirmed = self.received;
            // Pushed before what the message does, so it is posted after that was processed.
            self.tell_host(&ToHost::Received {
                count: self.received,
            });
        }
    }

    fn handle_incompatible(&mut self, protocol: u32) {
        self.left = true;
        let message = format!(
            "The shared worker speaks protocol {protocol}, this page {PROTOCOL}: close or reload the older tabs"
        );
        self.set_state(State::Stopped, None);
        self.push_event(TabEvent::Error(Error::new(
            codes::ERR_HOST_INCOMPATIBLE,
            message,
        )));
    }

    fn handle_connection_state(&mut self, now: ConnectionState) {
        if now.generation >= self.generation || self.epoch.is_none() {
            self.generation = now.generation;
            self.id = now.id.or(self.id.take());
            if !self.left {
                self.set_state(now.state, now.reason);
            }
        }
    }

    fn handle_connection_event(&mut self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::State(now) => self.handle_connection_state(now),
            ConnectionEvent::SocketError(error) => {
                self.push_event(TabEvent::ConnectionError(error))
            }
            ConnectionEvent::Error(error) => self.push_event(TabEvent::Error(error)),
            ConnectionEvent::Pong => self.push_event(TabEvent::Pong),
        }
    }

    fn handle_answer(
        &mut self,
        callback_id: CallbackId,
        error: Option<Error>,
        result: Option<Answer>,
    ) {
        let asked = self.asked.remove(&callback_id);
        if let Some(Asked::Stored(token, _)) = asked {
            return self.handle_stored(token, error, result);
        }
        let answer = error.map_or(Ok(result), Err);
        match asked {
            Some(Asked::Read(handle, action, life)) => {
                self.handle_read_answer(handle, action, life, answer);
            }
            Some(Asked::Ingest(handle, life)) => self.handle_ingested(handle, life, answer),
            Some(Asked::Version(handle)) => self.handle_version_answer(handle, answer),
            Some(Asked::Presence(asked)) => {
                self.handle_presence_answer(callback_id, asked, answer.err());
            }
            Some(Asked::Snapshot(token)) => {
                let snapshot = match answer {
                    Ok(Some(Answer::Snapshot(message))) => Ok(message),
                    Ok(_) => Err(Error::badly_formed("The host sent no snapshot")),
                    Err(error) => Err(error),
                };
                self.push_event(TabEvent::Snapshot(token, snapshot));
            }
            Some(Asked::Status(token)) => {
                if let Ok(Some(Answer::Status(status))) = answer {
                    self.push_event(TabEvent::Status(token, status));
                }
            }
            Some(Asked::Stored(..)) | None => {}
        }
    }

    fn handle_read_answer(
        &mut self,
        handle: DocHandle,
        action: ReadAction,
        life: u32,
        answer: Result<Option<Answer>, Error>,
    ) {
        if let Ok(Some(Answer::Offline)) = answer {
            return self.handle_read_offline(handle, action);
        }
        let (answer, version) = match answer {
            Err(error) => (Err(error), None),
            Ok(Some(Answer::Read { snapshot, version })) => {
                let is_past = snapshot.is_some() || self.is_past(handle, life);
                let snapshot = self.usable(handle, snapshot);
                if is_past && snapshot.is_none() && self.ask_again(handle, action) {
                    return;
                }
                (Ok(snapshot), version)
            }
            Ok(
                Some(
                    Answer::Offline
                    | Answer::Ingested { .. }
                    | Answer::Status(_)
                    | Answer::Snapshot(_)
                    | Answer::Docs(_),
                )
                | None,
            ) => (Ok(None), None),
        };
        self.with_doc(handle, |doc, up| match action {
            ReadAction::Fetch => doc.handle_fetch(up, answer),
            ReadAction::Subscribe | ReadAction::Unsubscribe => {
                if doc.asks(action == ReadAction::Subscribe) {
                    doc.handle_subscribe(up, answer);
                } else {
                    // The question was given up. The host believes the tab to have what it sent.
                    doc.ingest_snapshot(up, answer.ok().flatten(), None);
                }
            }
        });
        self.take_version(handle, version);
    }

    /// Whether the state was given up that the document had in this life.
    fn is_past(&self, handle: DocHandle, life: u32) -> bool {
        let known = self.docs.get(&handle);
        known.is_some_and(|known| known.doc.life() != life)
    }

    /// The answer was for a state that the tab has given up since, or for a loaded snapshot that the host's state is
    /// to replace, and nothing has come in its place. Where no other fetch is on its way to bring that, the question
    /// is asked anew: a fetch that waits for this answer has not been sent. Says whether it asked.
    fn ask_again(&mut self, handle: DocHandle, action: ReadAction) -> bool {
        let Some(known) = self.docs.get_mut(&handle) else {
            return false;
        };
        let doc = &mut known.doc;
        known.replaced &= doc.version().is_none();
        let (waits, others) = match action {
            ReadAction::Fetch => (true, doc.fetches().saturating_sub(1)),
            ReadAction::Subscribe => (doc.asks(true), doc.fetches()),
            ReadAction::Unsubscribe => (false, 0),
        };
        let will_come = !known.replaced && others > 0;
        if !waits || doc.version().is_some() || will_come {
            return false;
        }
        if action == ReadAction::Fetch {
            doc.postpone_fetch();
        }
        if let Some(event) = self.send_read(handle, action) {
            self.push_event(event);
        }
        true
    }

    /// The snapshot, if it is for the state that the tab has now.
    pub(crate) fn usable(
        &self,
        handle: DocHandle,
        snapshot: Option<TabSnapshot>,
    ) -> Option<Snapshot> {
        let known = self.docs.get(&handle)?;
        snapshot
            .filter(|snapshot| snapshot.life == known.doc.life() && !known.unplaced)
            .map(to_snapshot)
    }

    fn handle_read_offline(&mut self, handle: DocHandle, action: ReadAction) {
        let connected = self.connected();
        self.with_doc(handle, |doc, up| {
            up.can_read = connected;
            match action {
                ReadAction::Fetch => doc.handle_fetch_offline(up),
                ReadAction::Subscribe | ReadAction::Unsubscribe => doc.handle_subscribe_offline(up),
            }
        });
    }

    fn handle_ingested(
        &mut self,
        handle: DocHandle,
        life: u32,
        answer: Result<Option<Answer>, Error>,
    ) {
        if self.has_doc_presence(handle) {
            self.push_owner(OwnerTask::SettlePresence(handle));
        }
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        if known.doc.life() != life {
            return;
        }
        known.unplaced = false;
        let revision = match answer {
            Ok(Some(Answer::Ingested { revision })) => revision,
            Ok(_) | Err(_) => None,
        };
        match revision {
            Some(revision) => {
                known.doc.place(Version(revision.0));
                self.with_doc(handle, |doc, up| doc.flush(up));
            }
            // The host has moved on. What was loaded is only good to look at: get the host's state.
            None => {
                let message = "The ingested snapshot is not the host's state";
                let error = Error::new(codes::ERR_REVISION_NOT_KEPT, message);
                known.learn_version(None);
                known.replaced = !known.doc.has_write_pending();
                self.with_doc(handle, |doc, up| doc.refresh(up, error));
            }
        }
    }

    fn take_version(&mut self, handle: DocHandle, version: Option<Version>) {
        if let Some(known) = self.docs.get_mut(&handle)
            && known.doc.version().is_some()
            && !known.unplaced
            // A host that took over may not know yet what the one before was told.
            && version > known.version
        {
            known.learn_version(version);
        }
    }

    fn handle_doc_event(&mut self, handle: DocHandle, event: DocEvent) {
        if self.has_doc_presence(handle) {
            self.push_owner(OwnerTask::SettlePresence(handle));
        }
        match event {
            DocEvent::Op {
                revision,
                next,
                version,
                src,
                tab,
                change,
            } => {
                self.presences.author = tab;
                self.handle_op(
                    handle,
                    Version(revision.0),
                    Version(next.0),
                    version,
                    src,
                    change,
                );
            }
            DocEvent::Past {
                version,
                src,
                change,
            } => self.handle_past_op(handle, version, src, change),
            DocEvent::Accepted { seq, revision } => {
                self.with_doc(handle, |doc, up| {
                    doc.handle_accepted(up, seq, Version(revision.0))
                });
            }
            DocEvent::Rejected { seq, error } => self.handle_rejected(handle, seq, error),
            DocEvent::Outcome {
                seqs,
                outcome,
                version,
            } => {
                self.take_version(handle, version);
                self.with_doc(handle, |doc, up| doc.handle_outcome(up, &seqs, outcome));
            }
            DocEvent::Version { version } => self.take_version(handle, Some(version)),
            DocEvent::Rollback {
                error,
                rejected,
                life,
                ended,
            } => {
                let ended: Vec<_> = ended.into_iter().map(|op| (op.seq, op.outcome)).collect();
                self.with_doc(handle, |doc, up| {
                    if doc.life() <= life {
                        doc.handle_rollback(up, error, &rejected, &ended);
                    }
                });
            }
            DocEvent::Rebuilt {
                snapshot,
                version,
                error,
            } => {
                if let Some(snapshot) = self.usable(handle, Some(snapshot)) {
                    self.with_doc(handle, |doc, up| doc.handle_rebuilt(up, snapshot, &error));
                }
                self.take_version(handle, version);
            }
            DocEvent::Load { snapshot, version } => {
                let snapshot = self.usable(handle, Some(snapshot));
                self.with_doc(handle, |doc, up| doc.ingest_snapshot(up, snapshot, None));
                self.take_version(handle, version);
            }
            DocEvent::Error(error) => self.push_event(TabEvent::Doc(handle, Event::Error(error))),
        }
    }

    fn handle_op(
        &mut self,
        handle: DocHandle,
        revision: Version,
        next: Version,
        version: Option<Version>,
        src: Option<String>,
        change: Change,
    ) {
        let types = Rc::clone(&self.types);
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        if known.unplaced || known.doc.version() != Some(revision) {
            return;
        }
        if known.skips(version) {
            return self.skip_op(handle, next, version);
        }
        known.learn_version(version.or(known.version));
        let kind: Result<OpKind, Error> = change.read(known.doc.ty(), &*types);
        self.with_doc(handle, |doc, up| match kind {
            Ok(kind) => doc.handle_op(up, revision, next, src, kind),
            Err(error) => doc.handle_unreadable_op(up, error),
        });
    }

    fn handle_rejected(&mut self, handle: DocHandle, seq: Seq, error: Error) {
        let ours = self
            .doc(handle)
            .and_then(Doc::inflight)
            .is_some_and(|op| op.id.seq == Some(seq));
        if !ours {
            return;
        }
        self.with_doc(handle, |doc, up| {
            if error.is(codes::ERR_REVISION_NOT_KEPT) {
                doc.hard_rollback(up, error);
            } else {
                doc.handle_op_error(up, error, Some(seq));
            }
        });
    }
}

impl ProxyDoc {
    /// What another host has to know of it, if anything. `line`: the connection's.
    fn resumed(&self, line: Option<u64>) -> Option<Resumed> {
        let doc = &self.doc;
        let inflight = doc.inflight().and_then(|op| op.id.seq);
        let accepted: Vec<Seq> = doc.accepted().filter_map(|op| op.id.seq).collect();
        let waits = inflight.is_some() || !accepted.is_empty();
        if self.unplaced || (doc.version().is_none() && !waits) {
            return None;
        }
        // Ops of a machine that crashed belong to no state of this one.
        let line = line.filter(|_| inflight.is_none());
        Some(Resumed {
            key: doc.key().clone(),
            revision: doc.version().map(|v| proxy_doc::Revision(v.0)),
            line: self.line.or(self.sent.map(|(_, line)| line)).or(line),
            life: doc.life(),
            live: doc.want_subscribe(),
            inflight,
            accepted,
        })
    }
}

fn to_snapshot(snapshot: TabSnapshot) -> Snapshot {
    let ty = snapshot.ty.map_or(SnapshotType::None, SnapshotType::Uri);
    Snapshot {
        v: Some(Version(snapshot.revision.0)),
        ty,
        data: snapshot.data,
    }
}
