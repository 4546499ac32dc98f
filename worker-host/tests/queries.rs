//! Subscribed queries of several tabs on one host: which tab gets the ops of which document. The server is a
//! script: the test says what the server says, and reads what the host tells the tabs.

#![allow(clippy::unwrap_used)]

use std::rc::Rc;

use broker::message::{DocEvent, Envelope, PROTOCOL, QueryEvent, ToTab, decode, encode};
use proxy_doc::{OtType, TabId, Types};
use serde_json::{Value, json as value};
use worker_host::{Host, Options, Output, ReadyState};

/// Knows json0 alone.
struct Registry;

impl Types for Registry {
    fn resolve(&self, name: &str) -> Option<OtType> {
        (name == ot_json0::URI).then_some(OtType::Json0(None))
    }
    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

/// A connected host with one document `x`, and what tabs were told since the test last looked.
struct Stage {
    host: Host,
    told: Vec<(String, ToTab)>,
    next_callback: u64,
    /// The server's version of `x`.
    version: u64,
}

impl Stage {
    fn new(tabs: &[&str]) -> Self {
        let mut stage = Self {
            host: Host::new(Options::default(), Rc::new(Registry)),
            told: Vec::new(),
            next_callback: 1,
            version: 1,
        };
        stage.connect();
        for tab in tabs {
            stage.tab(tab, value!({"tab.register": {"protocol": PROTOCOL}}));
        }
        stage
    }

    fn connect(&mut self) {
        self.host.bind_socket(ReadyState::Open);
        self.server(value!({"a": "hs", "protocol": 1, "protocolMinor": 2, "id": "us", "type": ot_json0::URI}));
    }

    fn drain(&mut self) {
        while let Some(output) = self.host.poll() {
            if let Output::ToTab { tab, text, .. } = output {
                let envelope: Envelope = decode(&text).unwrap();
                self.told.push((tab.0, envelope.message));
            }
        }
    }

    fn server(&mut self, message: Value) {
        self.host.socket_message(&message.to_string());
        self.drain();
    }

    fn tab(&mut self, tab: &str, message: Value) {
        self.host
            .handle_tab(&TabId(tab.to_owned()), &message.to_string());
        self.drain();
    }

    /// Query number `query_id` of the tab; equal names are equal queries.
    fn query(&mut self, tab: &str, query_id: u64, name: &str) {
        let request = value!({"queryId": query_id, "action": "qs", "collection": "c", "query": {"name": name}});
        self.tab(tab, value!({"query.create": request}));
    }

    fn destroy_query(&mut self, tab: &str, query_id: u64) {
        self.tab(tab, value!({"query.destroy": {"queryId": query_id}}));
    }

    /// The server's answer to the host's query number `id`: `x`, or nothing.
    fn answer(&mut self, id: u64, has_x: bool) {
        let data = if has_x {
            value!([self.snapshot()])
        } else {
            value!([])
        };
        self.server(value!({"a": "qs", "id": id, "data": data}));
    }

    fn snapshot(&self) -> Value {
        value!({"d": "x", "v": self.version, "type": ot_json0::URI, "data": {"n": 0}})
    }

    /// `x` comes into the host's query number `id`.
    fn insert(&mut self, id: u64) {
        let diff = value!([{"type": "insert", "index": 0, "values": [self.snapshot()]}]);
        self.server(value!({"a": "q", "id": id, "diff": diff}));
    }

    /// `x` leaves the host's query number `id`.
    fn remove(&mut self, id: u64) {
        let diff = value!([{"type": "remove", "index": 0, "howMany": 1}]);
        self.server(value!({"a": "q", "id": id, "diff": diff}));
    }

    /// An update of the host's query number `id` that has nothing to do with `x`.
    fn update(&mut self, id: u64) {
        self.server(value!({"a": "q", "id": id, "diff": []}));
    }

    /// The tab reads `x` by itself, and the server answers.
    fn fetch(&mut self, tab: &str) {
        self.next_callback += 1;
        let read = value!({"action": "doc.fetch", "collection": "c", "id": "x", "revision": null,
            "life": 0, "callbackId": self.next_callback});
        self.tab(tab, value!({"connection.read": read}));
        let data = self.snapshot();
        self.server(value!({"a": "f", "c": "c", "d": "x", "data": data}));
    }

