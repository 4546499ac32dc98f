//! Applying an op to a document, one component after another, in place.
//!
//! As in JavaScript a component that fails leaves those before it applied.

use crate::coerce::{add, loose_eq, to_integer, to_number, to_text};
use crate::component::Component;
use crate::error::Error;
use crate::field::Name;
use crate::object::array_index;
use crate::op::Json0;
use crate::string::Str;
use crate::subtype::Subtype;
use crate::text0;
use crate::value::Value;

/// How far beyond its end a list may be extended by an assignment; JavaScript would make holes, up to
/// four thousand million of them.
const MAX_HOLES: usize = 1 << 20;

/// The document: undefined once its root has been deleted.
pub(crate) type Root = Option<Value>;

/// Applies one component to a document.
pub(crate) fn apply_component(json0: &Json0, root: &mut Root, c: &Component) -> Result<(), Error> {
    let position = usize::from(c.is_text());
    let length = c.path.len().saturating_sub(position);
    let Some((key, parents)) = c.path[..length].split_last() else {
        return apply_at_root(json0, root, c);
    };
    let mut copy;
    let holder = match descend(root.as_mut(), parents)? {
        Found::Here(holder) => Some(holder),
        Found::Copy(value) => {
            copy = value;
            Some(&mut copy)
        }
        Found::Undefined => None,
    };
    match instruction(json0, c) {
        Instruction::Subtype(_) | Instruction::Text | Instruction::Add => {
            change_at(json0, holder, key, c)
        }
        Instruction::List => change_list(list_of(holder)?, key, c),
        Instruction::Object => change_object(holder, key, c),
        Instruction::Missing => Err(missing_instruction()),
    }
}

fn missing_instruction() -> Error {
    Error::new("invalid / missing instruction in op")
}

/// What a component asks for, in the order of precedence that ot-json0 has.
enum Instruction<'a> {
    /// `si` or `sd`
    Text,
    /// `t` and `o`, of a type that is there
    Subtype(&'a dyn Subtype),
    Add,
    List,
    Object,
    Missing,
}

#[inline]
fn instruction<'a>(json0: &'a Json0, c: &Component) -> Instruction<'a> {
    if c.is_text() {
        return Instruction::Text;
    }
    if c.has(Name::O)
        && let Some(subtype) = json0.subtype(c)
    {
        return Instruction::Subtype(subtype);
    }
    if c.has(Name::Na) {
        Instruction::Add
    } else if c.has(Name::Li) || c.has(Name::Ld) || c.has(Name::Lm) {
        Instruction::List
    } else if c.has(Name::Oi) || c.has(Name::Od) {
        Instruction::Object
    } else {
        Instruction::Missing
    }
}

fn payload(c: &Component, name: Name) -> Value {
    c.value(name).cloned().unwrap_or_default()
}

/// A component whose path (without a string position) is empty: it changes the document as a whole.
fn apply_at_root(json0: &Json0, root: &mut Root, c: &Component) -> Result<(), Error> {
    match instruction(json0, c) {
        Instruction::List => Err(Error::new("Referenced element not a list")),
        Instruction::Object if c.has(Name::Oi) => {
            *root = Some(payload(c, Name::Oi));
            Ok(())
        }
        Instruction::Object => {
            *root = None;
            Ok(())
        }
        Instruction::Missing => Err(missing_instruction()),
        Instruction::Text | Instruction::Subtype(_) | Instruction::Add => {
            change_value(json0, root.as_mut(), c)?.map_or(Ok(()), |changed| {
                *root = Some(changed);
                Ok(())
            })
        }
    }
}

/// What a path leads to.
enum Found<'a> {
    Here(&'a mut Value),
    /// A character of a string or a length: JavaScript hands out a copy, changes to it are lost.
    Copy(Value),
    Undefined,
}

fn descend<'a>(root: Option<&'a mut Value>, path: &[Value]) -> Result<Found<'a>, Error> {
    let mut found = root.map_or(Found::Undefined, Found::Here);
    for key in path {
        found = match found {
            Found::Undefined => return Err(cannot_read(None, key)),
            Found::Here(value) => step(value, key)?,
            Found::Copy(mut value) => match step(&mut value, key)? {
                Found::Here(_) | Found::Undefined => Found::Undefined,
                Found::Copy(inner) => Found::Copy(inner),
            },
        };
    }
    Ok(found)
}

