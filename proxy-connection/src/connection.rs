//! The connection of a tab: its mirrored state, the host it talks to, and the loop that runs its tasks.
//!
//! What it refuses to do: decide about a document, which `documents.rs` and [`Doc`] do.

use std::collections::BTreeMap;
use std::rc::Rc;

use broker::message::{CallbackId, PROTOCOL, QueryDoc, Read, ReadAction, State, ToHost, encode};
use proxy_doc::{
    Doc, DocHandle, DocKey, Error, Event, Json, Later, Map, Seq, Set, Stack, Task, Thrown, Token,
    Types, Upstream, codes, next_count,
};

use crate::store_mirror::{self, StoreMirror};
use crate::{ProxyDoc, TabEvent, presence};

/// Bytes of JSON above which ops do not compose any more; the host's limit.
const MAX_OP_SIZE: usize = 512 * 1024;

/// What an answer of the host is for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// And the life of the state that the document had then.
    Read(DocHandle, ReadAction, u32),
    /// And the life of the state that the snapshot became.
    Ingest(DocHandle, u32),
    /// How far the server is, see `version.rs`.
    Version(DocHandle),
    Status(Token),
    Snapshot(Token),
    Presence(presence::PresenceAsked),
    Stored(Token, store_mirror::Question),
}

/// A task of the connection between tasks of documents.
#[derive(Debug)]
pub(crate) enum OwnerTask {
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
    pub(crate) types: Rc<dyn Types>,
    pub(crate) state: State,
    pub(crate) id: Option<String>,
    pub(crate) generation: u64,
    pub(crate) epoch: Option<u64>,
    /// The history that the revisions here belong to.
    pub(crate) line: Option<u64>,
    /// The host has named its line since this tab registered. Until then nothing new is asked of it: it
    /// belongs to the line that comes.
    pub(crate) welcomed: bool,
    pub(crate) store: StoreMirror,
    pub(crate) left: bool,
    /// It had left the host, which forgot what this tab shows, and comes again.
    pub(crate) returns: bool,
    pub(crate) max_op_size: usize,
    /// How many machines of this tab have crashed.
    pub(crate) machine: u32,
    /// The history that the last of those belonged to.
    pub(crate) line_before: Option<u64>,
    pub(crate) next_seq: Seq,
    pub(crate) docs: Map<DocHandle, ProxyDoc>,
    pub(crate) by_key: BTreeMap<DocKey, DocHandle>,
    pub(crate) next_handle: u32,
    pub(crate) asked: Map<CallbackId, Asked>,
    pub(crate) next_callback: u64,
    pub(crate) queries: Set<u64>,
    pub(crate) presences: presence::Presences,
    pub(crate) bulk: Option<Vec<Read>>,
    pub(crate) stack: Stack,
    pub(crate) owner_tasks: Map<u32, OwnerTask>,
    pub(crate) next_owner_task: u32,
    pub(crate) received: u64,
    pub(crate) confirmed: u64,
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
            store: StoreMirror::default(),
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
            self.refuse_stored(&store_mirror::closed());
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
            return self.push_event(TabEvent::Stored(token, Err(store_mirror::closed())));
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

    pub(crate) fn tell_host(&mut self, message: &ToHost) {
        self.push_event(TabEvent::ToHost(encode(message)));
    }

    pub(crate) fn ask(&mut self, asked: Asked) -> CallbackId {
        let callback_id = CallbackId(self.next_callback);
        self.next_callback += 1;
        self.asked.insert(callback_id, asked);
        callback_id
    }

    pub(crate) fn set_state(&mut self, state: State, reason: Option<Json>) {
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
}
