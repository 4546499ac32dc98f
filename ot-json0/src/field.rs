//! The fields of a component beside its path: their names, their values, and the list of them.

use crate::string::Str;
use crate::value::Value;
use crate::write::{write_string, write_value};
use std::cell::OnceCell;
use std::rc::Rc;
use std::slice;

/// The name of a component's field other than its path.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    Other(Str),
}

impl Name {
    pub(crate) fn of(key: Str) -> Name {
        match key.as_wtf8() {
            b"t" => Name::T,
            b"o" => Name::O,
            b"na" => Name::Na,
            b"oi" => Name::Oi,
            b"od" => Name::Od,
            b"li" => Name::Li,
            b"ld" => Name::Ld,
            b"lm" => Name::Lm,
            b"si" => Name::Si,
            b"sd" => Name::Sd,
            _ => Name::Other(key),
        }
    }

    #[inline(always)]
    pub(crate) fn flag(&self) -> u16 {
        match self {
            Name::T => 1,
            Name::O => 1 << 1,
            Name::Na => 1 << 2,
            Name::Oi => 1 << 3,
            Name::Od => 1 << 4,
            Name::Li => 1 << 5,
            Name::Ld => 1 << 6,
            Name::Lm => 1 << 7,
            Name::Si => 1 << 8,
            Name::Sd => 1 << 9,
            Name::Other(_) => 0,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let name: &[u8] = match self {
            Name::T => b"\"t\":",
            Name::O => b"\"o\":",
            Name::Na => b"\"na\":",
            Name::Oi => b"\"oi\":",
            Name::Od => b"\"od\":",
            Name::Li => b"\"li\":",
            Name::Ld => b"\"ld\":",
            Name::Lm => b"\"lm\":",
            Name::Si => b"\"si\":",
            Name::Sd => b"\"sd\":",
            Name::Other(key) => {
                write_string(out, key);
                b":"
            }
        };
        out.extend_from_slice(name);
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
    One((Name, Payload)),
    /// None or several; also a single one where others have been removed.
    List(Vec<(Name, Payload)>),
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

    pub(crate) fn as_slice(&self) -> &[(Name, Payload)] {
        match self {
            Fields::One(field) => slice::from_ref(field),
            Fields::List(fields) => fields,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [(Name, Payload)] {
        match self {
            Fields::One(field) => slice::from_mut(field),
            Fields::List(fields) => fields,
        }
    }

    pub(crate) fn push(&mut self, field: (Name, Payload)) {
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
