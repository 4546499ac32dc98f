//! The surroundings of one document: its application, its upstream, and the comparison.

use std::collections::{BTreeMap, VecDeque};

use ot_json0::{Op, Value};
use proxy_doc::{
    CreateData, Doc, DocHandle, DocKey, Edge, Edit, Error, Event, Json, Later, OpId, OpKind,
    OtType, Outcome, Seq, Snapshot, SnapshotType, Stack, Submission, Task, Token, Types, Upstream,
    Version, codes,
};

use crate::edits::{Random, edit, initial};
use crate::reference::{Kind, Log, apply, commit_over};

struct OnlyJson0;

impl Types for OnlyJson0 {
    fn resolve(&self, name: &str) -> Option<OtType> {
        (name == ot_json0::URI).then_some(OtType::Json0(None))
    }

    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

type Id = (String, u64);

/// A committed op.
struct Committed {
    kind: Kind,
    id: Option<Id>,
    fixups: Vec<Kind>,
}

/// To the upstream.
enum Up {
    Op {
        id: Id,
        v: Option<u64>,
        kind: Kind,
        life: u32,
    },
    Read {
        v: Option<u64>,
        subscribes: bool,
    },
}

/// From the upstream.
enum Down {
    Op(usize),
    Error(u64, &'static str),
    Answer {
        v: Option<u64>,
        now: usize,
        subscribes: bool,
    },
    Accepted(u64, usize, u32),
    Outcome(u64, bool),
}

/// How callbacks ended, by token.
type Outcomes = BTreeMap<u64, String>;

pub(crate) struct World {
    r: Random,
    edge: Edge,
    doc: Doc,
    stack: Stack,
    next_seq: Seq,
    connected: bool,
    src: u32,
    data: Option<Value>,
    ticks: bool,
    batch: Option<Op>,
    nested: u32,
    next_token: u64,
    history: Vec<Committed>,
    subscribed: bool,
    up: VecDeque<Up>,
    down: VecDeque<Down>,
    log: Log,
    version: Option<u64>,
    accepted: Vec<(u64, Vec<u64>)>,
    clears: u32,
    called: Outcomes,
    expected: Outcomes,
    rollbacks: VecDeque<Outcomes>,
}

impl World {
    pub(crate) fn new(edge: Edge, seed: u64) -> Self {
        let key = DocKey {
            collection: "c".into(),
            id: "d".into(),
        };
        let mut r = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut history = Vec::new();
        if !r.once_in(5) {
            history.push(Committed {
                kind: Kind::Create(initial(&mut r)),
                id: None,
                fixups: Vec::new(),
            });
        }
        Self {
            r,
            edge,
            doc: Doc::new(key, edge),
            stack: Stack::default(),
            next_seq: Seq(1),
            connected: true,
            src: 0,
            data: None,
            ticks: false,
            batch: None,
            nested: 0,
            next_token: 0,
            history,
            subscribed: false,
            up: VecDeque::new(),
            down: VecDeque::new(),
            log: Log::default(),
            version: None,
            accepted: Vec::new(),
            clears: 0,
            called: Outcomes::new(),
            expected: Outcomes::new(),
            rollbacks: VecDeque::new(),
        }
    }

    pub(crate) fn script(mut self) {
        self.act(|doc, up| doc.subscribe(up, None));
        for _ in 0..30 {
            self.step();
            self.compare();
        }
        self.settle();
    }

    fn step(&mut self) {
        match self.r.below(24) {
            0..6 => self.submit_any(),
            6..9 => self.tick(),
            9..12 => self.serve(),
            12..17 => self.receive(),
            17..20 => self.write_remotely(),
            20 => self.change_connection(),
            21 if self.edge == Edge::Host => self.lose_or_repeat(),
            21 => self.give_up(),
            22 => self.doc.pause(),
            _ => self.act(|doc, up| doc.resume(up)),
        }
    }

