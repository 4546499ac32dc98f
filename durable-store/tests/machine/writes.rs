//! How much one write takes, what stays together in it, and who waits for which.

use durable_store::format::DocRecord;
use durable_store::{Ask, Blocking, FailureKind, StoreEvent, WriteLimits};
use proxy_doc::{Change, Error, Json, Seq, TabId, Version, json};

use crate::life::{Life, Storage, failure, key};

/// One document at a time.
const ONE: WriteLimits = WriteLimits {
    bytes: 1024 * 1024,
    records: 1,
};

fn text(bytes: usize) -> Json {
    json(format!("\"{}\"", "x".repeat(bytes))).expect("valid JSON")
}

/// A document that the server has, of so many bytes, to be written before anybody sees it. Gives the place to wait for.
fn load(life: &mut Life, id: &str, bytes: usize) -> u64 {
    let record = DocRecord {
        version: Some(Version(1)),
        data: Some(text(bytes)),
        ..DocRecord::default()
    };
    life.docs.records.insert(key(id), record);
    life.docs.used.insert(key(id));
    life.store.rewrite(&key(id), Blocking::Outputs);
    life.store.barrier()
}

/// Carries out the next write. Gives the records in it and their bytes.
fn write(life: &mut Life) -> (Vec<String>, usize) {
    let ask = life.ask().expect("a write");
    let Ask::Write { puts, .. } = &ask else {
        panic!("{ask:?} is no write");
    };
    let bytes = puts.iter().map(|(_, text)| text.len()).sum();
    let ids = puts.iter().map(|(id, _)| id.id.clone()).collect();
    let reply = life.storage.carry_out(&ask);
    life.answer(reply);
    (ids, bytes)
}

fn documents(ids: &[String]) -> usize {
    ids.iter().filter(|id| id.starts_with("c/")).count()
}

/// A life that writes one document at a time, with everything written that comes with its beginning.
fn life_by_ones() -> Life {
    Life::with_limits(Storage::default(), ONE)
}

#[test]
fn many_documents_come_as_several_writes_and_each_output_waits_for_its_own() {
    let mut life = Life::open(Storage::default());
    let places: Vec<u64> = (0..5000)
        .map(|n| load(&mut life, &format!("d{n}"), 100))
        .collect();
    let limits = WriteLimits::default();
    let (mut writes, mut done) = (0, 0);
    while life.ask().is_some() {
        let (ids, _) = write(&mut life);
        assert!(documents(&ids) <= limits.records);
        (writes, done) = (writes + 1, done + documents(&ids));
        let told = places
            .iter()
            .filter(|place| **place <= life.store.committed());
        assert_eq!(told.count(), done, "those and no others may be told");
    }
    assert_eq!(done, 5000);
    assert_eq!(writes, 5000usize.div_ceil(limits.records));
}

#[test]
fn large_documents_and_ops_come_as_several_writes() {
    let mut life = Life::open(Storage::default());
    let limits = WriteLimits::default();
    let size = limits.bytes / 4;
    for n in 0..20 {
        load(&mut life, &format!("d{n}"), size);
    }
    while life.ask().is_some() {
        let (ids, bytes) = write(&mut life);
        assert!(bytes < limits.bytes + 2 * size, "{bytes} bytes of {ids:?}");
    }
    // One that is larger than a write goes alone.
    load(&mut life, "large", 2 * limits.bytes);
    load(&mut life, "small", 1);
    assert_eq!(documents(&write(&mut life).0), 1);
    life.run();

    for n in 0..20 {
        life.edit_of("d0", n, size);
    }
    let mut journal = 0;
    while life.ask().is_some() {
        let (ids, bytes) = write(&mut life);
        journal += ids.iter().filter(|id| id.starts_with("journal/")).count();
        assert!(bytes < limits.bytes + 22 * size, "{bytes} bytes of {ids:?}");
    }
    assert!(journal >= 4, "{journal} records of the journal");
    let restored = Life::open(life.storage);
    assert_eq!(
        restored.entries_of("d0"),
        life.docs.records[&key("d0")].ops.len()
    );
}

