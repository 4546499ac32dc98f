//! Runs of refusals where nothing can be taken back and the other ops stay: what they cost, and what is left of them.

#![allow(clippy::unwrap_used)]

mod life;

use std::cell::Cell;
use std::rc::Rc;

use broker::message::{DocEvent, ToTab};
use durable_store::format::RecordId;
use life::{Life, Texts, handshake, options, read, register, submit, tab};
use ot_json0::Side;
use proxy_doc::{Error, ForeignType, Json, OtType, Outcome, Seq, TabId, Types};
use serde_json::{Value, json as value};
use worker_host::Options;

const URI: &str = "http://example.com/words";

/// A list of words, to which ops append one; `need` is an op that applies behind the word that it names only.
struct Words {
    applied: Rc<Cell<usize>>,
}

impl ForeignType for Words {
    fn uri(&self) -> &str {
        URI
    }
    fn can_compose(&self) -> bool {
        false
    }
    fn can_invert(&self) -> bool {
        false
    }
    fn compose(&self, _: &Json, _: &Json) -> Result<Json, Error> {
        Err(Error::plain("no compose"))
    }
    fn transform(&self, op: &Json, _: &Json, _: Side) -> Result<Json, Error> {
        Ok(op.clone())
    }
    fn invert(&self, _: &Json) -> Result<Json, Error> {
        Err(Error::plain("no invert"))
    }
    fn create(&self, data: Option<&Json>) -> Result<Option<Json>, Error> {
        Ok(data.cloned())
    }
    fn apply(&self, data: Option<&Json>, op: &Json) -> Result<Option<Json>, Error> {
        self.applied.set(self.applied.get() + 1);
        let mut words: Vec<String> = serde_json::from_str(data.unwrap().get()).unwrap();
        let op: Value = serde_json::from_str(op.get()).unwrap();
        let has = |need: &str| words.iter().any(|word| word == need);
        if op["need"].as_str().is_some_and(|need| !has(need)) {
            return Err(Error::plain("a word is missing"));
        }
        words.push(op["word"].as_str().unwrap().to_owned());
        Ok(Some(Json::written(value!(words).to_string())))
    }
}

struct Knowing(Rc<Words>);

impl Types for Knowing {
    fn resolve(&self, name: &str) -> Option<OtType> {
        match name {
            URI => Some(OtType::Foreign(self.0.clone())),
            ot_json0::URI => Some(OtType::Json0(None)),
            _ => None,
        }
    }
    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

/// A host with a tab that has appended these words to `c/d`, all of them pending.
struct Run {
    life: Life,
    applied: Rc<Cell<usize>>,
}

impl Run {
    fn new(ops: &[Value]) -> Self {
        let mut run = Self::on(Texts::new(), 2);
        run.life.tab(register(&value!([])));
        run.connect();
        run.life.tab(read("doc.subscribe", "d"));
        let data = value!({"v": 3, "type": URI, "data": []});
        run.life
            .server(value!({"a": "s", "c": "c", "d": "d", "data": data}));
        for (n, op) in ops.iter().enumerate() {
            let n = n as u64 + 1;
            run.life
                .tab(submit(n, &value!(n), &value!({"type": URI, "op": op})));
        }
        run.life.rest();
        run
    }

    fn on(texts: Texts, epoch: u64) -> Self {
        Self::beside(Vec::new(), texts, epoch)
    }

    /// A host after one whose tabs still live.
    fn beside(alive: Vec<TabId>, texts: Texts, epoch: u64) -> Self {
        let applied = Rc::new(Cell::new(0));
        let words = Words {
            applied: Rc::clone(&applied),
        };
        let options = Options {
            keeps_pending: true,
            ..options(epoch)
        };
        let mut life = Life::with(texts, Rc::new(Knowing(Rc::new(words))), options);
        life.alive = alive;
        life.drain();
        Self { life, applied }
    }

    fn connect(&mut self) {
        self.life.host.bind_socket(worker_host::ReadyState::Open);
        self.life.drain();
        self.life.server(handshake("id"));
    }

    /// The op that waits for the server's answer.
    fn inflight(&self) -> Value {
        (*self.life.ops_sent().last().unwrap()).clone()
    }

