//! The document machine (`lib/client/doc.js`).

use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::{
    CreateData, DocHandle, DocKey, Edit, Error, Event, Json, Later, OpId, OpKind, OtType, Outcome,
    PendingOp, Seq, Source, Stack, Submission, Task, Token, Types, Version, codes, transform_x,
};

/// The largest sequence number: `Number.MAX_SAFE_INTEGER`.
const MAX_SEQ: u64 = 9_007_199_254_740_991;

/// On which edge a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// In the host: the upstream is the ShareDB server, its acknowledgement is final.
    Host,
    /// In a tab: the upstream is the host, which first accepts an op and later says how it ended.
    Tab,
}

/// What a document needs from its surroundings, for the length of one call.
pub struct Upstream<'a> {
    /// The owner's name for the document.
    pub me: DocHandle,
    /// Whether fetches and subscribes can be sent.
    pub can_read: bool,
    /// Whether ops can be sent.
    pub can_write: bool,
    /// The id of the connection: `src` of ops that are sent now.
    pub src: Option<&'a str>,
    /// The number of the next op.
    pub next_seq: &'a mut Seq,
    /// The registered types.
    pub types: &'a dyn Types,
    /// Where to leave what is to be done.
    pub stack: &'a mut Stack,
}

impl Upstream<'_> {
    fn push(&mut self, task: Task) {
        self.stack.push(self.me, task);
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
    /// A URI.
    Uri(String),
}

impl Serialize for SnapshotType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Default | Self::None => serializer.serialize_none(),
            Self::Uri(uri) => serializer.serialize_str(uri),
        }
    }
}

impl<'de> Deserialize<'de> for SnapshotType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map_or(Self::None, Self::Uri))
    }
}

impl SnapshotType {
    /// Whether the type is left out on the wire.
    pub fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

/// A document at a version.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The version; without one a snapshot is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<Version>,
    /// The type.
    #[serde(
        rename = "type",
        default,
        skip_serializing_if = "SnapshotType::is_default"
    )]
    pub ty: SnapshotType,
    /// The serialized data; absent is `undefined`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
}

/// The rest of a remote op that is applied one component at a time.
#[derive(Debug)]
pub struct Components {
    ops: Rc<Vec<ot_json0::Op>>,
    index: usize,
    emitted_before: bool,
    depth: usize,
}

/// What waits for the answer to a fetch.
#[derive(Debug)]
enum Waiter {
    /// A call without a callback.
    Nobody,
    /// A callback.
    Token(Token),
    /// A hard rollback.
    Rollback(Box<Rollback>),
    /// An inflight op that the server found to be a no-op.
    NoOp,
    /// [`Doc::refresh`].
    Refresh,
}

/// The ops that a hard rollback dropped, and why.
#[derive(Debug)]
pub struct Rollback {
    error: Error,
    /// The op that was rejected (stock: the inflight one).
    rejected: Vec<PendingOp>,
    others: Vec<PendingOp>,
}

#[derive(Debug)]
struct SubscribeRequest {
    want: bool,
    /// Made by the machine itself after a reconnect.
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
    pending: VecDeque<PendingOp>,
    /// Accepted by the host, their end not known. Always empty on the host's edge.
    accepted: VecDeque<PendingOp>,
    /// Serials of the ops that listeners submitted while a remote op is being applied.
    apply_stack: Option<Vec<u64>>,
    next_serial: u64,
    /// Hard rollbacks that wait for their snapshot.
    rollbacks: u32,
    /// How often the state was given up.
    life: u32,
    flush_scheduled: bool,
    inflight_fetch: VecDeque<Waiter>,
    pending_fetch: Vec<Waiter>,
    inflight_subscribe: Option<SubscribeRequest>,
    pending_subscribe: VecDeque<SubscribeRequest>,
    waiting_for_writes: Vec<Vec<Waiter>>,
    subscribed: bool,
    want_subscribe: bool,
    /// See the property of the same name in ShareDB's API.
    pub prevent_compose: bool,
    /// Whether the next submissions carry their source.
    pub submit_source: bool,
    paused: bool,
}

impl Doc {
    /// A document about which nothing is known.
    pub fn new(key: DocKey, edge: Edge) -> Self {
        Self {
            key,
            edge,
            version: None,
            ty: None,
            inflight: None,
            pending: VecDeque::new(),
            accepted: VecDeque::new(),
            apply_stack: None,
            next_serial: 0,
            rollbacks: 0,
            life: 0,
            flush_scheduled: false,
            inflight_fetch: VecDeque::new(),
            pending_fetch: Vec::new(),
            inflight_subscribe: None,
            pending_subscribe: VecDeque::new(),
            waiting_for_writes: Vec::new(),
            subscribed: false,
            want_subscribe: false,
            prevent_compose: false,
            submit_source: false,
            paused: false,
        }
    }

    // ---- What is so ----

    /// The address.
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

    /// The op on its way to the upstream.
    pub fn inflight(&self) -> Option<&PendingOp> {
        self.inflight.as_ref()
    }

    /// All ops without an end, oldest first: accepted, inflight, pending.
    pub fn unfinished(&self) -> impl Iterator<Item = &PendingOp> {
        self.accepted
            .iter()
            .chain(&self.inflight)
            .chain(&self.pending)
    }

