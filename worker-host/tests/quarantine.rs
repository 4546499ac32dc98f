//! Inputs that hosts died on: which input a host blames, and what the hosts after it refuse.

#![allow(clippy::unwrap_used)]

mod life;

use std::rc::Rc;

use broker::message::{Answer, DocEvent, QueryEvent, ToTab};
use life::{Knowing, Life, Texts, create, edit, register, submit, tab};
use proxy_doc::{Error, Version};
use serde_json::{Value, json as value};
use worker_host::{Cause, Host, Options, Output, ReadyState};

const CODE: &str = "ERR_INPUT_QUARANTINED";

/// What a host had begun when it was interrupted.
fn blamed(host: &Host) -> Option<(Cause, String)> {
    host.doing().look(|cause, text| (cause, text.to_owned()))
}

/// A host without a store, which takes each input at once, in the middle of `input`.
fn interrupted(input: impl FnOnce(&mut Host)) -> (Cause, String) {
    let mut host = Host::new(Options::default(), Rc::new(Knowing));
    host.bind_socket(ReadyState::Open);
    host.socket_message(&life::handshake("us").to_string());
    host.handle_tab(&tab(), &register(&value!([])).to_string());
    input(&mut host);
    blamed(&host).unwrap()
}

/// Hosts died on the tab's message, twice.
fn died_on_tab(life: &mut Life, message: &Value) {
    let (cause, text) = interrupted(|host| host.handle_tab(&tab(), &message.to_string()));
    assert_eq!(cause, Cause::TabMessage);
    life.host.quarantine(cause, &text);
}

/// Hosts died on the server's message, twice.
fn died_on_server(life: &mut Life, message: &Value) {
    let (cause, text) = interrupted(|host| host.socket_message(&message.to_string()));
    assert_eq!(cause, Cause::ServerMessage);
    life.host.quarantine(cause, &text);
}

fn is_quarantined(error: Option<&Error>) -> bool {
    error.and_then(Error::code_text) == Some(CODE)
}

/// The callbacks that were answered by that error.
fn refused(life: &Life) -> Vec<u64> {
    let refused = life.told.iter().filter_map(|told| match told {
        ToTab::Callback {
            callback_id, error, ..
        } if is_quarantined(error.as_ref()) => Some(callback_id.0),
        _ => None,
    });
    refused.collect()
}

fn query_failed(life: &Life, id: u64) -> bool {
    life.told.iter().any(|told| match told {
        ToTab::Query {
            query_id,
            event: QueryEvent::Failed(error),
        } => *query_id == id && is_quarantined(Some(error)),
        _ => false,
    })
}

fn rollbacks(life: &Life) -> usize {
    let is_rollback = |told: &&ToTab| match told {
        ToTab::Doc { event, .. } => matches!(event, DocEvent::Rollback { .. }),
        _ => false,
    };
    life.told.iter().filter(is_rollback).count()
}

fn read(id: &str, callback_id: u64, revision: Option<u64>) -> Value {
    value!({"connection.read": {"action": "doc.subscribe", "collection": "c", "id": id,
        "revision": revision, "life": 0, "callbackId": callback_id}})
}

fn subscribe_presence(channel: &str, callback_id: u64) -> Value {
    value!({"presence.subscribe": {"channel": channel, "callbackId": callback_id}})
}

fn query(id: u64, kind: &str) -> Value {
    value!({"query.create":
        {"queryId": id, "action": "qs", "collection": "c", "query": {"kind": kind}}})
}

fn remote_op(id: &str, v: u64) -> Value {
    value!({"a": "op", "c": "c", "d": id, "v": v, "src": "s", "seq": v,
        "op": [{"p": ["t", 0], "li": "theirs"}]})
}

fn begun() -> Life {
    Life::begun(Texts::new(), 2, Rc::new(Knowing))
}

// ---- What is blamed ----

#[test]
fn a_host_says_what_it_began_last() {
    let mut life = Life::new(Texts::new(), 2, Rc::new(Knowing));
    assert_eq!(blamed(&life.host), None);
    // The store is not open yet: nothing has begun.
    life.host
        .handle_tab(&tab(), &register(&value!([])).to_string());
    assert_eq!(blamed(&life.host), None);
    life.drain();
    life.go_online();
    life.tab(create());
    life.host.handle_tab(&tab(), &edit(2, 1).to_string());
    let (cause, _) = blamed(&life.host).unwrap();
    assert_eq!(cause, Cause::TabMessage);
    life.drain();
    assert_eq!(
        blamed(&life.host),
        None,
        "the answer of the storage came last"
    );
    life.host.socket_message(&remote_op("other", 1).to_string());
    let (cause, _) = blamed(&life.host).unwrap();
    assert_eq!(cause, Cause::ServerMessage);
}

