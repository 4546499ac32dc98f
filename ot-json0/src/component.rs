//! One component of an op: a path and its fields, in the order JavaScript would list them.
//!
//! Large payloads are shared, so cloning a component never copies a document.

use crate::coerce::truthy;
use crate::error::Error;
use crate::string::Str;
use crate::text0::Edit;
use crate::value::Value;
use crate::write::{write_array, write_string, write_value};
use std::cell::OnceCell;
use std::rc::Rc;

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

/// Set in [`Component::flags`] when `na` is not null or `t` is truthy: the component works below its path.
const OPERAND: u16 = 1 << 10;
/// Set when `si` or `sd` is not null.
const TEXT: u16 = 1 << 11;

/// Set when `na` is a number that JSON does not have: the sum of two that were too large.
const OVERFLOWN: u16 = 1 << 12;

/// Set when the component is known not to merge with the one before it in its op.
const APART: u16 = 1 << 13;

/// One component of a json0 op.
#[derive(Clone, Debug, Default)]
pub struct Component {
    pub(crate) path: Vec<Value>,
    fields: Vec<(Name, Payload)>,
    /// How many fields are listed before the path.
    path_at: u32,
    /// Which known fields are there, by [`Name::flag`], and the two facts above.
    flags: u16,
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
    fn write(&self, out: &mut Vec<u8>) {
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

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Payload::Scalar(value) => write_value(out, value),
            Payload::Tree(tree) => tree.write(out),
        }
    }

    /// The length of a large payload's JSON, where it is known; of a string that of its characters.
    fn large_size(&self) -> Option<usize> {
        let size = match self {
            Payload::Scalar(Value::String(text)) => text.as_wtf8().len() + 2,
            Payload::Scalar(_) => return None,
            Payload::Tree(tree) => tree.json.get()?.len(),
        };
        (size >= KEPT).then_some(size)
    }
}

