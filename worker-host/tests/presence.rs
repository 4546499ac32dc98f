//! Presence of several tabs on one host: what goes over the wire, and what each tab is shown. The
//! server is a script: the test reads what the host sends, and says what the server says.

#![allow(clippy::unwrap_used)]

use std::rc::Rc;

use broker::message::{Envelope, PresenceEvent, ToTab, decode, encode};
use proxy_doc::{Epoch, Error, ForeignType, Json, OtType, TabId, Types, json};
use serde_json::{Value, json as value};
use worker_host::{Host, Options, Output, ReadyState};

const TYPE: &str = "counted";

/// A text of which only the length matters: an op `{"at", "n"}` puts `n` characters in, a presence is a place.
struct Counted;

fn parsed(json: &Json) -> Value {
    serde_json::from_str(json.get()).unwrap()
}

fn number(json: &Json, key: &str) -> u64 {
    parsed(json)[key].as_u64().unwrap()
}

impl ForeignType for Counted {
    fn uri(&self) -> &str {
        TYPE
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
    fn transform(&self, op: &Json, other: &Json, _: ot_json0::Side) -> Result<Json, Error> {
        let (at, n) = (number(op, "at"), number(op, "n"));
        let moved = at
            + if number(other, "at") <= at {
                number(other, "n")
            } else {
                0
            };
        json(value!({"at": moved, "n": n}).to_string())
    }
    fn invert(&self, _: &Json) -> Result<Json, Error> {
        Err(Error::plain("no invert"))
    }
    fn create(&self, data: Option<&Json>) -> Result<Option<Json>, Error> {
        Ok(data.cloned())
    }
    fn apply(&self, data: Option<&Json>, _: &Json) -> Result<Option<Json>, Error> {
        Ok(data.cloned())
    }
    fn can_transform_presence(&self) -> bool {
        true
    }
    fn transform_presence(&self, presence: &Json, op: &Json, is_own: bool) -> Result<Json, Error> {
        let at: u64 = serde_json::from_str(presence.get()).unwrap();
        let (from, n) = (number(op, "at"), number(op, "n"));
        let moves = from < at || (from == at && is_own);
        json((if moves { at + n } else { at }).to_string())
    }
}

struct Registry;

impl Types for Registry {
    fn resolve(&self, name: &str) -> Option<OtType> {
        match name {
            TYPE => Some(OtType::Foreign(Rc::new(Counted))),
            ot_json0::URI => Some(OtType::Json0(None)),
            _ => None,
        }
    }
    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

/// A connected host, and what it has said since the test last looked.
struct Stage {
    host: Host,
    wire: Vec<Value>,
    told: Vec<(String, ToTab)>,
    next_callback: u64,
}

impl Stage {
    fn new(tabs: &[&str]) -> Self {
        Self::of(Epoch(0), tabs)
    }

    fn of(epoch: Epoch, tabs: &[&str]) -> Self {
        let options = Options {
            epoch,
            ..Options::default()
        };
        let mut stage = Self {
            host: Host::new(options, Rc::new(Registry)),
            wire: Vec::new(),
            told: Vec::new(),
            next_callback: 1,
        };
        stage.connect();
        for tab in tabs {
            stage.tab(
                tab,
                value!({"tab.register": {"protocol": broker::message::PROTOCOL}}),
            );
        }
        stage.wire.clear();
        stage.told.clear();
        stage
    }

    fn connect(&mut self) {
        self.host.bind_socket(ReadyState::Open);
        self.server(value!({"a": "hs", "protocol": 1, "protocolMinor": 2, "id": "us", "type": ot_json0::URI}));
    }

