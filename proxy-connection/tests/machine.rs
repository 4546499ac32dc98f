//! A tab's machine alone. The host is a script: the test says what the host says.

#![allow(clippy::unwrap_used)]

use std::rc::Rc;

use broker::message::{QueryAction, QueryRequest, State};
use proxy_connection::{Predecessors, ProxyConnection, Survivors, TabEvent};
use proxy_doc::{
    DocHandle, DocKey, Error, Event, Json, Line, OtType, Seq, Submission, Token, Types, Version,
};

const JSON0: OtType = OtType::Json0(None);

/// Knows json0 alone.
struct Registry;

impl Types for Registry {
    fn resolve(&self, name: &str) -> Option<OtType> {
        (name == JSON0.uri()).then_some(JSON0)
    }
    fn default_uri(&self) -> String {
        JSON0.uri().to_owned()
    }
}

/// The host says something. Gives what the tab tells the application, and says to the host.
fn say(tab: &mut ProxyConnection, message: &str) -> Vec<TabEvent> {
    tab.handle_message(&format!(r#"{{"epoch":1,"message":{message}}}"#));
    said(tab)
}

/// What the tab has to tell the application, and to say to the host.
fn said(tab: &mut ProxyConnection) -> Vec<TabEvent> {
    std::iter::from_fn(|| tab.poll(0)).collect()
}

/// The answer of query 1: `x`, as a tab gets it whose state is of this life.
fn answer(tab: &mut ProxyConnection, revision: u64, life: u32) {
    let uri = JSON0.uri().to_owned();
    let snapshot = format!(
        r#"{{"revision":{revision},"life":{life},"type":"{uri}","data":{{"n":{revision}}}}}"#
    );
    let doc =
        format!(r#"{{"collection":"c","id":"x","snapshot":{snapshot},"version":{revision}}}"#);
    let event = format!(r#"{{"results":{{"docs":[{doc}]}}}}"#);
    say(
        tab,
        &format!(r#"{{"query.event":{{"queryId":1,"event":{event}}}}}"#),
    );
}

/// A tab that has `x` at revision 3 by query 1.
fn tab_with_result() -> (ProxyConnection, DocHandle) {
    let mut tab = ProxyConnection::new(Rc::new(Registry), State::Connecting);
    tab.register();
    say(
        &mut tab,
        r#"{"host.welcome":{"protocol":1,"connection":{"state":"connected","id":"us","generation":1,"reason":null},"storage":{"line":1}}}"#,
    );
    tab.create_query(QueryRequest {
        query_id: 1,
        action: QueryAction::Subscribe,
        collection: "c".to_owned(),
        query: None,
        options: None,
        results: None,
    });
    answer(&mut tab, 3, 0);
    let handle = tab.get(DocKey {
        collection: "c".to_owned(),
        id: "x".to_owned(),
    });
    (tab, handle)
}

#[test]
fn query_results_for_an_earlier_life_are_ignored() {
    let (mut tab, handle) = tab_with_result();
    assert_eq!(tab.doc(handle).unwrap().version(), Some(Version(3)));

    tab.hard_rollback(handle, Error::plain("its ops do not apply"));
    while tab.poll(0).is_some() {}
    let life = tab.doc(handle).unwrap().life();
    answer(&mut tab, 5, life - 1);
    assert_eq!(tab.doc(handle).unwrap().version(), None);
    answer(&mut tab, 5, life);
    assert_eq!(tab.doc(handle).unwrap().version(), Some(Version(5)));
}

/// A tab that has destroyed `x`, and gets it by its query before the host can know that. It edits `x`, and the host answers
/// what the tab asks for, with this data.
fn tab_that_edits_what_the_host_forgets(data: &str) -> (ProxyConnection, Vec<TabEvent>) {
    let (mut tab, handle) = tab_with_result();
    tab.destroy(handle);
    let asked = texts(&said(&mut tab));
    let left = asked
        .iter()
        .find(|text| text.starts_with(r#"{"doc.destroy""#));
    let left = callback_of(left.unwrap());
    answer(&mut tab, 3, 0);
    let handle = tab.get(DocKey {
        collection: "c".to_owned(),
        id: "x".to_owned(),
    });
    assert!(
        submit(&mut tab, handle, 7).is_empty(),
        "the host cannot place it"
    );
    let ends = |id: &str| format!(r#"{{"callback":{{"callbackId":{id}}}}}"#);
    say(&mut tab, &ends(&left));
    let life = tab.doc(handle).unwrap().life();
    let read = left.parse::<u64>().unwrap() + 1;
    let snapshot = format!(
        r#"{{"revision":9,"life":{life},"type":"{}","data":{data}}}"#,
        JSON0.uri()
    );
    let read = format!(
        r#"{{"callback":{{"callbackId":{read},"result":{{"read":{{"snapshot":{snapshot},"version":4}}}}}}}}"#
    );
    let events = say(&mut tab, &read);
    (tab, events)
}

fn texts(events: &[TabEvent]) -> Vec<String> {
    let text = |event: &TabEvent| match event {
        TabEvent::ToHost(text) | TabEvent::SubmitOp(Some(text), ..) => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

fn callback_of(text: &str) -> String {
    let number = text.split(r#""callbackId":"#).nth(1).unwrap();
    number.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn a_result_that_comes_while_the_host_forgets_the_document_is_placed() {
    let (_, events) = tab_that_edits_what_the_host_forgets(r#"{"n":3}"#);
    let sent = texts(&events);
    let sent = sent
        .iter()
        .find(|text| text.starts_with(r#"{"doc.submitOp""#));
    assert!(sent.unwrap().contains(r#""revision":9"#), "{events:?}");
}

#[test]
fn a_result_that_is_another_state_than_the_hosts_is_fetched_anew() {
    let (_, events) = tab_that_edits_what_the_host_forgets(r#"{"n":4}"#);
    let sent = texts(&events);
    assert!(
        sent.iter().any(|text| text.contains("doc.fetch")),
        "{events:?}"
    );
    assert!(
        !sent
            .iter()
            .any(|text| text.starts_with(r#"{"doc.submitOp""#))
    );
}

#[test]
fn unknown_subtype_in_a_remote_op_is_an_error_of_the_document() {
    let (mut tab, handle) = tab_with_result();
    let op = r#"{"op":[{"p":["n"],"t":"text","o":["a"]}]}"#;
    let event = format!(r#"{{"op":{{"revision":3,"next":4,"change":{op}}}}}"#);
    let events = say(
        &mut tab,
        &format!(r#"{{"doc.event":{{"collection":"c","id":"x","event":{event}}}}}"#),
    );
    assert_eq!(tab.doc(handle).unwrap().version(), None);
    let read = events.iter().find_map(|event| match event {
        TabEvent::ToHost(text) => text.split(r#""callbackId":"#).nth(1),
        _ => None,
    });
    let callback: String = read
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();

    let life = tab.doc(handle).unwrap().life();
    let uri = JSON0.uri();
    let snapshot = format!(r#"{{"revision":4,"life":{life},"type":"{uri}","data":{{"n":"a"}}}}"#);
    let result = format!(r#"{{"read":{{"snapshot":{snapshot},"version":4}}}}"#);
    let events = say(
        &mut tab,
        &format!(r#"{{"callback":{{"callbackId":{callback},"result":{result}}}}}"#),
    );
    assert_eq!(tab.doc(handle).unwrap().version(), Some(Version(4)));
    let errors = events.iter().filter_map(|event| match event {
        TabEvent::Doc(_, Event::Error(error)) => Some(error),
        _ => None,
    });
    let [error] = <[&Error; 1]>::try_from(errors.collect::<Vec<_>>()).unwrap();
    assert!(error.is("ERR_OT_SUBTYPE_NOT_RECOGNIZED"), "{error}");
    assert!(error.message.contains(r#""text""#), "{error}");
    assert!(
        error.message.contains("serve({subtypes: [subtype]})"),
        "{error}"
    );
}

const WELCOME: &str = r#"{"host.welcome":{"protocol":1,"connection":{"state":"connected","id":"us","generation":1,"reason":null},"storage":{"line":1},"machine":N}}"#;

/// The machine after one that crashed: `x` had an op on its way, number 7, and one that was not sent.
fn second_machine() -> (ProxyConnection, DocHandle, Vec<TabEvent>) {
    let mut tab = ProxyConnection::new(Rc::new(Registry), State::Connected);
    tab.succeed(Predecessors {
        count: 1,
        next_seq: Seq(8),
        next_handle: 5,
        line: Some(Line(1)),
    });
    let handle = tab.get(DocKey {
        collection: "c".to_owned(),
        id: "x".to_owned(),
    });
    let submission = |token| Submission {
        token: Token(token),
        callback: true,
    };
    tab.recover(
        handle,
        Survivors {
            sent: vec![(Seq(7), vec![submission(70)])],
            lost: vec![submission(80)],
        },
    );
    tab.register();
    let events = said(&mut tab);
    (tab, handle, events)
}

fn callbacks(events: &[TabEvent]) -> Vec<(u64, Option<&str>)> {
    let of = events.iter().filter_map(|event| match event {
        TabEvent::Doc(_, Event::Callback { tokens, outcome }) => {
            let code = outcome.error().and_then(Error::code_text);
            Some(tokens.iter().map(move |token| (token.0, code)))
        }
        _ => None,
    });
    of.flatten().collect()
}

#[test]
fn recovery_after_a_crash_resumes_the_ops_that_were_sent() {
    let (mut tab, handle, events) = second_machine();
    let Some(TabEvent::ToHost(register)) = events.first() else {
        panic!("{events:?}");
    };
    assert!(register.contains(r#""accepted":[7]"#), "{register}");
    assert!(register.contains(r#""line":1"#), "{register}");
    assert!(register.contains(r#""machine":1"#), "{register}");
    assert_eq!(handle, DocHandle(5));
    assert!(tab.doc(handle).unwrap().has_write_pending());

    let events = say(&mut tab, &WELCOME.replace('N', "1"));
    let fetch = events.iter().find_map(|event| match event {
        TabEvent::ToHost(text) => text.split(r#""callbackId":"#).nth(1),
        _ => None,
    });
    let id: String = fetch
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    assert!(id.parse::<u64>().unwrap() >= 1 << 32, "{id}");
    let snapshot = format!(
        r#"{{"revision":4,"life":0,"type":"{}","data":{{"n":4}}}}"#,
        JSON0.uri()
    );
    let result = format!(r#"{{"read":{{"snapshot":{snapshot},"version":3}}}}"#);
    let events = say(
        &mut tab,
        &format!(r#"{{"callback":{{"callbackId":{id},"result":{result}}}}}"#),
    );
    assert_eq!(tab.doc(handle).unwrap().version(), Some(Version(4)));
    assert_eq!(callbacks(&events), [(80, Some("ERR_CLIENT_CRASHED"))]);

    let events = say(
        &mut tab,
        r#"{"doc.event":{"collection":"c","id":"x","event":{"outcome":{"seqs":[7],"outcome":"done"}}}}"#,
    );
    assert_eq!(callbacks(&events), [(70, None)]);
    assert!(!tab.doc(handle).unwrap().has_pending());
}

#[test]
fn messages_to_a_crashed_machine_are_dropped_by_the_next_one() {
    let (mut tab, handle, _) = second_machine();
    for message in [
        &*WELCOME.replace('N', "0"),
        r#"{"doc.event":{"collection":"c","id":"x","event":{"rollback":{"error":{"message":"of the other"},"rejected":[],"life":0}}}}"#,
        r#"{"connection.event":{"state":{"state":"stopped","generation":1}}}"#,
    ] {
        let events = say(&mut tab, message);
        assert!(events.is_empty(), "{message}: {events:?}");
    }
    assert!(tab.doc(handle).unwrap().has_write_pending());
    let events = say(&mut tab, &WELCOME.replace('N', "1"));
    assert!(!events.is_empty());
}

/// Submits an op on `x`, and gives what the tab says to the host.
fn submit(tab: &mut ProxyConnection, handle: DocHandle, token: u64) -> Vec<String> {
    let op = Json::trusted(r#"[{"p":["n"],"na":1}]"#);
    let submission = Submission {
        token: Token(token),
        callback: true,
    };
    tab.submit_op(handle, &op, None, submission);
    tab.flush(handle);
    submitted(said(tab))
}

/// The ops among what a tab says to the host.
fn submitted(events: Vec<TabEvent>) -> Vec<String> {
    let text = |event| match event {
        TabEvent::SubmitOp(text, ..) => text,
        _ => None,
    };
    events.into_iter().filter_map(text).collect()
}

/// Gives the tab this event of its document.
fn say_of_doc(tab: &mut ProxyConnection, event: &str) {
    say(
        tab,
        &format!(r#"{{"doc.event":{{"collection":"c","id":"x","event":{event}}}}}"#),
    );
}

#[test]
fn what_overtook_a_write_ends_no_lead() {
    let (mut tab, handle) = tab_with_result();
    submit(&mut tab, handle, 1);
    let accepted = r#"{"accepted":{"seq":1,"revision":3,"early":{"entries":[]}}}"#;
    say_of_doc(&mut tab, accepted);
    say_of_doc(&mut tab, r#"{"version":{"version":9,"early":true}}"#);
    assert!(tab.has_lead());
    say_of_doc(&mut tab, r#"{"version":{"version":10}}"#);
    assert!(!tab.has_lead());
}

/// A tab whose op 1 was accepted early, as the change from revision 3 on, whose op 2 is on its way, and behind it a third; it comes
/// to another host.
fn tab_with_early_op() -> (ProxyConnection, DocHandle) {
    let (mut tab, handle) = tab_with_result();
    assert_eq!(submit(&mut tab, handle, 1).len(), 1);
    let accepted = r#"{"accepted":{"seq":1,"revision":3,"early":{"entries":[]}}}"#;
    say_of_doc(&mut tab, accepted);
    assert!(tab.has_lead());
    assert_eq!(submit(&mut tab, handle, 2).len(), 1);
    assert_eq!(submit(&mut tab, handle, 3).len(), 0);
    tab.register();
    tab.host_lost();
    said(&mut tab);
    (tab, handle)
}

/// The other host's welcome, which has not got op 1.
const REWIND: &str = r#"{"epoch":2,"message":{"host.welcome":{"protocol":1,"connection":{"state":"connected","id":"us","generation":1},"storage":{"line":1},"rewinds":[{"doc":{"collection":"c","id":"x"},"revision":3,"seq":1}]}}}"#;

#[test]
fn a_tab_resends_an_op_that_was_accepted_early_and_that_the_next_host_does_not_have() {
    let (mut tab, handle) = tab_with_early_op();
    tab.handle_message(REWIND);
    let sent = submitted(said(&mut tab));
    assert_eq!(sent.len(), 1, "{sent:?}");
    for part in [r#""seq":1,"#, r#""revision":3,"#, r#""life":1,"#] {
        assert!(sent[0].contains(part), "{}", sent[0]);
    }
    let doc = tab.doc(handle).unwrap();
    assert_eq!(doc.version(), Some(Version(3)));
    assert_eq!(doc.accepted().count(), 0);
    let seqs: Vec<_> = doc.unaccepted().map(|op| op.id.seq).collect();
    assert_eq!(seqs, [Some(Seq(1)), Some(Seq(2)), None]);

    let accepted = r#"{"accepted":{"seq":1,"revision":3}}"#;
    let event = format!(r#"{{"doc.event":{{"collection":"c","id":"x","event":{accepted}}}}}"#);
    tab.handle_message(&format!(r#"{{"epoch":2,"message":{event}}}"#));
    let sent = submitted(said(&mut tab));
    assert!(matches!(&sent[..], [next] if next.contains(r#""seq":2,"#)));
}

#[test]
fn a_document_that_was_given_up_before_it_was_to_be_rewound_is_loaded() {
    let (mut tab, handle) = tab_with_early_op();
    tab.hard_rollback(handle, Error::plain("an op does not apply"));
    while tab.poll(0).is_some() {}
    let life = tab.doc(handle).unwrap().life();
    tab.handle_message(REWIND);
    let said = said(&mut tab);
    // The host has entered the life that the tab entered, too, but with the state before the rollback.
    assert_eq!(life, 1);
    assert_eq!(tab.doc(handle).unwrap().life(), 2);
    let asks =
        |event: &TabEvent| matches!(event, TabEvent::ToHost(text) if text.contains(r#""life":2,"#));
    assert!(said.iter().any(asks), "{said:?}");
}
