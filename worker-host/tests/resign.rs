//! A host that ends for another one, because it resigns or was deposed: what it still writes and says, and what the next
//! host makes of it.

#![allow(clippy::unwrap_used)]

mod life;

use std::collections::VecDeque;
use std::rc::Rc;

use broker::message::{DocEvent, Envelope, ToTab, decode};
use durable_store::{Ask, Failure, FailureKind, Request};
use life::{Knowing, Life, Texts, create, edit, handshake, options, read, register, tab};
use proxy_doc::TabId;
use serde_json::json as value;
use worker_host::{Host, Options, Output, ReadyState};

/// A host whose storage does nothing by itself.
struct Leaving {
    life: Life,
    /// What was asked of the storage, unanswered.
    requests: VecDeque<Request>,
    /// What the host said, but for what it asked of the storage.
    said: Vec<Output>,
}

impl Leaving {
    /// A host that has a document, subscribed, and whose storage is at rest.
    fn begun() -> Self {
        let mut life = Life::begun(Texts::new(), 2, Rc::new(Knowing));
        life.subscribe("d");
        life.rest();
        Self::new(life)
    }

    /// A host that took over from another one, and does not know yet which documents the store has.
    fn took_over() -> Self {
        let texts = Self::begun().life.texts;
        let mut leaving = Self::new(Life::new(texts, 4, Rc::new(Knowing)));
        leaving.life.alive = vec![tab()];
        leaving.tab(&register(&value!([])));
        while !leaving.requests.is_empty() {
            leaving.store();
        }
        leaving
    }

    fn new(life: Life) -> Self {
        Self {
            life,
            requests: VecDeque::new(),
            said: Vec::new(),
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.life.host.poll() {
            match output {
                Output::Storage(request) => self.requests.push_back(request),
                Output::FindTabs(_) => {
                    self.life.host.tabs_found(&self.life.alive);
                    self.life.host.tabs_asleep();
                }
                output => self.said.push(output),
            }
        }
    }

    fn tab(&mut self, message: &serde_json::Value) {
        self.life.host.handle_tab(&tab(), &message.to_string());
        self.drain();
    }

    fn resign(&mut self) {
        self.life.host.resign();
        self.drain();
    }

    /// The storage does what was asked first.
    fn store(&mut self) {
        let request = self.requests.pop_front().expect("something was asked");
        let reply = self.life.carry_out(&request.what);
        self.life.host.handle_storage(request.number, Ok(reply));
        self.drain();
    }

    /// What was asked first fails.
    fn fail(&mut self, kind: FailureKind) {
        let request = self.requests.pop_front().expect("something was asked");
        let failure = Failure::new(kind, "made to fail");
        self.life.host.handle_storage(request.number, Err(failure));
        self.drain();
    }

    /// The numbers of the ops that the tab was told to be accepted.
    fn accepted(&self) -> Vec<u64> {
        let events = self.said.iter().filter_map(|output| match output {
            Output::ToTab { text, .. } => Some(decode::<Envelope>(text).unwrap().message),
            _ => None,
        });
        let accepted = events.filter_map(|message| match message {
            ToTab::Doc {
                event: DocEvent::Accepted { seq, .. },
                ..
            } => Some(seq.0),
            _ => None,
        });
        accepted.collect()
    }

    fn sends(&self) -> bool {
        let mut said = self.said.iter();
        said.any(|output| matches!(output, Output::Send(_)))
    }

    fn has_resigned(&self) -> bool {
        let said = |output: &Output| *output == Output::Resigned;
        assert!(self.said.iter().filter(|output| said(output)).count() <= 1);
        self.said.last().is_some_and(said)
    }
}

/// A host that asks for all that is to be asked for.
fn all_inputs(host: &mut Host) {
    host.connect();
    host.bind_socket(ReadyState::Open);
    host.socket_opened();
    host.socket_message(&handshake("again").to_string());
    host.socket_message("not JSON");
    host.handle_tab(&tab(), &register(&value!([])).to_string());
    host.handle_tab(&tab(), &edit(7, 2).to_string());
    host.handle_tab(&tab(), "not JSON");
    host.tab_gone(&tab());
    host.handle_timer(0.5);
    host.wake(0.5);
    host.handle_idle();
    host.tabs_found(&[]);
    host.resume_store();
    host.socket_failed(proxy_doc::json_string("gone"));
    host.socket_closed(None, 0.5);
    host.resign();
}

#[test]
fn the_last_word_waits_for_the_last_write_and_for_what_waits_behind_it() {
    let mut leaving = Leaving::begun();
    leaving.tab(&edit(1, 1));
    leaving.resign();
    assert!(leaving.said.is_empty(), "{:?}", leaving.said);

    leaving.store();
    assert_eq!(leaving.accepted(), [1]);
    assert!(leaving.has_resigned());
    assert!(!leaving.sends(), "the next host sends it");
    assert!(leaving.requests.is_empty());
}

#[test]
fn what_is_queued_behind_a_write_is_written_too() {
    let mut leaving = Leaving::begun();
    leaving.tab(&edit(1, 1));
    leaving.tab(&edit(2, 2));
    leaving.resign();
    leaving.store();
    assert_eq!(leaving.accepted(), [1]);
    assert!(!leaving.has_resigned());

    leaving.store();
    assert_eq!(leaving.accepted(), [1, 2]);
    assert!(leaving.has_resigned());
}

#[test]
fn the_next_host_sends_what_was_accepted() {
    let mut leaving = Leaving::begun();
    leaving.tab(&edit(1, 1));
    leaving.resign();
    leaving.store();

    let next = Life::begun(leaving.life.texts, 4, Rc::new(Knowing));
    let sent = next.ops_sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (&sent[0]["src"], &sent[0]["seq"]),
        (&value!("life2"), &value!(1))
    );
}