/// `holder[key]`
#[inline]
fn step<'a>(holder: &'a mut Value, key: &Value) -> Result<Found<'a>, Error> {
    let place = match holder {
        Value::Null => return Err(cannot_read(Some(holder), key)),
        Value::Bool(_) | Value::Number(_) => None,
        Value::Object(object) => match key {
            Value::String(key) => object.get_mut(key),
            _ => object.get_mut(&to_text(key)?),
        },
        Value::Array(items) => match list_key(key)? {
            ListKey::Index(index) => items.get_mut(index),
            ListKey::Length => return Ok(Found::Copy(Value::Number(items.len() as f64))),
            ListKey::Other => None,
        },
        Value::String(text) => match list_key(key)? {
            ListKey::Index(index) if index < text.len_utf16() => {
                return Ok(Found::Copy(Value::String(text.slice(index, index + 1))));
            }
            ListKey::Length => return Ok(Found::Copy(Value::Number(text.len_utf16() as f64))),
            ListKey::Index(_) | ListKey::Other => None,
        },
    };
    Ok(place.map_or(Found::Undefined, Found::Here))
}

enum ListKey {
    Index(usize),
    Length,
    Other,
}

/// A path segment as the name of a list's property.
#[inline]
fn list_key(key: &Value) -> Result<ListKey, Error> {
    if let Value::Number(number) = key
        && *number >= 0.0
        && *number < f64::from(u32::MAX)
        && number.trunc() == *number
    {
        return Ok(ListKey::Index(*number as usize));
    }
    let name = to_text(key)?;
    if name == "length" {
        return Ok(ListKey::Length);
    }
    Ok(array_index(&name).map_or(ListKey::Other, |index| ListKey::Index(index as usize)))
}

/// The engine's own complaint about a property of null or undefined.
fn cannot_read(holder: Option<&Value>, key: &Value) -> Error {
    let what = if holder.is_some() {
        "null"
    } else {
        "undefined"
    };
    if key.is_tree() {
        return Error::join(&["Cannot read properties of ", what]);
    }
    let name = to_text(key).unwrap_or_default().to_string_lossy();
    let parts = [
        "Cannot read properties of ",
        what,
        " (reading '",
        &name,
        "')",
    ];
    Error::join(&parts)
}

/// Components that compute a new value from the old one: text, other subtypes, number add.
fn change_at(
    json0: &Json0,
    holder: Option<&mut Value>,
    key: &Value,
    c: &Component,
) -> Result<(), Error> {
    let Some(holder) = holder else {
        return Err(cannot_read(None, key));
    };
    let changed = match step(holder, key)? {
        Found::Here(value) => return change_value(json0, Some(value), c).map(|_| ()),
        Found::Copy(mut value) => {
            change_value(json0, Some(&mut value), c)?;
            Some(value)
        }
        Found::Undefined => change_value(json0, None, c)?,
    };
    match changed {
        Some(value) => assign(holder, key, value),
        None => Ok(()),
    }
}

/// Changes the value in place; where there is none, returns what JavaScript would assign.
fn change_value(
    json0: &Json0,
    value: Option<&mut Value>,
    c: &Component,
) -> Result<Option<Value>, Error> {
    match instruction(json0, c) {
        Instruction::Text => {
            let edit = c.edit()?;
            match value {
                Some(Value::String(text)) => edit.apply(text)?,
                other => text0::apply_edits(other, &[edit])?,
            }
        }
        Instruction::Subtype(_) if json0.is_text0(c) => {
            text0::apply_to(value, c.value(Name::O).unwrap_or(&Value::Null))?;
        }
        Instruction::Subtype(subtype) => {
            let undefined = Value::Null;
            let op = c.value(Name::O).unwrap_or(&undefined);
            let changed = subtype.apply(value.as_deref(), op)?;
            match value {
                Some(place) => *place = changed,
                None => return Ok(Some(changed)),
            }
        }
        _ => match value {
            Some(place @ Value::Number(_)) => {
                let mut amount = payload(c, Name::Na);
                amount.make_finite();
                *place = add(place, &amount);
            }
            _ => return Err(Error::new("Referenced element not a number")),
        },
    }
    Ok(None)
}