    fn drain(&mut self) {
        while let Some(output) = self.host.poll() {
            match output {
                Output::Send(text) => self.wire.push(serde_json::from_str(&text).unwrap()),
                Output::ToTab { tab, text, .. } => {
                    let envelope: Envelope = decode(&text).unwrap();
                    self.told.push((tab.0, envelope.message));
                }
                _ => {}
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

    fn lose(&mut self, tab: &str) {
        self.host.tab_gone(&TabId(tab.to_owned()));
        self.drain();
    }

    fn callback(&mut self) -> u64 {
        self.next_callback += 1;
        self.next_callback
    }

    fn subscribe(&mut self, tab: &str) {
        let callback = self.callback();
        self.tab(
            tab,
            value!({"presence.subscribe": {"channel": "ch", "callbackId": callback}}),
        );
    }

    fn show(&mut self, tab: &str, id: &str, p: Value) {
        let callback = self.callback();
        let body = value!({"channel": "ch", "id": id, "value": p, "callbackId": callback});
        self.tab(tab, value!({"presence.submit": body}));
    }

    /// What was sent, without what does not matter here.
    fn sent(&mut self) -> Vec<Value> {
        let wire = self
            .wire
            .drain(..)
            .map(|message| match message["a"].as_str() {
                Some("p") => value!([message["id"], message["p"]]),
                _ => message["a"].clone(),
            });
        wire.collect()
    }

    /// The revisions that what tabs were shown is for.
    fn revisions(&mut self) -> Vec<Option<u64>> {
        let revision = |(_, message)| match message {
            ToTab::Presence {
                event: PresenceEvent::Update(update),
                ..
            } => Some(update.revision.map(|revision| revision.0)),
            _ => None,
        };
        self.told.drain(..).filter_map(revision).collect()
    }

    /// What tabs were shown: the tab, the id and the value.
    fn shown(&mut self) -> Vec<Value> {
        let updates = self
            .told
            .drain(..)
            .filter_map(|(tab, message)| match message {
                ToTab::Presence {
                    event: PresenceEvent::Update(update),
                    ..
                } => Some(value!([tab, update.id, parsed(&update.value)])),
                _ => None,
            });
        updates.collect()
    }
}

#[test]
fn tabs_share_one_subscription() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.subscribe("a");
    stage.subscribe("b");
    assert_eq!(stage.sent(), ["ps"]);
    stage.server(value!({"a": "ps", "ch": "ch", "seq": 1}));
    stage.lose("a");
    assert!(stage.sent().is_empty());
    stage.lose("b");
    assert_eq!(stage.sent(), ["pu"]);
}

#[test]
fn a_dead_tab_shows_nothing() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.subscribe("b");
    stage.show("a", "x", value!(1));
    stage.lose("a");
    assert_eq!(
        stage.sent(),
        [value!("ps"), value!(["x", 1]), value!(["x", null])]
    );
    assert_eq!(
        stage.shown(),
        [value!(["b", "x", 1]), value!(["b", "x", null])]
    );
}

#[test]
fn the_other_tab_with_the_same_id_takes_over() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    stage.subscribe("c");
    stage.show("a", "user", value!("a"));
    stage.show("b", "user", value!("b"));
    stage.lose("b");
    let (a, b) = (value!(["user", "a"]), value!(["user", "b"]));
    assert_eq!(stage.sent(), [value!("ps"), a.clone(), b, a]);
    let shown = stage.shown();
    assert_eq!(shown.last(), Some(&value!(["c", "user", "a"])));
    stage.show("a", "user", Value::Null);
    assert_eq!(stage.shown(), [value!(["c", "user", null])]);
}

#[test]
fn offline_the_tabs_still_see_each_other() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.subscribe("b");
    stage.server(value!({"a": "ps", "ch": "ch", "seq": 1}));
    stage.host.socket_closed(None, 0.0);
    stage.drain();
    stage.sent();
    stage.show("a", "x", value!(1));
    stage.show("a", "x", value!(2));
    assert!(stage.sent().is_empty());
    assert_eq!(
        stage.shown(),
        [value!(["b", "x", 1]), value!(["b", "x", 2])]
    );