    /// Lets everything come to its end, and finds nothing missing.
    fn settle(&mut self) {
        self.act(|doc, up| doc.resume(up));
        self.connect();
        for round in 0.. {
            assert!(round < 100, "does not come to rest");
            self.act(|doc, up| doc.fetch(up, None));
            self.tick();
            while !self.up.is_empty() || !self.down.is_empty() {
                self.serve();
                self.receive();
                self.compare();
            }
            if !self.doc.has_pending() && !self.ticks {
                break;
            }
        }
        assert_eq!(self.called.len() as u64, self.next_token);
        assert_eq!(self.version, Some(self.history.len() as u64));
        assert!(self.rollbacks.is_empty());
    }

    // The driver of the machine.

    fn act(&mut self, call: impl FnOnce(&mut Doc, &mut Upstream<'_>)) {
        let mark = self.stack.depth();
        self.with_doc(call);
        while let Some((_, task)) = self.stack.pop(mark) {
            self.observe(&task);
            let event = self.with_doc(|doc, up| doc.run(up, task));
            if let Some(event) = event {
                self.obey(event);
            }
        }
    }

    fn with_doc<T>(&mut self, call: impl FnOnce(&mut Doc, &mut Upstream<'_>) -> T) -> T {
        let src = format!("src{}", self.src);
        let mut up = Upstream {
            me: DocHandle(0),
            can_read: self.connected,
            can_write: self.connected,
            src: Some(&src),
            next_seq: &mut self.next_seq,
            names_ops: false,
            max_op_size: usize::MAX,
            types: &OnlyJson0,
            stack: &mut self.stack,
        };
        call(&mut self.doc, &mut up)
    }

    /// What the reference has to know of the machine's inner order.
    fn observe(&mut self, task: &Task) {
        match task {
            Task::PopApplyStack(_) => self.log.end_batch(),
            Task::FinishRollback(..) => {
                let mut ended = self.rollbacks.pop_front().unwrap();
                self.expected.append(&mut ended);
            }
            Task::ClearInflight(_) if self.clears > 0 => self.clears -= 1,
            Task::ClearInflight(_) if self.doc.inflight().is_some() => self.clear_noop(),
            _ => {}
        }
    }

    fn obey(&mut self, event: Event) {
        match event {
            Event::Apply { edit, .. } => {
                self.apply(&edit);
                self.listen();
            }
            Event::BatchStart { edit, .. } => {
                self.log.begin_batch();
                self.batch = Some(json0(&edit));
                self.listen();
            }
            Event::BeforeComponent { .. } | Event::BatchEnd => self.listen(),
            Event::ApplyComponent { index, edit } => {
                self.log.component(index);
                let batch = self.batch.as_ref().unwrap();
                let part = Edit::Json0(batch.split().nth(index).unwrap());
                self.apply(&edit.unwrap_or(part));
                self.listen();
            }
            Event::Create { data, .. } => self.data = Some(parse(data.to_text().as_ref())),
            Event::Load { type_name, data } => {
                self.data = type_name.map(|_| parse(data.as_ref()));
            }
            Event::Del { .. } | Event::Clear { .. } => self.data = None,
            Event::Callback { tokens, outcome } => self.hear(&tokens, &outcome),
            Event::Later(Later::Flush) => self.ticks = true,
            Event::SendOp => self.send_op(),
            Event::SendFetch => self.read(false),
            Event::SendSubscribe => self.read(true),
            _ => {}
        }
    }

    fn apply(&mut self, edit: &Edit) {
        self.data = apply(self.data.take(), &Kind::Edit(json0(edit)));
    }

    fn hear(&mut self, tokens: &[Token], outcome: &Outcome) {
        let text = match outcome {
            Outcome::Done => "done".to_owned(),
            Outcome::Null => "null".to_owned(),
            Outcome::Failed(error) => error.code_text().unwrap().to_owned(),
        };
        for token in tokens {
            let before = self.called.insert(token.0, text.clone());
            assert_eq!(before, None, "called twice");
        }
    }

    fn read(&mut self, subscribes: bool) {
        let v = self.doc.version().map(|v| v.0);
        self.up.push_back(Up::Read { v, subscribes });
    }

    // The application.

    fn submit_any(&mut self) {
        for _ in 0..=self.r.below(3) {
            match (&self.data, self.version) {
                (_, None) => return,
                (None, _) => {
                    let data = initial(&mut self.r);
                    self.submit(Kind::Create(data));
                }
                (Some(_), _) if self.r.once_in(25) => self.submit(Kind::Del),
                (Some(_), _) => self.submit_edit(),
            }
        }
    }

    fn submit_edit(&mut self) {
        let op = edit(&mut self.r, self.data.as_ref().unwrap());
        self.submit(Kind::Edit(op));
    }

    fn submit(&mut self, kind: Kind) {
        let submission = Submission {
            token: Token(self.next_token),
            callback: true,
        };
        self.next_token += 1;
        self.doc.prevent_compose = self.r.once_in(6);
        self.log
            .submit(kind.clone(), self.doc.prevent_compose, submission.token.0);
        self.act(|doc, up| match kind {
            Kind::Edit(op) => doc.submit_op(up, &text(&op.to_json()), None, submission),
            Kind::Create(data) => {
                let data = Some(text(&data.to_json()));
                doc.create(up, ot_json0::URI.to_owned(), data, None, submission);
            }
            Kind::Del | Kind::Noop => doc.del(up, None, submission),
        });
    }

    /// A listener, which sometimes submits.
    fn listen(&mut self) {
        if self.nested < 2 && self.clears == 0 && self.data.is_some() && self.r.once_in(4) {
            self.nested += 1;
            self.submit_edit();
            self.nested -= 1;
        }
    }

    fn tick(&mut self) {
        if std::mem::take(&mut self.ticks) {
            self.act(|doc, up| doc.flush(up));
        }
        let idle = self.doc.inflight().is_none() && self.connected && !self.doc.paused();
        assert!(!idle || self.log.live().is_empty(), "nothing was sent");
    }

    // The upstream.

    fn server_data(&self, v: usize) -> Option<Value> {
        self.history[..v]
            .iter()
            .fold(None, |data, op| apply(data, &op.kind))
    }

    fn commit(&mut self, kind: Kind, id: Option<Id>, fixups: Vec<Kind>) {
        self.history.push(Committed { kind, id, fixups });
    }

    fn write_remotely(&mut self) {
        let now = self.history.len();
        let kind = match self.server_data(now) {
            None => Kind::Create(initial(&mut self.r)),
            Some(_) if self.r.once_in(30) => Kind::Del,
            Some(data) => Kind::Edit(edit(&mut self.r, &data)),
        };
        self.commit(kind, None, Vec::new());
        if self.subscribed {
            self.down.push_back(Down::Op(now));
        }
    }

    fn serve(&mut self) {
        match self.up.pop_front() {
            None => {}
            Some(Up::Read { v, subscribes }) => {
                self.subscribed |= subscribes;
                let now = self.history.len();
                self.down.push_back(Down::Answer { v, now, subscribes });
            }
            Some(Up::Op { life, .. }) if self.edge == Edge::Tab && life != self.doc.life() => {}
            Some(Up::Op { id, v, kind, life }) => {
                let seq = id.1;
                let answer = self.take_op(id, v, kind, life);
                self.down
                    .push_back(answer.unwrap_or_else(|code| Down::Error(seq, code)));
            }
        }
    }

    fn take_op(
        &mut self,
        id: Id,
        v: Option<u64>,
        mut kind: Kind,
        life: u32,
    ) -> Result<Down, &'static str> {
        let known = |op: &Committed| op.id.as_ref() == Some(&id);
        if let Some(at) = self.history.iter().position(known) {
            return Ok(Down::Op(at));
        }
        let now = self.history.len();
        if self.edge == Edge::Host && self.r.once_in(10) {
            return Err([codes::ERR_OP_SUBMIT_REJECTED, "ERR_OF_A_MIDDLEWARE"][self.r.below(2)]);
        }
        let base = v.map_or(now, |v| v as usize);
        for applied in &self.history[base..] {
            kind = commit_over(&kind, &applied.kind)?;
        }
        let fixups = self.fixups(&mut kind)?;
        let seq = id.1;
        self.commit(kind, Some(id), fixups);
        match self.edge {
            Edge::Host => Ok(Down::Op(now)),
            Edge::Tab => Ok(Down::Accepted(seq, now, life)),
        }
    }

    /// Checks an op against the data, and sometimes changes it.
    fn fixups(&mut self, kind: &mut Kind) -> Result<Vec<Kind>, &'static str> {
        let before = self.server_data(self.history.len());
        let Kind::Edit(op) = kind else {
            return Ok(Vec::new());
        };
        if self.edge == Edge::Tab {
            return Ok(Vec::new());
        }
        if op.is_empty() {
            return Err(codes::ERR_NO_OP);
        }
        let mut fixups = Vec::new();
        let mut data = apply(before, &Kind::Edit(op.clone()));
        while self.r.once_in(5) {
            let fixup = edit(&mut self.r, data.as_ref().unwrap());
            *op = ot_json0::compose(op, &fixup).unwrap();
            fixups.push(Kind::Edit(fixup));
            data = apply(data, fixups.last().unwrap());
        }
        Ok(fixups)
    }

