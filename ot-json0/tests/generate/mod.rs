//! Random documents and ops from a seed: ops that fit their document, and wild ones that do not.

use ot_json0::{Object, Op, Str, Value, apply_in_place};

/// A small deterministic generator (splitmix64), so that a seed means the same everywhere.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

const KEYS: &[&str] = &[
    "a",
    "b",
    "list",
    "text",
    "n",
    "10",
    "2",
    "0",
    "01",
    "é",
    "a longer key than fits",
    "",
];
const PIECES: &[&str] = &[
    "a",
    "b",
    "xyz",
    "é",
    "€",
    "😀",
    "𝒳",
    "\n",
    "\"",
    "\\",
    "\u{1}",
    "\u{2028}",
    " ",
    "longer piece",
];
const NUMBERS: &[f64] = &[
    0.0,
    1.0,
    2.0,
    3.0,
    -1.0,
    0.1,
    1.5,
    1e21,
    1e-7,
    123456789012345680.0,
    5e-324,
    1.7976931348623157e308,
    -2.5,
    4294967295.0,
    1e15,
    0.1 + 0.2,
];

pub(crate) fn text(r: &mut Random) -> Str {
    let mut out = Str::new();
    for _ in 0..r.below(4) {
        let piece = if r.once_in(12) {
            // Half a pair, as an edit inside an emoji leaves it.
            Str::from_utf16(&[*r.pick(&[0xD83D, 0xDE00, 0xD800, 0xDFFF])])
        } else {
            Str::from(*r.pick(PIECES))
        };
        out = out.concat(&piece);
    }
    if r.once_in(40) {
        let long: String = (0..60 + r.below(200)).map(|_| *r.pick(PIECES)).collect();
        out = out.concat(&Str::from(long));
    }
    out
}

pub(crate) fn number(r: &mut Random) -> f64 {
    match r.below(8) {
        0 => f64::from_bits(r.next()),
        1 => r.next() as f64,
        2 => (r.next() % 100_000) as f64 / 1000.0,
        _ => *r.pick(NUMBERS),
    }
}

pub(crate) fn value(r: &mut Random, depth: usize) -> Value {
    let kinds = if depth == 0 { 5 } else { 8 };
    match r.below(kinds) {
        0 => Value::Null,
        1 => Value::Bool(r.once_in(2)),
        2 => Value::Number(Some(number(r)).filter(|n| n.is_finite()).unwrap_or(7.0)),
        3 | 4 => Value::String(text(r)),
        5 => Value::Array((0..r.below(4)).map(|_| value(r, depth - 1)).collect()),
        _ => object(r, depth),
    }
}

pub(crate) fn object(r: &mut Random, depth: usize) -> Value {
    let mut object = Object::new();
    let keys = if r.once_in(50) { 20 } else { r.below(5) };
    for i in 0..keys {
        let key = if i > 8 {
            Str::from(format!("k{i}"))
        } else {
            Str::from(*r.pick(KEYS))
        };
        object.insert(key, value(r, depth.saturating_sub(1)));
    }
    Value::Object(object)
}

pub(crate) fn document(r: &mut Random) -> Value {
    if r.once_in(10) {
        value(r, 3)
    } else {
        object(r, 4)
    }
}

/// A place in a document and the path to it.
fn place<'a>(r: &mut Random, document: &'a Value) -> (Vec<Value>, &'a Value) {
    let mut path = Vec::new();
    let mut here = document;
    while !r.once_in(4) {
        match here {
            Value::Array(items) if !items.is_empty() => {
                let at = r.below(items.len());
                path.push(Value::Number(at as f64));
                here = &items[at];
            }
            Value::Object(object) if !object.is_empty() => {
                let at = r.below(object.len());
                let (key, value) = object.iter().nth(at).expect("an entry");
                path.push(Value::String(key.clone()));
                here = value;
            }
            _ => break,
        }
    }
    (path, here)
}

fn fields(path: Vec<Value>, fields: Vec<(&str, Value)>) -> Value {
    let mut object = Object::new();
    object.insert(Str::from("p"), Value::from(path));
    for (name, value) in fields {
        object.insert(Str::from(name), value);
    }
    Value::Object(object)
}

/// A component that fits `document`.
fn fitting(r: &mut Random, document: &Value) -> Value {
    let (mut path, here) = place(r, document);
    let mut at = |index: usize| {
        let mut path = std::mem::take(&mut path);
        path.push(Value::Number(index as f64));
        path
    };
    match here {
        Value::Array(items) => {
            let count = items.len();
            match r.below(if count == 0 { 1 } else { 4 }) {
                0 => fields(at(r.below(count + 1)), vec![("li", value(r, 2))]),
                1 => {
                    let i = r.below(count);
                    fields(at(i), vec![("ld", items[i].clone())])
                }
                2 => {
                    let i = r.below(count);
                    fields(at(i), vec![("ld", items[i].clone()), ("li", value(r, 2))])
                }
                _ => {
                    let to = Value::Number(r.below(count) as f64);
                    fields(at(r.below(count)), vec![("lm", to)])
                }
            }
        }
        Value::Object(object) => object_component(r, path, object),
        Value::String(text) => text_component(r, path, text),
        Value::Number(_) if !r.once_in(3) => {
            fields(path, vec![("na", Value::Number(*r.pick(NUMBERS)))])
        }
        _ => root_or_parent(r, path, here, document),
    }
}

