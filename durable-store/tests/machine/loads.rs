//! What a write, and a load of one document, wait for while many documents are read.

use durable_store::format::DocRecord;
use durable_store::{Ask, Blocking, FailureKind, StoreEvent};
use proxy_doc::{DocKey, Version, json};

use crate::life::{Life, Storage, failure, key};

/// Bytes that one turn reads, about.
const TURN: usize = 1024 * 1024;

fn keys(count: usize) -> Vec<DocKey> {
    (0..count).map(|n| key(&format!("d{n}"))).collect()
}

/// A store of an earlier life with so many documents, each of so many bytes.
fn filled(count: usize, bytes: usize) -> Life {
    let mut life = Life::open(Storage::default());
    for key in keys(count) {
        let text = format!("\"{}\"", "x".repeat(bytes));
        let record = DocRecord {
            version: Some(Version(1)),
            data: Some(json(text).expect("valid JSON")),
            ..DocRecord::default()
        };
        life.docs.records.insert(key.clone(), record);
        life.store.rewrite(&key, Blocking::Outputs);
    }
    life.run();
    Life::open(life.storage)
}

/// Bytes of documents in what was asked of the storage and is not answered.
fn asked(life: &mut Life) -> (usize, usize) {
    while let Some(request) = life.store.poll(&life.docs) {
        life.requests.push_back(request);
    }
    let ids = life
        .requests
        .iter()
        .flat_map(|request| match &request.what {
            Ask::Read(ids) => ids.as_slice(),
            _ => &[],
        });
    let texts: Vec<&String> = ids.filter_map(|id| life.storage.texts.get(id)).collect();
    (texts.len(), texts.iter().map(|text| text.len()).sum())
}

#[test]
fn a_write_waits_for_one_turn_of_a_bulk_load() {
    for (count, bytes) in [(2000, 20), (200, 20_000), (50, 200_000)] {
        let mut life = filled(count, bytes);
        life.store.load(keys(count));
        // The first turn knows nothing of the documents' length.
        asked(&mut life);
        let mut turns = 0;
        while let Some(ask) = life.ask() {
            let (docs, size) = asked(&mut life);
            assert!(turns == 0 || size <= TURN, "{size} bytes in one turn");
            assert!(docs <= 128, "{docs} documents in one turn");
            let reply = life.storage.carry_out(&ask);
            life.answer(reply);
            turns += 1;
        }
        assert_eq!(life.loaded().len(), count);
    }
}

#[test]
fn who_wants_one_document_does_not_wait_for_two_hundred() {
    let mut life = filled(200, 20_000);
    life.store.load(keys(200));
    life.store.load(vec![key("lone")]);
    let mut turns = 0;
    while !life.loaded().contains(&key("lone")) {
        let ask = life.ask().expect("a turn");
        let reply = life.storage.carry_out(&ask);
        life.answer(reply);
        turns += 1;
        life.ask();
    }
    assert!(turns <= 2, "{turns} turns");
}

#[test]
fn documents_that_wait_for_their_turn_are_answered_when_the_storage_is_given_up() {
    let mut life = filled(2000, 20);
    life.store.load(keys(2000));
    while life.lost().is_none() {
        life.ask().expect("it is tried");
        life.answer(Err(failure(FailureKind::Other)));
        life.ask();
    }
    assert_eq!(life.loaded().len(), 2000);
}

#[test]
fn a_record_that_is_about_to_be_deleted_is_not_read() {
    let mut life = Life::open(Storage::default());
    life.edit("a", 1);
    life.store.flush();
    life.run();
    assert!(life.storage.names().contains(&"c/a"), "with its pending op");
    // The op has ended, and nobody needs the document; but another write is under way.
    life.edit("b", 2);
    let write = life.ask().expect("a write");
    life.store.delete(&key("a"));
    assert!(life.store.load(vec![key("a")]), "there is nothing to read");
    let reply = life.storage.carry_out(&write);
    life.answer(reply);
    life.run();
    let nothing = |event: &StoreEvent| matches!(event, StoreEvent::Loaded(docs) if matches!(docs[..], [(_, Ok(None))]));
    assert!(life.events.iter().any(nothing));
    assert!(!life.storage.names().contains(&"c/a"));
}
