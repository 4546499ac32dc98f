//! Ops, and the functions that read, join and undo them.

use crate::append::{Tail, append};
use crate::apply::apply_component;
use crate::coerce::{to_number, truthy};
use crate::component::Component;
use crate::error::Error;
use crate::field::{Name, Payload};
use crate::subtype::{Side, Subtype};
use crate::text0::Text0;
use crate::transform;
use crate::value::Value;
use crate::write::written;

/// A json0 op: a list of components, each with an array for a path.
#[derive(Clone, Debug, Default)]
pub struct Op(pub(crate) Vec<Component>);

impl Op {
    /// Reads an op off the wire: an array of components, each of which has a path.
    pub fn parse(json: &str) -> Result<Op, Error> {
        Op::from_value(read(json)?)
    }

    /// As [`Op::parse`], from a value that has been read already.
    pub fn from_value(value: Value) -> Result<Op, Error> {
        match value {
            Value::Array(items) => components(items.into_vec(), false),
            _ => Err(Error::new("json0 op must be an array")),
        }
    }

    /// Appends the op's JSON text.
    pub fn write_json(&self, out: &mut String) {
        out.push_str(&self.to_json());
    }

    /// The op's JSON text, as `JSON.stringify` gives it.
    pub fn to_json(&self) -> String {
        list_json(&self.0)
    }

    /// The length in bytes of the op's JSON text, but that of a long string without what is added to escape its characters.
    pub fn json_size(&self) -> usize {
        let components: usize = self.0.iter().map(|c| c.json_size() + ",".len()).sum();
        "[]".len() + components.saturating_sub(1)
    }

    /// How many components there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The components.
    pub fn components(&self) -> &[Component] {
        &self.0
    }

    /// The JSON text of the op that has component number `i` alone; `[]` beyond the end.
    pub fn component_json(&self, i: usize) -> String {
        list_json(self.0.get(i..=i).unwrap_or_default())
    }

    /// One op for each component.
    pub fn split(&self) -> impl Iterator<Item = Op> {
        self.0.iter().map(|component| Op(vec![component.clone()]))
    }

    /// Whether a component names a subtype in `t` that is not text0.
    pub fn unknown_subtypes(&self) -> bool {
        Json0::default().unknown_subtypes(self)
    }

    /// The subtypes other than text0 that components name in `t`, as they name them. What JavaScript takes for
    /// false names none.
    pub fn foreign_subtypes(&self) -> impl Iterator<Item = &Value> {
        let text0 = |c: &Component| Json0::default().is_text0(c);
        let foreign = self.0.iter().filter(move |c| c.has(Name::T) && !text0(c));
        let names = foreign.filter_map(|c| c.value(Name::T));
        names.filter(|name| truthy(name))
    }

    /// Composes `other` onto the end, at a cost that depends on `other` alone. On an error what was
    /// appended before it stays.
    pub fn append_op(&mut self, other: Op) -> Result<(), Error> {
        Json0::default().append_op(self, other)
    }
}

impl PartialEq for Op {
    /// Same JSON text: the order of a component's fields counts, as it does on the wire.
    fn eq(&self, other: &Op) -> bool {
        self.len() == other.len() && self.to_json() == other.to_json()
    }
}

fn list_json(list: &[Component]) -> String {
    written(|out| {
        out.push(b'[');
        for (at, component) in list.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            component.write(out);
        }
        out.push(b']');
    })
}

fn read(json: &str) -> Result<Value, Error> {
    Value::parse(json).map_err(|error| Error {
        message: error.to_message(),
    })
}

fn components(items: Vec<Value>, default_path: bool) -> Result<Op, Error> {
    let read = |item| Component::from_value(item, default_path);
    Ok(Op(items
        .into_iter()
        .map(read)
        .collect::<Result<_, Error>>()?))
}

/// The json0 type with the subtypes it knows: text0, and those registered.
///
/// ```
/// use ot_json0::{Json0, Op};
/// let op = Op::parse(r#"[{"p":["x"],"t":"rich","o":[]}]"#).unwrap();
/// assert!(Json0::default().unknown_subtypes(&op));
/// ```
#[derive(Default)]
pub struct Json0 {
    subtypes: Vec<Box<dyn Subtype>>,
}

impl Json0 {
    /// json0 with text0 alone.
    pub fn new() -> Json0 {
        Json0::default()
    }

    /// Adds a subtype; of two with one name the later counts. text0 cannot be replaced.
    pub fn register(&mut self, subtype: Box<dyn Subtype>) {
        self.subtypes.push(subtype);
    }

