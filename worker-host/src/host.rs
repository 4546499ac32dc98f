//! The host: server of the tabs, client of the server.
//!
//! This file holds the state and what the driver calls. `server` speaks with the server, `tabs` with the tabs, `log`
//! with the store; `docs` turns what happens to a document into messages.

pub(crate) mod inputs;

use std::rc::Rc;

use broker::message::{MAX_OP_SIZE, State};
use durable_store::{Request, StoreOptions};
use proxy_doc::{Doc, DocHandle, DocKey, Epoch, Seq, TabId, Types, Upstream};

/// Changes that a tab may leave unconfirmed. A tab confirms every 64 messages: a number below a few hundred would hold
/// up tabs that are well.
const MAX_UNCONFIRMED: usize = 4096;
/// Changes of one document that a tab may leave unconfirmed: so many stand before the next change of another document,
/// where one changes faster than the tab can follow.
const MAX_UNCONFIRMED_OF_DOC: usize = 256;

use crate::coordination::Coordination;
use crate::docs::Docs;
use crate::docs::host_doc::HostDoc;
use crate::docs::sending::Sender;
use crate::inbox;
use crate::log::Log;
use crate::log::barrier::Outbox;
use crate::log::resign::Ending;
use crate::presence::Presences;
use crate::quarantine::Quarantine;
pub use crate::quarantine::{Cause, Doing};
use crate::queries::Queries;
use crate::server::Server;
use crate::snapshots::PastSnapshots;
use crate::tabs::Tabs;
use crate::tabs::callers::Callers;
use crate::tabs::hub::MAX_LOG;

/// The options of a host.
#[derive(Clone, Debug)]
pub struct Options {
    /// The number of this host, higher than those of hosts before it. Presence versions begin at it.
    pub epoch: Epoch,
    /// One tab owns the connection: its `close()` closes the socket. Otherwise it leaves, and the
    /// others keep the socket.
    pub private: bool,
    /// The host asks for each socket itself ([`Output::OpenSocket`]). Otherwise the application binds one.
    pub opens_sockets: bool,
    /// The driver knows where a socket leads to. Otherwise tabs are asked, each time.
    pub has_url: bool,
    /// The connection id to begin with, which no other host has. A host with a store needs it, to name
    /// its ops before it is connected.
    pub src: Option<String>,
    /// The store, and for how long it remembers. `None`: the host has no store.
    pub store: Option<StoreOptions>,
    /// Bytes of JSON above which ops do not compose any more.
    pub max_op_size: usize,
    /// Revisions of a document that are kept one by one for tabs that lag; above, they are composed where no tab
    /// can tell.
    pub max_log: usize,
    /// Changes that a tab may leave unconfirmed before it gets no more: it is blocked, asleep, or far behind. It
    /// gets the rest, composed, when less than half of them are left.
    pub max_unconfirmed: usize,
    /// The same for the changes of one document: others go on.
    pub max_unconfirmed_of_doc: usize,
    /// Where an op is refused that cannot be taken back, the others stay, as far as they still apply.
    /// ShareDB's client gives all of them up.
    pub keeps_pending: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            epoch: Epoch(0),
            private: false,
            opens_sockets: false,
            has_url: true,
            src: None,
            store: None,
            max_op_size: MAX_OP_SIZE,
            max_log: MAX_LOG,
            max_unconfirmed: MAX_UNCONFIRMED,
            max_unconfirmed_of_doc: MAX_UNCONFIRMED_OF_DOC,
            keeps_pending: false,
        }
    }
}

/// An output: something that the driver has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Post this text to the tab.
    ToTab {
        /// The tab.
        tab: TabId,
        /// The message.
        text: String,
        /// The connection changed: where tab and host share a thread, the tab learns it before the
        /// call that caused it returns. Everything else may wait until the tab is not busy.
        urgent: bool,
    },
    /// Send this text on the socket.
    Send(String),
    /// Close the socket.
    CloseSocket,
    /// The socket is dead: close it, and report no further event of it.
    DropSocket,
    /// Open a new socket, and bind it: to this URL that a tab gave, or to the driver's own.
    OpenSocket(Option<String>),
    /// Call [`Host::handle_timer`] after so many milliseconds; a later one replaces it.
    StartTimer(u32),
    /// Call [`Host::handle_alarm`] after so many milliseconds; a later one replaces it.
    StartAlarm(u64),
    /// Do this to the second connection, and report by [`Host::handle_realtime`]. JSON.
    Realtime(String),
    /// Read or write the storage, and answer by [`Host::handle_storage`].
    Storage(Request),
    /// Find out which of these tabs live, answer by [`Host::tabs_found`], and call [`Host::tab_gone`] when
    /// one of them is gone.
    FindTabs(Vec<TabId>),
    /// A storage that did not answer answers again, and this host can end without losing anything: begin another host on
    /// the same storage in its place. The tabs register there.
    BeginAnew,
    /// This host has resigned: close the socket, and release the storage and the host's lock. It is the last output.
    Resigned,
    /// Another host has taken the storage: close the socket, release what is left, and let the tabs find that host. It is
    /// the last output.
    Deposed,
    /// Post to the tab what a debug console asked for: the text `before`, the answer as JSON, the text `after`.
    Debug {
        /// The tab.
        tab: TabId,
        /// The question, as JSON.
        request: String,
        /// The message up to the answer.
        before: String,
        /// The rest of the message.
        after: String,
    },
    /// Write to the log.
    Warn(String),
}

