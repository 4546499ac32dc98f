//! A document is subscribed as long as a tab follows it, in whichever order tabs come and go and the server answers.

#![allow(clippy::unwrap_used)]

mod life;

use std::rc::Rc;

use broker::message::{DocEvent, PROTOCOL, ToTab};
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

/// The server refuses to let the document be read, and wants no error told.
const SILENT: &str = "ERR_SNAPSHOT_READ_SILENT_REJECTION";
/// It refuses that aloud.
const ALOUD: &str = "ERR_ACCESS_DENIED";

fn refusal(code: &str) -> Value {
    value!({"a": "s", "c": "c", "d": "d", "error": {"code": code, "message": "no"}})
}

fn is_op(told: &ToTab) -> bool {
    let ToTab::Doc { event, .. } = told else {
        return false;
    };
    matches!(event, DocEvent::Op { .. })
}

/// A tab has the document, and its subscribe is refused. Another tab subscribes it, and the server has an op: is
/// the first tab told?
fn is_told_after(code: &str, between: impl Fn(&mut Life)) -> bool {
    let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    life.tab(read("doc.fetch", "d"));
    life.server(value!({"a": "f", "c": "c", "d": "d", "data": {"v": 3, "data": {"t": []}}}));
    life.tab(again());
    life.server(refusal(code));
    let told = life.told.iter().find_map(|told| match told {
        ToTab::Callback { error, .. } => error.as_ref()?.code_text(),
        _ => None,
    });
    assert_eq!(told, Some(code));
    life.tab_named(&other(), register(&value!([])));
    life.tab_named(&other(), read("doc.subscribe", "d"));
    life.server(value!({"a": "s", "c": "c", "d": "d"}));
    between(&mut life);
    life.server(
        value!({"a": "op", "c": "c", "d": "d", "v": 3, "src": "them", "seq": 1,
        "op": [{"p": ["t", 0], "li": "x"}]}),
    );
    assert!(life.others[&other()].iter().any(is_op));
    life.told.iter().any(is_op)
}

#[test]
fn a_tab_that_the_server_refused_gets_nothing_until_it_asks_again() {
    for code in [SILENT, ALOUD] {
        assert!(!is_told_after(code, |_| {}));
        assert!(is_told_after(code, |life| {
            life.tab(again());
            life.server(value!({"a": "s", "c": "c", "d": "d"}));
        }));
    }
}

#[test]
fn a_refused_subscribe_leaves_a_subscription_of_before_as_it_was() {
    for code in [SILENT, ALOUD] {
        let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
        life.subscribe("d");
        life.tab(again());
        life.server(refusal(code));
        life.server(
            value!({"a": "op", "c": "c", "d": "d", "v": 3, "src": "them", "seq": 1,
            "op": [{"p": ["t", 0], "li": "x"}]}),
        );
        assert!(life.told.iter().any(is_op));
    }
}

#[test]
fn what_is_queued_behind_a_refused_subscribe_is_sent() {
    for code in [SILENT, ALOUD] {
        let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
        life.tab(read("doc.subscribe", "d"));
        life.host.tab_gone(&tab());
        life.drain();
        life.tab_named(&other(), register(&value!([])));
        life.tab_named(&other(), read("doc.subscribe", "d"));
        let from = life.sent.len();
        life.server(refusal(code));
        assert_eq!(answered(&mut life, from).as_deref(), Some("s"));
        let is_answer = |told: &&ToTab| matches!(told, ToTab::Callback { error: None, .. });
        assert_eq!(life.others[&other()].iter().filter(is_answer).count(), 1);
    }
}

/// A host renews subscriptions of before for tabs that ask by themselves: they are told, and once.
#[test]
fn a_subscription_that_is_not_renewed_is_told_to_those_who_ask_for_it() {
    let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    life.subscribe("d");
    life.host.socket_closed(None, 0.0);
    life.go_online();
    life.told.clear();
    life.server(refusal(ALOUD));
    let is_error = |told: &&ToTab| {
        let event = matches!(
            told,
            ToTab::Doc {
                event: DocEvent::Error(_),
                ..
            }
        );
        event || matches!(told, ToTab::Callback { error: Some(_), .. })
    };
    assert_eq!(life.told.iter().filter(is_error).count(), 0);
    life.tab(again());
    life.server(refusal(ALOUD));
    assert_eq!(life.told.iter().filter(is_error).count(), 1);
}