    pub(crate) fn is_text0(&self, c: &Component) -> bool {
        matches!(c.value(Name::T), Some(Value::String(name)) if name == "text0")
    }

    /// The subtype that `t` names, if it is known.
    pub(crate) fn subtype(&self, c: &Component) -> Option<&dyn Subtype> {
        if !c.has(Name::T) {
            return None;
        }
        if self.is_text0(c) {
            return Some(&Text0);
        }
        let name = c.value(Name::T)?.as_str()?;
        let known = self.subtypes.iter().rev().map(Box::as_ref);
        known.into_iter().find(|subtype| *name == subtype.name())
    }

    /// Whether a component names a subtype that is not known.
    pub fn unknown_subtypes(&self, op: &Op) -> bool {
        let unknown = |c: &Component| c.has(Name::T) && self.subtype(c).is_none();
        op.0.iter().any(unknown)
    }

    /// See [`crate::normalize`].
    pub fn normalize(&self, json: &str) -> Result<Op, Error> {
        let items = match read(json)? {
            Value::Array(items) => items.into_vec(),
            bare => vec![bare],
        };
        let mut normal = Op::default();
        self.append_op(&mut normal, components(items, true)?)?;
        Ok(normal)
    }

    /// See [`crate::apply`].
    pub fn apply(&self, mut snapshot: Value, op: &Op) -> Result<Value, Error> {
        self.apply_in_place(&mut snapshot, op)?;
        Ok(snapshot)
    }

    /// See [`crate::apply_in_place`].
    pub fn apply_in_place(&self, snapshot: &mut Value, op: &Op) -> Result<(), Error> {
        let mut root = Some(std::mem::take(snapshot));
        let mut components = op.0.iter();
        let outcome = components.try_for_each(|c| apply_component(self, &mut root, c));
        *snapshot = root.unwrap_or_default();
        outcome
    }

    /// See [`crate::compose`].
    pub fn compose(&self, a: &Op, b: &Op) -> Result<Op, Error> {
        let mut composed = a.clone();
        self.append_op(&mut composed, b.clone())?;
        Ok(composed)
    }

    /// See [`Op::append_op`].
    pub fn append_op(&self, op: &mut Op, other: Op) -> Result<(), Error> {
        let mut tail = Tail::at_end(std::mem::take(&mut op.0));
        let mut components = other.0.into_iter();
        let outcome = components.try_for_each(|component| append(self, &mut tail, component));
        op.0 = tail.finish();
        outcome
    }

    /// See [`crate::transform`].
    pub fn transform(&self, op: &Op, other: &Op, side: Side) -> Result<Op, Error> {
        transform::transform(self, op, other, side)
    }

    /// See [`crate::transform_x`].
    pub fn transform_x(&self, left: &mut Op, right: &mut Op) -> Result<(), Error> {
        let (ours, theirs) = (std::mem::take(&mut left.0), std::mem::take(&mut right.0));
        (left.0, right.0) = transform::cross(self, ours, theirs)?;
        Ok(())
    }

    /// See [`crate::invert`].
    pub fn invert(&self, op: &Op) -> Op {
        Op(op.0.iter().rev().map(|c| self.inverse(c)).collect())
    }

    fn inverse(&self, c: &Component) -> Component {
        let mut inverse = Component::with_path(c.path.clone());
        if let (Some(subtype), Some(t)) = (self.subtype(c), c.payload(Name::T)) {
            inverse.set(Name::T, t.clone());
            if let Some(op) = c.value(Name::O) {
                inverse.set(Name::O, Payload::new(subtype.invert(op)));
            }
        }
        let opposites = [
            (Name::Si, Name::Sd),
            (Name::Sd, Name::Si),
            (Name::Oi, Name::Od),
            (Name::Od, Name::Oi),
            (Name::Li, Name::Ld),
            (Name::Ld, Name::Li),
        ];
        for (name, opposite) in opposites {
            if let Some(payload) = c.payload(name) {
                inverse.set(opposite, payload.clone());
            }
        }
        if let Some(amount) = c.value(Name::Na) {
            let undone = Value::Number(-to_number(Some(amount)));
            inverse.set(Name::Na, Payload::Scalar(undone));
        }
        if let Some(to) = c.payload(Name::Lm) {
            let from = inverse.path.pop();
            inverse.path.push(to.get().clone());
            if let Some(from) = from {
                inverse.set(Name::Lm, Payload::new(from));
            }
        }
        inverse
    }
}