/// A socket's `readyState`, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyState {
    /// `CONNECTING`, 0.
    Connecting,
    /// `OPEN`, 1.
    Open,
    /// `CLOSING` or `CLOSED`, 2 or 3.
    Closed,
}

impl ReadyState {
    pub(crate) fn state(self) -> State {
        match self {
            Self::Connecting | Self::Open => State::Connecting,
            Self::Closed => State::Disconnected,
        }
    }
}

/// The host: the state of its rooms, wired together.
pub struct Host {
    pub(crate) options: Options,
    pub(crate) types: Rc<dyn Types>,
    pub(crate) server: Server,
    pub(crate) docs: Docs,
    pub(crate) callers: Callers,
    pub(crate) tabs: Tabs,
    pub(crate) queries: Queries,
    pub(crate) past_snapshots: PastSnapshots,
    pub(crate) presences: Presences,
    pub(crate) coordination: Coordination,
    pub(crate) outbox: Outbox,

    pub(crate) log: Log,
    pub(crate) ending: Ending,
    /// Inputs that wait for the store.
    pub(crate) inbox: inbox::Inbox,
    pub(crate) quarantine: Quarantine,
}

impl Host {
    /// A host without a socket and without tabs.
    pub fn new(options: Options, types: Rc<dyn Types>) -> Self {
        Self {
            types,
            server: Server::new(options.src.clone(), options.opens_sockets, options.has_url),
            docs: Docs::default(),
            callers: Callers::default(),
            tabs: Tabs::new(options.max_unconfirmed, options.max_unconfirmed_of_doc),
            queries: Queries::default(),
            past_snapshots: PastSnapshots::default(),
            presences: Presences::new(options.epoch.0),
            coordination: Coordination::new(options.epoch.0, options.private),
            outbox: Outbox::default(),
            log: Log::new(&options),
            ending: Ending::default(),
            inbox: inbox::Inbox::default(),
            quarantine: Quarantine::default(),
            options,
        }
    }

    /// The next output. Drain this after every call.
    pub fn poll(&mut self) -> Option<Output> {
        if matches!(self.ending, Ending::Deposed | Ending::Over) {
            return self.outbox.pop_now().or_else(|| self.last_output());
        }
        // A tab that is shown a change shows it while the write begins.
        if let Some(output) = self.outbox.pop_early() {
            return Some(output);
        }
        loop {
            if let Some(output) = self.outbox.pop_now() {
                return Some(output);
            }
            let before = self.log.committed();
            let request = self.with_store(|store, host| store.poll(host)).flatten();
            // The store may have had nothing to write: then requests that waited for it are answered now.
            let moved = self.log.committed() != before;
            if request.is_some() || moved {
                // To begin a write is something to tell.
                self.handle_store_events();
            }
            if let Some(request) = request {
                return Some(Output::Storage(request));
            }
            if !moved {
                break;
            }
        }
        if let Some(output) = self.outbox.pop(self.log.committed()) {
            self.note_sent(&output);
            return Some(output);
        }
        self.last_output()
    }

    /// Adds an output, behind the barrier.
    pub(crate) fn say(&mut self, output: Output) {
        self.outbox.push(self.log.barrier(), output);
    }

    /// The connection's state.
    pub fn state(&self) -> State {
        self.server.state()
    }

    /// The connection's id.
    pub fn id(&self) -> Option<&str> {
        self.server.op_ids.connection_id()
    }

    /// The number of the next op.
    pub fn next_seq(&self) -> Seq {
        self.server.op_ids.next_seq()
    }

    /// Sets the number of the next op, as an application may.
    pub fn set_next_seq(&mut self, seq: Seq) {
        self.server.op_ids.set_next_seq(seq);
    }

    /// Sets the id to ask the server for.
    pub fn set_id(&mut self, id: Option<String>) {
        self.server.op_ids.choose(id);
        self.go_on_counting();
    }

    /// The time in milliseconds by a clock that never goes back. To be told before each input.
    pub fn set_now(&mut self, now: u64) {
        if self.log.note_time(now) {
            self.outbox.hold_early();
        }
    }

    /// Changes [`Options::max_op_size`] and [`Options::keeps_pending`], where they are given.
    pub fn configure(&mut self, max_op_size: Option<usize>, keeps_pending: Option<bool>) {
        let options = &mut self.options;
        options.max_op_size = max_op_size.unwrap_or(options.max_op_size);
        options.keeps_pending = keeps_pending.unwrap_or(options.keeps_pending);
    }

    /// Whether the handshake with the server is done.
    pub(crate) fn connected(&self) -> bool {
        self.server.is_connected()
    }

