//! Chance, and edits that fit a document.

use ot_json0::{Object, Op, Str, Value};

/// A small deterministic generator: a seed means the same script everywhere.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit.max(1)
    }

    pub(super) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// The data of a new document.
pub(super) fn initial(r: &mut Random) -> Value {
    let text = format!(
        r#"{{"n":{},"list":["x","y","z"],"text":"hello","obj":{{"a":1}}}}"#,
        r.below(9)
    );
    Value::parse(&text).unwrap()
}

/// An edit of some components, each fitting what the ones before it made.
pub(super) fn edit(r: &mut Random, data: &Value) -> Op {
    let mut now = data.clone();
    let mut op = Vec::new();
    for _ in 0..[0, 1, 1, 1, 2, 3][r.below(6)] {
        let part = component(r, &now);
        let one = Op::from_value(Value::from(vec![part.clone()])).unwrap();
        now = ot_json0::apply(now, &one).unwrap();
        op.push(part);
    }
    ot_json0::normalize(&Value::from(op).to_json()).unwrap()
}

fn component(r: &mut Random, data: &Value) -> Value {
    let key = ["n", "list", "text", "obj", "new"][r.below(5)];
    match data.get(key) {
        None => object(vec![path(&[key.into()]), ("oi", fresh(r, key))]),
        Some(old) if r.once_in(6) => {
            let mut fields = vec![path(&[key.into()]), ("od", old.clone())];
            if r.once_in(2) {
                fields.push(("oi", fresh(r, key)));
            }
            object(fields)
        }
        Some(Value::Array(items)) => list(r, key, items),
        Some(Value::Object(inner)) => entry(r, key, inner),
        Some(Value::String(text)) => string(r, key, text),
        Some(_) => object(vec![
            path(&[key.into()]),
            ("na", (r.below(5) as f64).into()),
        ]),
    }
}

fn list(r: &mut Random, key: &str, items: &[Value]) -> Value {
    let inserts = items.is_empty() || r.once_in(2);
    let at = r.below(items.len() + usize::from(inserts));
    let mut fields = vec![path(&[key.into(), (at as f64).into()])];
    if !inserts {
        fields.push(("ld", items[at].clone()));
    }
    if inserts || r.once_in(3) {
        fields.push(("li", format!("i{}", r.below(100)).into()));
    }
    object(fields)
}

fn entry(r: &mut Random, key: &str, inner: &Object) -> Value {
    let name = ["a", "b"][r.below(2)];
    let at = path(&[key.into(), name.into()]);
    match inner.get(&Str::from(name)) {
        Some(Value::Number(_)) if r.once_in(2) => object(vec![at, ("na", 1.0.into())]),
        Some(old) => object(vec![at, ("od", old.clone())]),
        None => object(vec![at, ("oi", (r.below(50) as f64).into())]),
    }
}

fn string(r: &mut Random, key: &str, text: &Str) -> Value {
    let units = text.len_utf16();
    let at = r.below(units + 1);
    let end = (at + r.below(3)).min(units);
    let at_path = path(&[key.into(), (at as f64).into()]);
    if at == end {
        object(vec![at_path, ("si", format!("s{}", r.below(10)).into())])
    } else {
        object(vec![at_path, ("sd", text.slice(at, end).into())])
    }
}

fn fresh(r: &mut Random, key: &str) -> Value {
    match key {
        "list" => vec![format!("f{}", r.below(100)).into()].into(),
        "text" => "fresh".into(),
        "obj" => Object::new().into(),
        _ => (r.below(100) as f64).into(),
    }
}

fn path(parts: &[Value]) -> (&'static str, Value) {
    ("p", parts.to_vec().into())
}

fn object(fields: Vec<(&str, Value)>) -> Value {
    let mut object = Object::new();
    for (name, value) in fields {
        object.insert(name.into(), value);
    }
    object.into()
}
