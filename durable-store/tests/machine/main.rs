//! The store against a storage in memory that fails where a test says so.
//!
//! What whole hosts make of it under every fault is the simulator's to show; these are the decisions that the machine takes
//! alone.

mod failures;
mod letters;
mod life;
mod loads;
mod writes;

use durable_store::format::{DocRecord, JournalEntry, SCHEMA};
use durable_store::{Ask, Blocking, FailureKind};
use proxy_doc::{DocKey, Seq, TabId, Version, read_json, write_json};

use life::{Life, Storage, bytes, failure, key, local, op_id};

/// A document that the inventory has in the same record as this one.
fn beside(id: &str) -> String {
    let bucket = |id: &str| {
        let mut life = Life::open(Storage::default());
        life.keep(id);
        let names = life.storage.names();
        let found = names.iter().find(|id| id.starts_with("inventory/"));
        (*found.expect("it has an inventory")).to_owned()
    };
    let wanted = bucket(id);
    let mut others = (0..).map(|n| format!("d{n}"));
    let other = others.find(|other| bucket(other) == wanted);
    other.expect("there are fewer buckets than names")
}

/// A store of an earlier life with three documents that the server has whole.
fn with_clean_docs() -> Storage {
    let mut life = Life::open(Storage::default());
    for id in ["a", "b", "c"] {
        life.keep(id);
    }
    assert_eq!(life.stored().len(), 3);
    life.storage
}

#[test]
fn what_comes_while_a_write_is_under_way_shares_the_next_one() {
    let mut life = Life::open(Storage::default());
    let before = life.storage.writes;
    life.edit("a", 1);
    let first = life.ask().expect("a write");
    life.edit("a", 2);
    life.edit("b", 3);
    let (barrier, committed) = (life.store.barrier(), life.store.committed());
    assert!(barrier > committed, "nothing may go out yet");
    let reply = life.storage.carry_out(&first);
    life.answer(reply);
    assert!(life.store.committed() < life.store.barrier());
    life.run();
    assert_eq!(life.store.committed(), life.store.barrier());
    assert_eq!(life.storage.writes, before + 2);
}

#[test]
fn a_write_that_was_asked_for_before_a_doubt_does_not_end_it() {
    let mut life = Life::open(Storage::default());
    life.edit("a", 1);
    let before = life.ask().expect("a write");
    life.store.doubt_tenure();
    let reply = life.storage.carry_out(&before);
    life.answer(reply);
    assert!(!life.store.writes_through());
    life.edit("a", 2);
    life.run();
    assert!(life.store.writes_through());
}

#[test]
fn clean_documents_make_room_also_before_anybody_knows_which_there_are() {
    let mut life = Life::open(with_clean_docs());
    assert!(life.store.inventory().is_none(), "nobody has read it yet");
    life.storage.room = Some(bytes(&life.storage.texts));
    life.edit("d", 1);
    life.run();
    assert!(life.lost().is_none());
    assert_eq!(life.store.committed(), life.store.barrier());
    assert!(life.stored().iter().all(|stored| stored.key == key("d")));
    assert!(
        life.storage
            .names()
            .iter()
            .any(|id| id.starts_with("journal/"))
    );
}

#[test]
fn what_the_server_does_not_have_is_never_evicted() {
    let mut life = Life::open(Storage::default());
    life.edit("a", 1);
    life.run();
    life.store.flush();
    life.run();
    assert!(life.storage.names().contains(&"c/a"));
    let mut next = Life::open(life.storage);
    next.store.want_inventory();
    next.run();
    next.storage.room = Some(bytes(&next.storage.texts));
    let before = next.storage.texts.clone();
    next.edit("b", 2);
    next.run();
    assert!(next.store.is_full());
    assert_eq!(
        next.lost().map(|failure| failure.kind),
        Some(FailureKind::Quota)
    );
    assert_eq!(next.storage.texts, before);
}

#[test]
fn an_op_that_could_not_be_applied_is_pending_all_the_same() {
    let mut life = Life::open(Storage::default());
    let record = DocRecord {
        version: Some(Version(3)),
        rest: vec![local(1)],
        ..DocRecord::default()
    };
    life.docs.records.insert(key("a"), record);
    life.store.rewrite(&key("a"), Blocking::Outputs);
    life.run();
    let mut next = Life::open(life.storage);
    next.store.want_inventory();
    next.run();
    assert!(next.stored().iter().all(|stored| stored.pending));
    next.storage.room = Some(bytes(&next.storage.texts));
    next.edit("b", 2);
    next.run();
    assert!(next.storage.names().contains(&"c/a"));
}

