//! What the next host on a storage makes of what the last one left, where types are missing.

#![allow(clippy::unwrap_used)]

mod life;

use std::rc::Rc;

use life::{Ignorant, Knowing, Life, Texts, create, edit, register};
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