impl Name {
    fn of(key: Str) -> Name {
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
    fn flag(&self) -> u16 {
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

    fn write(&self, out: &mut Vec<u8>) {
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

impl Component {
    /// The path: keys, indices and (for `si` and `sd`) the position in the string.
    pub fn path(&self) -> &[Value] {
        &self.path
    }

    /// The field called `name` (`"oi"`, `"ld"`, an unknown one, but not `"p"`).
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.value(&Name::of(Str::from(name)))
    }

    pub(crate) fn with_path(path: Vec<Value>) -> Component {
        Component {
            path,
            ..Component::default()
        }
    }

    pub(crate) fn with_field(path: Vec<Value>, name: Name, payload: Payload) -> Component {
        let mut component = Component::with_path(path);
        component.fields.reserve_exact(1);
        component.set(name, payload);
        component
    }

    /// Reads a component off the wire. `default_path` stands in for a missing or null path.
    pub(crate) fn from_value(mut value: Value, default_path: bool) -> Result<Component, Error> {
        let object = match &mut value {
            Value::Object(object) => object,
            Value::Null => return Err(Error::new("Cannot read properties of null (reading 'p')")),
            _ => return Err(Error::new("Missing path")),
        };
        let mut component = Component::default();
        component
            .fields
            .reserve_exact(object.len().saturating_sub(1));
        let mut path = None;
        for (key, value) in object.take_entries() {
            if key == "p" {
                path = Some(value);
                component.path_at = component.fields.len() as u32;
            } else {
                component.set(Name::of(key), Payload::new(value));
            }
        }
        if path.is_none() {
            component.path_at = component.fields.len() as u32;
        }
        component.path = match &mut path {
            Some(Value::Array(path)) => std::mem::take(path),
            None | Some(Value::Null) if default_path => Vec::new(),
            _ => return Err(Error::new("Missing path")),
        };
        Ok(component)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (name, payload)) in self.fields.iter().enumerate() {
            if at == self.path_at as usize {
                self.write_path(out);
                out.push(b',');
            }
            name.write(out);
            payload.write(out);
            out.push(b',');
        }
        if self.path_at as usize == self.fields.len() {
            self.write_path(out);
        } else {
            out.pop();
        }
        out.push(b'}');
    }

    /// About the length of what [`Component::write`] writes.
    pub(crate) fn json_size(&self) -> usize {
        let mut out = Vec::new();
        let mut size = 0;
        self.write_path(&mut out);
        for (name, payload) in &self.fields {
            name.write(&mut out);
            match payload.large_size() {
                Some(large) => size += large,
                None => payload.write(&mut out),
            }
            out.push(b',');
        }
        size + out.len() + "{}".len()
    }

    fn write_path(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"p\":");
        write_array(out, &self.path);
    }

    #[inline(always)]
    pub(crate) fn has(&self, name: Name) -> bool {
        self.flags & name.flag() != 0
    }

    /// `na` is not null, or `t` is truthy: the component addresses something below its path.
    #[inline(always)]
    pub(crate) fn has_operand(&self) -> bool {
        self.flags & OPERAND != 0
    }

    /// What a copy through JSON does, which ot-json0 makes of every component it reads.
    #[inline(always)]
    pub(crate) fn make_finite(&mut self) {
        if self.flags & OVERFLOWN != 0 {
            self.set(Name::Na, Payload::Scalar(Value::Null));
        }
    }

    /// Whether it is known not to merge with the one before it; forgotten when a field changes.
    #[inline(always)]
    pub(crate) fn stands_apart(&self) -> bool {
        self.flags & APART != 0
    }

    #[inline(always)]
    pub(crate) fn note_apart(&mut self, apart: bool) {
        self.flags = if apart {
            self.flags | APART
        } else {
            self.flags & !APART
        };
    }

    /// `si` or `sd` is not null.
    #[inline(always)]
    pub(crate) fn is_text(&self) -> bool {
        self.flags & TEXT != 0
    }

    pub(crate) fn value(&self, name: &Name) -> Option<&Value> {
        self.payload(name).map(Payload::get)
    }

    pub(crate) fn payload(&self, name: &Name) -> Option<&Payload> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, p)| p)
    }

    /// The field's value unless it is missing or null.
    pub(crate) fn filled(&self, name: &Name) -> Option<&Value> {
        self.value(name).filter(|value| !value.is_null())
    }

    /// Assigns a field: an existing one keeps its place, a new one comes last.
    pub(crate) fn set(&mut self, name: Name, payload: Payload) {
        match self.fields.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = payload,
            None => self.fields.push((name, payload)),
        }
        self.note_flags();
    }

    pub(crate) fn remove(&mut self, name: &Name) {
        if let Some(at) = self.fields.iter().position(|(n, _)| n == name) {
            self.fields.remove(at);
            if at < self.path_at as usize {
                self.path_at -= 1;
            }
            self.note_flags();
        }
    }

    fn note_flags(&mut self) {
        self.flags = 0;
        for (name, payload) in &self.fields {
            let value = payload.get();
            self.flags |= name.flag();
            self.flags |= match name {
                Name::Na => match value {
                    Value::Null => 0,
                    Value::Number(number) if !number.is_finite() => OPERAND | OVERFLOWN,
                    _ => OPERAND,
                },
                Name::T if truthy(value) => OPERAND,
                Name::Si | Name::Sd if !value.is_null() => TEXT,
                _ => 0,
            };
        }
    }

    /// An `si` or `sd` component as the text0 edit it stands for, checked.
    pub(crate) fn edit(&self) -> Result<Edit, Error> {
        Edit::checked(
            self.path.last(),
            self.filled(&Name::Si),
            self.filled(&Name::Sd),
        )
    }

    /// Puts an edit's text and position in place of its own. ot-json0 passes through `t` and `o` on
    /// the way and deletes them.
    pub(crate) fn set_edit(&mut self, edit: Edit) {
        if let Some(position) = self.path.last_mut() {
            *position = Value::Number(edit.at);
        }
        let name = if edit.insert { Name::Si } else { Name::Sd };
        self.set(name, Payload::Scalar(Value::String(edit.text)));
        self.drop_subtype_fields();
    }

    /// ot-json0 takes an `si` or `sd` apart before it sees that there is nothing to compose, and what it
    /// then puts together again has a position even where the path had no room for one.
    pub(crate) fn restore_edit(&mut self) {
        if self.path.is_empty() {
            self.path.push(Value::Null);
        }
        self.drop_subtype_fields();
    }

    pub(crate) fn drop_subtype_fields(&mut self) {
        if self.has(Name::T) || self.has(Name::O) {
            self.remove(&Name::T);
            self.remove(&Name::O);
        }
    }
}
