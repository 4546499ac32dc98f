//! Inputs that wait for the store: which ones, in which order, and that those which wait cost the others nothing.

#![allow(clippy::unwrap_used)]

mod life;

use std::collections::VecDeque;
use std::rc::Rc;

use broker::message::{Envelope, PROTOCOL, ToTab, decode};
use durable_store::format::Place;
use durable_store::{Ask, Request};
use life::{Ignorant, Knowing, Life, Texts};
use proxy_doc::TabId;
use serde_json::{Value, json as value};
use worker_host::Output;

/// Many enough that looking at all of them for each other one would be seen.
const MANY: u64 = 20_000;

/// A host whose storage keeps it waiting for documents.
struct Slow {
    life: Life,
    /// Reads of documents, unanswered.
    reads: VecDeque<Request>,
    /// Whom the host answered, and under which callback id.
    answers: Vec<(String, u64)>,
}

impl Slow {
    fn new(life: Life) -> Self {
        Self {
            life,
            reads: VecDeque::new(),
            answers: Vec::new(),
        }
    }

    /// With so many tabs, named by their numbers, on a store of which it does not know yet what is in it.
    fn begun(tabs: usize) -> Self {
        let mut first = Life::begun(Texts::new(), 2, Rc::new(Knowing));
        first.subscribe("d");
        first.rest();
        let mut slow = Self::new(Life::new(first.texts, 4, Rc::new(Knowing)));
        slow.drain();
        while !slow.reads.is_empty() {
            slow.answer_next();
        }
        for tab in 0..tabs {
            slow.tab(tab, value!({"tab.register": {"protocol": PROTOCOL}}));
        }
        slow
    }

    fn drain(&mut self) {
        while let Some(output) = self.life.host.poll() {
            match output {
                Output::Storage(request) if reads_documents(&request) => {
                    self.reads.push_back(request);
                }
                Output::Storage(request) => self.answer(&request),
                Output::ToTab { tab, text, .. } => {
                    let message = decode::<Envelope>(&text).unwrap().message;
                    if let ToTab::Callback { callback_id, .. } = message {
                        self.answers.push((tab.0, callback_id.0));
                    }
                }
                Output::FindTabs(_) => self.life.host.tabs_found(&[]),
                Output::Send(_)
                | Output::Warn(_)
                | Output::CloseSocket
                | Output::OpenSocket(_)
                | Output::BeginAnew
                | Output::Debug { .. }
                | Output::Resigned
                | Output::Deposed
                | Output::DropSocket
                | Output::StartTimer(_)
                | Output::StartAlarm(_)
                | Output::Realtime(_) => {}
            }
        }
    }

    fn answer(&mut self, request: &Request) {
        let reply = self.life.carry_out(&request.what);
        self.life.host.handle_storage(request.number, Ok(reply));
    }

    /// The storage answers its oldest question.
    fn answer_next(&mut self) {
        let request = self.reads.pop_front().expect("documents are being read");
        self.answer(&request);
        self.drain();
    }

    fn tab(&mut self, tab: usize, message: Value) {
        let tab = TabId(tab.to_string());
        self.life.host.handle_tab(&tab, &message.to_string());
        self.drain();
    }

    fn read(&mut self, tab: usize, ids: &[&str], callback: u64) {
        let read = value!({"collection": "c", "ids": ids, "callbackId": callback});
        self.tab(tab, value!({"connection.getBulk": read}));
    }

    /// What needs no document.
    fn flush(&mut self, tab: usize, callback: u64) {
        self.tab(
            tab,
            value!({"connection.flushWrites": {"callbackId": callback}}),
        );
    }

    fn answered(&self) -> Vec<(&str, u64)> {
        let answers = self.answers.iter();
        answers.map(|(tab, id)| (tab.as_str(), *id)).collect()
    }
}

fn reads_documents(request: &Request) -> bool {
    matches!(&request.what, Ask::Read(ids) if ids.iter().any(|id| id.store == Place::Docs))
}

#[test]
fn inputs_that_wait_are_not_looked_at_again_for_each_other_one() {
    let mut slow = Slow::begun(2);
    slow.read(0, &["x"], 0);
    let before = slow.life.host.looks();
    for callback in 1..=MANY {
        // Behind the input that waits, and beside it.
        slow.flush(0, callback);
        slow.flush(1, callback);
    }
    slow.answer_next();
    assert_eq!(slow.answers.len() as u64, 2 * MANY + 1);
    let looks = slow.life.host.looks() - before;
    // The first one is looked at when its document is there; each other one once.
    assert_eq!(looks, 2 * MANY + 1);
}

#[test]
fn tabs_that_wait_are_not_looked_at_again_for_each_document() {
    const TABS: usize = 300;
    let mut slow = Slow::begun(TABS);
    let before = slow.life.host.looks();
    for tab in 0..TABS {
        let ids = [format!("x{tab}"), format!("y{tab}")];
        slow.read(tab, &[&ids[0], &ids[1]], 1);
    }
    while !slow.reads.is_empty() {
        slow.answer_next();
    }
    assert_eq!(slow.answers.len(), TABS);
    assert_eq!(slow.life.host.looks() - before, 2 * TABS as u64);
}

#[test]
fn inputs_of_a_tab_stay_in_order_and_those_of_others_go_on() {
    let mut slow = Slow::begun(3);
    slow.read(0, &["x"], 1);
    slow.read(0, &["y"], 2);
    slow.flush(0, 3);
    slow.flush(1, 4);
    slow.read(2, &["x"], 5);
    slow.flush(2, 6);
    assert_eq!(slow.answered(), [("1", 4)]);
    slow.answer_next();
    // What waits for the same document goes on in the order in which it came.
    assert_eq!(slow.answered(), [("1", 4), ("0", 1), ("2", 5), ("2", 6)]);
    while !slow.reads.is_empty() {
        slow.answer_next();
    }
    assert_eq!(slow.answered()[4..], [("0", 2), ("0", 3)]);
}

#[test]
fn an_input_waits_for_all_of_its_documents() {
    let mut slow = Slow::begun(2);
    slow.read(1, &["y"], 1);
    slow.read(0, &["x", "y", "z"], 2);
    slow.answer_next();
    assert_eq!(slow.answered(), [("1", 1)]);
    slow.answer_next();
    assert_eq!(slow.answered(), [("1", 1), ("0", 2)]);
}

#[test]
fn what_waits_for_a_document_of_an_unknown_type_is_answered() {
    let mut first = Life::begun(Texts::new(), 2, Rc::new(Knowing));
    first.subscribe("x");
    first.rest();
    let mut slow = Slow::new(Life::new(first.texts, 4, Rc::new(Ignorant)));
    slow.drain();
    slow.tab(0, value!({"tab.register": {"protocol": PROTOCOL}}));
    slow.read(0, &["x"], 1);
    assert_eq!(slow.answered(), []);
    slow.answer_next();
    assert_eq!(slow.answered(), [("0", 1)]);
}

#[test]
fn what_waits_for_a_document_is_answered_when_the_store_is_wiped() {
    let mut slow = Slow::begun(2);
    slow.read(0, &["x"], 1);
    slow.tab(1, value!({"storage.wipe": {"callbackId": 2}}));
    let answered = slow.answered();
    assert!(answered.contains(&("0", 1)), "{answered:?}");
    assert!(answered.contains(&("1", 2)), "{answered:?}");
}