#[test]
fn a_document_in_use_is_not_evicted() {
    let mut life = Life::open(with_clean_docs());
    life.docs.used.extend([key("a"), key("b"), key("c")]);
    life.storage.room = Some(bytes(&life.storage.texts));
    life.edit("d", 1);
    life.run();
    assert!(life.store.is_full());
    assert!(life.storage.names().contains(&"c/a"));
}

#[test]
fn a_write_that_waited_for_room_does_not_bring_evicted_documents_back() {
    let mut life = Life::open(Storage::default());
    life.keep("a");
    let other = &beside("a");
    life.storage.room = Some(bytes(&life.storage.texts) + 60);
    life.keep(other);
    assert!(life.lost().is_none());
    assert!(!life.storage.names().contains(&"c/a"));
    let mut next = Life::open(life.storage);
    next.store.want_inventory();
    next.run();
    let keys: Vec<&DocKey> = next.stored().iter().map(|stored| &stored.key).collect();
    assert_eq!(keys, [&key(other)]);
}

#[test]
fn what_is_pending_in_the_storage_is_not_said_to_be_clean_before_that_is_written() {
    let mut life = Life::open(Storage::default());
    life.keep("a");
    let other = &beside("a");
    life.edit(other, 1);
    life.run();
    life.store.flush();
    life.run();
    // The server has it now, and that is in no write yet.
    let entry = JournalEntry::Ack {
        id: op_id(1),
        v: Version(0),
        fixups: Vec::new(),
    };
    life.store.log(&key(other), entry, Blocking::Nothing);
    life.store.note(&key(other), Some(Version(1)), false);
    life.edit("z", 2);
    life.ask();
    life.answer(Err(failure(FailureKind::Quota)));
    let eviction = life.ask().expect("there is something to evict");
    let reply = life.storage.carry_out(&eviction);
    life.answer(reply);
    assert!(!life.storage.names().contains(&"c/a"));
    let mut next = Life::open(life.storage);
    next.store.want_inventory();
    next.run();
    let stored: Vec<(&DocKey, bool)> = next
        .stored()
        .iter()
        .map(|stored| (&stored.key, stored.pending))
        .collect();
    assert_eq!(stored, [(&key(other), true)]);
}

#[test]
fn a_document_that_is_being_evicted_is_not_read() {
    let mut life = Life::open(with_clean_docs());
    life.store.want_inventory();
    life.run();
    life.edit("d", 1);
    life.ask();
    life.answer(Err(failure(FailureKind::Quota)));
    assert!(life.store.load(vec![key("a")]), "there is nothing to read");
    life.run();
    assert!(!life.storage.names().contains(&"c/a"));
    // Somebody has it from the server, so it is written again.
    life.keep("a");
    assert!(life.storage.names().contains(&"c/a"));
}

#[test]
fn a_document_is_not_evicted_from_under_what_the_journal_has_of_it() {
    let mut life = Life::open(with_clean_docs());
    life.store.want_inventory();
    // Nobody rewrites this one, so the journal stays.
    life.edit("d", 1);
    life.docs.records.remove(&key("d"));
    life.edit("a", 2);
    life.run();
    life.docs.records.insert(key("a"), DocRecord::default());
    life.store.flush();
    life.run();
    life.docs.used.clear();
    assert!(!life.store.is_dirty(&key("a")));
    life.storage.room = Some(bytes(&life.storage.texts));
    life.edit("e", 3);
    life.run();
    let names = life.storage.names();
    assert!(names.contains(&"c/a"));
    assert!(!names.contains(&"c/b") && !names.contains(&"c/c"));
}

#[test]
fn a_store_of_a_newer_schema_is_left_alone() {
    let mut storage = with_clean_docs();
    let state = storage.texts.iter_mut().find(|(id, _)| id.id == "state");
    let (_, text) = state.expect("a store has a state");
    let (known, newer) = (format!("\"schema\":{SCHEMA}"), SCHEMA + 1);
    assert!(text.contains(&known));
    *text = text.replace(&known, &format!("\"schema\":{newer}"));
    let before = storage.texts.clone();

    let mut life = Life::open(storage);
    assert_eq!(
        life.lost().map(|failure| failure.kind),
        Some(FailureKind::Unavailable)
    );
    life.edit("a", 1);
    life.store.flush();
    life.run();
    assert_eq!(life.storage.texts, before);
}

#[test]
fn a_damaged_store_stays_as_it_is_where_an_application_keeps_it() {
    let mut storage = with_clean_docs();
    storage.texts.retain(|id, _| id.id != "state");
    let before = storage.texts.clone();
    let mut life = Life::open(storage);
    let code = life.lost().and_then(|failure| failure.code.as_deref());
    assert_eq!(code, Some("ERR_STORAGE_DAMAGED"));
    life.edit("a", 1);
    life.run();
    assert_eq!(life.storage.texts, before);
}

