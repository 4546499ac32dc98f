//! The server: the document's history, and who is connected. And a record of leases and messages as the history has them, by
//! rules of its own.

use std::collections::{BTreeMap, BTreeSet};

use broker::devices::record::{EMPTY, Entry, Message};
use ot_json0::{Op, Side, Value, apply_in_place, transform};
use proxy_doc::{Json, read_json};

/// An op in the history.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    pub(super) browser: usize,
    pub(super) seq: u64,
    pub(super) op: Op,
}

#[derive(Debug)]
pub(super) struct History {
    pub(super) ops: Vec<Committed>,
    pub(super) data: Value,
    known: BTreeSet<(usize, u64)>,
    /// Ops that were refused.
    refused: BTreeSet<(usize, u64)>,
    /// By lease: the entries that count.
    pub(super) leases: BTreeMap<String, Vec<Entry>>,
    /// By payload: whom a message is for.
    pub(super) messages: BTreeMap<u64, BTreeSet<String>>,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            ops: Vec::new(),
            data: Value::parse(EMPTY).expect("it is JSON"),
            known: BTreeSet::new(),
            refused: BTreeSet::new(),
            leases: BTreeMap::new(),
            messages: BTreeMap::new(),
        }
    }

    /// Takes an op that was made at a version. `false`: it is refused.
    pub(super) fn submit(
        &mut self,
        (browser, seq): (usize, u64),
        version: usize,
        mut op: Op,
        refuses: bool,
    ) -> bool {
        if self.refused.contains(&(browser, seq)) {
            return false;
        }
        if self.known.contains(&(browser, seq)) {
            return true;
        }
        if refuses {
            self.refused.insert((browser, seq));
            return false;
        }
        for before in &self.ops[version..] {
            op = transform(&op, &before.op, Side::Left).expect("ops transform");
        }
        apply_in_place(&mut self.data, &op).expect("an op applies");
        self.note(&op);
        self.known.insert((browser, seq));
        self.ops.push(Committed { browser, seq, op });
        true
    }

    fn note(&mut self, op: &Op) {
        for component in op.components() {
            let list = component.path().first().map(Value::to_json);
            let inserted = component.field("li").map(Value::to_json);
            match (list.as_deref(), inserted) {
                (Some("\"leases\""), Some(text)) => self.note_entry(read(&text)),
                (Some("\"messages\""), Some(text)) => {
                    let message: Message = read(&text);
                    let number = message.payload.count().expect("payloads are numbers here");
                    self.messages
                        .insert(number, message.to.into_iter().collect());
                }
                _ => {}
            }
        }
    }

    fn note_entry(&mut self, entry: Entry) {
        let counting = self.leases.entry(entry.name.clone()).or_default();
        if counting.last().map_or("", |last| &last.id) == entry.after {
            counting.push(entry);
        }
    }

    pub(super) fn text(&self) -> Json {
        Json::written(self.data.to_json())
    }
}

fn read<T: proxy_doc::ReadJson>(text: &str) -> T {
    read_json(text).expect("devices write what they can read")
}
