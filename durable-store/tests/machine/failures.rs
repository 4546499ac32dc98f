//! What is done about a storage that fails: a new handle, another trial, or the store is given up.

use std::collections::BTreeMap;

use durable_store::{Ask, FailureKind, Request, StoreEvent};
use proxy_doc::codes;

use crate::life::{Life, Storage, failure, key};
use crate::with_clean_docs;

#[test]
fn a_failed_write_is_tried_again_on_a_new_handle_and_no_other() {
    let mut life = Life::open(Storage::default());
    life.edit("a", 1);
    let write = life.ask().expect("a write");
    life.answer(Err(failure(FailureKind::Closed)));
    assert_eq!(life.ask(), Some(Ask::Open));
    life.answer(Ok(Vec::new()));
    life.check();
    assert_eq!(life.ask(), Some(write));
    life.run();
    assert!(life.lost().is_none());
    assert_eq!(life.store.committed(), life.store.barrier());
}

#[test]
fn a_handle_that_dies_is_one_failure_however_much_was_under_way() {
    let mut life = Life::open(with_clean_docs());
    for id in ["a", "b", "c", "d", "e"] {
        life.store.load(vec![key(id)]);
    }
    life.edit("a", 1);
    life.store.want_inventory();
    while life.requests.len() < 3 {
        life.ask();
    }
    // The first one fails before the storage is open again, and the others after it.
    life.answer(Err(failure(FailureKind::Closed)));
    life.store.load(vec![key("f")]);
    let late: Vec<Request> = life.requests.drain(..).collect();
    // Nothing else is asked of the dead one.
    assert_eq!(life.ask(), Some(Ask::Open));
    life.answer(Ok(Vec::new()));
    life.check();
    for request in late {
        let reply = Err(failure(FailureKind::Closed));
        life.store.handle_reply(request.number, reply, &life.docs);
    }
    while let Some(ask) = life.ask() {
        assert_ne!(ask, Ask::Open, "the new one did not die");
        let reply = life.storage.carry_out(&ask);
        life.answer(reply);
    }
    assert!(life.lost().is_none());
    assert_eq!(
        life.loaded(),
        ["a", "b", "c", "d", "e", "f"].map(key).into()
    );
    assert_eq!(life.store.committed(), life.store.barrier());
}

#[test]
fn a_storage_that_never_works_again_is_given_up() {
    let mut life = Life::open(with_clean_docs());
    life.store.load(vec![key("a")]);
    let mut handles = 0;
    while let Some(ask) = life.ask() {
        let dies = matches!(&ask, Ask::Read(ids) if ids.iter().any(|id| id.id == "c/a"));
        handles += usize::from(ask == Ask::Open);
        assert!(handles < 100, "it has to end");
        let reply = life.storage.carry_out(&ask);
        life.answer(if dies {
            Err(failure(FailureKind::Closed))
        } else {
            reply
        });
    }
    assert!(life.lost().is_some());
    assert_eq!(life.loaded(), [key("a")].into(), "who asked is answered");
}

/// Fails each request from the one at this place on, until the store is given up. Says how many failed.
fn fail_from(life: &mut Life, first: usize, kind: FailureKind) -> usize {
    for _ in 0..first {
        let ask = life.ask().expect("a request");
        let reply = life.storage.carry_out(&ask);
        life.answer(reply);
    }
    let mut failed = 0;
    while life.lost().is_none() {
        // A storage that opens, and nothing more.
        match life.ask().expect("a request") {
            Ask::Open if first > 0 => life.answer(Ok(Vec::new())),
            _ => {
                failed += 1;
                assert!(failed < 100, "it has to end");
                life.answer(Err(failure(kind)));
            }
        }
        life.ask();
    }
    failed
}

#[test]
fn a_storage_that_is_silent_while_it_is_restored_is_given_up_at_once() {
    // The opening, the state, the letters or the journal, a document of the journal.
    let mut before = Life::open(Storage::default());
    before.edit("a", 1);
    before.run();
    for first in 0..4 {
        let mut life = Life::closed(before.storage.clone());
        assert_eq!(fail_from(&mut life, first, FailureKind::Silent), 1);
        assert_eq!(
            life.lost().map(|failure| failure.kind),
            Some(FailureKind::Silent)
        );
    }
}

#[test]
fn a_storage_that_fails_otherwise_while_it_is_restored_is_tried_again() {
    for kind in [FailureKind::Closed, FailureKind::Other] {
        let mut life = Life::closed(with_clean_docs());
        assert_eq!(fail_from(&mut life, 1, kind), 4);
    }
}

#[test]
fn one_silence_of_an_open_store_costs_nothing() {
    let mut life = Life::open(with_clean_docs());
    life.edit("a", 1);
    life.ask().expect("a write");
    life.answer(Err(failure(FailureKind::Silent)));
    life.run();
    assert!(life.lost().is_none());
    assert_eq!(life.store.committed(), life.store.barrier());
}

fn answers(life: &Life) -> bool {
    let mut events = life.events.iter();
    events.any(|event| matches!(event, StoreEvent::Answers))
}

