//! A host on a store that does at once what it is asked to.

use std::collections::BTreeMap;
use std::rc::Rc;

use broker::message::{Answer, CallbackId, Envelope, PROTOCOL, ToTab, decode};
use durable_store::format::{Place, RecordId, SCHEMA};
use durable_store::{Ask, Request, Retention, StoreOptions};
use proxy_doc::{Epoch, OtType, TabId, Types};
use serde_json::{Value, json as value};
use worker_host::{Host, Options, Output};

struct Json0;

impl Types for Json0 {
    fn resolve(&self, name: &str) -> Option<OtType> {
        (name == ot_json0::URI).then_some(OtType::Json0(None))
    }

    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

/// A host with one tab, away from its server.
struct Stage {
    host: Host,
    texts: BTreeMap<RecordId, String>,
    told: Vec<ToTab>,
}

impl Stage {
    fn new() -> Self {
        Self::on(BTreeMap::new())
    }

    /// On what another host left.
    fn on(texts: BTreeMap<RecordId, String>) -> Self {
        let options = Options {
            epoch: Epoch(2),
            src: Some("life".to_owned()),
            opens_sockets: true,
            store: Some(StoreOptions {
                retention: Retention::Durable,
                ..StoreOptions::default()
            }),
            ..Options::default()
        };
        let mut stage = Self {
            host: Host::new(options, Rc::new(Json0)),
            texts,
            told: Vec::new(),
        };
        stage.tab(value!({"tab.register": {"protocol": PROTOCOL}}));
        stage
    }

    fn drain(&mut self) {
        while let Some(output) = self.host.poll() {
            match output {
                Output::ToTab { text, .. } => {
                    let envelope: Envelope = decode(&text).expect("the host makes sense");
                    self.told.push(envelope.message);
                }
                Output::Storage(request) => self.carry_out(&request),
                Output::FindTabs(_) => self.host.tabs_found(&[]),
                Output::Warn(text) => panic!("{text}"),
                Output::Send(_)
                | Output::CloseSocket
                | Output::OpenSocket(_)
                | Output::BeginAnew
                | Output::Debug { .. }
                | Output::Resigned
                | Output::Deposed
                | Output::DropSocket
                | Output::StartTimer(_)
                | Output::StartAlarm(_)
                | Output::Realtime(_) => {}
            }
        }
    }

    fn carry_out(&mut self, request: &Request) {
        let mut reply = Vec::new();
        match &request.what {
            Ask::Open => {}
            Ask::Read(ids) => reply = ids.iter().map(|id| self.texts.get(id).cloned()).collect(),
            Ask::Write { puts, deletes } => {
                self.texts.extend(puts.iter().cloned());
                self.texts.retain(|id, _| !deletes.contains(id));
            }
            Ask::Wipe => self.texts.clear(),
        }
        self.host.handle_storage(request.number, Ok(reply));
    }

    fn tab(&mut self, message: Value) {
        let tab = TabId("tab".to_owned());
        self.host.handle_tab(&tab, &message.to_string());
        self.drain();
    }

    fn idle(&mut self) {
        self.host.handle_idle();
        self.drain();
    }

    fn answers(&self, id: u64) -> usize {
        let is_answer = |message: &&ToTab| matches!(message, ToTab::Callback { callback_id, .. } if *callback_id == CallbackId(id));
        self.told.iter().filter(is_answer).count()
    }
}

/// A store that holds `c/x` at version 4: `data`, and a tail of `ops`.
fn stored(data: &Value, ops: &Value) -> BTreeMap<RecordId, String> {
    let record = value!({"at": 0, "version": 4, "type": ot_json0::URI, "data": data, "tail": ops, "revision": 4,
        "log": [], "ops": [], "outcomes": [], "seen": [], "rest": []});
    let state = value!({"schema": SCHEMA, "line": 1, "first": 1, "tabs": [], "numbers": []});
    let meta = RecordId {
        store: Place::Meta,
        id: "state".to_owned(),
    };
    let doc = RecordId {
        store: Place::Docs,
        id: "c/x".to_owned(),
    };
    BTreeMap::from([(meta, state.to_string()), (doc, record.to_string())])
}

#[test]
fn a_stored_op_that_does_not_apply_is_an_error_each_time() {
    let ops = value!([[{"p": ["t", 0], "li": "y"}], [{"p": ["none", 0], "li": "z"}]]);
    let texts = stored(&value!({"t": ["x"]}), &ops);
    let mut stage = Stage::on(texts.clone());
    for id in [1, 2] {
        let read = value!({"collection": "c", "ids": ["x"], "callbackId": id});
        stage.tab(value!({"connection.getBulk": read}));
        let answer = stage.told.pop().expect("it is answered");
        let ToTab::Callback { error, result, .. } = answer else {
            panic!("{answer:?} is no answer");
        };
        let error = error.expect("the document cannot be read");
        assert_eq!(error.code_text(), Some("ERR_STORAGE"));
        let message = "c.x cannot be read from the store: its ops do not apply to its data (Referenced element not a list)";
        assert!(error.message.starts_with(message), "{error}");
        assert!(
            matches!(&result, Some(Answer::Docs(docs)) if docs.is_empty()),
            "{result:?}"
        );
    }
    stage.idle();
    let id = RecordId {
        store: Place::Docs,
        id: "c/x".to_owned(),
    };
    assert_eq!(
        stage.texts[&id], texts[&id],
        "it stays in the store as it was"
    );
}

#[test]
fn who_waits_for_a_write_that_becomes_nothing_is_answered() {
    let mut stage = Stage::new();
    stage.idle();
    let read = value!({"action": "doc.subscribe", "collection": "c", "id": "x", "revision": null, "life": 0, "callbackId": 1});
    stage.tab(value!({"connection.read": read}));
    let before = stage.texts.clone();
    let docs = value!([{"collection": "c", "id": "x"}]);
    stage.tab(value!({"connection.putDocs": {"docs": docs, "callbackId": 2}}));
    assert_eq!(stage.texts, before, "there is nothing to keep of it");
    assert_eq!(stage.answers(2), 1);
}