#[test]
fn a_record_holds_changes_whose_turn_has_not_come_and_they_are_not_applied_twice() {
    let mut life = life_by_ones();
    load(&mut life, "a", 10);
    load(&mut life, "b", 10);
    // Its record is written before that turn, and holds it.
    life.edit("a", 1);
    let (ids, _) = write(&mut life);
    assert!(ids.contains(&"c/a".to_owned()) && !ids.contains(&"c/b".to_owned()));
    for storage in [life.storage.clone(), {
        life.run();
        life.storage.clone()
    }] {
        let next = Life::open(storage);
        assert_eq!(next.entries_of("a"), 0, "the record has it");
    }
}

#[test]
fn the_numbers_of_ops_are_in_no_later_write_than_the_ops() {
    let mut life = life_by_ones();
    load(&mut life, "a", 10);
    load(&mut life, "b", 10);
    life.store.set_seq("src", Seq(2));
    life.edit("a", 1);
    write(&mut life);
    let next = Life::open(life.storage.clone());
    assert_eq!(next.store.seq_after("src"), Some(Seq(2)));
}

#[test]
fn an_op_becomes_a_letter_in_one_write() {
    let mut life = life_by_ones();
    load(&mut life, "a", 10);
    load(&mut life, "b", 10);
    load(&mut life, "c", 10);
    let refuse = |life: &mut Life, id: &str| {
        let error = Error::new("ERR_TEST", "refused");
        let change = Change::default();
        life.store.rewrite(&key(id), Blocking::Outputs);
        life.store.add_letter(key(id), change, error, None);
    };
    refuse(&mut life, "a");
    refuse(&mut life, "c");
    let letters = |life: &Life| -> Vec<String> {
        let next = Life::open(life.storage.clone());
        let letters = next.store.letters().map(|letter| letter.key.id.clone());
        letters.collect()
    };
    write(&mut life);
    assert_eq!(letters(&life), ["a"]);
    write(&mut life);
    assert_eq!(letters(&life), ["a"]);
    write(&mut life);
    assert_eq!(letters(&life), ["a", "c"]);
}

#[test]
fn what_is_deleted_takes_its_waiting_changes_along() {
    let mut life = life_by_ones();
    life.edit("stays", 1);
    life.docs.records.remove(&key("stays"));
    life.run();
    life.edit("a", 2);
    life.run();
    load(&mut life, "b", 10);
    load(&mut life, "c", 10);
    life.edit("a", 3);
    life.store.delete(&key("a"));
    write(&mut life);
    assert_eq!(Life::open(life.storage.clone()).entries_of("a"), 0);
    life.run();
    assert_eq!(Life::open(life.storage.clone()).entries_of("a"), 0);
}

#[test]
fn one_write_is_under_way_at_a_time() {
    let mut life = life_by_ones();
    for n in 0..3 {
        life.edit(&format!("d{n}"), n + 1);
    }
    life.run();
    life.store.handle_idle();
    // Nobody waits for this one.
    assert!(matches!(life.ask(), Some(Ask::Write { .. })));
    life.store.add_tab(&TabId("other".to_owned()));
    life.edit("d0", 4);
    life.ask();
    assert_eq!(life.requests.len(), 1);
    let first = life.requests[0].what.clone();
    let reply = life.storage.carry_out(&first);
    life.answer(reply);
    assert!(life.store.committed() < life.store.barrier());
}

#[test]
fn what_was_not_written_is_told_when_the_storage_is_lost_between_two_writes() {
    let mut life = life_by_ones();
    load(&mut life, "a", 10);
    load(&mut life, "b", 10);
    life.edit("b", 1);
    write(&mut life);
    life.ask();
    life.answer(Err(failure(FailureKind::Quota)));
    life.run();
    let given_up = life.events.iter().find_map(|event| match event {
        StoreEvent::Lost(_, unwritten) => Some(unwritten),
        _ => None,
    });
    let keys: Vec<&str> = given_up
        .expect("it is lost")
        .iter()
        .map(|(key, _)| key.id.as_str())
        .collect();
    assert_eq!(keys, ["b", "b"]);
}
