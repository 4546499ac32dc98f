//! The inbox by itself.

use super::*;

fn tab(name: &str) -> Sender {
    Sender::Tab(TabId(name.to_owned()))
}

fn key(id: &str) -> DocKey {
    DocKey {
        collection: "c".to_owned(),
        id: id.to_owned(),
    }
}

/// Carries out everything that is ready; the senders, in order.
fn carry_out(inbox: &mut Inbox) -> Vec<Sender> {
    let mut senders = Vec::new();
    while let Some(sender) = inbox.next_ready() {
        assert!(inbox.take(&sender).is_some());
        senders.push(sender);
    }
    senders
}

#[test]
fn ready_inputs_are_carried_out_as_they_came() {
    let mut inbox = Inbox::default();
    for sender in [tab("one"), Sender::Server, tab("one"), tab("two")] {
        inbox.push(sender, Input::Opened);
    }
    let order = [tab("one"), Sender::Server, tab("one"), tab("two")];
    assert_eq!(carry_out(&mut inbox), order);
    assert!(inbox.is_empty());
}

#[test]
fn an_input_that_waits_holds_up_its_sender_alone() {
    let mut inbox = Inbox::default();
    for sender in [tab("one"), tab("one"), tab("two")] {
        inbox.push(sender, Input::Opened);
    }
    assert_eq!(inbox.next_ready(), Some(tab("one")));
    inbox.wait_for(&tab("one"), &[key("x"), key("y")]);
    assert_eq!(carry_out(&mut inbox), [tab("two")]);
    inbox.bring(&key("x"));
    assert_eq!(inbox.next_ready(), None);
    inbox.bring(&key("y"));
    assert_eq!(carry_out(&mut inbox), [tab("one"), tab("one")]);
}

#[test]
fn where_nothing_will_be_read_nothing_waits() {
    let mut inbox = Inbox::default();
    for (name, id) in [("one", "x"), ("two", "y")] {
        inbox.push(tab(name), Input::Opened);
        assert_eq!(inbox.next_ready(), Some(tab(name)));
        inbox.wait_for(&tab(name), &[key(id)]);
    }
    inbox.bring_all();
    assert_eq!(carry_out(&mut inbox), [tab("one"), tab("two")]);
}

#[test]
fn an_input_that_is_held_waits_for_the_store() {
    let mut inbox = Inbox::default();
    inbox.push(tab("one"), Input::Opened);
    assert_eq!(inbox.next_ready(), Some(tab("one")));
    inbox.hold(tab("one"));
    inbox.push(tab("one"), Input::Closed(None, 0.0));
    assert_eq!(inbox.next_ready(), None);
    inbox.release();
    assert_eq!(carry_out(&mut inbox), [tab("one"), tab("one")]);
    assert_eq!(inbox.looks(), 3);
}
