//! The presence machine by itself: inputs in, events out.

#![allow(clippy::unwrap_used)]

use broker::message::PresenceSubmit;
use proxy_doc::{Json, OpKind, read_json};

use super::*;

struct NoTypes;

impl Types for NoTypes {
    fn resolve(&self, _: &str) -> Option<OtType> {
        None
    }
    fn default_uri(&self) -> String {
        String::new()
    }
}

/// The machine, and where the one document stands.
struct Stage {
    presences: Presences,
    version: Option<u64>,
    has_pending: bool,
}

impl Stage {
    fn new() -> Self {
        let mut stage = Self {
            presences: Presences::default(),
            version: Some(7),
            has_pending: false,
        };
        stage.act(|presences, reads| presences.set_connected(true, reads));
        stage
    }

    /// Gives the machine an input; its events, one line each.
    fn act(&mut self, input: impl FnOnce(&mut Presences, &Reads<'_>)) -> Vec<String> {
        let place = |_: &DocKey| Place {
            version: self.version.map(Version),
            has_pending: self.has_pending,
            ty: None,
        };
        let reads = Reads {
            place: &place,
            types: &NoTypes,
        };
        input(&mut self.presences, &reads);
        self.presences.take_events().iter().map(line).collect()
    }

    fn subscribe(&mut self, tab: &str, channel: &str, callback: u64) -> Vec<String> {
        let request = subscription(channel, callback);
        self.act(|presences, _| presences.subscribe(&of(tab), request))
    }

    fn unsubscribe(&mut self, tab: &str, channel: &str, callback: u64) -> Vec<String> {
        let request = subscription(channel, callback);
        self.act(|presences, _| presences.unsubscribe(&of(tab), request))
    }

    fn submit(&mut self, tab: &str, channel: &str, value: &str, callback: u64) -> Vec<String> {
        let value = Json::trusted(value);
        let submit = PresenceSubmit {
            channel: channel.to_owned(),
            doc: doc_of(channel),
            id: "cursor".to_owned(),
            value: value.clone(),
            revision: None,
            callback_id: CallbackId(callback),
        };
        let value = Some(value).filter(|value| !value.is_null());
        self.act(|presences, reads| presences.submit(&of(tab), submit, value, reads))
    }

    fn server(&mut self, text: &str) -> Vec<String> {
        let message = read_json(text).unwrap();
        self.act(|presences, reads| presences.handle_message(message, None, Some("us"), reads))
    }

    fn settle(&mut self) -> Vec<String> {
        self.act(Presences::settle)
    }
}

fn of(tab: &str) -> TabId {
    TabId(tab.to_owned())
}

fn key() -> DocKey {
    DocKey {
        collection: "c".to_owned(),
        id: "d".to_owned(),
    }
}

/// The channel named like the document is the document's.
fn doc_of(channel: &str) -> Option<DocKey> {
    Some(key()).filter(|key| key.to_string() == channel)
}

fn subscription(channel: &str, callback: u64) -> PresenceSubscription {
    PresenceSubscription {
        channel: channel.to_owned(),
        doc: doc_of(channel),
        callback_id: CallbackId(callback),
    }
}

fn line(event: &Event) -> String {
    match event {
        Event::Answer {
            tab,
            callback_id,
            error,
        } => {
            let failed = if error.is_some() { " failed" } else { "" };
            format!("answer {} {}{failed}", tab.0, callback_id.0)
        }
        Event::Show { tab, update, .. } => format!("show {} {}", tab.0, update.value.get()),
        Event::Fail { tabs, error, .. } => format!("fail {} {}", tabs.len(), error.message),
        Event::Send(text) => format!("send {text}"),
        Event::Fetch(_) => "fetch".to_owned(),
        Event::Release(_) => "release".to_owned(),
    }
}

#[test]
fn a_channel_of_two_tabs_is_one_subscription() {
    let mut stage = Stage::new();
    assert_eq!(
        stage.subscribe("one", "room", 1),
        [r#"send {"a":"ps","ch":"room","seq":1}"#]
    );
    assert!(stage.subscribe("two", "room", 2).is_empty());
    assert_eq!(
        stage.server(r#"{"a":"ps","ch":"room","seq":1}"#),
        ["answer one 1", "answer two 2"]
    );
    assert_eq!(stage.unsubscribe("one", "room", 3), ["answer one 3"]);
    assert_eq!(
        stage.unsubscribe("two", "room", 4),
        [r#"send {"a":"pu","ch":"room","seq":2}"#]
    );
    assert_eq!(
        stage.server(r#"{"a":"pu","ch":"room","seq":2}"#),
        ["answer two 4"]
    );
    assert!(stage.presences.is_empty());
}

#[test]
fn a_tab_that_is_gone_leaves_its_id_to_the_other_tab() {
    let mut stage = Stage::new();
    stage.subscribe("one", "room", 1);
    stage.subscribe("two", "room", 2);
    stage.subscribe("three", "room", 3);
    stage.submit("two", "room", "2", 4);
    stage.submit("one", "room", "1", 5);
    assert_eq!(
        stage.act(|presences, reads| presences.tab_gone(&of("one"), reads)),
        [
            "show three 2",
            "show two 2",
            r#"send {"a":"p","ch":"room","id":"cursor","p":2,"pv":2}"#
        ]
    );
}

#[test]
fn a_value_waits_until_its_document_has_nothing_pending() {
    let mut stage = Stage::new();
    let room = key().to_string();
    stage.has_pending = true;
    assert!(stage.submit("one", &room, "1", 1).is_empty());
    assert!(stage.submit("one", &room, "2", 2).is_empty());
    assert!(stage.settle().is_empty());
    stage.has_pending = false;
    let sent = stage.settle();
    let [sent] = sent.as_slice() else {
        panic!("one message: {sent:?}");
    };
    assert!(sent.contains(r#""p":2,"pv":0,"c":"c","d":"d","v":7,"t":null"#));
    assert_eq!(
        stage.server(&format!(
            r#"{{"a":"p","ch":"{room}","id":"cursor","pv":0,"src":"us"}}"#
        )),
        ["answer one 1", "answer one 2"]
    );
}

#[test]
fn a_value_in_no_document_is_answered_and_not_sent() {
    let mut stage = Stage::new();
    stage.version = None;
    assert_eq!(
        stage.submit("one", &key().to_string(), "1", 1),
        ["answer one 1", "release"]
    );
}

#[test]
fn a_value_without_an_answer_is_sent_again_on_the_next_connection() {
    let mut stage = Stage::new();
    stage.submit("one", "room", "1", 1);
    assert!(
        stage
            .act(|presences, reads| presences.set_connected(false, reads))
            .is_empty()
    );
    assert_eq!(
        stage.act(|presences, reads| presences.set_connected(true, reads)),
        [r#"send {"a":"p","ch":"room","id":"cursor","p":1,"pv":1}"#]
    );
    assert_eq!(
        stage.server(r#"{"a":"p","ch":"room","id":"cursor","pv":1,"src":"us"}"#),
        ["answer one 1"]
    );
}

#[test]
fn a_value_of_a_later_version_is_shown_when_the_document_is_there() {
    let mut stage = Stage::new();
    let room = key().to_string();
    stage.subscribe("one", &room, 1);
    let value = format!(
        r#"{{"a":"p","ch":"{room}","id":"theirs","p":1,"pv":0,"v":8,"src":"them","t":null}}"#
    );
    assert_eq!(stage.server(&value), ["fetch"]);
    stage.act(|presences, _| presences.cache_op(&key(), Version(7), &OpKind::Noop, None));
    stage.version = Some(8);
    assert_eq!(stage.settle(), ["show one 1"]);
}

#[test]
fn an_old_value_does_not_outlive_a_deletion() {
    let mut stage = Stage::new();
    let room = key().to_string();
    stage.subscribe("one", &room, 1);
    let value = |pv: u64| {
        format!(
            r#"{{"a":"p","ch":"{room}","id":"theirs","p":1,"pv":{pv},"v":6,"src":"them","t":null}}"#
        )
    };
    // The ops since are not known: the document and the value are asked for.
    let asked = format!(r#"send {{"a":"pr","ch":"{room}"}}"#);
    assert_eq!(stage.server(&value(0)), ["fetch", &asked]);
    for v in [6, 7] {
        stage.act(|presences, _| presences.cache_op(&key(), Version(v), &OpKind::Del, None));
    }
    stage.version = Some(8);
    assert_eq!(stage.server(&value(1)), ["show one null"]);
}

#[test]
fn a_tab_without_the_document_is_shown_values_when_it_has_it() {
    let mut stage = Stage::new();
    let room = key().to_string();
    stage.submit("one", &room, "1", 1);
    assert_eq!(stage.subscribe("two", &room, 2)[1], "show two 1");
    stage.presences.mark_unplaced(&room, &of("two"));
    let placed = stage.act(|presences, _| presences.show_unplaced(&key(), &of("two")));
    assert_eq!(placed[0], "show two 1");
    assert!(
        stage
            .act(|presences, _| presences.show_unplaced(&key(), &of("two")))
            .is_empty()
    );
}