    /// Somebody else edits `x`. Gives the tabs that get the op.
    fn tabs_that_get_an_op(&mut self) -> Vec<String> {
        self.told.clear();
        let op = value!([{"p": ["n"], "na": 1}]);
        self.server(
            value!({"a": "op", "c": "c", "d": "x", "v": self.version, "src": "other",
            "seq": self.version, "op": op}),
        );
        self.version += 1;
        let told = self.told.drain(..);
        let ops = told.filter_map(|(tab, message)| match message {
            ToTab::Doc {
                event: DocEvent::Op { .. },
                ..
            } => Some(tab),
            _ => None,
        });
        ops.collect()
    }
}

/// Two tabs that have `x` in a query of their own (the host's number 1), and the first tab also in another one (number 2).
fn overlapping() -> Stage {
    let mut stage = Stage::new(&["one", "two"]);
    stage.query("one", 1, "all");
    stage.query("two", 1, "all");
    stage.answer(1, true);
    stage.query("one", 2, "some");
    stage.answer(2, true);
    assert_eq!(stage.tabs_that_get_an_op(), ["one", "two"]);
    stage
}

#[test]
fn a_tab_that_joins_a_query_keeps_what_the_query_dropped_before() {
    let mut stage = overlapping();
    stage.remove(2);
    stage.query("two", 2, "some");
    stage.update(2);
    assert_eq!(stage.tabs_that_get_an_op(), ["one", "two"]);
}

#[test]
fn a_tab_that_joins_a_query_and_leaves_it_keeps_what_the_query_dropped_before() {
    let mut stage = overlapping();
    stage.remove(2);
    stage.query("two", 2, "some");
    stage.destroy_query("two", 2);
    assert_eq!(stage.tabs_that_get_an_op(), ["one", "two"]);
}

#[test]
fn a_document_that_comes_back_with_the_next_update_is_followed() {
    let mut stage = Stage::new(&["one"]);
    stage.query("one", 1, "some");
    stage.answer(1, true);
    stage.remove(1);
    stage.insert(1);
    assert_eq!(stage.tabs_that_get_an_op(), ["one"]);
    stage.update(1);
    assert_eq!(stage.tabs_that_get_an_op(), ["one"]);
}

#[test]
fn the_op_that_takes_a_document_out_of_the_results_reaches_the_tab() {
    let mut stage = Stage::new(&["one"]);
    stage.query("one", 1, "some");
    stage.answer(1, true);
    stage.remove(1);
    assert_eq!(stage.tabs_that_get_an_op(), ["one"]);
    stage.update(1);
    assert!(stage.tabs_that_get_an_op().is_empty());
}

#[test]
fn a_query_that_fails_has_no_documents_any_more() {
    let mut stage = Stage::new(&["one"]);
    stage.query("one", 1, "some");
    stage.answer(1, true);
    stage.host.socket_closed(None, 0.5);
    stage.connect();
    let error = value!({"code": "ERR_OF_THE_DATABASE", "message": "no"});
    stage.told.clear();
    stage.server(value!({"a": "qs", "id": 1, "error": error}));
    let failed = stage.told.iter().any(|(_, message)| {
        matches!(
            message,
            ToTab::Query {
                event: QueryEvent::Failed(_),
                ..
            }
        )
    });
    assert!(failed);
    assert!(stage.tabs_that_get_an_op().is_empty());
}

#[test]
fn a_fetched_querys_documents_are_not_followed() {
    let mut stage = Stage::new(&["one"]);
    let request = value!({"queryId": 1, "action": "qf", "collection": "c", "query": {}});
    stage.tab("one", value!({"query.create": request}));
    let data = value!([stage.snapshot()]);
    stage.server(value!({"a": "qf", "id": 1, "data": data}));
    assert!(stage.tabs_that_get_an_op().is_empty());
}

#[test]
fn results_that_a_reconnect_brings_replace_the_ones_before() {
    let mut stage = overlapping();
    stage.host.socket_closed(None, 0.5);
    stage.connect();
    stage.answer(1, false);
    stage.answer(2, true);
    assert_eq!(stage.tabs_that_get_an_op(), ["one"]);
}

#[test]
fn a_tab_behind_a_deletion_hears_of_it_before_the_document_is_loaded_anew() {
    let mut stage = Stage::new(&["one", "two"]);
    stage.query("two", 1, "all");
    stage.answer(1, true);
    stage.fetch("one");
    assert_eq!(stage.tabs_that_get_an_op(), ["two"]);
    stage.server(
        value!({"a": "op", "c": "c", "d": "x", "v": 2, "src": "other", "seq": 2, "del": true}),
    );
    stage.remove(1);
    stage.version = 4;
    stage.told.clear();
    stage.insert(1);
    let told = stage.told.drain(..);
    let events = told.filter_map(|(tab, message)| match message {
        ToTab::Doc { event, .. } if tab == "one" => Some(match event {
            DocEvent::Op { change, .. } => encode(&change),
            DocEvent::Load { .. } => "loaded".to_owned(),
            other => format!("{other:?}"),
        }),
        _ => None,
    });
    let [edit, deletion, loaded] = <[String; 3]>::try_from(events.collect::<Vec<_>>()).unwrap();
    assert!(edit.contains("\"na\""), "{edit}");
    assert!(deletion.contains("\"del\""), "{deletion}");
    assert_eq!(loaded, "loaded");
}

#[test]
fn a_document_that_a_tab_destroys_and_opens_again_is_still_in_its_query() {
    let mut stage = Stage::new(&["one"]);
    stage.query("one", 1, "all");
    stage.answer(1, true);
    stage.tab(
        "one",
        value!({"doc.destroy": {"collection": "c", "id": "x"}}),
    );
    assert!(stage.tabs_that_get_an_op().is_empty());
    stage.fetch("one");
    assert_eq!(stage.tabs_that_get_an_op(), ["one"]);
}
