//! The document machine (`lib/client/doc.js`).

mod apply;
mod from_upstream;
mod given_up;
mod reads;
mod rollback;
mod send;
mod submit;

use std::rc::Rc;

use crate::{
    DocHandle, DocKey, Error, Event, Fifo, Gather, Json, OpId, OtType, Outcome, PendingOp,
    ReadJson, Reader, Seq, Stack, Submission, Task, Token, Types, Version, WriteJson,
};

/// The largest sequence number: `Number.MAX_SAFE_INTEGER`.
const MAX_SEQ: u64 = 9_007_199_254_740_991;

/// Which of its two upstreams a document has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// In the host: the upstream is the ShareDB server, its acknowledgement is final.
    Host,
    /// In a tab: the upstream is the host, which first accepts an op and later says how it ended.
    Tab,
}

/// What a document needs of its owner for the length of one call.
pub struct Upstream<'a> {
    /// The owner's handle for the document.
    pub me: DocHandle,
    /// Whether fetches and subscribes can be sent.
    pub can_read: bool,
    /// Whether ops can be sent.
    pub can_write: bool,
    /// The id of the connection: `src` of ops that are sent now.
    pub src: Option<&'a str>,
    /// The number of the next op.
    pub next_seq: &'a mut Seq,
    /// Ops get their `src` and `seq` when they are submitted, so that they can be logged before they are sent.
    /// Otherwise they get them with the first send.
    pub names_ops: bool,
    /// Bytes of JSON above which ops are not composed: servers limit a message.
    pub max_op_size: usize,
    /// The registered types.
    pub types: &'a dyn Types,
    /// The owner's stack, for the tasks that follow from the call.
    pub stack: &'a mut Stack,
}

impl Upstream<'_> {
    fn push(&mut self, task: Task) {
        self.stack.push(self.me, task);
    }

    /// The identity of a new op.
    fn next_id(&mut self) -> OpId {
        let seq = Some(*self.next_seq);
        *self.next_seq = self.next_seq.next();
        OpId {
            src: self.src.map(str::to_owned),
            seq,
        }
    }

    fn emit(&mut self, event: Event) {
        self.push(Task::Event(event));
    }
}

/// The type of a snapshot on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SnapshotType {
    /// Absent: the default type.
    #[default]
    Default,
    /// `null`: there is no document.
    None,
    /// A URI. Other JSON stands here as its text, which is no type's name.
    Uri(String),
}

impl WriteJson for SnapshotType {
    fn write(&self, out: &mut String) {
        match self {
            Self::Default | Self::None => out.push_str("null"),
            Self::Uri(uri) => uri.write(out),
        }
    }

    fn is_absent(&self) -> bool {
        *self == Self::Default
    }
}

impl ReadJson for SnapshotType {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let uri = Option::<Json>::read(reader)?;
        let text = |uri: Json| uri.string().unwrap_or_else(|| uri.get().to_owned());
        Some(uri.map_or(Self::None, |uri| Self::Uri(text(uri))))
    }

    fn absent() -> Option<Self> {
        Some(Self::Default)
    }
}

/// A document at a version.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The version; without one a snapshot is refused.
    pub v: Option<Version>,
    /// The type.
    pub ty: SnapshotType,
    /// The serialized data; absent is `undefined`.
    pub data: Option<Json>,
}

crate::wire!(struct Snapshot {
    v = "v";
    ty = "type";
    data = "data";
});

/// The rest of a remote op that is applied one component at a time.
#[derive(Debug)]
pub struct Components {
    ops: Rc<Vec<ot_json0::Op>>,
    index: usize,
    emitted_before: bool,
    depth: usize,
}

/// What is done with the answer to a fetch.
#[derive(Debug)]
enum Waiter {
    /// Nothing: the call had no callback.
    Nobody,
    /// Nothing, also where it failed: the application did not ask.
    Check,
    /// The callback is called.
    Token(Token),
    /// A hard rollback is finished.
    Rollback(Box<Rollback>),
    /// An inflight op that the server found to be a no-op counts as committed.
    NoOp,
    /// A [`Doc::refresh`] is finished.
    Refresh,
}

