//! What stands before a keystroke in one document while another document, or another tab, is busy. In messages, never in time.

#![allow(clippy::unwrap_used)]

mod life;

use std::rc::Rc;

use broker::message::{DocEvent, ToTab};
use life::{Knowing, Life, Texts, handshake, read, register};
use proxy_doc::TabId;
use serde_json::{Value, json as value};

const STORM: u64 = 1000;
/// Changes of one document that a tab may leave unconfirmed.
const OF_DOC: usize = 256;

fn server_op(id: &str, v: u64) -> Value {
    let op = value!([{"p": ["t", 0], "li": "theirs"}]);
    value!({"a": "op", "c": "c", "d": id, "v": v, "src": "other", "seq": v, "op": op})
}

fn edit_of(id: &str, seq: u64, revision: u64) -> Value {
    let change = value!({"type": ot_json0::URI, "op": [{"p": ["t", 0], "li": "mine"}]});
    value!({"doc.submitOp": {"collection": "c", "id": id, "revision": revision, "life": 0,
        "seq": seq, "change": change, "preventCompose": false}})
}

/// The documents of which the tab was told a change.
fn changed(told: &[ToTab]) -> Vec<&str> {
    let id = |told| match told {
        &ToTab::Doc {
            ref id,
            event: DocEvent::Op { .. },
            ..
        } => Some(id.as_str()),
        _ => None,
    };
    told.iter().filter_map(id).collect()
}

/// A tab that follows a busy document and a quiet one, and confirms nothing.
fn stormed() -> Life {
    let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    life.subscribe("busy");
    life.subscribe("quiet");
    for v in 3..3 + STORM {
        life.server(server_op("busy", v));
    }
    life
}

#[test]
fn a_storm_in_one_document_does_not_hold_up_another() {
    let mut life = stormed();
    life.server(server_op("quiet", 3));
    let changed = changed(&life.told);
    assert_eq!(changed.last(), Some(&"quiet"));
    assert_eq!(changed.len(), OF_DOC + 1);
}

#[test]
fn a_tab_that_lagged_in_one_document_gets_one_catch_up() {
    let mut life = stormed();
    life.server(server_op("quiet", 3));
    let count = life.told.len();
    life.tab(value!({"tab.received": {"count": count}}));
    let told = &life.told[count..];
    assert_eq!(changed(told), ["busy"], "all that it lacks, as one");
    life.server(server_op("busy", 3 + STORM));
    assert_eq!(changed(&life.told[count..]), ["busy", "busy"]);
}

/// What an editor does who replaces a word in all documents, beside one who types.
#[test]
fn edits_of_two_thousand_documents_do_not_hold_up_another_tab() {
    let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    let bulk = TabId("bulk".to_owned());
    life.tab_named(&bulk, register(&value!([])));
    for n in 0..2000_u64 {
        let id = format!("d{n}");
        life.tab_named(&bulk, read("doc.subscribe", &id));
        life.server(value!({"a": "s", "c": "c", "d": id, "data": {"v": 3, "data": {"t": ["x"]}}}));
    }
    life.subscribe("typed");
    for n in 0..2000_u64 {
        life.tab_named(&bulk, edit_of(&format!("d{n}"), n + 1, 1));
    }
    assert_eq!(life.ops_sent().len(), 128, "its share");
    life.tab(edit_of("typed", 1, 1));
    let sent = life.ops_sent();
    assert_eq!(sent.len(), 129);
    assert_eq!(sent[128]["d"], "typed");
}

/// The next life of a host sends what an earlier one was told, beside what a tab does now.
#[test]
fn what_was_left_from_a_long_time_offline_does_not_hold_up_a_tab() {
    let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    for n in 0..300_u64 {
        life.subscribe(&format!("d{n}"));
    }
    life.subscribe("typed");
    life.host.socket_closed(None, 0.5);
    life.drain();
    for n in 0..300_u64 {
        life.tab(edit_of(&format!("d{n}"), n + 1, 1));
    }
    let mut next = Life::new(life.texts, 4, Rc::new(Knowing));
    next.drain();
    let other = TabId("other".to_owned());
    next.tab_named(&other, register(&value!([])));
    next.host.bind_socket(worker_host::ReadyState::Open);
    next.drain();
    next.server(handshake("life4"));
    next.tab_named(&other, read("doc.subscribe", "typed"));
    next.server(value!({"a": "s", "c": "c", "d": "typed", "data": {"v": 3, "data": {"t": ["x"]}}}));
    let before = next.ops_sent().len();
    assert_eq!(before, 128);
    next.tab_named(&other, edit_of("typed", 1, 1));
    assert_eq!(next.ops_sent().len(), before + 1);
}