    /// The ops that the upstream does not have yet, oldest first: inflight, pending.
    pub fn unaccepted(&self) -> impl Iterator<Item = &PendingOp> {
        self.inflight.iter().chain(&self.pending)
    }

    /// Whether the upstream confirmed the subscription.
    pub fn subscribed(&self) -> bool {
        self.subscribed
    }

    /// Whether to subscribe again after a reconnect.
    pub fn want_subscribe(&self) -> bool {
        self.want_subscribe
    }

    /// Whether own ops are held back.
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// Whether a hard rollback waits for its snapshot.
    pub fn in_hard_rollback(&self) -> bool {
        self.rollbacks > 0
    }

    /// How often the state was given up: what the upstream sent to an earlier life is void.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// Whether ops, fetches or (un)subscribes are without an answer.
    pub fn has_pending(&self) -> bool {
        self.has_write_pending()
            || !self.inflight_fetch.is_empty()
            || self.inflight_subscribe.is_some()
            || !self.pending_fetch.is_empty()
            || !self.pending_subscribe.is_empty()
    }

    /// Whether ops are unacknowledged.
    pub fn has_write_pending(&self) -> bool {
        self.inflight.is_some() || !self.pending.is_empty() || !self.accepted.is_empty()
    }

    /// Whether the subscribe that is on its way only renews one that was lost with the connection.
    pub fn resuming(&self) -> bool {
        self.inflight_subscribe
            .as_ref()
            .is_some_and(|request| request.resumes)
    }

    // ---- Submitting ----

    /// Submits an edit of the data: applies it at once, sends it in the next tick.
    ///
    /// `op` is as the application gave it for json0, and normalized by the driver for other types.
    /// `source` is given where [`Doc::submit_source`] is set.
    pub fn submit_op(
        &mut self,
        up: &mut Upstream<'_>,
        op: &Json,
        source: Option<Json>,
        submission: Submission,
    ) {
        let Some(ty) = &self.ty else {
            let (code, what) = if self.in_hard_rollback() {
                (
                    codes::ERR_DOC_IN_HARD_ROLLBACK,
                    "Document is performing hard rollback",
                )
            } else {
                (
                    codes::ERR_DOC_DOES_NOT_EXIST,
                    "Document has not been created",
                )
            };
            let message = format!("Cannot submit op. {what}. {}", self.key);
            return refuse(up, Error::new(code, message), submission);
        };
        match ty.normalize(op) {
            Ok(edit) => self.submit(up, OpKind::Edit(edit), source, submission),
            Err(error) => refuse(up, error, submission),
        }
    }

    /// Creates the document.
    pub fn create(
        &mut self,
        up: &mut Upstream<'_>,
        type_name: String,
        data: Option<Json>,
        source: Option<Json>,
        submission: Submission,
    ) {
        if self.ty.is_some() {
            let error = Error::new(codes::ERR_DOC_ALREADY_CREATED, "Document already exists");
            return refuse(up, error, submission);
        }
        let data = CreateData::Text(data);
        self.submit(up, OpKind::Create { type_name, data }, source, submission);
    }

    /// Deletes the document.
    pub fn del(&mut self, up: &mut Upstream<'_>, source: Option<Json>, submission: Submission) {
        if self.ty.is_none() {
            let error = Error::new(codes::ERR_DOC_DOES_NOT_EXIST, "Document does not exist");
            return refuse(up, error, submission);
        }
        self.submit(up, OpKind::Del, source, submission);
    }

    /// Submits an op that was checked against the present state already.
    pub fn submit(
        &mut self,
        up: &mut Upstream<'_>,
        kind: OpKind,
        source: Option<Json>,
        submission: Submission,
    ) {
        self.submit_as(up, kind, source, None, submission);
    }

    /// [`Doc::submit`] of an op that was sent with an identity in an earlier life.
    pub fn submit_as(
        &mut self,
        up: &mut Upstream<'_>,
        kind: OpKind,
        source: Option<Json>,
        earlier: Option<OpId>,
        submission: Submission,
    ) {
        self.flush_later(up);
        up.push(Task::Catch);
        let op = PendingOp {
            kind: kind.clone(),
            ty: self.ty.clone(),
            submissions: vec![submission],
            source,
            prevent_compose: self.prevent_compose,
            id: OpId::default(),
            sent: false,
            earlier,
            serial: self.next_serial,
        };
        self.next_serial += 1;
        let applied = match self.push_op(op) {
            Ok(()) => self.apply(up, kind, Source::Local(submission.token), None),
            Err(error) => Err(error),
        };
        if let Err(error) = applied {
            self.hard_rollback(up, error);
        }
    }

    /// Queues an op that the application kept from an earlier life, the data holding it already
    /// (`doc.pendingOps.push`). It is sent with the next [`Doc::flush`].
    pub fn restore(
        &mut self,
        kind: OpKind,
        ty: Option<OtType>,
        earlier: Option<OpId>,
        submission: Submission,
    ) {
        self.pending.push_back(PendingOp {
            kind,
            ty,
            submissions: vec![submission],
            source: None,
            prevent_compose: false,
            id: OpId::default(),
            sent: false,
            earlier,
            serial: self.next_serial,
        });
        self.next_serial += 1;
    }

