//! What an application is told when the machine of its tab crashes, and another one takes its place.

use std::rc::Rc;

use ot_json0::Value;
use proxy_connection::{Predecessors, ProxyConnection, Survivors};
use proxy_doc::{DocHandle, Seq, Submission, Token, Types};

use super::{Tab, TabDoc, limit_reads};
use crate::sim::ledger::Ledger;

/// A call without an end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remembered {
    pub(super) token: Token,
    pub(super) doc: DocHandle,
    pub(super) what: Called,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Called {
    /// Ops: whether there is a callback, and the number under which it was sent.
    Op(bool, Option<Seq>),
    Fetch,
    Subscribe,
    Unsubscribe,
}

impl Tab {
    /// The machine crashed. The next one is told what is known without it, as the shim tells it.
    pub(in crate::sim) fn crash(&mut self, ledger: &mut Ledger, types: Rc<dyn Types>) {
        self.crashes += 1;
        let state = self.connection.state();
        let old = std::mem::replace(&mut self.connection, ProxyConnection::new(types, state));
        limit_reads(&mut self.connection, self.style);
        self.connection.succeed(Predecessors {
            count: self.crashes,
            next_seq: self.last_seq.next(),
            next_handle: 1 + self.last_handle,
            line: self.line,
        });
        self.later.clear();
        self.url_wanted = None;
        self.offer_urls(ledger);
        self.is_met = false;
        (self.received, self.confirmed) = (0, 0);
        for number in 0..self.docs.len() {
            if self.docs[number].is_open {
                self.recover(ledger, &old, number);
            }
        }
        self.enter(ledger, |connection| connection.register());
        self.enter(ledger, |connection| connection.host_lost());
        self.ask_queries_again(ledger);
        ledger.count(true, "a machine of a tab crashed");
    }

    fn recover(&mut self, ledger: &mut Ledger, old: &ProxyConnection, number: usize) {
        let TabDoc {
            key,
            handle: before,
            exists,
            ..
        } = &self.docs[number];
        let (key, before, exists) = (key.clone(), *before, *exists);
        let handle = self.connection.get(key.clone());
        self.last_handle = self.last_handle.max(handle.0);
        let mut survivors = Survivors::default();
        let mut reads = Vec::new();
        for call in self.calls.iter_mut().filter(|call| call.doc == before) {
            call.doc = handle;
            match call.what {
                Called::Op(callback, seq) => {
                    let token = call.token;
                    let submission = Submission { token, callback };
                    match (seq, survivors.sent.last_mut()) {
                        (Some(seq), Some((last, of))) if *last == seq => of.push(submission),
                        (Some(seq), _) => survivors.sent.push((seq, vec![submission])),
                        (None, _) => survivors.lost.push(submission),
                    }
                    let known = if seq.is_some() {
                        &mut ledger.recovered
                    } else {
                        &mut ledger.crashed
                    };
                    known.insert(token);
                }
                what => reads.push((what, Some(call.token))),
            }
        }
        ledger.count(
            !survivors.sent.is_empty(),
            "a machine crashed with an op on its way",
        );
        ledger.count(
            !survivors.lost.is_empty(),
            "a machine crashed with an op that was not sent",
        );
        ledger.destroyed.push((self.id.clone(), key));
        let doc = &mut self.docs[number];
        doc.handle = handle;
        doc.set(false, Value::Null);
        doc.version = None;
        doc.batches.clear();
        if exists || !survivors.sent.is_empty() || !survivors.lost.is_empty() {
            self.enter(ledger, |connection| connection.recover(handle, survivors));
        }
        if let (Some(old), Some(new)) = (old.doc(before), self.connection.doc_mut(handle)) {
            new.prevent_compose = old.prevent_compose;
            new.submit_source = old.submit_source;
            if old.paused() {
                new.pause();
            }
            if old.want_subscribe() {
                reads.insert(0, (Called::Subscribe, None));
            }
        }
        for (what, token) in reads {
            self.enter(ledger, |connection| match what {
                Called::Fetch => connection.fetch(handle, token),
                Called::Subscribe => connection.subscribe(handle, token),
                Called::Unsubscribe => connection.unsubscribe(handle, token),
                Called::Op(..) => {}
            });
        }
    }

    pub(super) fn remember(&mut self, doc: DocHandle, token: Option<Token>, what: Called) {
        self.calls
            .extend(token.map(|token| Remembered { token, doc, what }));
    }

    pub(super) fn remember_op(
        &mut self,
        doc: DocHandle,
        Submission { token, callback }: Submission,
    ) {
        self.remember(doc, Some(token), Called::Op(callback, None));
    }

    pub(super) fn ended(
        &mut self,
        ledger: &mut Ledger,
        tokens: &[Token],
        outcome: &proxy_doc::Outcome,
    ) {
        self.calls.retain(|call| !tokens.contains(&call.token));
        tokens
            .iter()
            .for_each(|token| ledger.answered(*token, outcome));
    }
}