    // What comes from the upstream.

    fn receive(&mut self) {
        match self.down.pop_front() {
            None => {}
            Some(Down::Op(at)) => self.receive_op(at),
            Some(Down::Error(seq, code)) => self.receive_error(seq, code),
            Some(Down::Answer { v, now, subscribes }) => self.receive_answer(v, now, subscribes),
            Some(Down::Accepted(seq, at, life)) if life == self.doc.life() => {
                self.receive_accepted(seq, at);
            }
            Some(Down::Accepted(..)) => {}
            Some(Down::Outcome(seq, done)) => self.receive_outcome(seq, done),
        }
    }

    fn receive_op(&mut self, at: usize) {
        let id = self.history[at].id.clone();
        let inflight = self.doc.inflight().and_then(|op| known_id(&op.id));
        if id.is_some() && id == inflight {
            return self.receive_ack(at);
        }
        let kind = self.history[at].kind.clone();
        let v = at as u64;
        let mut next = v + 1;
        let mut kind = kind;
        if self.edge == Edge::Tab {
            next = self.merge_following(next, &mut kind);
        }
        if self.version == Some(v) {
            self.version = Some(next);
            if let Err(code) = self.log.receive(kind.clone(), None) {
                self.expect_rollback(code);
            }
        }
        let kind = op_kind(&kind);
        self.act(|doc, up| doc.handle_op(up, Version(v), Version(next), None, kind));
    }