fn object_component(r: &mut Random, mut path: Vec<Value>, object: &Object) -> Value {
    let key = match object.iter().nth(r.below(object.len())) {
        Some((key, _)) if !r.once_in(2) => key.clone(),
        _ => Str::from(*r.pick(KEYS)),
    };
    path.push(Value::String(key.clone()));
    match object.get(&key) {
        Some(old) if r.once_in(2) => fields(path, vec![("od", old.clone())]),
        Some(old) => fields(path, vec![("od", old.clone()), ("oi", value(r, 2))]),
        None => fields(path, vec![("oi", value(r, 2))]),
    }
}

fn text_component(r: &mut Random, mut path: Vec<Value>, text: &Str) -> Value {
    let units = text.len_utf16();
    let at = r.below(units + 1);
    let end = (at + r.below(4)).min(units);
    let (name, short, piece) = if r.once_in(2) || at == end {
        ("si", "i", self::text(r))
    } else {
        ("sd", "d", text.slice(at, end))
    };
    if r.once_in(4) {
        let mut edit = Object::new();
        let position = (Str::from("p"), Value::Number(at as f64));
        let piece = (Str::from(short), Value::String(piece));
        let order = if r.once_in(2) {
            [position, piece]
        } else {
            [piece, position]
        };
        for (key, value) in order {
            edit.insert(key, value);
        }
        let mut edits = vec![Value::Object(edit)];
        if r.once_in(3) {
            let mut more = Object::new();
            more.insert(Str::from("i"), Value::String(self::text(r)));
            more.insert(Str::from("p"), Value::Number(r.below(at + 1) as f64));
            edits.push(Value::Object(more));
        }
        return fields(
            path,
            vec![("t", Value::from("text0")), ("o", Value::from(edits))],
        );
    }
    path.push(Value::Number(at as f64));
    fields(path, vec![(name, Value::String(piece))])
}

/// A scalar can only be replaced in its parent.
fn root_or_parent(r: &mut Random, path: Vec<Value>, here: &Value, document: &Value) -> Value {
    let in_list = matches!(path.last(), Some(Value::Number(_)));
    let fresh = value(r, 2);
    if path.is_empty() {
        return fields(path, vec![("od", document.clone()), ("oi", fresh)]);
    }
    if in_list {
        return fields(path, vec![("ld", here.clone()), ("li", fresh)]);
    }
    fields(path, vec![("od", here.clone()), ("oi", fresh)])
}

/// A component that need not make sense.
fn wild(r: &mut Random, document: &Value) -> Value {
    let (mut path, _) = place(r, document);
    for _ in 0..r.below(3) {
        path.push(match r.below(12) {
            0 => Value::from("length"),
            1 => Value::Number(-1.0),
            2 => Value::Number(1.5),
            3 => Value::from("1"),
            4 => Value::Null,
            5 => Value::Bool(true),
            6 => Value::from(vec![Value::from(*r.pick(KEYS))]),
            7 | 8 => Value::from(*r.pick(KEYS)),
            _ => Value::Number(r.below(4) as f64),
        });
    }
    let mut extra = Vec::new();
    for _ in 0..1 + r.below(2) {
        let name = *r.pick(&["oi", "od", "li", "ld", "lm", "na", "si", "sd", "x", "5"]);
        let value = match name {
            "lm" | "na" if !r.once_in(6) => Value::Number(r.below(4) as f64),
            "si" | "sd" if !r.once_in(6) => Value::String(text(r)),
            _ => value(r, 1),
        };
        extra.push((name, value));
    }
    // With a string `sd` JavaScript would insert an `si` of another kind, as it converts to text; this
    // crate refuses it.
    let texts = extra.iter().filter(|(name, _)| name.starts_with('s'));
    if texts.clone().count() == 2 && !texts.clone().all(|(_, value)| value.as_str().is_some()) {
        extra.pop();
    }
    // Without a position JavaScript has an undefined segment for a while, which compares unlike null.
    if texts_at_root(&path, &extra) {
        path.push(Value::Number(0.0));
    }
    fields(path, extra)
}

fn texts_at_root(path: &[Value], extra: &[(&str, Value)]) -> bool {
    path.is_empty() && extra.iter().any(|(name, _)| name.starts_with('s'))
}

/// An op on `document`, changed on the way; wild ones may come in when `tame` is false.
pub(crate) fn op(r: &mut Random, document: &Value, tame: bool) -> Op {
    let mut current = document.clone();
    let mut components = Vec::new();
    let length = match r.below(10) {
        0 => 0,
        1..=5 => 1 + r.below(2),
        _ => 2 + r.below(6),
    };
    for _ in 0..length {
        let component = if !tame && r.once_in(4) {
            wild(r, &current)
        } else {
            let component = fitting(r, &current);
            with_stray_field(r, component, tame)
        };
        let single = Op::from_value(Value::from(vec![component.clone()])).expect("a component");
        let before = current.clone();
        if apply_in_place(&mut current, &single).is_err() {
            current = before;
        }
        components.push(component);
    }
    // Off the wire, as the oracle gets it: a sum that overflowed in the document is null there.
    Op::parse(&Value::from(components).to_json()).expect("components with paths")
}

/// Fields that json0 does not know must survive.
fn with_stray_field(r: &mut Random, mut component: Value, tame: bool) -> Value {
    if let Value::Object(object) = &mut component
        && !tame
        && r.once_in(10)
    {
        object.insert(Str::from("meta"), value(r, 1));
    }
    component
}