    stage.told.clear();
    stage.connect();
    // Subscribed first, then the newest value alone; its answer is both submissions'.
    assert_eq!(stage.sent()[1..], [value!("ps"), value!(["x", 2])]);
    stage.told.clear();
    stage.server(value!({"a": "p", "ch": "ch", "src": "us", "id": "x", "p": 2, "pv": 0}));
    let answers = stage
        .told
        .iter()
        .filter(|(tab, message)| tab == "a" && matches!(message, ToTab::Callback { .. }));
    assert_eq!(answers.count(), 2);
}

#[test]
fn presence_versions_grow_over_tabs_and_reconnects() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.show("a", "x", value!(1));
    stage.show("b", "x", value!(2));
    stage.host.socket_closed(None, 0.0);
    stage.connect();
    stage.show("a", "x", value!(3));
    let versions: Vec<u64> = stage.wire.iter().filter_map(|m| m["pv"].as_u64()).collect();
    assert!(
        versions.len() >= 4 && versions.is_sorted_by(|a, b| a < b),
        "{versions:?}"
    );
}

#[test]
fn presence_versions_grow_over_hosts() {
    let mut versions = Vec::new();
    for epoch in [400, 500] {
        let mut stage = Stage::of(Epoch(epoch), &["a"]);
        for p in 0..3 {
            stage.show("a", "x", value!(p));
        }
        versions.extend(stage.wire.iter().filter_map(|m| m["pv"].as_u64()));
    }
    assert!(
        versions.len() == 6 && versions.is_sorted_by(|a, b| a < b),
        "{versions:?}"
    );
}

#[test]
fn values_of_tabs_here_outlive_the_session_of_the_last_host() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.subscribe("b");
    stage.show("a", "x", value!(1));
    assert_eq!(stage.shown(), [value!(["b", "x", 1])]);
    stage.told.clear();
    // The server notices that the last host's socket is gone.
    stage.server(
        value!({"a": "p", "ch": "ch", "src": "them", "id": "x", "p": null, "pv": 9, "seq": null}),
    );
    assert!(stage.shown().is_empty(), "{:?}", stage.shown());
    // Nobody here shows anything under this id any more.
    stage.show("a", "x", value!(null));
    stage.told.clear();
    stage.server(value!({"a": "p", "ch": "ch", "src": "them", "id": "x", "p": 2, "pv": 10}));
    assert_eq!(stage.shown(), [value!(["b", "x", 2])]);
}

#[test]
fn a_value_in_a_document_goes_on_with_the_ops_of_others() {
    let mut stage = Stage::new(&["a", "b"]);
    for tab in ["a", "b"] {
        let callback = stage.callback();
        let read = value!({"action": "doc.subscribe", "collection": "c", "id": "d", "callbackId": callback});
        stage.tab(tab, value!({"connection.read": read}));
    }
    stage.server(value!({"a": "s", "c": "c", "d": "d", "data": {"v": 1, "type": TYPE, "data": 9}}));
    let revision = stage.told.iter().find_map(|(_, message)| match message {
        ToTab::Callback { result, .. } => {
            serde_json::from_str::<Value>(&encode(result.as_ref()?)).ok()
        }
        _ => None,
    });
    let revision = revision.unwrap()["read"]["snapshot"]["revision"].clone();
    let doc = value!({"collection": "c", "id": "d"});
    let callback = stage.callback();
    stage.tab(
        "b",
        value!({"presence.subscribe": {"channel": "c.d", "doc": doc, "callbackId": callback}}),
    );
    // The server's op is on its way to the tab when the tab gives its value.
    stage.server(value!({"a": "op", "c": "c", "d": "d", "v": 1, "src": "them", "seq": 1, "op": {"at": 0, "n": 3}}));
    stage.told.clear();
    stage.wire.clear();
    let callback = stage.callback();
    let body = value!({"channel": "c.d", "doc": doc, "id": "x", "value": 5, "revision": revision, "callbackId": callback});
    stage.tab("a", value!({"presence.submit": body}));
    let p = stage.wire.last().unwrap().clone();
    assert_eq!(
        (&p["p"], &p["v"], &p["t"]),
        (&value!(8), &value!(2), &value!(TYPE))
    );
    assert_eq!(stage.shown(), [value!(["b", "x", 8])]);

    // Asked again after another op, the host answers with what the value has become.
    stage.server(value!({"a": "op", "c": "c", "d": "d", "v": 2, "src": "them", "seq": 2, "op": {"at": 8, "n": 3}}));
    stage.server(value!({"a": "op", "c": "c", "d": "d", "v": 3, "src": "them", "seq": 3, "op": {"at": 7, "n": 1}}));
    stage.server(value!({"a": "pr", "ch": "c.d"}));
    let p = stage.wire.last().unwrap();
    assert_eq!((&p["p"], &p["v"]), (&value!(9), &value!(4)));
}

