//! A document is subscribed as long as a tab follows it, in whichever order tabs come and go and the server answers.

#![allow(clippy::unwrap_used)]

mod life;

use std::rc::Rc;

use broker::message::{PROTOCOL, ToTab};
use life::{Knowing, Life, Texts, read, register, tab};
use proxy_doc::TabId;
use serde_json::{Value, json as value};

fn other() -> TabId {
    TabId("other".to_owned())
}

/// A tab subscribes again, as `doc.subscribe` does where the document is here.
fn again() -> Value {
    value!({"connection.read": {"action": "doc.subscribe", "collection": "c", "id": "d",
        "revision": 1, "life": 0, "callbackId": 2}})
}

/// A tab comes from the host before, following the document.
fn comes() -> Value {
    let doc = value!({"doc": {"collection": "c", "id": "d"}, "revision": 1, "line": 2, "life": 0,
        "live": true, "ahead": [], "accepted": [], "lead": []});
    value!({"tab.register": {"protocol": PROTOCOL, "resume": [doc], "view": 1}})
}

/// The server answers all subscribes and unsubscribes. Gives the last of them, `s` or `u`.
fn answered(life: &mut Life, mut from: usize) -> Option<String> {
    let mut last = None;
    while let Some(message) = life.sent.get(from).cloned() {
        from += 1;
        if message["a"] == "s" || message["a"] == "u" {
            life.server(value!({"a": message["a"], "c": "c", "d": "d"}));
            last = message["a"].as_str().map(str::to_owned);
        }
    }
    last
}

#[test]
fn a_tab_that_subscribes_behind_an_unsubscribe_that_waits_is_subscribed() {
    let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    life.subscribe("d");
    let from = life.sent.len();
    life.tab(again());
    life.host.tab_gone(&tab());
    life.drain();
    life.tab_named(&other(), register(&value!([])));
    life.tab_named(&other(), read("doc.subscribe", "d"));
    assert_eq!(answered(&mut life, from).as_deref(), Some("s"));
    let is_answer = |told: &&ToTab| matches!(told, ToTab::Callback { .. });
    assert_eq!(life.others[&other()].iter().filter(is_answer).count(), 1);
}

#[test]
fn a_tab_that_comes_behind_an_unsubscribe_that_waits_is_subscribed() {
    let mut before = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    before.subscribe("d");
    before.tab_named(&other(), register(&value!([])));
    before.tab_named(&other(), read("doc.subscribe", "d"));
    before.rest();

    let mut life = Life::new(before.texts, 4, Rc::new(Knowing));
    life.alive = vec![tab(), other()];
    life.drain();
    life.go_online();
    life.tab(comes());
    life.host.tab_gone(&tab());
    life.drain();
    life.tab_named(&other(), comes());
    assert_eq!(answered(&mut life, 0).as_deref(), Some("s"));
}
