//! The surroundings of one document: its application, its upstream, and the comparison.

mod upstream;

use std::collections::{BTreeMap, VecDeque};

use ot_json0::{Op, Value};
use proxy_doc::{
    CreateData, Doc, DocHandle, DocKey, Edge, Edit, Event, Json, Later, OpId, OpKind, OtType,
    Outcome, Seq, Stack, Submission, Task, Token, Types, Upstream, codes,
};

use crate::edits::{Random, edit, initial};
use crate::reference::{Kind, Log, apply};

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

/// An op that the host has accepted.
struct Accepted {
    seq: u64,
    tokens: Vec<u64>,
    /// The tab has given up the state that it belongs to.
    orphaned: bool,
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
    accepted: Vec<Accepted>,
    /// Ops that a hard rollback of a tab ends, and that were sent: by number, with their tokens.
    given_up: Vec<(u64, Vec<u64>)>,
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
            given_up: Vec::new(),
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

    /// A tab that rolls back by itself ends what the host has not accepted.
    fn expect_rollback(&mut self, code: &str) {
        if self.edge == Edge::Host {
            return self.expect_rollback_of_all(code);
        }
        let accepted = std::mem::take(&mut self.accepted);
        let inflight = self.doc.inflight().and_then(|op| known_id(&op.id));
        if let (Some((_, seq)), Some(front)) = (inflight, self.log.live().first()) {
            self.given_up
                .push((seq, self.log.own(*front).tokens.clone()));
        }
        self.expect_rollback_of_all(code);
        self.accepted = accepted;
        for accepted in &mut self.accepted {
            accepted.orphaned = true;
        }
    }

    fn expect_rollback_of_all(&mut self, code: &str) {
        let mut ended = Outcomes::new();
        let soft = code == codes::ERR_OP_SUBMIT_REJECTED;
        let others = if soft {
            codes::ERR_PENDING_OP_REMOVED_BY_OP_SUBMIT_REJECTED
        } else {
            code
        };
        for Accepted { tokens, .. } in std::mem::take(&mut self.accepted) {
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
