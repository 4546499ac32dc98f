//! Hosts that come one after the other on one storage: what the next one makes of what the last one left, where types are
//! missing, or where hosts died on something.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::rc::Rc;

use broker::message::{DocEvent, Envelope, PROTOCOL, QueryEvent, ToTab, decode};
use durable_store::record::RecordId;
use durable_store::{Ask, Retention, StoreOptions};
use proxy_doc::{OtType, TabId, Types};
use serde_json::{Value, json as value};
use worker_host::{Cause, Host, Options, Output, ReadyState};

/// Knows json0, under its name.
struct Knowing;

impl Types for Knowing {
    fn resolve(&self, name: &str) -> Option<OtType> {
        (name == ot_json0::URI).then_some(OtType::Json0(None))
    }
    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

/// Knows no type that a document has.
struct Ignorant;

impl Types for Ignorant {
    fn resolve(&self, _: &str) -> Option<OtType> {
        None
    }
    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

type Texts = BTreeMap<RecordId, String>;

/// A host, its storage, and whom it speaks to.
struct Life {
    host: Host,
    epoch: u64,
    texts: Texts,
    told: Vec<ToTab>,
    sent: Vec<Value>,
}

impl Life {
    fn new(texts: Texts, epoch: u64, types: Rc<dyn Types>) -> Self {
        let store = StoreOptions {
            retention: Retention::Durable,
            line: epoch,
            ..StoreOptions::default()
        };
        let options = Options {
            epoch,
            src: Some(format!("life{epoch}")),
            store: Some(store),
            ..Options::default()
        };
        Self {
            host: Host::new(options, types),
            epoch,
            texts,
            told: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// With a tab and a server.
    fn begun(texts: Texts, epoch: u64, types: Rc<dyn Types>) -> Self {
        let mut life = Self::new(texts, epoch, types);
        life.begin();
        life
    }

    fn begin(&mut self) {
        self.drain();
        self.tab(register(&value!([])));
        self.go_online();
        self.rest();
    }

    fn go_online(&mut self) {
        self.host.bind_socket(ReadyState::Open);
        self.drain();
        let id = format!("life{}", self.epoch);
        self.server(
            value!({"a": "hs", "protocol": 1, "protocolMinor": 2, "id": id, "type": ot_json0::URI}),
        );
    }

    /// There is time for what can wait.
    fn rest(&mut self) {
        while self.host.wants_idle() {
            let before = self.texts.clone();
            self.host.handle_idle();
            self.drain();
            if self.texts == before {
                break;
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.host.poll() {
            match output {
                Output::Send(text) => self.sent.push(serde_json::from_str(&text).unwrap()),
                Output::ToTab { text, .. } => {
                    self.told.push(decode::<Envelope>(&text).unwrap().message);
                }
                Output::Storage(request) => {
                    let reply = self.carry_out(&request.what);
                    self.host.handle_storage(request.number, Ok(reply));
                }
                Output::FindTabs(_) => self.host.tabs_found(&[]),
                Output::Warn(_)
                | Output::CloseSocket
                | Output::OpenSocket
                | Output::StartTimer(_) => {}
            }
        }
    }

    fn carry_out(&mut self, ask: &Ask) -> Vec<Option<String>> {
        match ask {
            Ask::Open => {}
            Ask::Read(ids) => return ids.iter().map(|id| self.texts.get(id).cloned()).collect(),
            Ask::Write { puts, deletes } => {
                self.texts.extend(puts.iter().cloned());
                self.texts.retain(|id, _| !deletes.contains(id));
            }
            Ask::Wipe => self.texts.clear(),
        }
        Vec::new()
    }

    fn tab(&mut self, message: Value) {
        self.host.handle_tab(&tab(), &message.to_string());
        self.drain();
    }

    fn server(&mut self, message: Value) {
        self.host.socket_message(&message.to_string());
        self.drain();
    }

    /// A document that the server has, subscribed.
    fn subscribe(&mut self, id: &str) {
        self.tab(
            value!({"connection.read": {"action": "doc.subscribe", "collection": "c", "id": id,
                "revision": null, "life": 0, "callbackId": 1}}),
        );
        self.server(value!({"a": "s", "c": "c", "d": id, "data": {"v": 3, "data": {"t": ["x"]}}}));
    }

    fn ops_sent(&self) -> Vec<&Value> {
        let sent = self.sent.iter();
        sent.filter(|message| message["a"] == "op").collect()
    }

    fn rejections(&self) -> Vec<(u64, &str)> {
        let rejected = self.told.iter().filter_map(|told| match told {
            ToTab::Doc {
                event: DocEvent::Rejected { seq, error },
                ..
            } => Some((seq.0, error.code_text()?)),
            _ => None,
        });
        rejected.collect()
    }

    fn welcomes(&self) -> usize {
        let welcomes = self.told.iter();
        welcomes
            .filter(|told| matches!(told, ToTab::Welcome { .. }))
            .count()
    }
}

fn tab() -> TabId {
    TabId("t".to_owned())
}

fn register(resume: &Value) -> Value {
    value!({"tab.register": {"protocol": PROTOCOL, "resume": resume}})
}

fn submit(seq: u64, revision: &Value, change: &Value) -> Value {
    value!({"doc.submitOp": {"collection": "c", "id": "d", "revision": revision, "life": 0,
        "seq": seq, "change": change, "preventCompose": false}})
}

fn create() -> Value {
    submit(
        1,
        &Value::Null,
        &value!({"create": {"type": ot_json0::URI, "data": {"t": []}}}),
    )
}

fn edit(seq: u64, revision: u64) -> Value {
    let change = value!({"type": ot_json0::URI, "op": [{"p": ["t", 0], "li": "mine"}]});
    submit(seq, &value!(revision), &change)
}

// ---- Types that a host does not know ----

/// The one op that a host sends which knows the types, where nobody asks for the document, and the host between did not
/// know them.
fn sent_after_one_that_does_not_know(first: Life) -> Value {
    let second = Life::begun(first.texts, 4, Rc::new(Ignorant));
    assert!(second.ops_sent().is_empty());

    let third = Life::begun(second.texts, 6, Rc::new(Knowing));
    let sent = third.ops_sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (&sent[0]["src"], &sent[0]["seq"]),
        (&value!("life2"), &value!(1))
    );
    sent[0].clone()
}

#[test]
fn a_create_outlives_a_host_that_does_not_know_the_type() {
    let mut first = Life::new(Texts::new(), 2, Rc::new(Knowing));
    first.drain();
    first.tab(register(&value!([])));
    first.tab(create());

    let sent = sent_after_one_that_does_not_know(first);
    assert_eq!(sent["create"]["type"], value!(ot_json0::URI));
}

#[test]
fn an_edit_outlives_a_host_that_does_not_know_the_type() {
    let mut first = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    first.subscribe("d");
    first.rest();
    first.tab(edit(1, 1));
    assert_eq!(first.ops_sent().len(), 1);

    sent_after_one_that_does_not_know(first);
}

// ---- What hosts died on ----

/// What a host had begun when it was interrupted.
fn blamed(life: &Life) -> Option<(Cause, String)> {
    life.host
        .doing()
        .look(|cause, text| (cause, text.to_owned()))
}

#[test]
fn a_host_says_what_it_began_last() {
    let mut life = Life::new(Texts::new(), 2, Rc::new(Knowing));
    assert_eq!(blamed(&life), None);
    // The store is not open yet: nothing has begun.
    life.host
        .handle_tab(&tab(), &register(&value!([])).to_string());
    assert_eq!(blamed(&life), None);
    life.drain();
    life.go_online();
    life.tab(create());
    let text = edit(2, 1).to_string();
    life.host.handle_tab(&tab(), &text);
    assert_eq!(blamed(&life), Some((Cause::TabMessage, text)));
    life.drain();
    assert_eq!(blamed(&life), None, "the answer of the storage came last");
    let update = value!({"a": "op", "c": "c", "d": "other", "v": 1, "src": "s", "seq": 1});
    life.host.socket_message(&update.to_string());
    assert_eq!(
        blamed(&life),
        Some((Cause::ServerMessage, update.to_string()))
    );
}

#[test]
fn an_op_that_hosts_died_on_is_rejected_behind_the_registration() {
    let mut life = Life::new(Texts::new(), 2, Rc::new(Knowing));
    life.host
        .quarantine(Cause::TabMessage, &create().to_string());
    // As a tab does it that comes from another host: both at once, before the store is open.
    life.host
        .handle_tab(&tab(), &register(&value!([])).to_string());
    life.host.handle_tab(&tab(), &create().to_string());
    life.drain();
    assert_eq!(life.welcomes(), 1);
    assert_eq!(life.rejections(), [(1, "ERR_INPUT_QUARANTINED")]);
    let next = value!({"create": {"type": ot_json0::URI, "data": {"t": ["other"]}}});
    life.tab(submit(2, &Value::Null, &next));
    assert_eq!(life.rejections().len(), 1, "nothing else is refused");
    life.go_online();
    assert_eq!(life.ops_sent().len(), 1);
}

#[test]
fn an_op_that_is_logged_already_is_not_rejected() {
    let mut first = Life::new(Texts::new(), 2, Rc::new(Knowing));
    first.drain();
    first.tab(register(&value!([])));
    first.tab(create());
    let mut second = Life::new(first.texts, 4, Rc::new(Knowing));
    second
        .host
        .quarantine(Cause::TabMessage, &create().to_string());
    while let Some(output) = second.host.poll() {
        match output {
            Output::Storage(request) => {
                let reply = second.carry_out(&request.what);
                second.host.handle_storage(request.number, Ok(reply));
            }
            Output::FindTabs(tabs) => second.host.tabs_found(&tabs),
            _ => {}
        }
    }
    second.tab(register(
        &value!([{"doc": {"collection": "c", "id": "d"}, "life": 0, "line": 2, "live": false,
            "inflight": 1}]),
    ));
    second.tab(create());
    assert_eq!(second.rejections(), []);
    second.go_online();
    assert_eq!(second.ops_sent().len(), 1);
}

#[test]
fn a_tab_on_whose_registration_hosts_died_starts_again() {
    let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    life.subscribe("d");
    life.tab(edit(1, 1));
    let resume = value!([{"doc": {"collection": "c", "id": "d"}, "life": 0, "line": 2, "revision": 1,
        "live": true, "inflight": 1}]);
    life.host
        .quarantine(Cause::TabMessage, &register(&resume).to_string());
    life.told.clear();
    life.tab(register(&resume));
    assert_eq!(life.welcomes(), 1);
    let rollbacks = life.told.iter().filter(|told| {
        let ToTab::Doc { event, .. } = told else {
            return false;
        };
        matches!(event, DocEvent::Rollback { .. })
    });
    assert_eq!(rollbacks.count(), 1);
}

#[test]
fn a_query_that_hosts_died_on_fails() {
    let query = value!({"query.create":
        {"queryId": 9, "action": "qs", "collection": "c", "query": {}}});
    let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    let text = query.to_string();
    life.host.quarantine(Cause::TabMessage, &text);
    life.tab(query);
    let failed = life.told.iter().any(|told| {
        let ToTab::Query { query_id: 9, event } = told else {
            return false;
        };
        matches!(event, QueryEvent::Failed(error)
            if error.code_text() == Some("ERR_INPUT_QUARANTINED"))
    });
    assert!(failed, "{:?}", life.told);
}

#[test]
fn an_answer_of_the_server_that_hosts_died_on_counts_as_a_failure() {
    let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    let answer = value!({"a": "s", "c": "c", "d": "d", "data": {"v": 3, "data": {"t": ["x"]}}});
    life.host
        .quarantine(Cause::ServerMessage, &answer.to_string());
    life.subscribe("d");
    let failed = life.told.iter().any(|told| {
        let ToTab::Callback { error, .. } = told else {
            return false;
        };
        let code = error.as_ref().and_then(|error| error.code_text());
        code == Some("ERR_INPUT_QUARANTINED")
    });
    assert!(failed, "{:?}", life.told);
}

#[test]
fn a_document_that_hosts_died_on_stays_in_the_store_as_it_is() {
    let mut first = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    first.subscribe("d");
    first.tab(edit(1, 1));
    let stays = first.texts.clone();

    let mut second = Life::new(first.texts, 4, Rc::new(Knowing));
    let key = r#"{"collection":"c","id":"d"}"#;
    second.host.quarantine(Cause::Document, key);
    second.begin();
    second.tab(edit(2, 1));
    assert_eq!(second.rejections(), [(2, "ERR_INPUT_QUARANTINED")]);
    assert!(second.ops_sent().is_empty());
    for (id, text) in &stays {
        let kept = id.id.starts_with("journal/");
        assert!(
            !kept || second.texts.get(id) == Some(text),
            "{} is gone",
            id.id
        );
    }

    // A version of the host that does not die on it.
    let third = Life::begun(second.texts, 6, Rc::new(Knowing));
    assert_eq!(third.ops_sent().len(), 1);
}