    /// A tab that lags gets several edits as one.
    fn merge_following(&mut self, mut next: u64, kind: &mut Kind) -> u64 {
        while let Some(Down::Op(at)) = self.down.front()
            && *at as u64 == next
            && let (Kind::Edit(a), Kind::Edit(b)) = (&mut *kind, &self.history[*at].kind)
            && self.r.once_in(2)
        {
            *a = ot_json0::compose(a, b).unwrap();
            self.down.pop_front();
            next += 1;
        }
        next
    }

    fn receive_ack(&mut self, at: usize) {
        let v = at as u64;
        let fixups = self.history[at].fixups.clone();
        let front = self.log.live()[0];
        let creates = matches!(self.log.forms().unwrap()[0], Kind::Create(_));
        if creates || self.version == Some(v) {
            self.version = Some(v);
            let received = fixups
                .iter()
                .try_for_each(|fixup| self.log.receive(fixup.clone(), Some(front)));
            match received {
                Err(code) => self.expect_rollback(code),
                Ok(()) => {
                    self.end(front, "done");
                    self.clears += 1;
                    self.version = Some(v + 1);
                }
            }
        }
        let fixups = fixups.iter().map(op_kind).collect();
        self.act(|doc, up| doc.handle_ack(up, Version(v), fixups));
    }

    fn receive_error(&mut self, seq: u64, code: &'static str) {
        if self.doc.inflight().and_then(|op| op.id.seq) != Some(Seq(seq)) {
            return;
        }
        let front = self.log.live()[0];
        let form = self.log.forms().unwrap().swap_remove(0);
        match form {
            _ if code == codes::ERR_NO_OP => self.log.own(front).nothing_left = true,
            Kind::Edit(op) => {
                let undo = Kind::Edit(ot_json0::invert(&op));
                self.log.receive(undo, Some(front)).unwrap();
                let soft = code == codes::ERR_OP_SUBMIT_REJECTED;
                self.end(front, if soft { "null" } else { code });
                self.clears += 1;
            }
            Kind::Create(_) | Kind::Del | Kind::Noop => self.expect_rollback(code),
        }
        let error = Error::new(code, "refused");
        self.act(|doc, up| doc.handle_op_error(up, error, Some(Seq(seq))));
    }