/// How an op gets its identity at the upstream.
#[derive(Clone, Debug)]
pub enum Naming {
    /// A new op, which gets a new identity.
    New,
    /// An op that the application kept over a restart, and that was sent with this identity before.
    Earlier(OpId),
    /// An op of the log, with its identity; `None` where it was composed into the op before it.
    Restored(Option<OpId>),
}

/// The ops that a hard rollback dropped, and the reason.
#[derive(Debug)]
pub struct Rollback {
    error: Error,
    /// The rejected op (in ShareDB the inflight one).
    rejected: Vec<PendingOp>,
    others: Vec<PendingOp>,
    /// Ops that have an outcome of their own, which is told with that of the others.
    ended: Vec<(Vec<Submission>, Outcome)>,
}

#[derive(Debug)]
struct SubscribeRequest {
    want: bool,
    /// Sent by the machine itself after a reconnect.
    resumes: bool,
    tokens: Vec<Token>,
}

/// A document as one client of its upstream sees it.
#[derive(Debug)]
pub struct Doc {
    key: DocKey,
    edge: Edge,
    version: Option<Version>,
    ty: Option<OtType>,
    inflight: Option<PendingOp>,
    pending: Fifo<PendingOp>,
    /// Accepted by the host and without an outcome. Always empty on the host's edge.
    accepted: Fifo<PendingOp>,
    /// The last accepted op of a state that was given up. It and those before it are only waited for: their content is
    /// that of no state any more.
    orphaned: Option<Seq>,
    /// Serials of the ops that listeners have submitted while a remote op is being applied.
    apply_stack: Option<Vec<u64>>,
    next_serial: u64,
    /// Number of hard rollbacks that wait for their snapshot.
    rollbacks: u32,
    /// See [`Doc::life`].
    life: u32,
    flush_scheduled: bool,
    inflight_fetch: Fifo<Waiter>,
    /// The count after the newest op that came and did not fit, where no fetch has been answered since.
    missed: Option<Version>,
    pending_fetch: Vec<Waiter>,
    inflight_subscribe: Option<SubscribeRequest>,
    pending_subscribe: Fifo<SubscribeRequest>,
    waiting_for_writes: Vec<Vec<Waiter>>,
    subscribed: bool,
    want_subscribe: bool,
    /// `doc.preventCompose`: the next submissions are not composed into the op before them.
    pub prevent_compose: bool,
    /// `doc.submitSource`: the next submissions are sent with their source, and composed only with the same source.
    pub submit_source: bool,
    paused: bool,
}

impl Doc {
    /// A document without a state, before its first fetch or create.
    pub fn new(key: DocKey, edge: Edge) -> Self {
        Self {
            key,
            edge,
            version: None,
            ty: None,
            inflight: None,
            pending: Fifo::new(),
            accepted: Fifo::new(),
            orphaned: None,
            apply_stack: None,
            next_serial: 0,
            rollbacks: 0,
            life: 0,
            flush_scheduled: false,
            inflight_fetch: Fifo::new(),
            missed: None,
            pending_fetch: Vec::new(),
            inflight_subscribe: None,
            pending_subscribe: Fifo::new(),
            waiting_for_writes: Vec::new(),
            subscribed: false,
            want_subscribe: false,
            prevent_compose: false,
            submit_source: false,
            paused: false,
        }
    }

    /// The document's key.
    pub fn key(&self) -> &DocKey {
        &self.key
    }

    /// The upstream's count that the confirmed state stands at: the server's version in the host,
    /// the host's revision in a tab. `None` before anything was loaded.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// The type; `None` while there is no document.
    pub fn ty(&self) -> Option<&OtType> {
        self.ty.as_ref()
    }

    /// The op that was sent and has no answer; ShareDB's `inflightOp`.
    pub fn inflight(&self) -> Option<&PendingOp> {
        self.inflight.as_ref()
    }

    /// All ops without an outcome, oldest first: accepted, inflight, pending.
    pub fn unfinished(&self) -> impl Iterator<Item = &PendingOp> {
        self.accepted
            .iter()
            .chain(&self.inflight)
            .chain(self.pending.iter())
    }