    fn push_op(&mut self, op: PendingOp) -> Result<(), Error> {
        if let Some(stack) = &mut self.apply_stack {
            // A remote op is being applied: its remaining components must be transformed by this
            // op alone, so it must not melt into another one yet.
            stack.push(op.serial);
            self.pending.push_back(op);
            return Ok(());
        }
        self.compose_or_push(op)
    }

    fn compose_or_push(&mut self, op: PendingOp) -> Result<(), Error> {
        let rest = match self.pending.back_mut() {
            Some(last) => last.try_compose(op)?,
            None => Some(op),
        };
        self.pending.extend(rest);
        Ok(())
    }

    fn pop_apply_stack(&mut self, depth: usize) -> Result<(), Error> {
        let Some(stack) = &mut self.apply_stack else {
            return Ok(());
        };
        if depth > 0 {
            stack.truncate(depth);
            return Ok(());
        }
        let first = stack.first().copied();
        self.apply_stack = None;
        let Some(at) =
            first.and_then(|serial| self.pending.iter().position(|op| op.serial == serial))
        else {
            return Ok(());
        };
        let mut result = Ok(());
        for op in self.pending.split_off(at) {
            // After an error the rest only waits for the rollback, which answers all callbacks.
            if result.is_err() {
                self.pending.push_back(op);
            } else {
                result = self.compose_or_push(op);
            }
        }
        result
    }

    // ---- Applying ----

    /// Leaves the events that change the data and tell listeners (`_otApply`).
    fn apply(
        &mut self,
        up: &mut Upstream<'_>,
        kind: OpKind,
        source: Source,
        src: Option<String>,
    ) -> Result<(), Error> {
        match kind {
            OpKind::Edit(edit) => self.apply_edit(up, edit, source, src)?,
            OpKind::Create { type_name, data } => {
                let Some(ty) = up.types.resolve(&type_name) else {
                    return Err(self.type_not_recognized(&type_name));
                };
                self.ty = Some(ty);
                up.emit(Event::Create {
                    type_name,
                    data,
                    source,
                });
            }
            OpKind::Del => {
                self.ty = None;
                up.emit(Event::Del { source });
            }
            OpKind::Noop => {}
        }
        Ok(())
    }

    fn apply_edit(
        &mut self,
        up: &mut Upstream<'_>,
        edit: Edit,
        source: Source,
        src: Option<String>,
    ) -> Result<(), Error> {
        let Some(ty) = &self.ty else {
            let message = format!("Cannot apply op to uncreated document. {}", self.key);
            return Err(Error::new(codes::ERR_DOC_DOES_NOT_EXIST, message));
        };
        // ShareDB applies remote ops of the default type one component at a time.
        let one_by_one = self.edge == Edge::Tab
            && source == Source::Remote
            && ty.uri() == up.types.default_uri();
        match &edit {
            Edit::Json0(op) if one_by_one && op.len() > 1 => {
                let depth = self.apply_stack.get_or_insert_default().len();
                up.push(Task::PopApplyStack(depth));
                up.emit(Event::BatchEnd);
                let ops = Rc::new(op.split().collect());
                up.push(Task::Components(Components {
                    ops,
                    index: 0,
                    emitted_before: false,
                    depth,
                }));
                up.emit(Event::BatchStart { edit, src });
            }
            Edit::Json0(_) | Edit::Foreign(_) => {
                up.emit(Event::Apply { edit, source, src });
            }
        }
        Ok(())
    }

    fn step_components(&mut self, up: &mut Upstream<'_>, mut rest: Components) {
        let Some(component) = rest.ops.get(rest.index) else {
            return;
        };
        if self.ty.is_none() {
            // A listener deleted the document, or broke it: there is nothing to apply the rest to.
            return self.abandon_batch(up, rest.depth);
        }
        let index = rest.index;
        if !rest.emitted_before {
            rest.emitted_before = true;
            up.push(Task::Components(rest));
            return up.emit(Event::BeforeComponent { index });
        }
        let depth = rest.depth;
        let mut op = OpKind::Edit(Edit::Json0(component.clone()));
        match self.transform_by_apply_stack(depth, &mut op) {
            Err(error) => {
                up.stack.unwind(0);
                self.hard_rollback(up, error);
            }
            Ok(transformed) => {
                rest.emitted_before = false;
                rest.index += 1;
                up.push(Task::Components(rest));
                let edit = match op {
                    OpKind::Edit(edit) if transformed => Some(edit),
                    OpKind::Edit(_) | OpKind::Create { .. } | OpKind::Del | OpKind::Noop => None,
                };
                up.emit(Event::ApplyComponent { index, edit });
            }
        }
    }

    /// Skips what is left of a batch, down to the `try` that every batch stands in.
    fn abandon_batch(&mut self, up: &mut Upstream<'_>, depth: usize) {
        up.stack.unwind(0);
        if let Err(error) = self.pop_apply_stack(depth) {
            self.hard_rollback(up, error);
        }
    }

    fn transform_by_apply_stack(&mut self, depth: usize, op: &mut OpKind) -> Result<bool, Error> {
        let submitted: Vec<u64> = self
            .apply_stack
            .as_ref()
            .map(|stack| stack.iter().skip(depth).copied().collect())
            .unwrap_or_default();
        for serial in &submitted {
            if let Some(client) = self.op_mut(*serial) {
                transform_x(client, op)?;
            }
        }
        Ok(!submitted.is_empty())
    }