#[test]
fn a_message_that_cannot_be_read_is_blamed_itself() {
    let mut life = begun();
    life.host
        .handle_tab(&tab(), &read("d", 1, None).to_string());
    for text in [r#"{"doc.submitOp":{"seq":1}}"#, "[1", ""] {
        life.host.handle_tab(&tab(), text);
        let expected = (Cause::TabMessage, text.to_owned());
        assert_eq!(blamed(&life.host), Some(expected));
    }
    life.host.socket_message("[1");
    let expected = (Cause::ServerMessage, "[1".to_owned());
    assert_eq!(blamed(&life.host), Some(expected));
}

#[test]
fn a_text_on_which_hosts_died_while_they_read_it_is_not_read() {
    let mut life = begun();
    let text = r#"{"unheard of":{"callbackId":7}}"#;
    life.host.quarantine(Cause::TabMessage, text);
    life.host.handle_tab(&tab(), text);
    life.drain();
    assert_eq!(refused(&life), [7]);
}

// ---- What is refused ----

#[test]
fn an_op_that_hosts_died_on_is_rejected_behind_the_registration() {
    let mut life = Life::new(Texts::new(), 2, Rc::new(Knowing));
    died_on_tab(&mut life, &create());
    // As a tab does it that comes from another host: both at once, before the store is open.
    life.host
        .handle_tab(&tab(), &register(&value!([])).to_string());
    life.host.handle_tab(&tab(), &create().to_string());
    life.drain();
    assert_eq!(life.welcomes(), 1);
    assert_eq!(life.rejections(), [(1, CODE)]);
    let next = value!({"create": {"type": ot_json0::URI, "data": {"t": ["other"]}}});
    life.tab(submit(2, &Value::Null, &next));
    assert_eq!(life.rejections().len(), 1, "nothing else is refused");
    life.go_online();
    assert_eq!(life.ops_sent().len(), 1);
}

#[test]
fn an_op_that_hosts_died_on_is_rejected_whatever_it_became_meanwhile() {
    let mut life = begun();
    life.subscribe("d");
    died_on_tab(&mut life, &edit(1, 1));
    let moved = value!({"type": ot_json0::URI, "op": [{"p": ["t", 1], "li": "mine"}]});
    life.server(remote_op("d", 3));
    life.tab(submit(1, &value!(2), &moved));
    assert_eq!(life.rejections(), [(1, CODE)]);
}

#[test]
fn an_op_that_is_logged_already_is_not_rejected() {
    let mut first = Life::new(Texts::new(), 2, Rc::new(Knowing));
    first.drain();
    first.tab(register(&value!([])));
    first.tab(create());
    let mut second = Life::new(first.texts, 4, Rc::new(Knowing));
    died_on_tab(&mut second, &create());
    while let Some(output) = second.host.poll() {
        match output {
            Output::Storage(request) => {
                let reply = second.carry_out(&request.what);
                second.host.handle_storage(request.number, Ok(reply));
            }
            Output::FindTabs(tabs) => {
                second.host.tabs_found(&tabs);
                second.host.tabs_asleep();
            }
            _ => {}
        }
    }
    second.tab(register(
        &value!([{"doc": {"collection": "c", "id": "d"}, "life": 0, "line": 2, "live": false,
            "inflight": 1}]),
    ));
    second.tab(create());
    assert_eq!(second.rejections(), []);
    second.go_online();
    assert_eq!(second.ops_sent().len(), 1);
}

#[test]
fn a_tab_on_whose_registration_hosts_died_starts_again() {
    let mut life = begun();
    life.subscribe("d");
    life.tab(edit(1, 1));
    let resume = value!([{"doc": {"collection": "c", "id": "d"}, "life": 0, "line": 2, "revision": 1,
        "live": true, "inflight": 1}]);
    // It held less then.
    died_on_tab(&mut life, &register(&value!([])));
    life.told.clear();
    life.tab(register(&resume));
    assert_eq!((life.welcomes(), rollbacks(&life)), (1, 1));
}

#[test]
fn a_read_that_hosts_died_on_is_refused_under_each_callback_id() {
    let mut life = begun();
    died_on_tab(&mut life, &read("d", 1, None));
    life.tab(read("d", 2, Some(4)));
    life.tab(read("other", 3, None));
    assert_eq!(refused(&life), [2]);
    let asked = life.sent.last().unwrap();
    assert_eq!((&asked["a"], &asked["d"]), (&value!("s"), &value!("other")));
}