    /// The ops that the host has accepted, and that have no outcome, oldest first.
    pub fn accepted(&self) -> impl Iterator<Item = &PendingOp> {
        self.accepted.iter()
    }

    /// Whether accepted ops of a state that was given up have no outcome.
    pub fn has_orphans(&self) -> bool {
        self.accepted
            .front()
            .is_some_and(|op| op.id.seq <= self.orphaned)
    }

    /// The ops that the upstream does not have yet, oldest first: inflight, pending.
    pub fn unaccepted(&self) -> impl Iterator<Item = &PendingOp> {
        self.inflight.iter().chain(self.pending.iter())
    }

    /// Whether the upstream confirmed the subscription.
    pub fn subscribed(&self) -> bool {
        self.subscribed
    }

    /// Whether to subscribe again after a reconnect.
    pub fn want_subscribe(&self) -> bool {
        self.want_subscribe
    }

    /// Whether it is subscribed once all that was asked is answered.
    pub fn will_subscribe(&self) -> bool {
        let last = self.pending_subscribe.back();
        last.map_or(self.want_subscribe, |request| request.want)
    }

    /// Whether `doc.pause` holds own ops back.
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// Whether a hard rollback waits for its snapshot.
    pub fn in_hard_rollback(&self) -> bool {
        self.rollbacks > 0
    }

    /// How often the state was given up, or early accepts were taken back. A message for an earlier life is void.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// Whether an op, fetch or (un)subscribe has no answer (`hasPending`).
    pub fn has_pending(&self) -> bool {
        self.has_write_pending() || self.has_read_pending()
    }

    /// Whether a fetch or (un)subscribe has no answer.
    pub fn has_read_pending(&self) -> bool {
        !self.inflight_fetch.is_empty()
            || self.inflight_subscribe.is_some()
            || !self.pending_fetch.is_empty()
            || !self.pending_subscribe.is_empty()
    }

    /// Whether an op has no outcome (`hasWritePending`).
    pub fn has_write_pending(&self) -> bool {
        self.inflight.is_some() || !self.pending.is_empty() || !self.accepted.is_empty()
    }

    /// Whether the inflight subscribe only renews one that was lost with the connection.
    pub fn resuming(&self) -> bool {
        self.inflight_subscribe
            .as_ref()
            .is_some_and(|request| request.resumes)
    }

    /// Runs one task. Returns the event for the driver, if there is one.
    pub fn run(&mut self, up: &mut Upstream<'_>, task: Task) -> Option<Event> {
        match task {
            Task::Event(event) => return Some(event),
            Task::Catch | Task::Owner(_) => {}
            Task::ConnectionState => self.handle_connection_state(up),
            Task::Components(rest) => self.step_components(up, rest),
            Task::PopApplyStack(depth) => {
                if let Err(error) = self.pop_apply_stack(up, depth) {
                    self.hard_rollback(up, error);
                }
            }
            Task::CountVersion => self.version = self.version.map(Version::next),
            Task::ClearInflight(outcome) => self.clear_inflight(up, outcome),
            Task::Flush => self.flush(up),
            Task::FlushSubscribe => self.flush_subscribe(up),
            Task::NothingPending => self.no_write_pending(up),
            Task::AllPending => {
                if !self.has_pending() {
                    return Some(Event::NothingPending);
                }
            }
            Task::Unheard(error) => return Some(Event::Error(error)),
            Task::FinishRefresh(error) => {
                self.rollbacks -= 1;
                return error.map(Event::Error);
            }
            Task::FinishRollback(rollback, error) => self.finish_rollback(up, *rollback, error),
        }
        None
    }

    fn no_write_pending(&mut self, up: &mut Upstream<'_>) {
        if self.has_write_pending() {
            return;
        }
        up.push(Task::AllPending);
        for waiters in std::mem::take(&mut self.waiting_for_writes)
            .into_iter()
            .rev()
        {
            self.call(up, waiters, None);
        }
        up.emit(Event::NoWritePending);
    }
}

fn tokens(submissions: &[Submission]) -> Vec<Token> {
    submissions
        .iter()
        .map(|submission| submission.token)
        .gather()
}
