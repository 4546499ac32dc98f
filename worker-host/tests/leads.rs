//! Changes that tabs are shown early, and what the next host does with them.

#![allow(clippy::unwrap_used)]

mod life;

use std::collections::BTreeMap;
use std::rc::Rc;

use broker::message::{
    DocEvent, Envelope, LeadEntry, PROTOCOL, StorageEvent, ToTab, decode, encode,
};
use durable_store::{Ask, Request};
use life::{Knowing, Life, Texts, options, read};
use proxy_doc::{Revision, TabId};
use serde_json::{Value, json as value};
use worker_host::Output;

/// A host whose storage writes when it is told to.
struct Slow {
    life: Life,
    is_slow: bool,
    writes: Vec<Request>,
    told: BTreeMap<String, Vec<ToTab>>,
}

impl Slow {
    fn new(texts: Texts, epoch: u64, alive: &[&str]) -> Self {
        let mut life = Life::with(texts, Rc::new(Knowing), options(epoch));
        life.alive = alive.iter().map(|name| tab(name)).collect();
        let mut slow = Self {
            life,
            is_slow: false,
            writes: Vec::new(),
            told: BTreeMap::new(),
        };
        slow.drain();
        slow
    }

    /// Two tabs see a document, of which nothing is under way.
    fn with_two_tabs(protocol: u32) -> Self {
        let mut slow = Self::new(Texts::new(), 2, &[]);
        slow.life.go_online();
        for name in ["a", "b"] {
            slow.tell(name, &value!({"tab.register": {"protocol": protocol}}));
            slow.tell(name, &read("doc.subscribe", "d"));
        }
        let snapshot = value!({"v": 3, "type": ot_json0::URI, "data": {"t": []}});
        let answer = value!({"a": "s", "c": "c", "d": "d", "data": snapshot});
        slow.life.host.socket_message(&answer.to_string());
        slow.drain();
        slow.told.clear();
        slow.is_slow = true;
        slow
    }

    fn tell(&mut self, name: &str, message: &Value) {
        self.life.host.handle_tab(&tab(name), &message.to_string());
        self.drain();
    }

