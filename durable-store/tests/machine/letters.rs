//! Dead letters: what they cost, and that those of an earlier version are kept.

use durable_store::format::{Place, RecordId};
use proxy_doc::{Change, DeadLetter, Error, Version, write_json};

use crate::life::{Life, Storage, bytes, key};

fn letter(number: u64) -> DeadLetter {
    DeadLetter {
        number,
        key: key("a"),
        change: Change::default(),
        error: Error::new("ERR_TEST", format!("refusal {number}")),
        version: Some(Version(1)),
    }
}

/// Adds the letter of the refusal with this number.
fn add(life: &mut Life, number: u64) -> Option<u64> {
    let DeadLetter {
        key,
        change,
        error,
        version,
        ..
    } = letter(number);
    life.store.add_letter(key, change, error, version)
}

fn meta(id: &str) -> RecordId {
    RecordId {
        store: Place::Meta,
        id: id.to_owned(),
    }
}

/// A storage on which an earlier version left two letters.
fn of_an_earlier_version() -> Storage {
    let mut storage = Life::open(Storage::default()).storage;
    let text = write_json(&vec![letter(3), letter(4)]);
    storage.texts.insert(meta("letters"), text);
    storage
}

fn messages(life: &Life) -> Vec<(u64, &str)> {
    let letters = life.store.letters();
    letters
        .map(|letter| (letter.number, letter.error.message.as_str()))
        .collect()
}

/// Bytes that the last of so many letters costs.
fn cost_of_letter(count: u64) -> usize {
    let mut life = Life::open(Storage::default());
    let mut cost = 0;
    for number in 1..=count {
        let before = life.storage.put_bytes;
        add(&mut life, number);
        life.run();
        cost = life.storage.put_bytes - before;
    }
    cost
}

#[test]
fn one_more_letter_costs_its_own_size() {
    let own = write_json(&letter(1)).len();
    for count in [2, 900, 1500] {
        let cost = cost_of_letter(count);
        assert!(cost < own + 100, "{cost} bytes with {count} letters");
    }
}

#[test]
fn letters_outlive_their_host_but_for_those_removed_and_the_oldest() {
    let mut life = Life::open(Storage::default());
    let mut forgotten = Vec::new();
    for number in 1..=1002 {
        forgotten.extend(add(&mut life, number));
        life.run();
    }
    assert_eq!(forgotten, [1, 2]);
    life.store.remove_letters(&[5, 700, 701, 5, 9999]);
    life.run();
    // Added and removed before it was written.
    add(&mut life, 1003);
    life.store.remove_letters(&[1003]);
    life.run();
    let kept: Vec<u64> = (3..=1002).filter(|n| ![5, 700, 701].contains(n)).collect();
    let numbers = |life: &Life| -> Vec<u64> {
        let letters = life.store.letters();
        letters.map(|letter| letter.number).collect()
    };
    assert_eq!(numbers(&life), kept);
    let names = life.storage.names();
    let records = names.iter().filter(|id| id.starts_with("letter/"));
    assert_eq!(records.count(), kept.len());

    let mut next = Life::open(life.storage);
    assert_eq!(numbers(&next), kept);
    assert_eq!(next.store.next_letter(), 1004, "no number is given twice");
    next.store.remove_letters(&kept);
    next.run();
    assert_eq!(
        bytes(&next.storage.texts),
        bytes(&Life::open(next.storage.clone()).storage.texts)
    );
    assert!(
        !next
            .storage
            .names()
            .iter()
            .any(|id| id.starts_with("letter/"))
    );
}

#[test]
fn letters_of_an_earlier_version_are_read_and_become_records_of_their_own() {
    let mut life = Life::open(of_an_earlier_version());
    assert_eq!(messages(&life), [(3, "refusal 3"), (4, "refusal 4")]);
    assert!(
        life.storage.names().contains(&"letters"),
        "nothing has changed yet"
    );
    add(&mut life, 5);
    life.run();
    let names = life.storage.names();
    let of_letters: Vec<&&str> = names.iter().filter(|id| id.starts_with("letter")).collect();
    assert_eq!(
        of_letters,
        [&"letter-index", &"letter/3", &"letter/4", &"letter/5"]
    );

    let next = Life::open(life.storage);
    let all = [(3, "refusal 3"), (4, "refusal 4"), (5, "refusal 5")];
    assert_eq!(messages(&next), all);
}

#[test]
fn letters_that_an_earlier_version_wrote_in_between_come_last() {
    let mut life = Life::open(Storage::default());
    add(&mut life, 1);
    life.run();
    // That version did not see them, and counted from the beginning.
    let text = write_json(&vec![letter(1), letter(2)]);
    life.storage.texts.insert(meta("letters"), text);
    let mut next = Life::open(life.storage);
    let all = [(1, "refusal 1"), (2, "refusal 1"), (3, "refusal 2")];
    assert_eq!(messages(&next), all);
    next.store.remove_letters(&[1]);
    next.run();
    assert_eq!(messages(&Life::open(next.storage)), all[1..]);
}

#[test]
fn a_letter_that_cannot_be_read_stays() {
    let mut life = Life::open(Storage::default());
    for number in 1..=3 {
        add(&mut life, number);
    }
    life.run();
    let illegible = r#"{"error":{"message":"no key"}}"#.to_owned();
    life.storage.texts.insert(meta("letter/2"), illegible);
    let mut next = Life::open(life.storage);
    assert_eq!(messages(&next), [(1, "refusal 1"), (3, "refusal 3")]);
    next.store.remove_letters(&[3]);
    next.run();
    assert!(next.storage.names().contains(&"letter/2"));
    // It can be read again.
    let text = write_json(&letter(2));
    next.storage.texts.insert(meta("letter/2"), text);
    let last = Life::open(next.storage);
    assert_eq!(messages(&last), [(1, "refusal 1"), (2, "refusal 2")]);
}