    /// The document, made where it is not known yet.
    pub(crate) fn open(&mut self, key: DocKey) -> DocHandle {
        if let Some(handle) = self.docs.find(&key) {
            return handle;
        }
        self.inbox.bring(&key);
        self.docs.add(key, self.options.max_log)
    }

    /// Lets the document act, then carries out all that follows from it.
    pub(crate) fn act<R>(
        &mut self,
        handle: DocHandle,
        action: impl FnOnce(&mut Doc, &mut Upstream<'_>) -> R,
    ) -> R {
        let result = self.with_doc(handle, action);
        self.run();
        result
    }

    /// Gives the document's machine an input, and leaves the tasks that follow on the stack; see [`Host::act`].
    pub(crate) fn with_doc<R>(
        &mut self,
        handle: DocHandle,
        action: impl FnOnce(&mut Doc, &mut Upstream<'_>) -> R,
    ) -> R {
        let connected = self.connected() && !self.log.is_replaying();
        let can_write = connected && self.may_send(handle) && !self.docs[handle].holds_sends();
        let op_ids = &mut self.server.op_ids;
        let (src, next_seq) = op_ids.src_and_seq(self.log.keeps_numbers());
        self.docs.touch(handle);
        let (doc, stack) = self.docs.machine(handle);
        let mut up = Upstream {
            me: handle,
            can_read: connected,
            can_write,
            src,
            next_seq,
            names_ops: self.log.is_kept() && src.is_some(),
            max_op_size: self.options.max_op_size,
            types: &*self.types,
            stack,
        };
        action(doc, &mut up)
    }

    /// Runs the tasks that the documents' machines left on the stack.
    pub(crate) fn run(&mut self) {
        while let Some((handle, task)) = self.docs.pop_task() {
            if let Some(event) = self.with_doc(handle, |doc, up| doc.run(up, task)) {
                self.handle_event(handle, event);
            }
        }
    }

    /// After an input: tells versions that moved silently, and forgets documents without a use.
    pub(crate) fn settle(&mut self) {
        self.with_presence(Presences::settle);
        self.settle_refusals();
        self.close_unused();
        self.send_held();
        for handle in self.docs.take_touched() {
            self.tell_versions(handle);
            self.note_document(handle);
            self.forget_unused(handle);
        }
        if !self.log.backlog.is_empty() {
            self.work_off();
        }
        self.answer_flushes();
        self.tell_queue(false);
    }

    /// Whether the document may send an op: its tab has not too many on their way.
    fn may_send(&self, handle: DocHandle) -> bool {
        let sending = &self.docs.sending;
        sending.is_free() || sending.may_send(&self.sender_of(handle))
    }

    /// The author of the document's oldest op.
    pub(crate) fn sender_of(&self, handle: DocHandle) -> Sender {
        let doc = &self.docs.get(handle)?.doc;
        let mut submissions = doc.unfinished().flat_map(|op| &op.submissions);
        let author = submissions.find_map(|submission| self.callers.author(submission.token));
        author.map(|author| author.tab.clone())
    }

    /// Lets the next documents send, for those that have their answer.
    pub(crate) fn send_held(&mut self) {
        for handle in self.docs.touched() {
            let doc = self.docs.get(handle).map(|host_doc| &host_doc.doc);
            let sends = doc.is_some_and(|doc| doc.inflight().is_some());
            let waits = doc.is_some_and(|doc| !sends && doc.has_write_pending() && !doc.paused());
            if !sends {
                self.docs.sending.end(handle);
            }
            if waits {
                let sender = self.sender_of(handle);
                self.docs.sending.hold(handle, sender);
            } else {
                self.docs.sending.release(handle);
            }
        }
        while self.connected() {
            let Some(handle) = self.docs.sending.next() else {
                break;
            };
            self.act(handle, |doc, up| doc.flush(up));
        }
    }

    /// No tab is left, and the server has every op: closes the socket, as a stock client that was closed.
    pub(crate) fn close_unused(&mut self) {
        let idle = self.server.opens_next_socket() && self.tabs.met_any;
        let nobody =
            !self.tabs.any_registered() && self.inbox.is_empty() && self.log.backlog.is_loaded();
        if idle && nobody && !self.docs.any_write_pending() {
            self.close();
        }
    }

    /// Drops a document from memory that no tab uses, and that is stored as far as it has to be.
    pub(crate) fn forget_unused(&mut self, handle: DocHandle) {
        if !self.inbox.is_empty() {
            // Something that waits may name it.
            self.docs.keep_fresh(handle);
            return;
        }
        let HostDoc { doc, hub, .. } = &self.docs[handle];
        let unused = hub.is_unknown()
            && !doc.has_pending()
            && !doc.want_subscribe()
            && !self.queries.has_result(doc.key())
            && !self.presences.uses(doc.key());
        if unused && self.may_forget(handle) {
            let key = self.docs[handle].key();
            self.log.backlog.forget(key);
            self.docs.remove(handle);
        }
    }
}
