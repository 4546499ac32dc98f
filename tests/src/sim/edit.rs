//! Random edits that fit a document, with a marker by which the op log can be searched.
//!
//! Every edit inserts a key of its own into `marks` and adds one to `n`, together. In all but wild
//! weather nothing else touches the two, so in every state of the document `n` is the number of
//! marks, and a lost, doubled or half-undone op shows.

use ot_json0::{Object, Op, Str, Value, apply_in_place};

use crate::random::Random;

const KEYS: [&str; 5] = ["a", "b", "list", "text", "obj"];
const PIECES: [&str; 6] = ["a", "bc", "xyz", "é", "😀", "-"];
/// The keys of the root that edits keep away from.
const RESERVED: [&str; 3] = ["n", "marks", "fix"];

/// How edits are made, and how documents are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Anywhere, also where the markers are.
    pub(super) wild: bool,
    /// Strings as text0 says.
    pub(super) text0: bool,
    /// One document at a time is asked for.
    pub(super) short_turns: bool,
    /// A tab has a document only where somebody asks for it.
    pub(super) closes: bool,
}

/// The data of a new document that carries the marker.
pub(super) fn initial(r: &mut Random, mark: &str) -> Value {
    let mut root = Object::new();
    root.insert("n".into(), 1.0.into());
    root.insert("marks".into(), object([(mark, 1.0.into())]));
    root.insert("fix".into(), 0.0.into());
    root.insert(
        "list".into(),
        Value::Array((0..3).map(|_| value(r, 1)).collect()),
    );
    root.insert("text".into(), text(r).into());
    root.insert(
        "obj".into(),
        object([("a", value(r, 1)), ("list", Value::from(vec![value(r, 0)]))]),
    );
    Value::Object(root)
}

/// An edit as JSON. Says whether the marker found its place in it.
pub(super) fn edit(r: &mut Random, data: &Value, mark: &str, style: Style) -> (String, bool) {
    let mut now = data.clone();
    let mut components = Vec::new();
    for _ in 0..r.below(4) {
        let next = fitting(r, &now, style);
        add(&mut now, &mut components, next);
    }
    let marked = add_marker(&mut now, &mut components, mark);
    for _ in 0..r.below(3) {
        let next = fitting(r, &now, style);
        add(&mut now, &mut components, next);
    }
    (Value::from(components).to_json(), marked)
}

fn add(now: &mut Value, components: &mut Vec<Value>, component: Value) -> bool {
    let mut next = now.clone();
    let fits = Op::from_value(Value::from(vec![component.clone()]))
        .is_ok_and(|op| apply_in_place(&mut next, &op).is_ok());
    if fits {
        *now = next;
        components.push(component);
    }
    fits
}

fn add_marker(now: &mut Value, components: &mut Vec<Value>, mark: &str) -> bool {
    let has_place = now
        .get("marks")
        .is_some_and(|marks| marks.as_object().is_some())
        && now.get("n").is_some_and(|n| n.as_f64().is_some());
    if !has_place {
        return false;
    }
    add(
        now,
        components,
        component(vec!["marks".into(), mark.into()], vec![("oi", 1.0.into())]),
    );
    add(
        now,
        components,
        component(vec!["n".into()], vec![("na", 1.0.into())]),
    );
    true
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(
        entries
            .into_iter()
            .map(|(key, value)| (Str::from(key), value))
            .collect(),
    )
}

fn component(path: Vec<Value>, fields: Vec<(&str, Value)>) -> Value {
    let mut component = Object::new();
    component.insert("p".into(), Value::from(path));
    for (name, value) in fields {
        component.insert(name.into(), value);
    }
    Value::Object(component)
}

fn text(r: &mut Random) -> Str {
    let text: String = (0..r.below(4)).map(|_| *r.pick(&PIECES)).collect();
    Str::from(text)
}

fn value(r: &mut Random, depth: usize) -> Value {
    match r.below(if depth == 0 { 4 } else { 6 }) {
        0 => Value::Null,
        1 => Value::Number(r.below(10) as f64),
        2 | 3 => Value::String(text(r)),
        4 => Value::Array((0..r.below(3)).map(|_| value(r, depth - 1)).collect()),
        _ => object([(*r.pick(&KEYS), value(r, depth - 1))]),
    }
}