    fn op_mut(&mut self, serial: u64) -> Option<&mut PendingOp> {
        self.inflight
            .iter_mut()
            .chain(&mut self.pending)
            .find(|op| op.serial == serial)
    }

    // ---- Ops from the upstream ----

    /// A committed op of somebody else: transforms what is pending, and applies it.
    ///
    /// An old op is ignored. On a gap the host fetches; a tab's host leaves none, so there an op
    /// that does not fit belongs to a state that was given up.
    ///
    /// `next` is the count after the op: `v` + 1, or more where a lagging tab gets several as one.
    pub fn handle_op(
        &mut self,
        up: &mut Upstream<'_>,
        v: Version,
        next: Version,
        src: Option<String>,
        mut kind: OpKind,
    ) {
        let Some(version) = self.version.filter(|version| v <= *version) else {
            return match self.edge {
                Edge::Host => self.fetch(up, None),
                Edge::Tab => (),
            };
        };
        if v < version {
            return;
        }
        if let Err(error) = self.transform_unsettled(&mut kind) {
            return self.hard_rollback(up, error);
        }
        self.version = Some(next);
        self.apply_remote(up, kind, src);
    }

    /// The reader could not read an op of the upstream: only a fresh snapshot helps.
    pub fn handle_unreadable_op(&mut self, up: &mut Upstream<'_>, error: Error) {
        self.hard_rollback(up, error);
    }

    fn transform_unsettled(&mut self, server: &mut OpKind) -> Result<(), Error> {
        for client in self.inflight.iter_mut().chain(&mut self.pending) {
            transform_x(client, server)?;
        }
        Ok(())
    }

    fn apply_remote(&mut self, up: &mut Upstream<'_>, kind: OpKind, src: Option<String>) {
        up.push(Task::Catch);
        if let Err(error) = self.apply(up, kind, Source::Remote, src) {
            self.hard_rollback(up, error);
        }
    }

    /// The server committed the inflight op at `v` (`_opAcknowledged`), and changed it by `fixups`.
    pub fn handle_ack(&mut self, up: &mut Upstream<'_>, v: Version, fixups: Vec<OpKind>) {
        let Some(inflight) = &self.inflight else {
            return;
        };
        if matches!(inflight.kind, OpKind::Create { .. }) {
            self.version = Some(v);
        } else if self.version != Some(v) {
            // All ops before ours should have come before its acknowledgement.
            let expected = self
                .version
                .map_or_else(|| "null".to_owned(), |v| v.to_string());
            let text = format!("Invalid version from server. Expected: {expected} Received: {v}");
            self.fetch(up, None);
            return up.emit(Event::Warn(text));
        }
        let mut changes = Vec::with_capacity(fixups.len());
        for mut fixup in fixups {
            for op in &mut self.pending {
                if let Err(error) = transform_x(op, &mut fixup) {
                    return self.hard_rollback(up, error);
                }
            }
            changes.push(fixup);
        }
        up.push(Task::ClearInflight(Outcome::Done));
        up.push(Task::CountVersion);
        for change in changes.into_iter().rev() {
            self.apply_remote(up, change, None);
        }
    }

    /// The upstream refused the inflight op, or an op message came back as an error.
    pub fn handle_op_error(&mut self, up: &mut Upstream<'_>, error: Error, seq: Option<Seq>) {
        let ours = self.inflight.as_ref().map(|op| op.id.seq);
        match ours {
            None => up.emit(Event::Error(error)),
            // Nothing was left of our op at the server. Catch up, then it is as good as committed.
            Some(inflight) if error.is(codes::ERR_NO_OP) && inflight == seq => {
                self.request_fetch(up, Waiter::NoOp, false);
            }
            Some(_) => self.rollback(up, error),
        }
    }

    /// The host has the inflight op, durably, as its revision `v`: the next one may go.
    pub fn handle_accepted(&mut self, up: &mut Upstream<'_>, seq: Seq, v: Version) {
        let Some(op) = self.inflight.take_if(|op| op.id.seq == Some(seq)) else {
            return;
        };
        self.version = Some(v.next());
        self.accepted.push_back(op);
        self.flush(up);
    }

    /// The host says how accepted ops ended at the server.
    pub fn handle_outcome(&mut self, up: &mut Upstream<'_>, seqs: &[Seq], outcome: Outcome) {
        let mut ended = Vec::new();
        self.accepted.retain_mut(|op| {
            let is_ended = op.id.seq.is_some_and(|seq| seqs.contains(&seq));
            if is_ended {
                ended.append(&mut op.submissions);
            }
            !is_ended
        });
        if !ended.is_empty() {
            self.finish(up, ended, outcome);
        }
    }

    /// The host rolled back hard; `rejected` are the ops of this tab that the server refused.
    pub fn handle_rollback(&mut self, up: &mut Upstream<'_>, error: Error, rejected: &[Seq]) {
        // Given up already, and nothing from the host since: what was submitted meanwhile has an answer
        // of its own. A state may be here before the fetch is answered that the rollback waits for.
        if self.in_hard_rollback() && self.version.is_none() && self.accepted.is_empty() {
            return;
        }
        let is_rejected = |op: &PendingOp| op.id.seq.is_some_and(|seq| rejected.contains(&seq));
        let (refused, others) = self.take_ops().into_iter().partition(is_rejected);
        self.start_rollback(
            up,
            Rollback {
                error,
                rejected: refused,
                others,
            },
        );
    }