#[test]
fn of_several_reads_only_the_one_is_refused_that_hosts_died_on() {
    let mut life = begun();
    died_on_tab(&mut life, &read("d", 1, None));
    let reads = [("other", 5), ("d", 6), ("third", 7)];
    let reads = reads.map(|(id, callback)| read(id, callback, None)["connection.read"].clone());
    life.tab(value!({"connection.bulk": {"reads": reads}}));
    assert_eq!(refused(&life), [6]);
    let asked = life.sent.last().unwrap();
    assert_eq!(asked["b"], value!(["other", "third"]));
}

#[test]
fn several_reads_are_refused_where_hosts_died_behind_all_of_them() {
    let reads = [("d", 5), ("other", 6)];
    let reads = reads.map(|(id, callback)| read(id, callback, None)["connection.read"].clone());
    let message = value!({"connection.bulk": {"reads": reads}});
    let mut life = begun();
    died_on_tab(&mut life, &message);
    life.tab(read("d", 7, None));
    life.tab(message);
    assert_eq!(refused(&life), [5, 6]);
}

#[test]
fn a_presence_subscription_that_hosts_died_on_is_refused_under_each_callback_id() {
    let mut life = begun();
    died_on_tab(&mut life, &subscribe_presence("cursors", 1));
    life.tab(subscribe_presence("cursors", 2));
    life.tab(subscribe_presence("others", 3));
    assert_eq!(refused(&life), [2]);
    let asked = life.sent.last().unwrap();
    assert_eq!(
        (&asked["a"], &asked["ch"]),
        (&value!("ps"), &value!("others"))
    );
}

#[test]
fn a_query_that_hosts_died_on_fails_under_each_number() {
    let mut life = begun();
    died_on_tab(&mut life, &query(9, "poison"));
    life.tab(query(1, "poison"));
    life.tab(query(2, "fine"));
    assert_eq!(
        (query_failed(&life, 1), query_failed(&life, 2)),
        (true, false)
    );
}

// ---- What the server says ----

#[test]
fn an_answer_of_the_server_that_hosts_died_on_counts_as_a_failure() {
    let mut life = begun();
    let answer = value!({"a": "s", "c": "c", "d": "d", "data": {"v": 1, "data": {"t": ["old"]}}});
    died_on_server(&mut life, &answer);
    life.subscribe("d");
    assert_eq!(refused(&life), [1]);
}

#[test]
fn an_answer_about_presence_that_hosts_died_on_counts_as_a_failure() {
    let mut life = begun();
    died_on_server(&mut life, &value!({"a": "ps", "ch": "cursors", "seq": 17}));
    life.tab(subscribe_presence("cursors", 2));
    let seq = life.sent.last().unwrap()["seq"].clone();
    life.server(value!({"a": "ps", "ch": "cursors", "seq": seq}));
    assert_eq!(refused(&life), [2]);
}

#[test]
fn of_several_answers_only_the_one_counts_as_a_failure_that_hosts_died_on() {
    let mut life = begun();
    died_on_server(
        &mut life,
        &value!({"a": "s", "c": "c", "d": "d", "data": {"v": 1}}),
    );
    for (id, callback) in [("d", 4), ("other", 5)] {
        life.tab(read(id, callback, None));
    }
    let data = value!({"d": {"v": 3, "data": {"t": []}}, "other": {"v": 3, "data": {"t": []}}});
    life.server(value!({"a": "bs", "c": "c", "data": data}));
    assert_eq!(refused(&life), [4]);
}

#[test]
fn an_answer_to_a_query_that_hosts_died_on_fails_that_query() {
    let poison = value!({"a": "qs", "id": 1, "data": [{"d": "d", "v": 1, "data": {}}]});
    let (cause, text) = interrupted(|host| {
        host.handle_tab(&tab(), &query(9, "poison").to_string());
        host.socket_message(&poison.to_string());
    });
    let mut life = begun();
    life.host.quarantine(cause, &text);
    life.tab(query(1, "fine"));
    life.tab(query(2, "poison"));
    for id in [1, 2] {
        life.server(value!({"a": "qs", "id": id, "data": []}));
    }
    assert_eq!(
        (query_failed(&life, 1), query_failed(&life, 2)),
        (false, true)
    );
}

/// The document was loaded anew, by a snapshot.
fn assert_loads_anew(life: &mut Life) {
    let asked = life.sent.last().unwrap();
    assert_eq!(
        (&asked["a"], &asked["d"], &asked["v"]),
        (&value!("f"), &value!("d"), &Value::Null)
    );
    assert_eq!(rollbacks(life), 1);
    life.server(
        value!({"a": "f", "c": "c", "d": "d", "data": {"v": 4, "data": {"t": ["theirs"]}}}),
    );
    life.tab(
        value!({"connection.read": {"action": "doc.fetch", "collection": "c", "id": "d",
        "revision": null, "life": 1, "callbackId": 30}}),
    );
    let answered = life.told.iter().any(|told| match told {
        ToTab::Callback {
            result: Some(Answer::Read { version, .. }),
            ..
        } => *version == Some(Version(4)),
        _ => false,
    });
    assert!(answered, "{:?}", life.told);
}

