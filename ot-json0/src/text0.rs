//! text0, the string subtype: a list of inserts and deletes, each at a position in UTF-16 units.
//!
//! json0's own `si` and `sd` components are text0 edits in another dress; both go through here.

use crate::coerce::list_text;
use crate::error::Error;
use crate::object::Object;
use crate::string::Str;
use crate::subtype::{Side, Subtype};
use crate::value::Value;
use std::rc::Rc;

/// One insert or delete.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// Position in UTF-16 units; JavaScript cuts fractions off when it slices, not before.
    pub(crate) at: f64,
    pub(crate) text: Str,
    pub(crate) insert: bool,
    /// The object this was read from, kept while the edit is unchanged.
    original: Option<Rc<Object>>,
}

impl Edit {
    pub(crate) fn new(at: f64, text: Str, insert: bool) -> Edit {
        let original = None;
        Edit {
            at,
            text,
            insert,
            original,
        }
    }

    /// An edit from its parts, checked as text0 checks a component.
    #[inline]
    pub(crate) fn checked(
        at: Option<&Value>,
        insert: Option<&Value>,
        delete: Option<&Value>,
    ) -> Result<Edit, Error> {
        let Some(Value::Number(at)) = at else {
            return Err(Error::new("component missing position field"));
        };
        let (text, inserts) = match (insert, delete) {
            (Some(Value::String(text)), None | Some(Value::Null)) => (text, true),
            (None | Some(Value::Null), Some(Value::String(text))) => (text, false),
            _ => return Err(Error::new("component needs an i or d field")),
        };
        if *at < 0.0 {
            return Err(Error::new("position cannot be negative"));
        }
        Ok(Edit::new(*at, text.clone(), inserts))
    }

    fn from_value(value: &Value) -> Result<Edit, Error> {
        let object = match value {
            Value::Object(object) => object,
            Value::Null => return Err(Error::new("Cannot read properties of null (reading 'p')")),
            _ => return Err(Error::new("component missing position field")),
        };
        let field = |name: &str| object.get(&Str::from(name));
        let mut edit = Edit::checked(field("p"), field("i"), field("d"))?;
        edit.original = Some(Rc::new(object.clone()));
        Ok(edit)
    }

    fn into_value(self) -> Value {
        if let Some(original) = self.original {
            return Value::Object(Rc::unwrap_or_clone(original));
        }
        let mut object = Object::new();
        let name = if self.insert { "i" } else { "d" };
        object.insert(Str::from(name), Value::String(self.text));
        object.insert(Str::from("p"), Value::Number(self.at));
        Value::Object(object)
    }

    fn length(&self) -> f64 {
        self.text.len_utf16() as f64
    }

    fn end(&self) -> f64 {
        self.at + self.length()
    }

    /// Whether `next`, made after this edit, can be one edit with it.
    pub(crate) fn touches(&self, next: &Edit) -> bool {
        if self.insert {
            next.insert && self.at <= next.at && next.at <= self.end()
        } else {
            !next.insert && next.at <= self.at && self.at <= next.end()
        }
    }

    /// This edit and then `next`, which touches it, as one.
    pub(crate) fn merged(self, next: Edit) -> Edit {
        let (at, mut text, inner) = if self.insert {
            (self.at, self.text, (next.at - self.at, next.text))
        } else {
            (next.at, next.text, (self.at - next.at, self.text))
        };
        let place = inner.0 as usize;
        text.splice(place, place, &inner.1);
        Edit::new(at, text, self.insert)
    }

    /// Where `position` comes to lie after this edit.
    fn shift(&self, position: f64, after: bool) -> f64 {
        if self.insert {
            if self.at < position || (self.at == position && after) {
                return position + self.length();
            }
            return position;
        }
        if position <= self.at {
            position
        } else if position <= self.end() {
            self.at
        } else {
            position - self.length()
        }
    }

    /// Where the edit comes to lie after `other`; `None` if its text does not stay in one piece.
    pub(crate) fn moved(&self, other: &Edit, side: Side) -> Option<f64> {
        if self.insert {
            Some(other.shift(self.at, side == Side::Right))
        } else if other.insert {
            if self.end() <= other.at {
                return Some(self.at);
            }
            (self.at >= other.at).then(|| self.at + other.length())
        } else if self.at >= other.end() {
            Some(self.at - other.length())
        } else {
            (self.end() <= other.at).then_some(self.at)
        }
    }