#[test]
fn a_damaged_store_that_is_only_kept_for_tabs_begins_anew() {
    let mut storage = with_clean_docs();
    let state = storage.texts.iter_mut().find(|(id, _)| id.id == "state");
    state.expect("a store has a state").1.truncate(5);
    let mut life = Life::of_tabs(storage);
    assert!(life.lost().is_none() && life.store.is_durable());
    life.edit("z", 1);
    life.run();
    assert_eq!(life.storage.names(), ["journal/1", "state"]);
}

#[test]
fn the_journal_is_kept_as_long_as_a_record_lacks_some_of_it() {
    let mut life = Life::open(Storage::default());
    // Nobody here can read this one, so nobody rewrites it.
    life.edit("a", 1);
    let unreadable = life.docs.records.remove(&key("a"));
    assert!(unreadable.is_some());
    life.run();
    life.edit("b", 2);
    life.store.flush();
    life.run();
    let journal = life.storage.names();
    let journal = journal.iter().filter(|id| id.starts_with("journal/"));
    assert_eq!(journal.count(), 2);

    let mut next = Life::open(life.storage);
    assert_eq!(
        next.restored(),
        [&key("a")],
        "what b's record holds is not applied again"
    );
    next.docs.records.insert(key("a"), DocRecord::default());
    next.store.flush();
    next.run();
    let journal = next.storage.names();
    assert!(!journal.iter().any(|id| id.starts_with("journal/")));
}

/// A store whose journal is kept by a document that nobody can write.
fn with_long_journal() -> Life {
    let mut life = Life::open(Storage::default());
    life.edit("stays", 1);
    life.docs.records.remove(&key("stays"));
    life.run();
    life.edit("a", 2);
    life.run();
    life
}

/// What a next life has to apply to a document.
fn left_of(life: Life, id: &str) -> usize {
    Life::open(life.storage).entries_of(id)
}

#[test]
fn what_became_nothing_is_not_applied_again() {
    assert_eq!(left_of(with_long_journal(), "a"), 1);
    let mut life = with_long_journal();
    life.edit("a", 3);
    life.docs.gone.insert(key("a"));
    life.store.rewrite(&key("a"), Blocking::Outputs);
    life.run();
    assert_eq!(left_of(life, "a"), 0);

    // With nothing else to write.
    let mut life = with_long_journal();
    life.docs.gone.insert(key("a"));
    life.store.rewrite(&key("a"), Blocking::Outputs);
    life.run();
    assert_eq!(left_of(life, "a"), 0);
}

#[test]
fn records_that_nobody_waits_for_come_in_parts() {
    let mut life = Life::open(Storage::default());
    for n in 0..200 {
        let id = format!("d{n}");
        life.docs.records.insert(key(&id), DocRecord::default());
        let blocking = if n < 120 {
            Blocking::Nothing
        } else {
            Blocking::Outputs
        };
        life.store.rewrite(&key(&id), blocking);
    }
    let mark = life.store.mark();
    let (mut before, mut parts) = (0, Vec::new());
    while let Some(ask) = life.ask() {
        let reply = life.storage.carry_out(&ask);
        life.answer(reply);
        let names = life.storage.names();
        let written = names.iter().filter(|id| id.starts_with("c/")).count();
        parts.extend((written > before).then_some(written - before));
        before = written;
        assert_eq!(life.store.has_reached(&mark), written == 200);
    }
    // First what somebody waits for, all of it.
    assert_eq!(parts[0], 80);
    assert!(parts.len() > 2);
    assert_eq!(before, 200);
}

#[test]
fn documents_that_stay_as_they_are_do_not_stand_in_the_way() {
    let mut life = Life::open(Storage::default());
    for n in 0..60 {
        life.edit(&format!("d{n}"), n + 1);
    }
    // Nobody here can read these.
    life.docs.records.clear();
    life.edit("a", 61);
    life.run();
    assert!(life.store.wants_idle());
    for _ in 0..3 {
        life.store.handle_idle();
        life.run();
    }
    assert!(life.storage.names().contains(&"c/a"));
    assert!(!life.store.wants_idle());
    life.store.flush();
    let mark = life.store.mark();
    life.run();
    assert!(life.store.has_reached(&mark));
}

#[test]
fn what_somebody_waits_for_and_nobody_can_write_is_not_said_to_be_written() {
    let mut life = Life::open(Storage::default());
    life.run();
    life.store.rewrite(&key("a"), Blocking::Outputs);
    life.run();
    assert!(life.lost().is_some());
    assert!(!life.store.is_durable());
    // It stays an affair of that document where nobody waits.
    let mut life = Life::open(Storage::default());
    life.store.rewrite(&key("a"), Blocking::Nothing);
    life.run();
    assert!(life.lost().is_none());
}

