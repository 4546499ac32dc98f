//! What the next host on a storage makes of what the last one left, where types are missing, or the server has committed
//! more than the storage knows.

#![allow(clippy::unwrap_used)]

mod life;

use std::rc::Rc;

use life::{Ignorant, Knowing, Life, Texts, create, edit, register, submit};
use serde_json::{Value, json as value};

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

/// An op of an earlier host that the server committed at `v`, as an acknowledgement says it.
fn acknowledged(seq: u64, v: u64, fixup: &Value) -> Value {
    value!({"a": "op", "c": "c", "d": "d", "src": "life2", "seq": seq, "v": v, "fixup": [{"op": fixup}]})
}

/// The same op as a catch-up brings it.
fn caught_up(seq: u64, v: u64, op: &Value) -> Value {
    value!({"a": "op", "c": "c", "d": "d", "src": "life2", "seq": seq, "v": v, "op": op})
}

fn shows(life: &Life, text: &str) -> bool {
    format!("{:?}", life.told).contains(text)
}

/// Two ops that the server has and the storage does not know to be acknowledged, and the host after. It has sent the
/// first one again.
fn after_two_sent_ops(first: Value) -> Life {
    let mut before = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    before.subscribe("d");
    before.rest();
    before.tab(first);
    before.tab(edit(2, 2));
    let mut host = Life::begun(before.texts, 4, Rc::new(Knowing));
    host.tab(life::read("doc.subscribe", "d"));
    assert_eq!(seqs_and_versions(&host), [(1, 3)]);
    host
}

fn seqs_and_versions(life: &Life) -> Vec<(u64, u64)> {
    let number = |value: &Value| value.as_u64().unwrap();
    let sent = life.ops_sent().into_iter();
    sent.map(|op| (number(&op["seq"]), number(&op["v"])))
        .collect()
}

fn mine() -> Value {
    value!({"p": ["t", 0], "li": "mine"})
}

fn fixup(text: &str) -> Value {
    value!({"p": ["t", 0], "li": text})
}

#[test]
fn fixups_of_a_sent_op_that_a_catch_up_brings_come_with_its_answer() {
    let mut host = after_two_sent_ops(edit(1, 1));
    host.server(acknowledged(1, 3, &value!([fixup("fixup A")])));
    host.server(caught_up(1, 3, &value!([mine(), fixup("fixup A")])));
    host.server(caught_up(2, 4, &value!([mine(), fixup("fixup B")])));
    host.server(value!({"a": "s", "c": "c", "d": "d"}));
    assert!(shows(&host, "fixup A") && !shows(&host, "fixup B"));
    host.server(acknowledged(2, 4, &value!([fixup("fixup B")])));
    assert!(shows(&host, "fixup B"));
    assert_eq!(seqs_and_versions(&host), [(1, 3), (2, 4)]);
}

#[test]
fn fixups_of_an_op_that_was_not_sent_again_are_asked_for() {
    let nothing = value!({"type": ot_json0::URI, "op": []});
    let mut host = after_two_sent_ops(submit(1, &value!(1), &nothing));
    // The server dropped the first op, which does nothing.
    host.server(caught_up(2, 3, &value!([mine(), fixup("fixup B")])));
    host.server(value!({"a": "s", "c": "c", "d": "d"}));
    assert!(!shows(&host, "fixup B"));
    assert_eq!(seqs_and_versions(&host), [(1, 3), (2, 3)]);
    host.server(acknowledged(2, 3, &value!([fixup("fixup B")])));
    assert!(shows(&host, "fixup B"));
}

#[test]
fn an_op_that_a_catch_up_brings_as_it_was_is_acknowledged() {
    let mut host = after_two_sent_ops(edit(1, 1));
    host.server(caught_up(1, 3, &value!([mine()])));
    host.server(caught_up(2, 4, &value!([mine()])));
    assert_eq!(seqs_and_versions(&host), [(1, 3), (2, 4)]);
    host.tab(value!({"connection.status": {"callbackId": 9}}));
    assert!(shows(&host, "pending_ops: 0"), "{:?}", host.told);
}