    fn receive_answer(&mut self, v: Option<u64>, now: usize, subscribes: bool) {
        let snapshot = match v {
            Some(v) => {
                for at in v as usize..now {
                    self.receive_op(at);
                }
                None
            }
            None => Some(self.receive_snapshot(now)),
        };
        self.act(|doc, up| {
            if subscribes {
                doc.handle_subscribe(up, Ok(snapshot));
            } else {
                doc.handle_fetch(up, Ok(snapshot));
            }
        });
    }

    fn receive_snapshot(&mut self, now: usize) -> Snapshot {
        let data = self.server_data(now);
        let empty = self.data.is_none() && self.log.live().is_empty() && self.accepted.is_empty();
        if empty && self.version.is_none_or(|v| v <= now as u64) {
            self.version = Some(now as u64);
        }
        Snapshot {
            v: Some(Version(now as u64)),
            ty: match data {
                None => SnapshotType::None,
                Some(_) => SnapshotType::Uri(ot_json0::URI.to_owned()),
            },
            data: data.map(|data| text(&data.to_json())),
        }
    }

    fn receive_accepted(&mut self, seq: u64, at: usize) {
        let front = self.log.live()[0];
        assert_eq!(self.version, Some(at as u64));
        self.version = Some(at as u64 + 1);
        self.log.end(front);
        self.accepted
            .push((seq, self.log.own(front).tokens.clone()));
        let done = self.r.once_in(2);
        self.down.push_back(Down::Outcome(seq, done));
        self.act(|doc, up| doc.handle_accepted(up, Seq(seq), Version(at as u64)));
    }

    fn receive_outcome(&mut self, seq: u64, done: bool) {
        let code = "ERR_OF_A_MIDDLEWARE";
        let text = if done { "done" } else { code };
        for (_, tokens) in self.accepted.extract_if(.., |(other, _)| *other == seq) {
            let ended = tokens.into_iter().map(|token| (token, text.to_owned()));
            self.expected.extend(ended);
        }
        let outcome = if done {
            Outcome::Done
        } else {
            Outcome::Failed(Error::new(code, "refused"))
        };
        self.act(|doc, up| doc.handle_outcome(up, &[Seq(seq)], outcome));
    }

    // Trouble.

    fn change_connection(&mut self) {
        if self.edge == Edge::Tab {
            return;
        }
        if !self.connected {
            return self.connect();
        }
        self.connected = false;
        self.subscribed = false;
        self.up.clear();
        self.down.clear();
        self.act(|doc, up| doc.handle_connection_state(up));
    }

    fn connect(&mut self) {
        if !self.connected {
            self.act(|doc, up| doc.resume(up));
            self.connected = true;
            self.src += 1;
            self.act(|doc, up| doc.handle_connection_state(up));
        }
    }

    fn lose_or_repeat(&mut self) {
        if self.r.once_in(2) {
            if let Some(Down::Op(_)) = self.down.front() {
                self.down.pop_front();
            }
        } else if let Some(version) = self.version
            && version > 0
        {
            let at = self.r.below(version as usize);
            self.receive_op(at);
        }
    }

    /// The host gives up the state of a tab, or is lost.
    fn give_up(&mut self) {
        if self.version.is_none() || self.r.once_in(2) {
            return;
        }
        let rejected: Vec<Seq> = self
            .doc
            .unfinished()
            .filter_map(|op| op.id.seq)
            .take(1)
            .collect();
        self.expect_rollback("ERR_OF_A_MIDDLEWARE");
        let error = Error::new("ERR_OF_A_MIDDLEWARE", "refused");
        self.act(|doc, up| doc.handle_rollback(up, error, &rejected, &[]));
    }

    // The expectation.

    fn end(&mut self, own: usize, outcome: &str) {
        self.log.end(own);
        let tokens = self.log.own(own).tokens.clone();
        self.expected
            .extend(tokens.into_iter().map(|token| (token, outcome.to_owned())));
    }