#[test]
fn a_long_journal_is_taken_over_in_parts() {
    let mut life = Life::open(Storage::default());
    for n in 0..500 {
        life.edit(&format!("d{n}"), n + 1);
    }
    life.run();
    let mut next = Life::closed(life.storage);
    let mut most = 0;
    while let Some(ask) = next.ask() {
        if let Ask::Read(ids) = &ask {
            most = most.max(ids.len());
        }
        let reply = next.storage.carry_out(&ask);
        next.answer(reply);
    }
    assert!(most < 200, "{most} at once");
    assert_eq!(next.restored().len(), 500);
}

#[test]
fn however_many_documents_change_a_start_opens_few() {
    let mut life = Life::open(Storage::default());
    let mut most = 0;
    for n in 0..4000 {
        life.edit(&format!("d{n}"), n + 1);
        if n % 100 == 0 {
            let before = life.storage.puts;
            life.run();
            most = most.max(life.storage.puts - before);
        }
    }
    assert!(most < 1000, "{most} records in one write");
    let next = Life::open(life.storage);
    let opened = next.restored().len();
    assert!(opened < 1500, "{opened} documents");
}

#[test]
fn numbers_of_connections_that_never_come_back_are_forgotten() {
    let mut life = Life::open(Storage::default());
    let src = |n: u64| format!("connection {n}");
    for n in 0..1000 {
        life.store.set_seq("own", Seq(n));
        life.store.set_seq(&src(n), Seq(1));
        life.edit("a", n + 1);
        life.run();
    }
    life.store.flush();
    life.run();
    let next = Life::open(life.storage);
    assert_eq!(next.store.seq_after("own"), Some(Seq(999)));
    assert_eq!(next.store.seq_after(&src(999)), Some(Seq(1)));
    assert_eq!(next.store.seq_after(&src(1)), None);
}

#[test]
fn a_journal_record_that_nothing_needs_is_not_written() {
    let mut life = Life::open(Storage::default());
    life.store.add_tab(&TabId("tab".to_owned()));
    life.run();
    assert_eq!(life.storage.names(), ["state"]);
    let next = Life::open(life.storage);
    assert_eq!(next.store.tabs(), [TabId("tab".to_owned())]);
}

#[test]
fn records_name_documents_with_any_characters() {
    let ids = ["a/b", "%2F", "", "ü\u{0}"];
    let mut life = Life::open(Storage::default());
    for collection in ids {
        for id in ids {
            let key = DocKey {
                collection: collection.to_owned(),
                id: id.to_owned(),
            };
            let record = DocRecord {
                version: Some(Version(1)),
                ..DocRecord::default()
            };
            life.docs.records.insert(key.clone(), record);
            life.store.rewrite(&key, Blocking::Outputs);
        }
    }
    life.run();
    let docs = life.storage.texts.iter();
    let docs = docs.filter(|(_, text)| {
        let Ok(record) = read_json::<DocRecord>(text) else {
            return false;
        };
        **text
            == write_json(&DocRecord {
                key: record.key,
                at: 0,
                view: 1,
                version: Some(Version(1)),
                ..DocRecord::default()
            })
    });
    assert_eq!(docs.count(), ids.len() * ids.len());
}

/// Asks for these documents; how many of them are read from the storage.
fn read_for(life: &mut Life, ids: &[&str]) -> usize {
    life.store.load(ids.iter().copied().map(key).collect());
    let asked = life.ask();
    let count = match &asked {
        Some(Ask::Read(of)) => of.len(),
        Some(Ask::Open | Ask::Write { .. }) | Some(Ask::Wipe) | None => 0,
    };
    life.run();
    let loaded = life.loaded();
    assert!(ids.iter().all(|id| loaded.contains(&key(id))), "{loaded:?}");
    count
}

#[test]
fn a_document_that_the_store_lacks_is_not_read() {
    let mut life = Life::open(Storage::default());
    assert_eq!(read_for(&mut life, &["a", "b"]), 0, "a new store has none");

    let mut life = Life::open(with_clean_docs());
    assert_eq!(read_for(&mut life, &["z"]), 1, "nobody knows yet");
    life.store.want_inventory();
    life.run();
    assert_eq!(read_for(&mut life, &["a", "y"]), 1, "one is there");
}

#[test]
fn a_store_whose_inventory_cannot_be_read_reads_each_document() {
    let mut storage = with_clean_docs();
    let mut texts = storage.texts.iter_mut();
    let bucket = texts.find(|(record, _)| record.id.starts_with("inventory/"));
    "[{".clone_into(bucket.expect("an inventory").1);
    let mut life = Life::open(storage);
    life.store.want_inventory();
    life.run();
    assert_eq!(read_for(&mut life, &["y", "z"]), 2);
}
