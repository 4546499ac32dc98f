//! What a client message must look like before the server acts on it, in the order in which ShareDB's
//! agent looks. JavaScript's loose ends (absent against null, truthiness) matter on
//! the wire and are reproduced here, once.

use ot_json0::{Object, Str, Value};

use super::error::Failure;

/// Property names of JavaScript's `Object.prototype`; none may name a collection, a document or a channel.
const DANGEROUS: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// A collection or document name as a message gave it. The database sees only its key, in which an
/// absent name reads `undefined`; subscriptions tell the three apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Absent,
    Null,
    Text(Str),
}

impl Name {
    /// The name in `field` of a message that passed [`check`].
    pub(super) fn of(request: &Object, field: &str) -> Self {
        match get(request, field) {
            None => Self::Absent,
            Some(Value::String(text)) => Self::Text(text.clone()),
            Some(_) => Self::Null,
        }
    }

    pub(super) fn key(&self) -> Str {
        match self {
            Self::Absent => "undefined".into(),
            Self::Null => "null".into(),
            Self::Text(text) => text.clone(),
        }
    }

    pub(super) fn put(&self, message: &mut Object, field: &str) {
        match self {
            Self::Absent => {}
            Self::Null => {
                message.insert(field.into(), Value::Null);
            }
            Self::Text(text) => {
                message.insert(field.into(), text.clone().into());
            }
        }
    }
}

/// Refuses a message whose fields have the wrong types.
pub(super) fn check(request: &Object) -> Result<(), Failure> {
    let a = action(request);
    let fault = match a {
        "qf" | "qs" | "qu" => query_fault(request),
        "op" | "f" | "s" | "u" | "nf" | "nt" | "p" => document_fault(request, a),
        "bf" | "bs" | "bu" => get(request, "b").map_or(Some(INVALID_BULK), bulk_fault),
        "hs" => (invalid_protocol(request, "protocol")
            || invalid_protocol(request, "protocolMinor"))
        .then_some("Invalid protocol"),
        _ => None,
    };
    match fault.or_else(|| shared_fault(request)) {
        Some(message) => Err(Failure::badly_formed(message)),
        None => Ok(()),
    }
}

/// The action of a message; empty when it has none that is a string.
pub(super) fn action(request: &Object) -> &str {
    get(request, "a")
        .and_then(Value::as_str)
        .and_then(Str::to_str)
        .unwrap_or("")
}

/// A field of a message.
pub(super) fn get<'a>(request: &'a Object, field: &str) -> Option<&'a Value> {
    request.get(&Str::from(field))
}

const INVALID_BULK: &str = "Invalid bulk subscribe data";

fn shared_fault(request: &Object) -> Option<&'static str> {
    if given(request, "c").is_some_and(invalid_name) {
        return Some("Invalid collection");
    }
    if given(request, "ch").is_some_and(invalid_name) {
        return Some("Invalid presence channel");
    }
    if given(request, "seq").is_some_and(|seq| seq.as_f64().is_none()) {
        return Some("Invalid seq");
    }
    None
}

fn document_fault(request: &Object, a: &str) -> Option<&'static str> {
    if given(request, "d").is_some_and(invalid_name) {
        return Some("Invalid id");
    }
    if matches!(a, "nf" | "nt") {
        if given(request, "c").is_none() {
            return Some("Invalid collection");
        }
        if given(request, "d").is_none() {
            return Some("Invalid id");
        }
    }
    if invalid_version(get(request, "v")) {
        return Some("Invalid version");
    }
    if given(request, "ts").is_some_and(|ts| ts.as_f64().is_none()) {
        return Some("Invalid timestamp");
    }
    if a == "p" {
        if get(request, "id").is_none_or(invalid_name) {
            return Some("Invalid presence ID");
        }
        if invalid_version(get(request, "pv")) {
            return Some("Invalid presence version");
        }
    }
    None
}

fn query_fault(request: &Object) -> Option<&'static str> {
    if get(request, "id").and_then(Value::as_f64).is_none() {
        return Some("Missing query ID");
    }
    let results = given(request, "r")?;
    let Some(results) = results.as_array() else {
        return Some("Invalid query results");
    };
    results.iter().find_map(|result| {
        let Some(result) = result.as_array() else {
            return Some("Invalid query results");
        };
        if result.first().is_none_or(invalid_name) {
            return Some("Invalid id");
        }
        invalid_version(result.get(1)).then_some("Invalid version")
    })
}

fn bulk_fault(bulk: &Value) -> Option<&'static str> {
    match bulk {
        Value::Array(ids) => ids.iter().any(invalid_name).then_some("Invalid id"),
        Value::Object(versions) => versions.iter().find_map(|(id, v)| {
            if is_dangerous(id) {
                return Some("Invalid id");
            }
            invalid_version(Some(v)).then_some("Invalid version")
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(INVALID_BULK),
    }
}

/// A field that is neither absent nor null.
pub(super) fn given<'a>(request: &'a Object, field: &str) -> Option<&'a Value> {
    get(request, field).filter(|value| !value.is_null())
}

fn invalid_name(name: &Value) -> bool {
    name.as_str().is_none_or(is_dangerous)
}

fn is_dangerous(name: &Str) -> bool {
    name.to_str().is_some_and(|name| DANGEROUS.contains(&name))
}

fn invalid_version(version: Option<&Value>) -> bool {
    match version {
        None | Some(Value::Null) => false,
        Some(version) => version.as_f64().is_none_or(|v| v < 0.0),
    }
}

fn invalid_protocol(request: &Object, field: &str) -> bool {
    given(request, field).is_some_and(|value| value.as_f64().is_none() && value.as_str().is_none())
}

/// Whether JavaScript's `if` takes the value.
pub(super) fn truthy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(on)) => *on,
        Some(Value::Number(number)) => *number != 0.0,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(_) | Value::Object(_)) => true,
    }
}