#[test]
fn a_host_that_resigns_takes_nothing_more() {
    let mut leaving = Leaving::begun();
    leaving.tab(&edit(1, 1));
    leaving.resign();
    all_inputs(&mut leaving.life.host);
    leaving.drain();
    assert!(leaving.said.is_empty(), "{:?}", leaving.said);
    assert!(!leaving.life.host.wants_idle());
    leaving.store();
    assert_eq!(leaving.accepted(), [1]);
    assert!(leaving.has_resigned());

    let said = leaving.said.len();
    all_inputs(&mut leaving.life.host);
    leaving.life.host.handle_storage(1, Ok(Vec::new()));
    leaving.drain();
    assert_eq!(leaving.said.len(), said);
    assert!(!leaving.life.host.may_resign(), "it has");
}

#[test]
fn a_host_at_rest_resigns_at_once() {
    let mut leaving = Leaving::begun();
    assert!(leaving.life.host.may_resign());
    leaving.resign();
    assert_eq!(leaving.said, [Output::Resigned]);
}

#[test]
fn what_nobody_waits_for_is_written_before_the_last_word() {
    let mut leaving = Leaving::begun();
    leaving.tab(&edit(1, 1));
    leaving.store();
    let acknowledged = value!({"a": "op", "c": "c", "d": "d", "v": 3, "src": "life2", "seq": 1});
    let text = acknowledged.to_string();
    leaving.life.host.socket_message(&text);
    leaving.drain();
    assert!(leaving.requests.is_empty(), "an acknowledgement can wait");
    leaving.resign();
    assert!(!leaving.has_resigned());
    leaving.store();
    assert!(leaving.has_resigned());

    let next = Life::begun(leaving.life.texts, 4, Rc::new(Knowing));
    assert_eq!(next.ops_sent(), Vec::<&serde_json::Value>::new());
}

#[test]
fn a_host_that_is_restoring_resigns_at_once() {
    let mut first = Leaving::begun();
    first.tab(&edit(1, 1));
    first.store();
    for answered in 0.. {
        let texts = first.life.texts.clone();
        let mut next = Leaving::new(Life::new(texts, 4, Rc::new(Knowing)));
        next.life.alive = vec![tab()];
        next.tab(&register(&value!([])));
        for _ in 0..answered {
            next.store();
        }
        // It tells nobody anything before a later host would know of it.
        let is_write = |request: &Request| matches!(request.what, Ask::Write { .. });
        if next.requests.iter().any(is_write) {
            assert!(
                answered > 3,
                "the state, the journal and the document are read"
            );
            break;
        }
        assert!(next.life.host.may_resign());
        next.resign();
        assert_eq!(next.said, [Output::Resigned], "after {answered} answers");
    }
}

#[test]
fn a_write_that_fails_once_is_written_again() {
    let mut leaving = Leaving::begun();
    leaving.tab(&edit(1, 1));
    leaving.resign();
    leaving.fail(FailureKind::Closed);
    assert!(!leaving.has_resigned());
    while !leaving.has_resigned() {
        leaving.store();
    }
    assert_eq!(leaving.accepted(), [1]);
}

#[test]
fn an_op_whose_write_fails_for_good_is_told_to_nobody() {
    let mut leaving = Leaving::begun();
    leaving.tab(&edit(1, 1));
    leaving.resign();
    leaving.fail(FailureKind::Silent);
    assert!(leaving.accepted().is_empty());
    assert!(leaving.has_resigned(), "{:?}", leaving.said);
    assert!(!leaving.sends());
}

#[test]
fn a_read_under_way_holds_up_nobody() {
    let mut leaving = Leaving::took_over();
    leaving.tab(&read("doc.fetch", "other"));
    assert!(matches!(leaving.requests[0].what, Ask::Read(_)));
    leaving.resign();
    assert!(leaving.has_resigned());
}