    fn finish(&mut self, up: &mut Upstream<'_>, submissions: Vec<Submission>, outcome: Outcome) {
        let heard = submissions.iter().any(|submission| submission.callback);
        if let Outcome::Failed(error) = &outcome
            && !heard
        {
            up.push(Task::Unheard(error.clone()));
        }
        up.push(Task::NothingPending);
        up.push(Task::Flush);
        up.emit(Event::Callback {
            tokens: tokens(&submissions),
            outcome,
        });
    }

    fn clear_inflight(&mut self, up: &mut Upstream<'_>, outcome: Outcome) {
        if let Some(op) = self.inflight.take() {
            self.finish(up, op.submissions, outcome);
        }
    }

    // ---- Rolling back ----

    /// The inflight op was rejected: undo just that one where the type can, or everything.
    fn rollback(&mut self, up: &mut Upstream<'_>, error: Error) {
        let Some(op) = &self.inflight else {
            return;
        };
        let inverse = match (&op.kind, &op.ty) {
            (OpKind::Edit(edit), Some(ty)) => ty.invert(edit),
            (OpKind::Edit(_) | OpKind::Create { .. } | OpKind::Del | OpKind::Noop, _) => None,
        };
        let Some(inverse) = inverse else {
            return self.hard_rollback(up, error);
        };
        let src = op.id.src.clone();
        let mut undo = OpKind::Edit(inverse);
        for op in &mut self.pending {
            if let Err(error) = transform_x(op, &mut undo) {
                return self.hard_rollback(up, error);
            }
        }
        let outcome = if error.is(codes::ERR_OP_SUBMIT_REJECTED) {
            Outcome::Null
        } else {
            Outcome::Failed(error)
        };
        up.push(Task::ClearInflight(outcome));
        self.apply_remote(up, undo, src);
    }

    /// Gives up all ops and the data, and starts again from a snapshot (`_hardRollback`).
    ///
    /// The owner also calls this where it found the state unusable.
    pub fn hard_rollback(&mut self, up: &mut Upstream<'_>, error: Error) {
        // Only the server's rejection singles an op out; what a tab finds by itself hits all alike.
        let rejected = match self.edge {
            Edge::Host => self.inflight.take().into_iter().collect(),
            Edge::Tab => Vec::new(),
        };
        let others = self.take_ops();
        self.start_rollback(
            up,
            Rollback {
                error,
                rejected,
                others,
            },
        );
    }

    fn take_ops(&mut self) -> Vec<PendingOp> {
        let accepted = std::mem::take(&mut self.accepted);
        let pending = std::mem::take(&mut self.pending);
        accepted
            .into_iter()
            .chain(self.inflight.take())
            .chain(pending)
            .collect()
    }

    fn start_rollback(&mut self, up: &mut Upstream<'_>, rollback: Rollback) {
        self.rollbacks += 1;
        self.life += 1;
        self.ty = None;
        self.version = None;
        self.apply_stack = None;
        let error = rollback.error.clone();
        let rejected = rollback
            .rejected
            .iter()
            .flat_map(|op| tokens(&op.submissions))
            .collect();
        self.request_fetch(up, Waiter::Rollback(Box::new(rollback)), true);
        up.emit(Event::Clear { error, rejected });
    }

    fn finish_rollback(
        &mut self,
        up: &mut Upstream<'_>,
        rollback: Rollback,
        fetch_error: Option<Error>,
    ) {
        self.rollbacks -= 1;
        let Rollback {
            mut error,
            mut rejected,
            mut others,
        } = rollback;
        let soft = error.is(codes::ERR_OP_SUBMIT_REJECTED);
        let forgiven = if soft {
            std::mem::take(&mut rejected)
        } else {
            Vec::new()
        };
        if soft {
            error = Error::new(
                codes::ERR_PENDING_OP_REMOVED_BY_OP_SUBMIT_REJECTED,
                "Discarding pending op because of hard rollback during ERR_OP_SUBMIT_REJECTED",
            );
        }
        rejected.append(&mut others);
        let quiet = soft && rejected.is_empty();
        let all_heard = !rejected.is_empty() && rejected.iter().all(PendingOp::has_callback);
        // Every tab rolls back by itself, and says so to its own application.
        if self.edge == Edge::Tab && !quiet && !all_heard {
            up.push(Task::Unheard(error.clone()));
        }
        for op in rejected.iter().rev() {
            let outcome = Outcome::Failed(error.clone());
            up.emit(Event::Callback {
                tokens: tokens(&op.submissions),
                outcome,
            });
        }
        for op in forgiven.iter().rev() {
            up.emit(Event::Callback {
                tokens: tokens(&op.submissions),
                outcome: Outcome::Done,
            });
        }
        if let Some(cause) = fetch_error {
            let message = format!("Hard rollback fetch failed: {}", cause.message);
            up.emit(Event::Error(Error::new(
                codes::ERR_HARD_ROLLBACK_FETCH_FAILED,
                message,
            )));
            up.emit(Event::Warn(format!(
                "Hard rollback doc fetch failed. {cause}"
            )));
        }
    }