#[test]
fn a_tab_that_gets_the_document_later_is_shown_everything_again() {
    let mut stage = Stage::new(&["a", "b"]);
    let doc = value!({"collection": "c", "id": "d"});
    let read = |stage: &mut Stage, tab: &str| {
        let callback = stage.callback();
        let read = value!({"action": "doc.subscribe", "collection": "c", "id": "d", "callbackId": callback});
        stage.tab(tab, value!({"connection.read": read}));
    };
    read(&mut stage, "a");
    stage.server(value!({"a": "s", "c": "c", "d": "d", "data": {"v": 1, "type": TYPE, "data": 9}}));
    let callback = stage.callback();
    stage.tab(
        "b",
        value!({"presence.subscribe": {"channel": "c.d", "doc": doc, "callbackId": callback}}),
    );
    stage.server(value!({"a": "ps", "ch": "c.d", "seq": 1}));
    stage.told.clear();
    let callback = stage.callback();
    let body = value!({"channel": "c.d", "doc": doc, "id": "x", "value": 5, "revision": 1, "callbackId": callback});
    stage.tab("a", value!({"presence.submit": body}));
    // It has nothing to place it in, and lets it go.
    assert_eq!(stage.revisions(), [None]);

    stage.sent();
    read(&mut stage, "b");
    assert_eq!(stage.revisions(), [Some(1)]);
    // Other sessions are asked, too; once.
    assert_eq!(stage.sent(), ["pr"]);
    read(&mut stage, "b");
    assert!(stage.revisions().is_empty() && stage.sent().is_empty());
}

#[test]
fn a_value_of_an_old_version_is_brought_along() {
    let mut stage = Stage::new(&["a"]);
    let callback = stage.callback();
    let read =
        value!({"action": "doc.subscribe", "collection": "c", "id": "d", "callbackId": callback});
    stage.tab("a", value!({"connection.read": read}));
    stage.server(value!({"a": "s", "c": "c", "d": "d", "data": {"v": 2, "type": TYPE, "data": 9}}));
    let doc = value!({"collection": "c", "id": "d"});
    let callback = stage.callback();
    stage.tab(
        "a",
        value!({"presence.subscribe": {"channel": "c.d", "doc": doc, "callbackId": callback}}),
    );
    stage.wire.clear();
    stage.told.clear();
    let p = |pv: u64, p: u64, v: u64| value!({"a": "p", "ch": "c.d", "src": "them", "id": "x", "p": p, "pv": pv, "c": "c", "d": "d", "v": v, "t": TYPE});
    stage.server(p(0, 5, 1));
    assert_eq!(stage.sent(), ["f", "pr"]);
    stage.server(value!({"a": "f", "c": "c", "d": "d"}));
    stage.server(value!({"a": "op", "c": "c", "d": "d", "v": 2, "src": "them", "seq": 1, "op": {"at": 5, "n": 2}}));
    assert!(stage.shown().is_empty());
    // By its own author's op, at its very place, it moves.
    stage.server(p(1, 5, 2));
    assert_eq!(stage.shown(), [value!(["a", "x", 7])]);
}