    fn refuse(&mut self) {
        let mut message = self.inflight();
        message["error"] = value!({"code": "ERR_NO", "message": "refused"});
        self.life.server(message);
        let count = self.life.told.len();
        self.life.tab(value!({"tab.received": {"count": count}}));
    }

    fn acknowledge(&mut self, v: u64) {
        let op = self.inflight();
        self.life.server(
            value!({"a": "op", "c": "c", "d": "d", "v": v, "src": op["src"], "seq": op["seq"]}),
        );
    }

    /// The tab's ops that ended, by number, and whether with an error.
    fn ended(&self) -> Vec<(u64, bool)> {
        let mut ended = Vec::new();
        for told in &self.life.told {
            if let ToTab::Doc {
                event: DocEvent::Outcome { seqs, outcome, .. },
                ..
            } = told
            {
                let failed = matches!(outcome, Outcome::Failed(_));
                ended.extend(seqs.iter().map(|seq| (seq.0, failed)));
            }
        }
        ended
    }

    /// What the tab was shown since its snapshot: the data anew.
    fn rebuilt(&self) -> Vec<String> {
        let rebuilt = self.life.told.iter().filter_map(|told| match told {
            ToTab::Doc {
                event: DocEvent::Rebuilt { snapshot, .. },
                ..
            } => Some(snapshot.data.as_ref().unwrap().get().to_owned()),
            _ => None,
        });
        rebuilt.collect()
    }