#[test]
fn a_document_is_loaded_anew_behind_an_op_that_hosts_died_on() {
    let mut life = begun();
    life.subscribe("d");
    life.rest();
    died_on_server(&mut life, &remote_op("d", 3));
    life.server(remote_op("d", 3));
    assert_loads_anew(&mut life);
}

#[test]
fn an_op_that_hosts_died_on_and_that_the_document_has_already_is_ignored() {
    let mut life = begun();
    life.subscribe("d");
    died_on_server(&mut life, &remote_op("d", 2));
    life.sent.clear();
    life.server(remote_op("d", 2));
    assert_eq!((life.sent.len(), rollbacks(&life)), (0, 0));
}

/// How ops of the tab ended, in order.
fn outcomes(life: &Life) -> Vec<(Vec<u64>, bool)> {
    let outcomes = life.told.iter().filter_map(|told| match told {
        ToTab::Doc {
            event: DocEvent::Outcome { seqs, outcome, .. },
            ..
        } => {
            let seqs = seqs.iter().map(|seq| seq.0).collect();
            Some((seqs, outcome.error().is_none()))
        }
        _ => None,
    });
    outcomes.collect()
}

#[test]
fn an_own_op_is_acknowledged_though_hosts_died_on_the_acknowledgement() {
    let mut life = begun();
    life.subscribe("d");
    life.rest();
    life.tab(edit(1, 1));
    let sent = life.ops_sent()[0].clone();
    let ack =
        value!({"a": "op", "c": "c", "d": "d", "v": 3, "src": sent["src"], "seq": sent["seq"]});
    died_on_server(&mut life, &ack);
    life.server(ack);
    assert_eq!(outcomes(&life), [(vec![1], true)]);
    assert_loads_anew(&mut life);
}

#[test]
fn an_own_op_that_is_not_answered_yet_fails_behind_an_op_that_hosts_died_on() {
    let mut life = begun();
    life.subscribe("d");
    life.rest();
    life.tab(edit(1, 1));
    died_on_server(&mut life, &remote_op("d", 3));
    life.server(remote_op("d", 3));
    life.server(
        value!({"a": "f", "c": "c", "d": "d", "data": {"v": 4, "data": {"t": ["theirs"]}}}),
    );
    assert_eq!(outcomes(&life), [(vec![1], false)]);
}

#[test]
fn a_refusal_that_hosts_died_on_is_told_as_it_is() {
    let mut life = begun();
    life.subscribe("d");
    life.rest();
    life.tab(edit(1, 1));
    let sent = life.ops_sent()[0].clone();
    let refusal = value!({"a": "op", "c": "c", "d": "d", "v": 3, "seq": sent["seq"],
        "error": {"code": "ERR_MINE", "message": "Not today"}});
    died_on_server(&mut life, &refusal);
    life.server(refusal);
    life.server(value!({"a": "f", "c": "c", "d": "d", "data": {"v": 3, "data": {"t": ["x"]}}}));
    let told = life.told.iter().any(|told| match told {
        ToTab::Doc {
            event: DocEvent::Outcome { outcome, .. },
            ..
        } => outcome.error().is_some_and(|error| error.is("ERR_MINE")),
        _ => false,
    });
    assert!(told, "{:?}", life.told);
}

// ---- What is stored ----

#[test]
fn a_document_that_hosts_died_on_stays_in_the_store_as_it_is() {
    let mut first = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    first.subscribe("d");
    first.tab(edit(1, 1));
    let stays = first.texts.clone();

    let mut second = Life::new(first.texts, 4, Rc::new(Knowing));
    let key = r#"{"collection":"c","id":"d"}"#;
    second.host.quarantine(Cause::Document, key);
    second.begin();
    second.tab(edit(2, 1));
    assert_eq!(second.rejections(), [(2, "ERR_INPUT_QUARANTINED")]);
    assert!(second.ops_sent().is_empty());
    for (id, text) in &stays {
        let kept = id.id.starts_with("journal/");
        assert!(
            !kept || second.texts.get(id) == Some(text),
            "{} is gone",
            id.id
        );
    }

    // A version of the host that does not die on it.
    let third = Life::begun(second.texts, 6, Rc::new(Knowing));
    assert_eq!(third.ops_sent().len(), 1);
}