/// `holder[key] = value`
fn assign(holder: &mut Value, key: &Value, value: Value) -> Result<(), Error> {
    match holder {
        Value::Array(items) => assign_in_list(items, key, value),
        Value::Object(object) => {
            let key = to_text(key)?;
            // Assigning `__proto__` sets no property unless JSON has made it an own one.
            if key != "__proto__" || object.contains_key(&key) {
                object.insert(key, value);
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn assign_in_list(items: &mut Vec<Value>, key: &Value, value: Value) -> Result<(), Error> {
    let length = match list_key(key)? {
        ListKey::Other => return Ok(()),
        ListKey::Length => {
            let length = to_number(Some(&value));
            if !(0.0..=f64::from(u32::MAX)).contains(&length) || length.trunc() != length {
                return Err(Error::new("Invalid array length"));
            }
            length as usize
        }
        ListKey::Index(index) if index < items.len() => {
            items[index] = value;
            return Ok(());
        }
        ListKey::Index(index) => index + 1,
    };
    if length > items.len() + MAX_HOLES {
        return Err(Error::new("Path invalid"));
    }
    items.resize(length, Value::Null);
    if let (ListKey::Index(index), Some(last)) = (list_key(key)?, items.last_mut()) {
        debug_assert_eq!(index + 1, length);
        *last = value;
    }
    Ok(())
}

fn list_of(holder: Option<&mut Value>) -> Result<&mut Vec<Value>, Error> {
    match holder {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(Error::new("Referenced element not a list")),
    }
}

/// `li`, `ld` (or both) and `lm`.
fn change_list(items: &mut Vec<Value>, key: &Value, c: &Component) -> Result<(), Error> {
    match (c.has(Name::Li), c.has(Name::Ld)) {
        (true, true) => return assign_in_list(items, key, payload(c, Name::Li)),
        (true, false) => {
            let at = splice_start(items, Some(key));
            items.insert(at, payload(c, Name::Li));
        }
        (false, true) => {
            splice_out(items, key);
        }
        (false, false) => {
            let to = c.value(Name::Lm);
            if loose_eq(to, Some(key)) {
                return Ok(());
            }
            let moved = match list_key(key)? {
                ListKey::Index(index) => items.get_mut(index).map(std::mem::take),
                ListKey::Length => Some(Value::Number(items.len() as f64)),
                ListKey::Other => None,
            };
            splice_out(items, key);
            let at = splice_start(items, to);
            items.insert(at, moved.unwrap_or_default());
        }
    }
    Ok(())
}

/// Where `items.splice(key, …)` starts: negative numbers count from the end, others are clamped.
fn splice_start(items: &[Value], key: Option<&Value>) -> usize {
    let at = to_integer(to_number(key));
    let length = items.len() as f64;
    let at = if at < 0.0 {
        (length + at).max(0.0)
    } else {
        at.min(length)
    };
    at as usize
}

fn splice_out(items: &mut Vec<Value>, key: &Value) {
    let at = splice_start(items, Some(key));
    if at < items.len() {
        items.remove(at);
    }
}

/// `oi`, `od` or both.
fn change_object(holder: Option<&mut Value>, key: &Value, c: &Component) -> Result<(), Error> {
    let constructor = Str::from("constructor");
    let object = match holder {
        // ot-json0 recognises an object by its constructor, which an own key of that name hides.
        Some(Value::Object(object)) if !object.contains_key(&constructor) => object,
        other => {
            let found = other.map_or(String::from("undefined"), |value| value.to_json());
            let parts = ["Referenced element not an object (it was ", &found, ")"];
            return Err(Error::join(&parts));
        }
    };
    let key = to_text(key)?;
    if !c.has(Name::Oi) {
        object.remove(&key);
    } else if key != "__proto__" || object.contains_key(&key) {
        object.insert(key, payload(c, Name::Oi));
    }
    Ok(())
}
