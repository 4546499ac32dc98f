//! Everything that can be done to one record of a store.

use durable_store::format::RecordId;
use serde_json::Value;

use crate::stage::Texts;

/// Stands for what serde cannot write.
const RAW: &str = "@raw@";

/// Records whose fields are those of others.
const LIKE_OTHERS: [&str; 3] = ["c/b", "c/k", "c/l"];

/// A store with one thing wrong.
pub(crate) struct Damage {
    pub(crate) name: String,
    pub(crate) texts: Texts,
    /// What is there instead may as well have been written: nobody can tell.
    pub(crate) is_plausible: bool,
}

/// Each record is missing, is no record, is another one; each field of it is missing, or something else.
pub(crate) fn all(texts: &Texts) -> Vec<Damage> {
    let mut all = Vec::new();
    for (id, text) in texts {
        let mut push = |name: String, text: Option<String>, is_plausible| {
            let mut texts = texts.clone();
            match text {
                Some(text) => texts.insert(id.clone(), text),
                None => texts.remove(id),
            };
            let name = format!("{}: {name}", id.id);
            all.push(Damage {
                name,
                texts,
                is_plausible,
            });
        };
        // A part of the inventory that no document is in was never written.
        let may_be_missing = id.id.starts_with("inventory/");
        push("missing".to_owned(), None, may_be_missing);
        let (half, odd) = (&text[..text.len() / 2], &text[..text.len() - 1]);
        for other in ["", "null", "[]", "{}", "7", half, odd] {
            let is_shorter = other == "[]" && text.starts_with('[');
            push(format!("is {other}"), Some(other.to_owned()), is_shorter);
        }
        push("twice".to_owned(), Some(format!("{text}{text}")), false);
        if LIKE_OTHERS.contains(&id.id.as_str()) {
            continue;
        }
        let record: Value = serde_json::from_str(text).expect("a record is JSON");
        let mut paths = Vec::new();
        paths_of(&record, &mut Vec::new(), &mut paths);
        for path in paths {
            let named = path.join(".");
            for (what, other, is_plausible) in others(get(&record, &path), &path) {
                let mut changed = record.clone();
                set(&mut changed, &path, other);
                let text = changed.to_string();
                for raw in raws(&text) {
                    push(
                        format!("{named} {what} {raw}"),
                        Some(text.replace(&format!("\"{RAW}\""), raw)),
                        is_plausible,
                    );
                }
            }
        }
    }
    swaps(texts, &mut all);
    all
}

/// Two records of one kind change places.
fn swaps(texts: &Texts, all: &mut Vec<Damage>) {
    let kind = |id: &RecordId| {
        (
            id.store,
            id.id.split('/').next().unwrap_or_default().to_owned(),
        )
    };
    let ids: Vec<&RecordId> = texts.keys().collect();
    for (at, one) in ids.iter().enumerate() {
        for other in &ids[at + 1..] {
            if kind(one) != kind(other)
                && !(one.store == other.store && one.id.starts_with("coord"))
            {
                continue;
            }
            let mut swapped = texts.clone();
            swapped.insert((*one).clone(), texts[*other].clone());
            swapped.insert((*other).clone(), texts[*one].clone());
            all.push(Damage {
                name: format!("{} and {} swapped", one.id, other.id),
                texts: swapped,
                is_plausible: false,
            });
        }
    }
}

fn raws(text: &str) -> &'static [&'static str] {
    if text.contains(RAW) {
        &["NaN", "1e999"]
    } else {
        &[""]
    }
}

/// Where something stands in the record, but for what an application brought.
fn paths_of(value: &Value, at: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    let mut go = |name: String, value: &Value| {
        at.push(name);
        paths.push(at.clone());
        paths_of(value, at, paths);
        at.pop();
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                go(name.clone(), value);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate().take(2) {
                go(at.to_string(), value);
            }
        }
        _ => {}
    }
}

fn get<'a>(value: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(value, |value, name| match value {
        Value::Array(items) => &items[name.parse::<usize>().unwrap()],
        _ => &value[name.as_str()],
    })
}

/// `None` takes it out.
fn set(value: &mut Value, path: &[String], other: Option<Value>) {
    let [parents @ .., last] = path else {
        return;
    };
    let parent = parents.iter().fold(value, |value, name| match value {
        Value::Array(items) => &mut items[name.parse::<usize>().unwrap()],
        _ => &mut value[name.as_str()],
    });
    match (parent, other) {
        (Value::Array(items), Some(other)) => items[last.parse::<usize>().unwrap()] = other,
        (Value::Array(items), None) => drop(items.remove(last.parse().unwrap())),
        (parent, Some(other)) => parent[last.as_str()] = other,
        (parent, None) => drop(parent.as_object_mut().unwrap().shift_remove(last.as_str())),
    }
}

/// What may stand there instead, and whether nobody could tell.
fn others(value: &Value, path: &[String]) -> Vec<(&'static str, Option<Value>, bool)> {
    // The application's own: any JSON is as good, and a create needs none.
    let last = path.last().map_or("", String::as_str);
    let of_create = path.iter().any(|name| name == "create");
    let is_own = ["data", "op", "tail"];
    let within = &path[..path.len() - 1];
    let is_within = within.iter().any(|name| is_own.contains(&name.as_str()));
    let is_free = is_within || (last == "data" && (of_create || path.len() > 1));
    // A list may as well have been shorter, and an op may have become none.
    let may_go = last.parse::<usize>().is_ok() || last == "create" || is_free;
    let mut others = vec![("missing", None, may_go)];
    let is_data = last == "data" || last == "create";
    let is_free = is_free || is_data;
    let mut add = |what, other: Value, is_plausible| {
        if *value != other {
            others.push((what, Some(other), is_plausible || is_free));
        }
    };
    add("null", Value::Null, false);
    add("raw", RAW.into(), false);
    add("negative", (-1).into(), false);
    add("fraction", 0.5.into(), false);
    add("huge", 9_007_199_254_740_992_u64.into(), false);
    add("true", true.into(), value.is_boolean());
    add("false", false.into(), value.is_boolean());
    let is_number = value.is_number();
    let number = value.as_u64().unwrap_or_default();
    for other in [
        0,
        9_007_199_254_740_991,
        number + 1,
        number.saturating_sub(1),
    ] {
        add("number", other.into(), is_number);
    }
    let text = value.as_str();
    add("text", "text".into(), text.is_some());
    add("empty text", "".into(), text.is_some());
    if let Some(text) = text.filter(|text| text.is_ascii()) {
        add("half a text", text[..text.len() / 2].into(), true);
    }
    add("list", Value::Array(Vec::new()), value.is_array());
    add(
        "object",
        Value::Object(serde_json::Map::new()),
        value.is_object(),
    );
    others
}