    // ---- Fetching and subscribing ----

    /// Asks for the newest state.
    pub fn fetch(&mut self, up: &mut Upstream<'_>, callback: Option<Token>) {
        self.request_fetch(up, callback.map_or(Waiter::Nobody, Waiter::Token), false);
    }

    fn request_fetch(&mut self, up: &mut Upstream<'_>, waiter: Waiter, force: bool) {
        self.pending_fetch.push(waiter);
        if !up.can_read || !(force || self.inflight_fetch.is_empty()) {
            return;
        }
        // A forced fetch answers the rollback that asked for it, not an older call.
        let next = if force {
            self.pending_fetch.pop()
        } else {
            Some(self.pending_fetch.remove(0))
        };
        self.inflight_fetch.extend(next);
        up.emit(Event::SendFetch);
    }

    /// Asks for the newest state and all ops to come.
    pub fn subscribe(&mut self, up: &mut Upstream<'_>, callback: Option<Token>) {
        self.queue_subscribe(up, true, false, callback);
    }

    /// Asks for no more ops; the data stays.
    pub fn unsubscribe(&mut self, up: &mut Upstream<'_>, callback: Option<Token>) {
        self.queue_subscribe(up, false, false, callback);
    }

    fn queue_subscribe(
        &mut self,
        up: &mut Upstream<'_>,
        want: bool,
        resumes: bool,
        callback: Option<Token>,
    ) {
        let last = self
            .pending_subscribe
            .back_mut()
            .or(self.inflight_subscribe.as_mut());
        if let Some(last) = last
            && last.want == want
        {
            last.resumes &= callback.is_none();
            last.tokens.extend(callback);
            return;
        }
        let tokens = callback.into_iter().collect();
        self.pending_subscribe.push_back(SubscribeRequest {
            want,
            resumes,
            tokens,
        });
        self.flush_subscribe(up);
    }

    fn flush_subscribe(&mut self, up: &mut Upstream<'_>) {
        if self.inflight_subscribe.is_some() {
            return;
        }
        let Some(next) = self.pending_subscribe.front() else {
            return;
        };
        let want = next.want;
        if up.can_read {
            self.want_subscribe = want;
            self.subscribed = want && self.subscribed;
            up.emit(if want {
                Event::SendSubscribe
            } else {
                Event::SendUnsubscribe
            });
        } else if !want {
            // Offline we are unsubscribed already.
            self.want_subscribe = false;
            up.emit(Event::Later(Later::Unsubscribed));
        } else {
            return;
        }
        self.inflight_subscribe = self.pending_subscribe.pop_front();
    }

    /// The answer to a fetch.
    pub fn handle_fetch(&mut self, up: &mut Upstream<'_>, answer: Result<Option<Snapshot>, Error>) {
        let mut waiters: Vec<Waiter> = self.inflight_fetch.pop_front().into_iter().collect();
        if let [Waiter::Nobody] = waiters[..] {
            waiters.clear();
        }
        waiters.append(&mut self.pending_fetch);
        match answer {
            Err(error) => self.answer_error(up, error, waiters),
            Ok(snapshot) => {
                up.push(Task::NothingPending);
                self.ingest(up, snapshot, waiters);
            }
        }
    }

    /// The oldest fetch is asked anew: its answer comes after those of the others.
    pub fn postpone_fetch(&mut self) {
        let oldest = self.inflight_fetch.pop_front();
        self.inflight_fetch.extend(oldest);
    }

    /// Whether a subscribe, or an unsubscribe where `want` is false, is on its way.
    pub fn asks(&self, want: bool) -> bool {
        let inflight = self.inflight_subscribe.as_ref();
        inflight.is_some_and(|request| request.want == want)
    }

    /// The answer to a subscribe or unsubscribe.
    pub fn handle_subscribe(
        &mut self,
        up: &mut Upstream<'_>,
        answer: Result<Option<Snapshot>, Error>,
    ) {
        let Some(request) = self.inflight_subscribe.take() else {
            // The connection was lost in between. What the answer brings is the state all the same.
            return self.ingest(up, answer.ok().flatten(), Vec::new());
        };
        let mut waiters = std::mem::take(&mut self.pending_fetch);
        waiters.extend(request.tokens.into_iter().map(Waiter::Token));
        let snapshot = match answer {
            Err(error) => return self.answer_error(up, error, waiters),
            Ok(snapshot) => snapshot,
        };
        self.subscribed = request.want;
        up.push(Task::FlushSubscribe);
        up.push(Task::NothingPending);
        if self.subscribed {
            self.ingest(up, snapshot, waiters);
        } else {
            self.call(up, waiters, None);
        }
    }

    fn answer_error(&mut self, up: &mut Upstream<'_>, error: Error, waiters: Vec<Waiter>) {
        let silent = error.is(codes::ERR_SNAPSHOT_READ_SILENT_REJECTION);
        if silent {
            self.want_subscribe = false;
        } else if waiters.is_empty() {
            up.emit(Event::Error(error.clone()));
        }
        up.push(Task::NothingPending);
        self.call(up, waiters, if silent { None } else { Some(error) });
    }