#[test]
fn a_storage_that_was_given_up_for_its_silence_is_tried_until_it_answers() {
    let mut life = Life::closed(with_clean_docs());
    let before = life.storage.texts.clone();
    fail_from(&mut life, 1, FailureKind::Silent);
    for _ in 0..10 {
        assert_eq!(life.ask(), Some(Ask::Open));
        life.answer(Ok(Vec::new()));
        assert!(
            matches!(life.ask(), Some(Ask::Read(_))),
            "that it opens is not enough"
        );
        life.answer(Err(failure(FailureKind::Silent)));
    }
    assert!(!answers(&life));
    life.edit("a", 1);
    life.run();
    assert!(answers(&life));
    assert!(life.store.is_lost(), "that is for another life");
    assert_eq!(life.storage.texts, before);
}

#[test]
fn a_storage_that_was_given_up_for_its_silence_and_fails_then_is_left_alone() {
    let mut life = Life::closed(with_clean_docs());
    fail_from(&mut life, 1, FailureKind::Silent);
    let mut trials = 0;
    while life.ask().is_some() {
        trials += 1;
        assert!(trials < 100, "it has to end");
        life.answer(Err(failure(FailureKind::Unavailable)));
    }
    assert_eq!(trials, 4);
    let warned = life
        .events
        .iter()
        .any(|event| matches!(event, StoreEvent::Warn(_)));
    assert!(warned && !answers(&life));
}

#[test]
fn a_storage_that_was_given_up_for_another_reason_is_not_tried() {
    let mut life = Life::closed(with_clean_docs());
    fail_from(&mut life, 1, FailureKind::Closed);
    assert_eq!(life.ask(), None);
}

#[test]
fn a_storage_that_another_host_wrote_to_is_not_gone_on_with() {
    let mut one = Life::open(Storage::default());
    one.edit("a", 1);
    one.run();
    let silent = Life::open(one.storage.clone());
    for mut one in [one, silent] {
        let mut two = Life::open(one.storage.clone());
        two.edit("b", 2);
        two.run();
        one.storage = two.storage.clone();
        one.edit("a", 3);
        one.ask();
        one.answer(Err(failure(FailureKind::Closed)));
        one.run();
        assert_eq!(
            one.lost().map(|failure| failure.kind),
            Some(FailureKind::Closed)
        );
        assert_eq!(one.storage.texts, two.storage.texts);
    }
}

#[test]
fn a_host_that_reads_what_a_later_one_wrote_has_ended() {
    let mut one = Life::open(Storage::default());
    one.keep("a");
    one.keep("b");
    let mut two = Life::open(one.storage.clone());
    two.edit("a", 1);
    two.keep("a");
    // It is frozen meanwhile, and its next write would be refused. But it reads first.
    one.storage = two.storage.clone();
    one.store.load(vec![key("b"), key("a"), key("c")]);
    one.run();
    let fenced = |event: &StoreEvent| matches!(event, StoreEvent::Fenced(_));
    assert!(one.events.iter().any(fenced), "{:?}", one.events);
    let loaded = one.events.iter().filter_map(|event| match event {
        StoreEvent::Loaded(docs) => Some(docs),
        _ => None,
    });
    let loaded: BTreeMap<&str, bool> = loaded
        .flatten()
        .map(|(key, record)| (key.id.as_str(), matches!(record, Ok(Some(_)))))
        .collect();
    let expected = [("a", false), ("b", true), ("c", false)];
    assert_eq!(
        loaded,
        expected.into(),
        "nothing of the later one's is used"
    );
    assert_eq!(one.storage.texts, two.storage.texts);
}

#[test]
fn a_record_that_is_ahead_of_its_journal_is_damage_where_no_other_host_has_written() {
    let mut life = Life::open(with_clean_docs());
    let mut texts = life.storage.texts.iter_mut();
    let (_, text) = texts.find(|(id, _)| id.id == "c/a").expect("its record");
    *text = text.replacen("\"at\":", "\"at\":9", 1);
    life.store.load(vec![key("a")]);
    life.run();
    let code = life.lost().and_then(|failure| failure.code.clone());
    assert_eq!(code.as_deref(), Some(codes::ERR_STORAGE_DAMAGED));
    assert!(life.loaded().contains(&key("a")), "it is absent");
}

#[test]
fn a_storage_that_has_what_it_said_had_failed_is_gone_on_with() {
    let mut life = Life::open(Storage::default());
    for seq in 1..4 {
        life.edit("a", seq);
        let write = life.ask().expect("a write");
        let done = life.storage.carry_out(&write);
        assert!(done.is_ok());
        life.answer(Err(failure(FailureKind::Closed)));
        life.run();
        assert!(life.lost().is_none());
        assert_eq!(life.store.committed(), life.store.barrier());
        // The next life begins with a store that is there.
        life = Life::open(life.storage);
    }
}

#[test]
fn a_storage_that_somebody_emptied_is_not_gone_on_with() {
    let mut life = Life::open(Storage::default());
    life.edit("a", 1);
    life.run();
    life.storage.texts.clear();
    life.edit("a", 2);
    life.ask();
    life.answer(Err(failure(FailureKind::Closed)));
    life.run();
    assert_eq!(
        life.lost().map(|failure| failure.kind),
        Some(FailureKind::Closed)
    );
    let given_up = life.events.iter().find_map(|event| match event {
        StoreEvent::Lost(_, unwritten) => Some(unwritten),
        _ => None,
    });
    assert_eq!(
        given_up.map(Vec::len),
        Some(1),
        "the op that was not written is told"
    );
    assert!(life.storage.texts.is_empty());
}
