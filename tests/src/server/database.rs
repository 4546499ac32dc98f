//! The documents: for each its op log and, while it exists, its data. Nothing is ever forgotten, so a
//! simulation can ask which ops were committed, and how often.

use std::collections::BTreeMap;

use ot_json0::{Object, Str, Value};

use super::json0;
use super::request::Name;

/// What an op did to its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpKind {
    /// An edit with at least one component.
    Op,
    /// Created the document.
    Create,
    /// Deleted the document, or found it deleted.
    Del,
    /// An edit without components.
    NoOp,
}

/// One committed op.
#[derive(Clone, Debug, PartialEq)]
pub struct CommittedOp {
    /// The version it was committed at; it takes the document from `v` to `v + 1`.
    pub v: u64,
    /// The client id of its author.
    pub src: Str,
    /// Its number at its author. The wire allows any JSON number; ShareDB's client counts from 1.
    pub seq: f64,
    /// What it did.
    pub kind: OpKind,
    /// Its content in the wire's form: one of the fields `op`, `create`, `del`.
    pub content: Object,
    /// What the server added to it, as the author is told in the ack.
    pub(super) fixups: Vec<Value>,
}

impl CommittedOp {
    /// The op as a message to a client that knows its document as `c` and `d`.
    pub(super) fn message(&self, c: &Name, d: &Name) -> Object {
        let mut message = Object::new();
        message.insert("a".into(), "op".into());
        c.put(&mut message, "c");
        d.put(&mut message, "d");
        message.insert("v".into(), version(self.v));
        message.insert("src".into(), self.src.clone().into());
        message.insert("seq".into(), self.seq.into());
        for (field, value) in self.content.iter() {
            message.insert(field.clone(), value.clone());
        }
        message
    }
}

/// A document as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// How many ops were committed.
    pub v: u64,
    /// The type's URI; `None` while the document does not exist.
    pub type_uri: Option<&'static str>,
    /// The data; `None` while the document does not exist, or after a json0 op removed its root.
    pub data: Option<Value>,
}

impl Snapshot {
    /// The snapshot in the wire's form: no `type` when it is the default one.
    pub(super) fn to_value(&self) -> Value {
        let mut snapshot = Object::new();
        snapshot.insert("v".into(), version(self.v));
        if let Some(data) = &self.data {
            snapshot.insert("data".into(), data.clone());
        }
        if self.type_uri.is_none() {
            snapshot.insert("type".into(), Value::Null);
        }
        Value::Object(snapshot)
    }
}

/// The identity of the op that created a document, which ShareDB keeps with the snapshot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Creation {
    pub(super) src: Str,
    pub(super) seq: f64,
    pub(super) v: u64,
}

/// A document that exists.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Live {
    pub(super) data: Option<Value>,
    pub(super) creation: Creation,
}

/// One document: everything that was committed to it and what came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub(super) live: Option<Live>,
    ops: Vec<CommittedOp>,
}

impl Document {
    pub(super) fn version(&self) -> u64 {
        self.ops.len() as u64
    }

    /// The ops from a version on. A fraction counts as the version below it, and a version that is
    /// still to come has no ops.
    pub(super) fn ops_from(&self, v: f64) -> &[CommittedOp] {
        let from = (v as usize).min(self.ops.len());
        &self.ops[from..]
    }

    pub(super) fn commit(&mut self, op: CommittedOp, live: Option<Live>) {
        assert_eq!(
            op.v,
            self.version(),
            "an op is committed at the current version"
        );
        self.ops.push(op);
        self.live = live;
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            v: self.version(),
            type_uri: self.live.as_ref().map(|_| json0::URI),
            data: self.live.as_ref().and_then(|live| live.data.clone()),
        }
    }
}

/// Every document, by collection and id.
#[derive(Clone, Debug, Default)]
pub(super) struct Database {
    documents: BTreeMap<(Str, Str), Document>,
}

impl Database {
    pub(super) fn get(&self, c: &Str, d: &Str) -> Option<&Document> {
        self.documents.get(&(c.clone(), d.clone()))
    }

    pub(super) fn entry(&mut self, c: &Str, d: &Str) -> &mut Document {
        self.documents.entry((c.clone(), d.clone())).or_default()
    }

    /// The documents of a collection that exist, with their data, sorted by their ids.
    pub(super) fn existing(&self, c: &Str) -> impl Iterator<Item = (&Str, Option<&Value>)> {
        let of_collection = move |(key, _): &(&(Str, Str), &Document)| key.0 == *c;
        let documents = self.documents.iter().filter(of_collection);
        documents.filter_map(|((_, id), document)| {
            let live = document.live.as_ref()?;
            Some((id, live.data.as_ref()))
        })
    }

    pub(super) fn snapshot(&self, c: &Str, d: &Str) -> Snapshot {
        self.get(c, d)
            .map_or_else(|| Document::default().snapshot(), Document::snapshot)
    }

    pub(super) fn ops_from(&self, c: &Str, d: &Str, v: f64) -> &[CommittedOp] {
        self.get(c, d).map_or(&[], |document| document.ops_from(v))
    }
}

/// A version as the wire's number.
pub(super) fn version(v: u64) -> Value {
    Value::Number(v as f64)
}