    fn write(&mut self) {
        self.is_slow = false;
        for request in std::mem::take(&mut self.writes) {
            let reply = self.life.carry_out(&request.what);
            self.life.host.handle_storage(request.number, Ok(reply));
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.life.host.poll() {
            match output {
                Output::Storage(request) => {
                    let is_write = matches!(request.what, Ask::Write { .. });
                    if is_write && (self.is_slow || !self.writes.is_empty()) {
                        self.writes.push(request);
                        continue;
                    }
                    let reply = self.life.carry_out(&request.what);
                    self.life.host.handle_storage(request.number, Ok(reply));
                }
                Output::FindTabs(_) => self.life.host.tabs_found(&self.life.alive),
                Output::ToTab { tab, text, .. } => {
                    let told = self.told.entry(tab.0).or_default();
                    told.push(decode::<Envelope>(&text).unwrap().message);
                }
                Output::Send(text) => self.life.sent.push(serde_json::from_str(&text).unwrap()),
                _ => {}
            }
        }
    }

    /// The changes that the tab was told of, and what it keeps of each.
    fn changes(&self, name: &str) -> Vec<(u64, Option<LeadEntry>)> {
        let told = self.told.get(name).into_iter().flatten();
        let changes = told.filter_map(|told| match told {
            ToTab::Doc {
                event: DocEvent::Op {
                    revision, early, ..
                },
                ..
            } => {
                let entries = early.as_ref().map(|early| early.entries.clone());
                let kept = entries.map(|entries| LeadEntry {
                    revision: *revision,
                    entries,
                });
                Some((revision.0, kept))
            }
            _ => None,
        });
        changes.collect()
    }

    /// What the tab keeps of its own ops.
    fn kept_of_own(&self, name: &str) -> Vec<LeadEntry> {
        let told = self.told.get(name).into_iter().flatten();
        let kept = told.filter_map(|told| match told {
            ToTab::Doc {
                event:
                    DocEvent::Accepted {
                        revision,
                        early: Some(early),
                        ..
                    },
                ..
            } => Some(LeadEntry {
                revision: *revision,
                entries: early.entries.clone(),
            }),
            _ => None,
        });
        kept.collect()
    }

    fn is_welcome(&self, name: &str) -> bool {
        let mut told = self.told.get(name).into_iter().flatten();
        told.any(|told| matches!(told, ToTab::Welcome { .. }))
    }

    fn accepted(&self, name: &str) -> Vec<(u64, Revision)> {
        let told = self.told.get(name).into_iter().flatten();
        let accepted = told.filter_map(|told| match told {
            ToTab::Doc {
                event: DocEvent::Accepted { seq, revision, .. },
                ..
            } => Some((seq.0, *revision)),
            _ => None,
        });
        accepted.collect()
    }
}

fn tab(name: &str) -> TabId {
    TabId(name.to_owned())
}

fn edit(seq: u64, text: &str) -> Value {
    op(seq, 1, 0, text)
}

/// An op that is based on `revision`, in this life of the tab's state.
fn op(seq: u64, revision: u64, life: u32, text: &str) -> Value {
    let change = value!({"type": ot_json0::URI, "op": [{"p": ["t", 0], "li": text}]});
    value!({"doc.submitOp": {"collection": "c", "id": "d", "revision": revision, "life": life, "seq": seq,
        "change": change, "preventCompose": false}})
}

/// A tab comes from the host of the first view, standing at `revision`.
fn comes(revision: u64, inflight: Option<u64>, lead: &[LeadEntry]) -> Value {
    let lead: Vec<Value> = lead
        .iter()
        .map(|change| serde_json::from_str(&encode(change)).unwrap())
        .collect();
    let doc = value!({"doc": {"collection": "c", "id": "d"}, "revision": revision, "line": 2,
        "life": 0, "live": true, "inflight": inflight, "lead": lead});
    value!({"tab.register": {"protocol": PROTOCOL, "resume": [doc], "view": 1}})
}

/// The same of a tab whose op 1 is accepted.
fn comes_accepted(revision: u64, inflight: Option<u64>, lead: &[LeadEntry]) -> Value {
    let mut comes = comes(revision, inflight, lead);
    comes["tab.register"]["resume"][0]["accepted"] = value!([1]);
    comes
}

#[test]
fn a_change_is_shown_and_accepted_before_its_write_and_sent_after_it() {
    let mut host = Slow::with_two_tabs(PROTOCOL);
    host.tell("a", &edit(1, "x"));
    let (_, kept) = host.changes("b").remove(0);
    let own = host.kept_of_own("a");
    let kept = vec![kept.unwrap()];
    assert_eq!(encode(&own), encode(&kept));
    assert_eq!(host.accepted("a"), [(1, Revision(1))]);
    assert_eq!(host.life.ops_sent().len(), 0);
    host.write();
    assert_eq!(host.accepted("a").len(), 1);
    assert_eq!(host.life.ops_sent().len(), 1);
}

#[test]
fn an_acknowledgement_waits_for_no_write_that_began_later() {
    let mut host = Slow::with_two_tabs(PROTOCOL);
    host.tell("a", &edit(1, "x"));
    host.write();
    host.is_slow = true;
    host.tell("b", &op(1, 2, 0, "y"));
    host.told.clear();
    let sent = host.life.ops_sent();
    let ack = value!({"a": "op", "c": "c", "d": "d", "v": 3, "src": sent[0]["src"], "seq": sent[0]["seq"]});
    host.life.host.socket_message(&ack.to_string());
    host.drain();
    let [ToTab::Doc { event, .. }] = &host.told["a"][..] else {
        panic!("{:?}", host.told["a"]);
    };
    assert!(matches!(event, DocEvent::Outcome { seqs, .. } if seqs[0].0 == 1));
    let [ToTab::Doc { event, .. }] = &host.told["b"][..] else {
        panic!("{:?}", host.told["b"]);
    };
    assert!(matches!(event, DocEvent::Version { version, .. } if version.0 == 4));
    let settles = |told: &ToTab| told.settles();
    assert!(!host.told.values().flatten().any(settles));
    host.tell("a", &op(2, 3, 0, "z"));
    assert_eq!(host.changes("b").len(), 1, "nothing is in front of it");
    assert_eq!(host.life.ops_sent().len(), 1);
}

#[test]
fn no_change_waits_behind_news_of_the_store() {
    let mut host = Slow::with_two_tabs(PROTOCOL);
    for name in ["a", "b"] {
        host.tell(name, &value!({"storage.watch": {}}));
    }
    host.tell("a", &edit(1, "x"));
    let is_queue =
        |told: &ToTab| matches!(told, ToTab::Storage(StorageEvent::Queue { size: 1, .. }));
    assert!(host.told["a"].iter().any(is_queue));
    host.tell("b", &op(1, 2, 0, "y"));
    assert_eq!(host.changes("a").len(), 1);
}

#[test]
fn a_tab_that_keeps_no_lead_is_shown_nothing_early() {
    let mut host = Slow::with_two_tabs(PROTOCOL - 1);
    host.tell("a", &edit(1, "x"));
    assert_eq!(host.changes("b").len(), 0);
    host.write();
    assert!(matches!(host.changes("b")[..], [(1, None)]));
}

#[test]
fn a_tab_is_told_that_its_lead_is_durable_where_nothing_else_says_so() {
    let mut host = Slow::with_two_tabs(PROTOCOL);
    host.tell("a", &edit(1, "x"));
    host.life.host.handle_idle();
    host.drain();
    let is_durable = |told: &ToTab| matches!(told, ToTab::Durable {});
    assert!(!host.told["b"].iter().any(is_durable));
    host.write();
    assert!(host.life.host.wants_idle());
    host.life.host.handle_idle();
    host.drain();
    assert!(host.told["b"].iter().any(is_durable));
}

#[test]
fn the_next_host_hears_all_tabs_and_goes_on_with_what_they_have_seen() {
    let mut host = Slow::with_two_tabs(PROTOCOL);
    host.tell("a", &edit(1, "x"));
    let (_, lead) = host.changes("b").remove(0);
    let mut next = Slow::new(host.life.texts, 4, &["a", "b"]);
    next.tell("a", &comes(1, Some(1), &[]));
    assert!(next.life.host.waits_for_tabs());
    assert!(!next.is_welcome("a"), "tab b may have seen more");
    next.tell("b", &comes(2, None, &[lead.unwrap()]));
    assert!(next.is_welcome("a") && next.is_welcome("b"));
    assert_eq!(next.accepted("a"), [(1, Revision(1))]);
    assert_eq!(next.changes("b").len(), 0, "it has seen it");
}

#[test]
fn a_tab_that_is_gone_is_not_waited_for() {
    let host = Slow::with_two_tabs(PROTOCOL);
    let mut next = Slow::new(host.life.texts, 4, &["a", "b"]);
    next.tell("a", &comes(1, None, &[]));
    assert!(!next.is_welcome("a"));
    next.life.host.tab_gone(&tab("b"));
    next.drain();
    assert!(next.is_welcome("a"));
}

#[test]
fn what_a_tab_that_slept_has_seen_is_void_where_another_change_took_its_place() {
    let mut host = Slow::with_two_tabs(PROTOCOL);
    host.tell("a", &edit(1, "x"));
    let (_, lead) = host.changes("b").remove(0);
    let lead = [lead.unwrap()];
    let mut next = Slow::new(host.life.texts, 4, &["a", "b"]);
    next.tell("a", &comes(1, None, &[]));
    next.life.host.tabs_asleep();
    next.drain();
    assert!(next.is_welcome("a"));
    next.tell("a", &edit(2, "y"));
    assert_eq!(next.accepted("a"), [(2, Revision(1))]);
    // Also the host after that one knows.
    let mut last = Slow::new(next.life.texts, 6, &["a", "b"]);
    last.tell("b", &comes(2, None, &lead));
    last.tell("a", &comes(2, None, &[]));
    let told = &last.told["b"];
    assert!(matches!(&told[0], ToTab::Welcome { void, .. } if void.len() == 1));
    let is_rollback = |told: &ToTab| {
        let ToTab::Doc { event, .. } = told else {
            return false;
        };
        matches!(event, DocEvent::Rollback { .. })
    };
    assert!(told.iter().any(is_rollback));
    assert!(!last.told["a"].iter().any(is_rollback));
}

#[test]
fn a_tab_that_slept_has_its_own_ops_and_sends_them_again() {
    let mut host = Slow::with_two_tabs(PROTOCOL);
    host.tell("a", &edit(1, "x"));
    let own = host.kept_of_own("a");
    let mut next = Slow::new(host.life.texts, 4, &["a", "b"]);
    next.tell("b", &comes(1, None, &[]));
    next.life.host.tabs_asleep();
    next.drain();
    next.tell("b", &edit(1, "y"));
    next.tell("a", &comes_accepted(2, Some(2), &own));
    let ToTab::Welcome { void, rewinds, .. } = &next.told["a"][0] else {
        panic!("no welcome");
    };
    assert_eq!(void.len(), 0);
    assert_eq!((rewinds[0].revision, rewinds[0].seq.0), (Revision(1), 1));
    assert_eq!(next.changes("a").len(), 1, "the other tab's");
    // Sent before the tab was welcomed, on a state that is another one here.
    next.tell("a", &op(2, 2, 0, "z"));
    assert_eq!(next.accepted("a"), []);
    next.tell("a", &op(1, 1, 1, "x"));
    next.tell("a", &op(2, 3, 1, "z"));
    assert_eq!(next.accepted("a"), [(1, Revision(2)), (2, Revision(3))]);
}

#[test]
fn a_tab_that_slept_starts_again_where_it_was_shown_more_than_its_own_ops() {
    let mut host = Slow::with_two_tabs(PROTOCOL);
    host.tell("a", &edit(1, "x"));
    host.tell("b", &edit(1, "y"));
    let (_, of_other) = host.changes("a").remove(0);
    let mut lead = host.kept_of_own("a");
    lead.push(of_other.unwrap());
    let mut next = Slow::new(host.life.texts, 4, &["a", "b"]);
    next.tell("b", &comes(1, None, &[]));
    next.life.host.tabs_asleep();
    next.drain();
    next.tell("a", &comes_accepted(3, None, &lead));
    let told = &next.told["a"][0];
    assert!(matches!(told, ToTab::Welcome { void, rewinds, .. }
        if void.len() == 1 && rewinds.is_empty()));
}

#[test]
fn a_tab_that_registers_twice_goes_on_where_it_stands() {
    let mut host = Slow::with_two_tabs(PROTOCOL);
    host.tell("a", &edit(1, "x"));
    let mut next = Slow::new(host.life.texts, 4, &["a", "b"]);
    next.tell("a", &comes(1, Some(1), &[]));
    next.tell("b", &comes(1, None, &[]));
    next.tell("b", &edit(1, "y"));
    let count = next.told["b"].len();
    next.tell("b", &value!({"tab.received": {"count": count}}));
    // What it was told went to a port that nobody reads.
    next.told.clear();
    next.tell("a", &comes(1, Some(1), &[]));
    assert!(next.is_welcome("a"));
    let told = &next.told["a"];
    let is_rollback = |told: &ToTab| {
        matches!(
            told,
            ToTab::Doc {
                event: DocEvent::Rollback { .. },
                ..
            }
        )
    };
    assert!(!told.iter().any(is_rollback), "{told:?}");
    assert_eq!(next.changes("a").len(), 1);
}