    /// Changes `text`, or fails with the text left as it was.
    pub(crate) fn apply(&self, text: &mut Str) -> Result<(), Error> {
        let start = self.at as usize;
        if self.insert {
            text.splice(start, start, &self.text);
            return Ok(());
        }
        let end = self.end() as usize;
        let deleted = text.slice(start, end);
        if deleted != self.text {
            return Err(mismatch(&self.text, &deleted));
        }
        text.splice(start, end, &Str::new());
        Ok(())
    }
}

fn mismatch(expected: &Str, found: &Str) -> Error {
    Error::join(&[
        "Delete component '",
        &expected.to_string_lossy(),
        "' does not match deleted text '",
        &found.to_string_lossy(),
        "'",
    ])
}

/// Reads the `o` of a text0 component; what has no elements is an empty op, as in JavaScript.
fn edits(op: &Value) -> Result<Vec<Edit>, Error> {
    match op {
        Value::Array(items) => items.iter().map(Edit::from_value).collect(),
        Value::Null => Err(Error::new(
            "Cannot read properties of null (reading 'length')",
        )),
        Value::String(text) if !text.is_empty() => {
            Err(Error::new("component missing position field"))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Ok(Vec::new()),
    }
}

fn edits_value(edits: Vec<Edit>) -> Value {
    Value::Array(edits.into_iter().map(Edit::into_value).collect())
}

/// Adds an edit to the end of an op, merged with the last one where they touch.
pub(crate) fn append(dest: &mut Vec<Edit>, edit: Edit) {
    if edit.text.is_empty() {
        return;
    }
    match dest.pop() {
        Some(last) if last.touches(&edit) => dest.push(last.merged(edit)),
        last => {
            dest.extend(last);
            dest.push(edit);
        }
    }
}

/// Adds to `dest` what becomes of `edit` once `other` has been applied.
pub(crate) fn transform_edit(
    dest: &mut Vec<Edit>,
    edit: &Edit,
    other: &Edit,
    side: Side,
) -> Result<(), Error> {
    match edit.moved(other, side) {
        // A delete wholly before another passes unchanged, everything else is built anew.
        Some(_) if !edit.insert && !other.insert && edit.end() <= other.at => {
            append(dest, edit.clone());
        }
        Some(at) => append(dest, Edit::new(at, edit.text.clone(), edit.insert)),
        None if other.insert => delete_against_insert(dest, edit, other),
        None => delete_against_delete(dest, edit, other)?,
    }
    Ok(())
}

/// The deleted text splits around what was inserted into it.
fn delete_against_insert(dest: &mut Vec<Edit>, edit: &Edit, other: &Edit) {
    let mut text = edit.text.clone();
    if edit.at < other.at {
        let cut = (other.at - edit.at) as usize;
        append(dest, Edit::new(edit.at, text.slice(0, cut), false));
        text = text.slice(cut, usize::MAX);
    }
    if !text.is_empty() {
        append(dest, Edit::new(edit.at + other.length(), text, false));
    }
}

/// What both delete must be the same text; only the rest is still to be deleted.
fn delete_against_delete(dest: &mut Vec<Edit>, edit: &Edit, other: &Edit) -> Result<(), Error> {
    let from = edit.at.max(other.at);
    let to = edit.end().min(other.end());
    let shared = |e: &Edit| e.text.slice((from - e.at) as usize, (to - e.at) as usize);
    if shared(edit) != shared(other) {
        let message = "Delete ops delete different text in the same region of the document";
        return Err(Error::new(message));
    }
    let mut rest = Str::new();
    if edit.at < other.at {
        rest = edit.text.slice(0, (other.at - edit.at) as usize);
    }
    if edit.end() > other.end() {
        let tail = edit
            .text
            .slice((other.end() - edit.at) as usize, usize::MAX);
        rest = rest.concat(&tail);
    }
    if !rest.is_empty() {
        append(dest, Edit::new(other.shift(edit.at, false), rest, false));
    }
    Ok(())
}

/// Both ops transformed past each other, as ot-json0's generic `transformX` does it.
fn cross(mut left: Vec<Edit>, right: Vec<Edit>) -> Result<(Vec<Edit>, Vec<Edit>), Error> {
    let mut new_right = Vec::new();
    for edit in right {
        let mut current = Some(edit);
        let mut new_left = Vec::new();
        let mut rest = left.into_iter();
        while let Some(theirs) = current.take() {
            let Some(ours) = rest.next() else {
                append(&mut new_right, theirs);
                break;
            };
            let mut next = Vec::new();
            transform_edit(&mut new_left, &ours, &theirs, Side::Left)?;
            transform_edit(&mut next, &theirs, &ours, Side::Right)?;
            if next.len() <= 1 {
                current = next.pop();
                continue;
            }
            let (more_left, more_right) = cross(rest.by_ref().collect(), next)?;
            more_left.into_iter().for_each(|e| append(&mut new_left, e));
            more_right
                .into_iter()
                .for_each(|e| append(&mut new_right, e));
        }
        rest.for_each(|e| append(&mut new_left, e));
        left = new_left;
    }
    Ok((left, new_right))
}

/// Applies text0's `op` to the value under a path, which need not be a string; `None` is undefined.
pub(crate) fn apply_to(snapshot: Option<&mut Value>, op: &Value) -> Result<(), Error> {
    apply_edits(snapshot, &edits(op)?)
}

pub(crate) fn apply_edits(snapshot: Option<&mut Value>, edits: &[Edit]) -> Result<(), Error> {
    let Some((first, more)) = edits.split_first() else {
        return Ok(());
    };
    let (place, mut text) = match snapshot {
        Some(Value::String(text)) if more.is_empty() => return first.apply(text),
        Some(place) => {
            let text = edit_value(place, first)?;
            (place, text)
        }
        None => {
            let message = "Cannot read properties of undefined (reading 'slice')";
            return Err(Error::new(message));
        }
    };
    for edit in more {
        edit.apply(&mut text)?;
    }
    *place = Value::String(text);
    Ok(())
}

fn edit_value(value: &Value, edit: &Edit) -> Result<Str, Error> {
    let message = match value {
        Value::String(text) => {
            let mut text = text.clone();
            edit.apply(&mut text)?;
            return Ok(text);
        }
        Value::Array(items) => return edit_list(items, edit),
        Value::Null => "Cannot read properties of null (reading 'slice')",
        _ if edit.insert => "s1.slice is not a function",
        _ => "snapshot.slice is not a function",
    };
    Err(Error::new(message))
}

/// Arrays have a `slice` too, so JavaScript joins both halves of the list around an insert.
fn edit_list(items: &[Value], edit: &Edit) -> Result<Str, Error> {
    let at = (edit.at as usize).min(items.len());
    if !edit.insert {
        let end = (edit.end() as usize).min(items.len());
        return Err(mismatch(&edit.text, &list_text(&items[at..end])?));
    }
    let before = list_text(&items[..at])?;
    Ok(before.concat(&edit.text).concat(&list_text(&items[at..])?))
}

/// The subtype itself; every [`crate::Json0`] has it.
#[derive(Clone, Copy, Debug)]
pub struct Text0;

impl Subtype for Text0 {
    fn name(&self) -> &str {
        "text0"
    }

    fn apply(&self, snapshot: Option<&Value>, op: &Value) -> Result<Value, Error> {
        let mut changed = snapshot.cloned();
        apply_to(changed.as_mut(), op)?;
        Ok(changed.unwrap_or_default())
    }

    fn compose(&self, first: &Value, second: &Value) -> Result<Value, Error> {
        let mut composed = edits(first)?;
        for edit in edits(second)? {
            append(&mut composed, edit);
        }
        Ok(edits_value(composed))
    }

    fn transform(&self, op: &Value, other: &Value, side: Side) -> Result<Value, Error> {
        let count = |op: &Value| op.as_array().map_or(0, <[Value]>::len);
        if count(other) == 0 {
            return Ok(op.clone());
        }
        if count(op) == 1 && count(other) == 1 {
            let (ours, theirs) = (edits(op)?, edits(other)?);
            let mut transformed = Vec::new();
            transform_edit(&mut transformed, &ours[0], &theirs[0], side)?;
            return Ok(edits_value(transformed));
        }
        let transformed = match side {
            Side::Left => cross(edits(op)?, edits(other)?)?.0,
            Side::Right => cross(edits(other)?, edits(op)?)?.1,
        };
        Ok(edits_value(transformed))
    }

    fn invert(&self, op: &Value) -> Value {
        let Some(components) = op.as_array() else {
            return op.clone();
        };
        Value::Array(components.iter().rev().map(inverse).collect())
    }
}

fn inverse(component: &Value) -> Value {
    let inserted = component.get("i").filter(|text| !text.is_null());
    let (name, text) = match inserted {
        Some(text) => ("d", Some(text)),
        None => ("i", component.get("d")),
    };
    let fields = [(name, text), ("p", component.get("p"))];
    let present = |(key, value): (&str, Option<&Value>)| Some((Str::from(key), value?.clone()));
    Value::Object(fields.into_iter().filter_map(present).collect())
}
