//! Copying, comparing, changing and dropping nested values without a recursion that is as deep as they are: a document
//! may be nested deeper than any stack holds, WebAssembly's of 1 MiB in particular.
//!
//! [`Array`](crate::Array) and [`Object`](crate::Object) recurse up to [`LEVELS`] deep, which is quicker than a list
//! of what is pending. What is nested deeper goes through such a list, here.

use crate::array::Array;
use crate::object::{self, Object};
use crate::value::Value;
use std::cell::Cell;
use std::slice;

/// How many arrays and objects, one inside the other, a recursion enters. Each takes some hundred bytes of stack.
const LEVELS: usize = 64;

thread_local! {
    /// How many arrays and objects the running recursion is inside of.
    static LEVEL: Cell<usize> = const { Cell::new(0) };
}

/// Does `step`, which recurses into an array or object; `None` where the recursion is [`LEVELS`] deep already.
#[inline]
pub(crate) fn descend<T>(step: impl FnOnce() -> T) -> Option<T> {
    LEVEL.with(|current| {
        let level = current.get();
        if level == LEVELS {
            return None;
        }
        current.set(level + 1);
        let done = step();
        current.set(level);
        Some(done)
    })
}

/// The values directly inside of an array or object, in order.
pub(crate) enum Children<'a> {
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

/// The values directly inside of an array or object, in order, to change.
pub(crate) enum ChildrenMut<'a> {
    Items(slice::IterMut<'a, Value>),
    Entries(object::IterMut<'a>),
}

impl<'a> ChildrenMut<'a> {
    /// `None` where `value` is no array and no object.
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

/// Drops the trees among `children`: takes all of them out first, so that the drop of each finds no other inside.
#[cold]
pub(crate) fn drop_deep(children: ChildrenMut<'_>) {
    let mut pending = Vec::new();
    take_trees(children, &mut pending);
    while let Some(mut tree) = pending.pop() {
        ChildrenMut::of(&mut tree)
            .into_iter()
            .for_each(|children| take_trees(children, &mut pending));
    }
}

fn take_trees(children: ChildrenMut<'_>, pending: &mut Vec<Value>) {
    pending.extend(children.filter(|child| child.is_tree()).map(std::mem::take));
}

/// Copies the trees in `from` to their places in `to`, which is a shallow copy.
#[cold]
pub(crate) fn copy_deep<'a>(from: Children<'a>, to: ChildrenMut<'a>) {
    let is_tree = |(from, _): &(&Value, &mut Value)| from.is_tree();
    let mut pending: Vec<_> = from.zip(to).filter(is_tree).collect();
    while let Some((from, to)) = pending.pop() {
        *to = shallow(from);
        if let (Some(from), Some(to)) = (Children::of(from), ChildrenMut::of(to)) {
            pending.extend(from.zip(to).filter(is_tree));
        }
    }
}

/// A copy with null in place of the arrays and objects inside.
fn shallow(tree: &Value) -> Value {
    match tree {
        Value::Array(items) => Value::Array(shallow_array(items)),
        Value::Object(object) => Value::Object(shallow_object(object)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => tree.clone(),
    }
}

/// A copy with null in place of the arrays and objects inside.
pub(crate) fn shallow_array(items: &Array) -> Array {
    items.iter().map(scalar).collect()
}

/// A copy with null in place of the arrays and objects inside.
pub(crate) fn shallow_object(object: &Object) -> Object {
    let entries = object.iter();
    entries
        .map(|(key, value)| (key.clone(), scalar(value)))
        .collect()
}

/// A copy of a value that holds no others; null in place of one that does.
fn scalar(value: &Value) -> Value {
    if value.is_tree() {
        return Value::Null;
    }
    value.clone()
}

/// Whether the values of each pair are the same, whatever the order of keys.
#[cold]
pub(crate) fn equal_deep<'a>(mut pending: Vec<(&'a Value, &'a Value)>) -> bool {
    while let Some((a, b)) = pending.pop() {
        let same = match (a, b) {
            (Value::Array(a), Value::Array(b)) => {
                pending.extend(a.iter().zip(b.iter()));
                a.len() == b.len()
            }
            (Value::Object(a), Value::Object(b)) => {
                let pairs = a.pairs(b);
                let same = pairs.is_some();
                pending.extend(pairs.into_iter().flatten());
                same
            }
            _ => a == b,
        };
        if !same {
            return false;
        }
    }
    true
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