    fn letters(&self) -> usize {
        let is_letter = |id: &&RecordId| id.id.starts_with("letter/");
        self.life.texts.keys().filter(is_letter).count()
    }
}

fn words(count: usize) -> Vec<Value> {
    (0..count)
        .map(|n| value!({"word": format!("w{n}")}))
        .collect()
}

/// Applies, bytes of documents and of the journal that were written, and times that the tab got the data anew, for so
/// many refusals.
fn cost(count: usize) -> (usize, usize, usize) {
    let mut run = Run::new(&words(count));
    run.applied.set(0);
    run.life.written = 0;
    for _ in 0..count {
        run.refuse();
    }
    assert_eq!(run.ended().len(), count);
    assert!(run.ended().iter().all(|(_, failed)| *failed));
    assert_eq!(run.letters(), count);
    assert_eq!(run.rebuilt().last().unwrap(), "[]");
    (run.applied.get(), run.life.written, run.rebuilt().len())
}

#[test]
fn run_of_refusals_applies_and_writes_in_linear_time() {
    let (few, many) = (cost(50), cost(400));
    assert!(many.0 <= 9 * few.0, "applies: {few:?}, {many:?}");
    assert!(many.1 <= 9 * few.1, "bytes: {few:?}, {many:?}");
    assert!(many.2 <= 12, "rebuilds: {many:?}");
}

#[test]
fn first_refusal_is_shown_at_once() {
    let mut run = Run::new(&words(4));
    run.refuse();
    assert_eq!(run.ended(), [(1, true)]);
    assert_eq!(run.rebuilt(), [r#"["w1","w2","w3"]"#]);
}

#[test]
fn refusals_that_were_put_off_are_shown_when_no_op_is_left() {
    let mut run = Run::new(&words(5));
    for _ in 0..2 {
        run.refuse();
    }
    assert_eq!(run.rebuilt().len(), 1, "the second one is put off");
    for v in 3..6 {
        run.acknowledge(v);
    }
    assert_eq!(run.ended().len(), 5);
    assert_eq!(run.rebuilt().last().unwrap(), r#"["w2","w3","w4"]"#);
}

#[test]
fn op_of_somebody_else_shows_refusals_that_were_put_off_first() {
    let mut run = Run::new(&words(9));
    for _ in 0..2 {
        run.refuse();
    }
    let sent = run.life.ops_sent().len();
    run.life.server(value!({"a": "op", "c": "c", "d": "d", "v": 3, "src": "other", "seq": 1, "op": {"word": "theirs"}}));
    assert_eq!(run.rebuilt().len(), 2);
    assert!(!run.rebuilt()[1].contains("w1"));
    assert_eq!(
        run.life.ops_sent().len(),
        sent,
        "what is inflight is not sent again"
    );
}

#[test]
fn fetch_shows_refusals_that_were_put_off_first() {
    let mut run = Run::new(&words(9));
    for _ in 0..2 {
        run.refuse();
    }
    run.life.tab(read("doc.fetch", "d"));
    run.life.server(value!({"a": "f", "c": "c", "d": "d"}));
    assert_eq!(run.rebuilt().len(), 2);
    assert!(!run.rebuilt()[1].contains("w1"));
    assert!(
        matches!(run.life.told.last(), Some(ToTab::Callback { .. })),
        "before the answer"
    );
}

#[test]
fn op_that_needs_one_whose_refusal_was_put_off_is_given_up_unsent() {
    let mut ops = words(9);
    ops[2] = value!({"word": "w2", "need": "w1"});
    let mut run = Run::new(&ops);
    for _ in 0..2 {
        run.refuse();
    }
    assert_eq!(run.ended(), [(1, true), (2, true), (3, true)]);
    assert_eq!(run.inflight()["op"]["word"], "w3");
    assert_eq!(run.letters(), 3);
}

#[test]
fn refusals_that_were_put_off_outlive_the_host() {
    let mut run = Run::new(&words(9));
    for _ in 0..3 {
        run.refuse();
    }
    assert_eq!(run.rebuilt().len(), 1);
    let mut next = Run::on(run.life.texts, 4);
    next.connect();
    next.life.tab(register(&value!([])));
    next.life.tab(read("doc.subscribe", "d"));
    next.life.rest();
    assert_eq!(next.inflight()["op"]["word"], "w3");
    assert_eq!(next.letters(), 3);
}

fn of_doc(told: &ToTab) -> Option<&DocEvent> {
    match told {
        ToTab::Doc { event, .. } => Some(event),
        _ => None,
    }
}

/// A tab registers when another one has had the document built anew. It gets the new state, and keeps the ops that are in it.
#[test]
fn ops_behind_a_refused_one_are_kept_by_the_next_host() {
    let mut run = Run::new(&words(9));
    run.refuse();
    let mut unconfirmed = run.inflight();
    unconfirmed["error"] = value!({"code": "ERR_NO", "message": "refused"});
    run.life.server(unconfirmed);
    let seen = run.life.told.iter().rev().find_map(|told| match told {
        ToTab::Doc {
            event: DocEvent::Rebuilt { snapshot, .. },
            ..
        } => Some((snapshot.revision.0, snapshot.life)),
        _ => None,
    });
    let (revision, life) = seen.unwrap();
    let mut next = Run::beside(vec![tab()], run.life.texts, 4);
    next.connect();
    let other = TabId("other".to_owned());
    next.life.tab_named(&other, register(&value!([])));
    next.life.tab_named(&other, read("doc.subscribe", "d"));
    next.life.server(value!({"a": "s", "c": "c", "d": "d"}));
    next.life.tab(
        register(&value!([{"doc": {"collection": "c", "id": "d"}, "revision": revision, "line": 2, "life": life,
            "live": true, "inflight": 9, "accepted": [2, 3, 4, 5, 6, 7, 8]}])),
    );
    let events: Vec<&DocEvent> = next.life.told.iter().filter_map(of_doc).collect();
    let ended = events.iter().find_map(|event| match event {
        DocEvent::Outcome { seqs, outcome, .. } => Some((seqs, outcome)),
        _ => None,
    });
    let (seqs, outcome) = ended.unwrap();
    assert_eq!(seqs, &[Seq(2)]);
    assert!(matches!(outcome, Outcome::Failed(error) if error.is("ERR_NO")));
    let is_accepted = |event: &&DocEvent| matches!(event, DocEvent::Accepted { seq: Seq(9), .. });
    assert!(events.iter().any(is_accepted), "{events:?}");
    let is_rebuilt = |event: &&DocEvent| matches!(event, DocEvent::Rebuilt { .. });
    assert!(events.iter().any(is_rebuilt), "{events:?}");
    let gives_up = |event: &&DocEvent| matches!(event, DocEvent::Rollback { .. });
    assert!(!events.iter().any(gives_up), "{events:?}");
}
