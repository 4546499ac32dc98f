//! A tab's presence by itself: inputs in, events out.

use proxy_doc::{Edge, OpId, OpKind, PendingOp, Version};

use super::*;

/// The machine, and the one document.
struct Stage {
    presences: Presences,
    doc: Doc,
}

const PLAIN: &str = "room";

impl Stage {
    /// The document stands at this revision of the host, with these ops that the host lacks.
    fn new(revision: u64, unaccepted: &[OpKind]) -> Self {
        let mut stage = Self {
            presences: Presences::default(),
            doc: Doc::new(key(), Edge::Tab),
        };
        let op = |kind: &OpKind| PendingOp::restored(kind.clone(), None, OpId::default(), None);
        let ops: Vec<PendingOp> = unaccepted.iter().map(op).collect();
        let version = Some(Version(revision));
        stage.doc.restore_state(version, None, ops);
        stage.presences.open(PLAIN, None);
        stage.presences.open(&key().to_string(), Some(key()));
        stage
    }

    /// Gives the machine an input; its events, one line each.
    fn act(&mut self, input: impl FnOnce(&mut Presences, &Reads<'_>)) -> Vec<String> {
        let place = |_: &DocKey| {
            Some(Place {
                doc: &self.doc,
                revision: self.doc.version().map(|version| Revision(version.0)),
            })
        };
        let reads = Reads {
            place: &place,
            left: false,
        };
        input(&mut self.presences, &reads);
        self.presences.take_events().iter().map(line).collect()
    }

    fn subscribe(&mut self, want: bool, token: u64) -> Vec<String> {
        self.act(|presences, _| presences.subscribe(PLAIN, want, Some(Token(token))))
    }

    fn submit(&mut self, channel: &str, value: &str, token: u64) -> Vec<String> {
        let (value, token) = (Json::trusted(value), Some(Token(token)));
        self.act(|presences, reads| presences.submit(channel, "mine", value, token, reads))
    }

    /// The host shows a value of others in the document, valid at this revision.
    fn shown(&mut self, value: &str, revision: Option<u64>) -> Vec<String> {
        let update = PresenceUpdate {
            id: "theirs".to_owned(),
            value: Json::trusted(value),
            revision: revision.map(Revision),
            src: None,
            tab: None,
        };
        let event = PresenceEvent::Update(update);
        let name = key().to_string();
        self.act(|presences, reads| presences.handle_event(&name, event, reads))
    }
}

fn key() -> DocKey {
    DocKey {
        collection: "c".to_owned(),
        id: "d".to_owned(),
    }
}

fn line(event: &Event) -> String {
    let called = |tokens: &[Token]| {
        let tokens = tokens.iter().map(|token| format!(" {}", token.0));
        tokens.collect::<String>()
    };
    match event {
        Event::Tell(_, event) => match event {
            TabPresenceEvent::Answer { tokens, .. } => format!("answer{}", called(tokens)),
            TabPresenceEvent::Value(_, value) => format!("value {}", value.get()),
            TabPresenceEvent::Receive(_, value) => format!("receive {}", value.get()),
            TabPresenceEvent::Error(_, error) => format!("error {}", error.message),
            TabPresenceEvent::Later(_) => "later".to_owned(),
        },
        Event::Subscribe {
            subscribe, number, ..
        } => format!("subscribe {subscribe} #{number}"),
        Event::Submit {
            value,
            revision,
            tokens,
            ..
        } => {
            let at = revision.map_or(String::new(), |revision| format!(" at {revision}"));
            format!("submit {}{at}{}", value.get(), called(tokens))
        }
        Event::Fetch(_) => "fetch".to_owned(),
    }
}

#[test]
fn a_subscribe_while_one_is_asked_shares_its_answer() {
    let mut stage = Stage::new(1, &[]);
    assert_eq!(stage.subscribe(true, 1), ["subscribe true #1"]);
    assert!(stage.subscribe(true, 2).is_empty());
    let asked = PresenceRequest::Subscription {
        channel: PLAIN.to_owned(),
        subscribe: true,
        number: 1,
    };
    assert_eq!(
        stage.act(|presences, _| presences.handle_answer(asked, None)),
        ["answer 1 2"]
    );
    assert!(stage.presences.is_subscribed(PLAIN));
    assert_eq!(stage.subscribe(true, 3), ["answer 3"]);
}

#[test]
fn a_value_goes_out_where_the_host_has_all_ops() {
    let name = key().to_string();
    let mut stage = Stage::new(4, &[OpKind::Noop]);
    assert_eq!(stage.submit(&name, "1", 1), ["later"]);
    let send = |presences: &mut Presences, reads: &Reads<'_>| presences.send(&name, "mine", reads);
    assert!(stage.act(send).is_empty());
    let none = vec![false; stage.doc.unfinished().count()];
    let ty = stage.doc.ty().cloned();
    stage.doc.drop_unfinished(&none, ty);
    assert_eq!(
        stage.act(|presences, reads| presences.settle(&key(), reads)),
        ["submit 1 at 4 1"]
    );
    assert_eq!(stage.submit(PLAIN, "2", 2), ["submit 2 2"]);
}

#[test]
fn a_value_for_a_later_revision_waits_for_the_document() {
    let mut stage = Stage::new(4, &[]);
    assert_eq!(stage.shown("1", Some(6)), ["fetch"]);
    stage.doc.restore_state(Some(Version(6)), None, []);
    assert_eq!(
        stage.act(|presences, reads| presences.settle(&key(), reads)),
        ["receive 1"]
    );
    // Without a revision it can be placed only once the document was loaded.
    assert_eq!(stage.shown("2", None), ["fetch"]);
    assert!(
        stage
            .act(|presences, reads| presences.settle(&key(), reads))
            .is_empty()
    );
}

#[test]
fn a_value_is_not_shown_in_a_document_that_this_tab_deleted() {
    let mut stage = Stage::new(4, &[OpKind::Del]);
    assert_eq!(stage.shown("1", Some(4)), ["receive null"]);
}

#[test]
fn a_new_host_is_told_values_and_subscriptions() {
    let mut stage = Stage::new(4, &[]);
    stage.subscribe(true, 1);
    stage.submit(PLAIN, "1", 2);
    let unanswered = PresenceRequest::Value {
        channel: PLAIN.to_owned(),
        id: "mine".to_owned(),
        tokens: vec![Token(2)],
    };
    assert_eq!(
        stage.act(|presences, reads| presences.announce(vec![unanswered], reads)),
        ["subscribe true #2", "submit 1 2"]
    );
}

#[test]
fn a_document_that_is_loaded_anew_shows_nothing() {
    let name = key().to_string();
    let mut stage = Stage::new(4, &[]);
    stage.shown("1", Some(4));
    stage.submit(&name, "2", 1);
    assert_eq!(
        stage.act(|presences, reads| presences.reload(&key(), reads)),
        ["value null", "answer 1", "receive null"]
    );
}