#[test]
fn a_write_under_way_holds_up_the_last_word_also_where_the_store_is_given_up() {
    let mut leaving = Leaving::took_over();
    leaving.tab(&read("doc.fetch", "other"));
    leaving.life.others.clear();
    let other = TabId("other".to_owned());
    let host = &mut leaving.life.host;
    host.handle_tab(&other, &register(&value!([])).to_string());
    leaving.drain();
    assert_eq!(leaving.requests.len(), 2, "a read and a write");
    leaving.resign();
    leaving.fail(FailureKind::Silent);
    assert!(!leaving.has_resigned());
    leaving.fail(FailureKind::Closed);
    assert!(leaving.has_resigned());
}

#[test]
fn a_store_that_was_closed_is_opened_again_for_what_came_since() {
    let mut leaving = Leaving::begun();
    assert!(leaving.life.host.close_store());
    let op = value!({"a": "op", "c": "c", "d": "d", "v": 3, "src": "x", "seq": 1,
        "op": [{"p": ["t", 0], "li": "theirs"}]});
    leaving.life.host.socket_message(&op.to_string());
    leaving.drain();
    assert!(leaving.requests.is_empty());
    leaving.resign();
    assert!(!leaving.has_resigned());
    while !leaving.has_resigned() {
        leaving.store();
    }
}

#[test]
fn a_log_in_memory_is_left_only_when_everything_has_ended() {
    let mut leaving = Leaving::begun();
    leaving
        .life
        .host
        .set_storage_mode("memory".to_owned(), None);
    assert!(leaving.life.host.may_resign(), "nothing is pending");
    leaving.tab(&edit(1, 1));
    leaving.store();
    assert!(!leaving.life.host.may_resign());
    let acknowledged = value!({"a": "op", "c": "c", "d": "d", "v": 3, "src": "life2", "seq": 1});
    let text = acknowledged.to_string();
    leaving.life.host.socket_message(&text);
    leaving.drain();
    assert!(leaving.life.host.may_resign());
}

#[test]
fn a_host_without_a_store_says_whether_anything_is_pending() {
    let options = Options {
        store: None,
        ..options(2)
    };
    let mut life = Life::with(Texts::new(), Rc::new(Knowing), options);
    life.begin();
    assert!(life.host.may_resign());
    life.tab(create());
    assert!(!life.host.may_resign());
    life.host.resign();
    assert_eq!(
        life.host.poll(),
        Some(Output::Resigned),
        "it may be forced to"
    );
}

#[test]
fn nobody_resigns_while_everything_is_deleted() {
    let mut leaving = Leaving::begun();
    leaving.tab(&value!({"storage.wipe": {"callbackId": 9}}));
    assert!(!leaving.life.host.may_resign());
    leaving.store();
    assert!(leaving.life.host.is_over());
    assert!(!leaving.life.host.may_resign());
}

/// That the host has been deposed, and says nothing but that.
fn assert_deposed(leaving: &mut Leaving) {
    let said = std::mem::take(&mut leaving.said);
    assert!(
        matches!(said.as_slice(), [Output::Warn(_), Output::Deposed]),
        "{said:?}"
    );
    all_inputs(&mut leaving.life.host);
    leaving.life.host.depose();
    leaving.drain();
    assert!(leaving.said.is_empty(), "{:?}", leaving.said);
    assert!(!leaving.life.host.may_resign() && !leaving.life.host.wants_idle());
}

#[test]
fn a_host_whose_write_is_fenced_says_nothing_more() {
    let mut leaving = Leaving::begun();
    leaving.tab(&edit(1, 1));
    leaving.tab(&edit(2, 2));
    leaving.fail(FailureKind::Fenced);
    assert!(leaving.requests.is_empty(), "it opens nothing again");
    assert_deposed(&mut leaving);
}

#[test]
fn a_host_that_learns_of_its_successor_otherwise_says_nothing_more() {
    let mut leaving = Leaving::begun();
    leaving.tab(&edit(1, 1));
    leaving.life.host.depose();
    leaving.drain();
    assert_deposed(&mut leaving);
    leaving.store();
    assert!(leaving.said.is_empty(), "{:?}", leaving.said);
}

#[test]
fn a_host_that_finds_another_one_when_it_opens_its_storage_again_is_deposed() {
    let mut leaving = Leaving::begun();
    leaving.tab(&edit(1, 1));
    leaving.fail(FailureKind::Closed);
    assert!(matches!(leaving.requests[0].what, Ask::Open));
    leaving.fail(FailureKind::Fenced);
    assert_deposed(&mut leaving);
}

#[test]
fn a_host_that_resigns_and_is_fenced_has_resigned() {
    let mut leaving = Leaving::begun();
    leaving.tab(&edit(1, 1));
    leaving.resign();
    leaving.fail(FailureKind::Fenced);
    assert!(leaving.accepted().is_empty());
    assert!(leaving.has_resigned());
}
