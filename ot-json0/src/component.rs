//! One component of an op: a path and its fields, in the order JavaScript would list them.
//!
//! Large payloads are shared, so cloning a component never copies a document.

use crate::coerce::truthy;
use crate::error::Error;
use crate::field::{Fields, Key, Name, Payload};
use crate::string::Str;
use crate::text0::Edit;
use crate::value::Value;
use crate::write::write_array;

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
    fields: Fields,
    /// How many fields are listed before the path.
    path_at: u32,
    /// Which known fields are there, by [`Name::flag`], and the two facts above.
    flags: u16,
}

impl Component {
    /// The path: keys, indices and (for `si` and `sd`) the position in the string.
    pub fn path(&self) -> &[Value] {
        &self.path
    }

    /// The field called `name` (`"oi"`, `"ld"`, an unknown one, but not `"p"`).
    pub fn field(&self, name: &str) -> Option<&Value> {
        let key = Key::of(Str::from(name));
        let mut fields = self.fields.as_slice().iter();
        fields.find(|(k, _)| *k == key).map(|(_, p)| p.get())
    }

    pub(crate) fn with_path(path: Vec<Value>) -> Component {
        Component {
            path,
            ..Component::default()
        }
    }

    pub(crate) fn with_field(path: Vec<Value>, name: Name, payload: Payload) -> Component {
        let mut component = Component::with_path(path);
        component.set(name, payload);
        component
    }

    /// Reads a component off the wire. `default_path` stands in for a missing or null path.
    pub(crate) fn from_value(value: Value, default_path: bool) -> Result<Component, Error> {
        let object = match value {
            Value::Object(object) => object,
            Value::Null => return Err(Error::new("Cannot read properties of null (reading 'p')")),
            _ => return Err(Error::new("Missing path")),
        };
        let mut component = Component {
            fields: Fields::with_capacity(object.len().saturating_sub(1)),
            ..Component::default()
        };
        let mut path = None;
        for (key, value) in object.into_entries() {
            if key == "p" {
                path = Some(value);
                component.path_at = component.fields.as_slice().len() as u32;
            } else {
                component.fields.push((Key::of(key), Payload::new(value)));
            }
        }
        if path.is_none() {
            component.path_at = component.fields.as_slice().len() as u32;
        }
        component.note_flags();
        component.path = match path {
            Some(Value::Array(path)) => path.into_vec(),
            None | Some(Value::Null) if default_path => Vec::new(),
            _ => return Err(Error::new("Missing path")),
        };
        Ok(component)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (key, payload)) in self.fields.as_slice().iter().enumerate() {
            if at == self.path_at as usize {
                self.write_path(out);
                out.push(b',');
            }
            key.write(out);
            payload.write(out);
            out.push(b',');
        }
        if self.path_at as usize == self.fields.as_slice().len() {
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
        for (key, payload) in self.fields.as_slice() {
            key.write(&mut out);
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

    pub(crate) fn value(&self, name: Name) -> Option<&Value> {
        self.payload(name).map(Payload::get)
    }

    #[inline(always)]
    pub(crate) fn payload(&self, name: Name) -> Option<&Payload> {
        if !self.has(name) {
            return None;
        }
        let mut fields = self.fields.as_slice().iter();
        fields.find(|(key, _)| key.is(name)).map(|(_, p)| p)
    }

    /// The field's value unless it is missing or null.
    pub(crate) fn filled(&self, name: Name) -> Option<&Value> {
        self.value(name).filter(|value| !value.is_null())
    }

    /// Assigns a field: an existing one keeps its place, a new one comes last.
    pub(crate) fn set(&mut self, name: Name, payload: Payload) {
        let mut fields = self.fields.as_mut_slice().iter_mut();
        match fields.find(|(key, _)| key.is(name)) {
            Some((_, old)) => *old = payload,
            None => self.fields.push((Key::Known(name), payload)),
        }
        self.note_flags();
    }

    pub(crate) fn remove(&mut self, name: Name) {
        let mut fields = self.fields.as_slice().iter();
        if let Some(at) = fields.position(|(key, _)| key.is(name)) {
            self.fields.remove(at);
            if at < self.path_at as usize {
                self.path_at -= 1;
            }
            self.note_flags();
        }
    }

    fn note_flags(&mut self) {
        self.flags = 0;
        for (key, payload) in self.fields.as_slice() {
            let Key::Known(name) = key else {
                continue;
            };
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
    #[inline]
    pub(crate) fn edit(&self) -> Result<Edit, Error> {
        Edit::checked(
            self.path.last(),
            self.filled(Name::Si),
            self.filled(Name::Sd),
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
            self.remove(Name::T);
            self.remove(Name::O);
        }
    }
}