/// A component that fits `data`.
fn fitting(r: &mut Random, data: &Value, style: Style) -> Value {
    if style.wild && r.once_in(12) {
        return upheaval(r, data);
    }
    let (path, here) = place(r, data);
    match here {
        Value::Array(items) => list_component(r, path, items),
        Value::Object(object) => object_component(r, path, object),
        Value::String(text) if !r.once_in(5) => text_component(r, path, text, style.text0),
        Value::Number(_) if !r.once_in(3) => {
            component(path, vec![("na", Value::Number(1.0 + r.below(5) as f64))])
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            replaced(r, path, here)
        }
    }
}

/// What takes the place of the markers away, or gives it back. Never the root: json0 does not bring
/// two ops together of which one replaces it.
fn upheaval(r: &mut Random, data: &Value) -> Value {
    let key = *r.pick(&RESERVED);
    let path = vec![key.into()];
    match data.get(key) {
        Some(old) => component(path, vec![("od", old.clone())]),
        None if key == "marks" => component(path, vec![("oi", Value::Object(Object::new()))]),
        None => component(path, vec![("oi", 0.0.into())]),
    }
}

/// A place in the document and the path to it.
fn place<'a>(r: &mut Random, data: &'a Value) -> (Vec<Value>, &'a Value) {
    let mut path = Vec::new();
    let mut here = data;
    while !r.once_in(3) {
        match here {
            Value::Array(items) if !items.is_empty() => {
                let at = r.below(items.len());
                path.push(Value::Number(at as f64));
                here = &items[at];
            }
            Value::Object(object) => {
                let open = |key: &Str| {
                    !path.is_empty() || !RESERVED.iter().any(|name| key.to_string_lossy() == *name)
                };
                let entries: Vec<_> = object.iter().filter(|(key, _)| open(key)).collect();
                if entries.is_empty() {
                    break;
                }
                let (key, value) = *r.pick(&entries);
                path.push(Value::String(key.clone()));
                here = value;
            }
            Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => break,
        }
    }
    (path, here)
}

fn list_component(r: &mut Random, mut path: Vec<Value>, items: &[Value]) -> Value {
    let count = items.len();
    let kind = r.below(if count == 0 { 1 } else { 5 });
    let at = r.below(count + usize::from(kind == 0));
    path.push(Value::Number(at as f64));
    match kind {
        0 | 1 => component(path, vec![("li", value(r, 1))]),
        2 => component(path, vec![("ld", items[at].clone())]),
        3 => component(path, vec![("ld", items[at].clone()), ("li", value(r, 1))]),
        _ => component(path, vec![("lm", Value::Number(r.below(count) as f64))]),
    }
}

fn object_component(r: &mut Random, mut path: Vec<Value>, object: &Object) -> Value {
    let key = Str::from(*r.pick(&KEYS));
    path.push(Value::String(key.clone()));
    match object.get(&key) {
        Some(old) if r.once_in(3) => component(path, vec![("od", old.clone())]),
        Some(old) => component(path, vec![("od", old.clone()), ("oi", value(r, 2))]),
        None => component(path, vec![("oi", value(r, 2))]),
    }
}

fn text_component(r: &mut Random, mut path: Vec<Value>, old: &Str, text0: bool) -> Value {
    let units = old.len_utf16();
    let at = r.below(units + 1);
    let end = (at + r.below(4)).min(units);
    let inserts = at == end || r.once_in(2);
    let piece = if inserts { text(r) } else { old.slice(at, end) };
    if text0 {
        let name = if inserts { "i" } else { "d" };
        let part = object([("p", Value::Number(at as f64)), (name, piece.into())]);
        return component(
            path,
            vec![("t", "text0".into()), ("o", Value::from(vec![part]))],
        );
    }
    path.push(Value::Number(at as f64));
    component(
        path,
        vec![(if inserts { "si" } else { "sd" }, piece.into())],
    )
}

/// A scalar can only be replaced.
fn replaced(r: &mut Random, path: Vec<Value>, here: &Value) -> Value {
    let (delete, insert) = match path.last() {
        Some(Value::Number(_)) => ("ld", "li"),
        _ => ("od", "oi"),
    };
    component(path, vec![(delete, here.clone()), (insert, value(r, 1))])
}
