//! Copying, comparing, changing and dropping nested values without a recursion that is as deep as they are: a document
//! may be nested deeper than any stack holds, WebAssembly's of 1 MiB in particular.

use crate::coerce::strict_eq;
use crate::object;
use crate::value::Value;
use std::cell::Cell;
use std::slice;

/// So many levels are dropped and copied by recursion, which is quicker.
pub(crate) const LEVELS: usize = 64;

/// The values directly inside of a value, in order.
enum Children<'a> {
    Items(slice::Iter<'a, Value>),
    Entries(object::Iter<'a>),
}

impl<'a> Children<'a> {
    /// `None` where `value` is no array and no object.
    fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Array(items) => Some(Children::Items(items.iter())),
            Value::Object(object) => Some(Children::Entries(object.iter())),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = &'a Value;

    fn next(&mut self) -> Option<&'a Value> {
        match self {
            Children::Items(items) => items.next(),
            Children::Entries(entries) => entries.next().map(|(_, value)| value),
        }
    }
}

/// The same, to change.
enum ChildrenMut<'a> {
    Items(slice::IterMut<'a, Value>),
    Entries(object::IterMut<'a>),
}

impl<'a> ChildrenMut<'a> {
    fn of(value: &'a mut Value) -> Option<Self> {
        match value {
            Value::Array(items) => Some(ChildrenMut::Items(items.iter_mut())),
            Value::Object(object) => Some(ChildrenMut::Entries(object.iter_mut())),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }
}

impl<'a> Iterator for ChildrenMut<'a> {
    type Item = &'a mut Value;

    fn next(&mut self) -> Option<&'a mut Value> {
        match self {
            ChildrenMut::Items(items) => items.next(),
            ChildrenMut::Entries(entries) => entries.next(),
        }
    }
}

thread_local! {
    /// How many values the drop of one value is inside of.
    static DROPPING: Cell<usize> = const { Cell::new(0) };
}

/// What `Drop` does with an array or object.
pub(crate) fn dismantle(value: &mut Value) {
    let level = DROPPING.get();
    if level == LEVELS {
        return dismantle_deep(value);
    }
    DROPPING.set(level + 1);
    match value {
        Value::Array(items) => items.clear(),
        Value::Object(object) => object.clear(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    DROPPING.set(level);
}

/// Takes out all trees, so that the drop of each finds no other inside.
#[cold]
fn dismantle_deep(value: &mut Value) {
    let mut pending = Vec::new();
    take_trees(value, &mut pending);
    while let Some(mut value) = pending.pop() {
        take_trees(&mut value, &mut pending);
    }
}

fn take_trees(value: &mut Value, pending: &mut Vec<Value>) {
    for child in ChildrenMut::of(value).into_iter().flatten() {
        if child.is_tree() {
            pending.push(std::mem::take(child));
        }
    }
}

/// A copy of an array or object.
pub(crate) fn copy(tree: &Value) -> Value {
    copy_levels(tree, LEVELS)
}

/// What is nested deeper than `levels` is copied without recursion; of no levels the copy has null there.
fn copy_levels(tree: &Value, levels: usize) -> Value {
    match tree {
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| copy_inner(item, levels)).collect())
        }
        Value::Object(object) => Value::Object(object.copy(levels)),
        scalar => scalar.clone_scalar(),
    }
}

/// A copy of what is inside of an array or object.
#[inline]
pub(crate) fn copy_inner(value: &Value, levels: usize) -> Value {
    if levels == 0 || !value.is_tree() {
        value.clone_scalar()
    } else if levels == 1 {
        copy_deep(value)
    } else {
        copy_levels(value, levels - 1)
    }
}

#[cold]
fn copy_deep(tree: &Value) -> Value {
    let mut copied = Value::Null;
    let mut pending = vec![(tree, &mut copied)];
    while let Some((from, to)) = pending.pop() {
        *to = copy_levels(from, 0);
        if let (Some(from), Some(to)) = (Children::of(from), ChildrenMut::of(to)) {
            for (from, to) in from.zip(to) {
                if from.is_tree() {
                    pending.push((from, to));
                }
            }
        }
    }
    copied
}

/// Whether two values are the same, whatever the order of keys.
pub(crate) fn equal<'a>(mut a: &'a Value, mut b: &'a Value) -> bool {
    let mut pending = Vec::new();
    loop {
        let same = match (a, b) {
            (Value::Array(a), Value::Array(b)) => {
                pending.extend(a.iter().zip(b));
                a.len() == b.len()
            }
            (Value::Object(a), Value::Object(b)) => {
                let with_other = |(key, value)| Some((value, b.get(key)?));
                let known = pending.len();
                pending.extend(a.iter().map_while(with_other));
                a.len() == b.len() && a.len() == pending.len() - known
            }
            _ => strict_eq(Some(a), Some(b)),
        };
        if !same {
            return false;
        }
        match pending.pop() {
            Some(next) => (a, b) = next,
            None => return true,
        }
    }
}

/// Makes the numbers inside an array or object null that are not finite.
#[cold]
pub(crate) fn make_finite(tree: &mut Value) {
    let mut pending = vec![tree];
    while let Some(tree) = pending.pop() {
        for child in ChildrenMut::of(tree).into_iter().flatten() {
            match child {
                Value::Number(number) if !number.is_finite() => *child = Value::Null,
                Value::Array(_) | Value::Object(_) => pending.push(child),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
    }
}