    fn call(&mut self, up: &mut Upstream<'_>, waiters: Vec<Waiter>, error: Option<Error>) {
        for waiter in waiters.into_iter().rev() {
            match waiter {
                Waiter::Nobody => {}
                Waiter::Token(token) => {
                    let outcome = error.clone().map_or(Outcome::Done, Outcome::Failed);
                    up.emit(Event::Callback {
                        tokens: vec![token],
                        outcome,
                    });
                }
                Waiter::Rollback(rollback) => {
                    up.push(Task::FinishRollback(rollback, error.clone()));
                }
                Waiter::NoOp => {
                    let outcome = error.clone().map_or(Outcome::Done, Outcome::Failed);
                    up.push(Task::ClearInflight(outcome));
                }
                Waiter::Refresh => up.push(Task::FinishRefresh(error.clone())),
            }
        }
    }

    /// Says where at the upstream an ingested snapshot stands.
    pub fn place(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// The state cannot be placed at the upstream: takes the upstream's instead. Nothing is lost
    /// where nothing was submitted; otherwise this is a hard rollback.
    pub fn refresh(&mut self, up: &mut Upstream<'_>, error: Error) {
        if self.has_write_pending() {
            return self.hard_rollback(up, error);
        }
        self.life += 1;
        self.ty = None;
        self.version = None;
        // Until the state has come there is nothing to write to, and a writer is told so.
        self.rollbacks += 1;
        self.request_fetch(up, Waiter::Refresh, true);
    }

    /// Takes over a snapshot where that is possible, or fetches (`ingestSnapshot`).
    pub fn ingest_snapshot(
        &mut self,
        up: &mut Upstream<'_>,
        snapshot: Option<Snapshot>,
        callback: Option<Token>,
    ) {
        let waiters = callback.map(Waiter::Token).into_iter().collect();
        self.ingest(up, snapshot, waiters);
    }

    fn ingest(&mut self, up: &mut Upstream<'_>, snapshot: Option<Snapshot>, waiters: Vec<Waiter>) {
        let Some(snapshot) = snapshot else {
            return self.call(up, waiters, None);
        };
        let Some(v) = snapshot.v else {
            let message = format!("Missing version in ingested snapshot. {}", self.key);
            let error = Error::new(codes::ERR_INGESTED_SNAPSHOT_HAS_NO_VERSION, message);
            return self.call_or_emit(up, waiters, error);
        };
        if self.ty.is_some() || self.has_write_pending() {
            return self.ingest_over_state(up, v, waiters);
        }
        if self.version.is_some_and(|version| version > v) {
            return self.call(up, waiters, None);
        }
        self.version = Some(v);
        let type_name = match snapshot.ty {
            SnapshotType::Default => Some(up.types.default_uri()),
            SnapshotType::None => None,
            SnapshotType::Uri(uri) => Some(uri),
        };
        self.ty = type_name.as_deref().and_then(|name| up.types.resolve(name));
        self.call(up, waiters, None);
        let (known, unknown) = match &self.ty {
            Some(_) => (type_name, None),
            None => (None, type_name),
        };
        up.emit(Event::Load {
            type_name: known,
            data: snapshot.data,
        });
        if let Some(name) = unknown {
            up.emit(Event::Error(self.type_not_recognized(&name)));
        }
    }

    /// ShareDB's message in a tab; in the host it has to say where the type is missing.
    fn type_not_recognized(&self, name: &str) -> Error {
        let message = match self.edge {
            Edge::Tab => "Missing type undefined".to_owned(),
            Edge::Host => format!(
                "Missing type {name} where the connection lives: register it there, in a worker by serve({{types: [type]}})"
            ),
        };
        Error::new(codes::ERR_DOC_TYPE_NOT_RECOGNIZED, message)
    }

    fn ingest_over_state(&mut self, up: &mut Upstream<'_>, v: Version, waiters: Vec<Waiter>) {
        let Some(version) = self.version else {
            if self.has_write_pending() {
                // Created here without a fetch: whether the snapshot holds that or another
                // client's create shows when ours is answered.
                return self.waiting_for_writes.push(waiters);
            }
            let message = format!(
                "Cannot ingest snapshot in doc with null version. {}",
                self.key
            );
            let error = Error::new(codes::ERR_DOC_MISSING_VERSION, message);
            return self.call_or_emit(up, waiters, error);
        };
        if v <= version {
            return self.call(up, waiters, None);
        }
        let mut waiters = waiters.into_iter();
        self.request_fetch(up, waiters.next().unwrap_or(Waiter::Nobody), false);
        self.pending_fetch.extend(waiters);
    }

    fn call_or_emit(&mut self, up: &mut Upstream<'_>, waiters: Vec<Waiter>, error: Error) {
        if waiters.is_empty() {
            up.emit(Event::Error(error));
        } else {
            self.call(up, waiters, Some(error));
        }
    }

    // ---- Sending ----

    /// Holds own ops back.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Sends own ops again.
    pub fn resume(&mut self, up: &mut Upstream<'_>) {
        self.paused = false;
        self.flush(up);
    }

    /// Sends the first pending op, if one can be sent and none is on its way.
    pub fn flush(&mut self, up: &mut Upstream<'_>) {
        if self.apply_stack.is_some() {
            // A remote op is half applied: what is pending is still to be transformed by its rest.
            return self.flush_later(up);
        }
        self.flush_scheduled = false;
        if !up.can_write || self.inflight.is_some() || self.paused {
            return;
        }
        let Some(mut op) = self.pending.pop_front() else {
            return;
        };
        op.sent = true;
        if self.edge == Edge::Host
            && op.id.seq.is_none()
            && let Some(earlier) = &op.earlier
        {
            op.id = earlier.clone();
        }
        if op.id.seq.is_none() {
            if up.next_seq.0 >= MAX_SEQ {
                self.inflight = Some(op);
                let message = "Connection seq has exceeded the max safe integer, maybe from being open for too long";
                let error = Error::new(codes::ERR_CONNECTION_SEQ_INTEGER_OVERFLOW, message);
                return up.emit(Event::Error(error));
            }
            op.id.seq = Some(*up.next_seq);
            *up.next_seq = up.next_seq.next();
        }
        self.inflight = Some(op);
        up.emit(Event::SendOp);
    }

    fn flush_later(&mut self, up: &mut Upstream<'_>) {
        if !self.flush_scheduled {
            self.flush_scheduled = true;
            up.emit(Event::Later(Later::Flush));
        }
    }

    /// The inflight op was written out: from now on it carries `src` wherever it is sent again.
    pub fn mark_sent(&mut self, src: Option<&str>) {
        if let Some(op) = &mut self.inflight
            && op.id.src.is_none()
        {
            op.id.src = src.map(str::to_owned);
        }
    }

    /// The upstream came or went (`_onConnectionStateChanged`).
    pub fn handle_connection_state(&mut self, up: &mut Upstream<'_>) {
        if up.can_read {
            self.resubscribe(up);
            // Below the reads on the stack means after; ops go first.
            return self.flush(up);
        }
        self.disconnect(up);
    }

    /// The upstream died, and with it all it knew of this client: a tab lost its host. What was
    /// submitted and not acknowledged has an unknown fate, which `error` says to its callbacks; the
    /// state is loaded anew from whoever comes next.
    pub fn handle_upstream_lost(&mut self, up: &mut Upstream<'_>, error: Error) {
        self.disconnect(up);
        if self.version.is_some() || self.has_write_pending() {
            self.refresh(up, error);
        }
        up.can_read = true;
        self.resubscribe(up);
    }

    fn disconnect(&mut self, up: &mut Upstream<'_>) {
        if self.edge == Edge::Host
            && let Some(op) = self.inflight.take()
        {
            self.pending.push_front(op);
        }
        self.subscribed = false;
        if let Some(request) = self.inflight_subscribe.take() {
            if request.want {
                self.pending_subscribe.push_front(request);
            } else {
                self.inflight_subscribe = Some(request);
                self.handle_subscribe(up, Ok(None));
            }
        }
        self.pending_fetch.extend(self.inflight_fetch.drain(..));
    }

    /// The upstream could not answer a subscribe; asks again if it is back, else when it is.
    pub fn handle_subscribe_offline(&mut self, up: &mut Upstream<'_>) {
        if let Some(request) = self.inflight_subscribe.take() {
            self.pending_subscribe.push_front(request);
        }
        if up.can_read {
            self.flush_subscribe(up);
        }
    }

    /// The upstream could not answer a fetch; asks again if it is back, else when it is.
    pub fn handle_fetch_offline(&mut self, up: &mut Upstream<'_>) {
        if let Some(waiter) = self.inflight_fetch.pop_front() {
            self.pending_fetch.insert(0, waiter);
        }
        if up.can_read && self.inflight_fetch.is_empty() && !self.pending_fetch.is_empty() {
            self.inflight_fetch.push_back(self.pending_fetch.remove(0));
            up.emit(Event::SendFetch);
        }
    }

    fn resubscribe(&mut self, up: &mut Upstream<'_>) {
        if self.pending_subscribe.is_empty() && self.want_subscribe {
            return self.queue_subscribe(up, true, true, None);
        }
        let will_fetch = self.pending_subscribe.iter().any(|request| request.want);
        self.flush_subscribe(up);
        if !will_fetch && !self.pending_fetch.is_empty() {
            self.request_fetch(up, Waiter::Nobody, false);
        }
    }

    // ---- Running ----

    /// Runs one task; gives the event that it came to, if any.
    pub fn run(&mut self, up: &mut Upstream<'_>, task: Task) -> Option<Event> {
        match task {
            Task::Event(event) => return Some(event),
            Task::Catch | Task::Owner(_) => {}
            Task::ConnectionState => self.handle_connection_state(up),
            Task::Components(rest) => self.step_components(up, rest),
            Task::PopApplyStack(depth) => {
                if let Err(error) = self.pop_apply_stack(depth) {
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

fn refuse(up: &mut Upstream<'_>, error: Error, submission: Submission) {
    if submission.callback {
        up.emit(Event::Callback {
            tokens: vec![submission.token],
            outcome: Outcome::Failed(error),
        });
    } else {
        up.emit(Event::Callback {
            tokens: vec![submission.token],
            outcome: Outcome::Done,
        });
        up.push(Task::Unheard(error));
    }
}

fn tokens(submissions: &[Submission]) -> Vec<Token> {
    submissions
        .iter()
        .map(|submission| submission.token)
        .collect()
}
