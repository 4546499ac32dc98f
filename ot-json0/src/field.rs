//! The fields of a component beside its path: their keys, their values, and the list of them.

use crate::string::Str;
use crate::value::Value;
use crate::write::{write_string, write_value};
use std::cell::OnceCell;
use std::rc::Rc;
use std::slice;

/// The names of fields that mean something to json0, beside the path. Each counts as a bit of [`Name::flag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    T,
    O,
    Na,
    Oi,
    Od,
    Li,
    Ld,
    Lm,
    Si,
    Sd,
}

impl Name {
    const ALL: [(Name, &str); 10] = [
        (Name::T, "t"),
        (Name::O, "o"),
        (Name::Na, "na"),
        (Name::Oi, "oi"),
        (Name::Od, "od"),
        (Name::Li, "li"),
        (Name::Ld, "ld"),
        (Name::Lm, "lm"),
        (Name::Si, "si"),
        (Name::Sd, "sd"),
    ];

    #[inline(always)]
    pub(crate) fn flag(self) -> u16 {
        1 << self as u16
    }
}

/// The key of a component's field other than its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Known(Name),
    Other(Str),
}

impl Key {
    pub(crate) fn of(key: Str) -> Key {
        let known = Name::ALL.iter().find(|(_, text)| key == *text);
        known.map_or(Key::Other(key), |(name, _)| Key::Known(*name))
    }

    #[inline(always)]
    pub(crate) fn is(&self, name: Name) -> bool {
        matches!(self, Key::Known(known) if *known == name)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Key::Known(name) => {
                out.push(b'"');
                out.extend_from_slice(Name::ALL[*name as usize].1.as_bytes());
                out.extend_from_slice(b"\":");
            }
            Key::Other(key) => {
                write_string(out, key);
                out.push(b':');
            }
        }
    }
}

/// A field's value: scalars in place, arrays and objects shared.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Scalar(Value),
    Tree(Rc<Tree>),
}

/// An array or object that never changes.
#[derive(Debug)]
pub(crate) struct Tree {
    value: Value,
    /// What was written of a large one, which is written several times: to the host or the server, to the store, to tabs.
    json: OnceCell<Box<[u8]>>,
}

/// The shortest JSON, in bytes, that is kept for the next time it is to be written.
const KEPT: usize = 16 * 1024;

impl Tree {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if let Some(json) = self.json.get() {
            return out.extend_from_slice(json);
        }
        let start = out.len();
        write_value(out, &self.value);
        if out.len() - start >= KEPT {
            self.json.get_or_init(|| out[start..].into());
        }
    }
}

impl Payload {
    pub(crate) fn new(value: Value) -> Payload {
        if value.is_tree() {
            Payload::Tree(Rc::new(Tree {
                value,
                json: OnceCell::new(),
            }))
        } else {
            Payload::Scalar(value)
        }
    }

    pub(crate) fn get(&self) -> &Value {
        match self {
            Payload::Scalar(value) => value,
            Payload::Tree(tree) => &tree.value,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Payload::Scalar(value) => write_value(out, value),
            Payload::Tree(tree) => tree.write(out),
        }
    }

    /// The length of a large payload's JSON, where it is known; of a string that of its characters.
    pub(crate) fn large_size(&self) -> Option<usize> {
        let size = match self {
            Payload::Scalar(Value::String(text)) => text.as_wtf8().len() + 2,
            Payload::Scalar(_) => return None,
            Payload::Tree(tree) => tree.json.get()?.len(),
        };
        (size >= KEPT).then_some(size)
    }
}

/// Fields in the order JavaScript lists them. Most components have a single one, which takes no allocation.
#[derive(Clone, Debug)]
pub(crate) enum Fields {
    One((Key, Payload)),
    /// None or several; also a single one where others have been removed.
    List(Vec<(Key, Payload)>),
}

impl Default for Fields {
    fn default() -> Fields {
        Fields::List(Vec::new())
    }
}

impl Fields {
    /// No fields yet, with memory for `count` of them.
    pub(crate) fn with_capacity(count: usize) -> Fields {
        Fields::List(Vec::with_capacity(if count > 1 { count } else { 0 }))
    }

    pub(crate) fn as_slice(&self) -> &[(Key, Payload)] {
        match self {
            Fields::One(field) => slice::from_ref(field),
            Fields::List(fields) => fields,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [(Key, Payload)] {
        match self {
            Fields::One(field) => slice::from_mut(field),
            Fields::List(fields) => fields,
        }
    }

    pub(crate) fn push(&mut self, field: (Key, Payload)) {
        *self = match std::mem::take(self) {
            Fields::List(fields) if fields.capacity() == 0 => Fields::One(field),
            Fields::List(mut fields) => {
                fields.push(field);
                Fields::List(fields)
            }
            Fields::One(first) => Fields::List(vec![first, field]),
        };
    }

    pub(crate) fn remove(&mut self, at: usize) {
        match self {
            Fields::One(_) => *self = Fields::default(),
            Fields::List(fields) => drop(fields.remove(at)),
        }
    }
}