    fn clear_noop(&mut self) {
        let front = self.log.live()[0];
        assert!(self.log.own(front).nothing_left, "cleared another op");
        let form = self.log.forms().unwrap().swap_remove(0);
        assert!(matches!(form, Kind::Edit(op) if op.is_empty()));
        self.end(front, "done");
    }

    fn expect_rollback(&mut self, code: &str) {
        let mut ended = Outcomes::new();
        let soft = code == codes::ERR_OP_SUBMIT_REJECTED;
        let others = if soft {
            codes::ERR_PENDING_OP_REMOVED_BY_OP_SUBMIT_REJECTED
        } else {
            code
        };
        for (_, tokens) in std::mem::take(&mut self.accepted) {
            ended.extend(tokens.into_iter().map(|token| (token, others.to_owned())));
        }
        let inflight = self.doc.inflight().is_some();
        for (at, own) in self.log.end_all().into_iter().enumerate() {
            let forgiven = soft && inflight && at == 0;
            let outcome = if forgiven { "done" } else { others };
            let tokens = self.log.own(own).tokens.clone();
            ended.extend(tokens.into_iter().map(|token| (token, outcome.to_owned())));
        }
        self.rollbacks.push_back(ended);
        self.version = None;
    }

    fn send_op(&mut self) {
        let src = format!("src{}", self.src);
        self.doc.mark_sent(Some(&src));
        let op = self.doc.inflight().unwrap();
        let id = known_id(&op.id).unwrap();
        let sent: Vec<u64> = op.submissions.iter().map(|s| s.token.0).collect();
        let kind = kind_of(&op.kind);
        let front = self.log.live()[0];
        assert_eq!(kind, self.log.forms().unwrap()[0], "sent");
        let own = self.log.own(front);
        own.sent = true;
        assert_eq!(own.id.get_or_insert(id.clone()), &id, "resent");
        assert_eq!(own.tokens, sent);
        assert_eq!(self.version, self.doc.version().map(|v| v.0));
        self.up.push_back(Up::Op {
            id,
            v: self.version,
            kind,
            life: self.doc.life(),
        });
    }

    fn compare(&mut self) {
        self.log.forget();
        let forms = self.log.forms().unwrap();
        let server = self.version.map_or(0, |v| v as usize);
        let expected = forms.iter().fold(self.server_data(server), apply);
        assert_eq!(self.data, expected, "data");
        assert_eq!(self.doc.ty().is_some(), expected.is_some(), "type");
        assert_eq!(self.doc.version().map(|v| v.0), self.version, "version");
        let owns: Vec<Kind> = self.doc.unaccepted().map(|op| kind_of(&op.kind)).collect();
        assert_eq!(owns, forms, "own ops");
        let writes = !forms.is_empty() || !self.accepted.is_empty();
        assert_eq!(self.doc.has_write_pending(), writes);
        assert_eq!(self.called, self.expected, "callbacks");
    }
}

fn text(text: &str) -> Json {
    Json::trusted(text)
}

fn parse(text: Option<&Json>) -> Value {
    Value::parse(text.unwrap().get()).unwrap()
}

fn json0(edit: &Edit) -> Op {
    match edit {
        Edit::Json0(op) => op.clone(),
        Edit::Foreign(_) => panic!("not json0"),
    }
}

fn known_id(id: &OpId) -> Option<Id> {
    Some((id.src.clone()?, id.seq?.0))
}

fn kind_of(kind: &OpKind) -> Kind {
    match kind {
        OpKind::Edit(edit) => Kind::Edit(json0(edit)),
        OpKind::Create { data, .. } => Kind::Create(parse(data.to_text().as_ref())),
        OpKind::Del => Kind::Del,
        OpKind::Noop => Kind::Noop,
    }
}

fn op_kind(kind: &Kind) -> OpKind {
    match kind {
        Kind::Edit(op) => OpKind::Edit(Edit::Json0(op.clone())),
        Kind::Create(data) => OpKind::Create {
            type_name: ot_json0::URI.to_owned(),
            data: CreateData::Text(Some(text(&data.to_json()))),
        },
        Kind::Del => OpKind::Del,
        Kind::Noop => OpKind::Noop,
    }
}
