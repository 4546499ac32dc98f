//! The json0 type as the server calls it: on values off the wire, with ShareDB's checks and errors.

use ot_json0::{Op, Side, Value};

use super::error::Failure;
use super::request::get;

/// The type's short name.
pub(super) const NAME: &str = "json0";
/// The type's URI, by which documents and messages know it.
pub(super) const URI: &str = "http://sharejs.org/types/JSONv0";

/// Refuses a submitted op that is not a list of components with safe paths.
pub(super) fn check_submitted(op: &Value) -> Result<(), Failure> {
    let Some(components) = op.as_array() else {
        return Err(Failure::op_badly_formed("json0 op must be an array"));
    };
    let has_path = |component: &Value| {
        let component = component.as_object();
        let path = component.and_then(|component| get(component, "p"));
        path.is_some_and(|path| path.as_array().is_some())
    };
    if !components.iter().all(has_path) {
        return Err(Failure::op_badly_formed("Missing path"));
    }
    check_paths(op)
}

/// Refuses an op with a path segment that names a property of JavaScript's `Object.prototype`.
pub(super) fn check_paths(op: &Value) -> Result<(), Failure> {
    let op = read(op).map_err(|message| Failure::not_applied(&message))?;
    ot_json0::check_paths(&op).map_err(|error| Failure::not_applied(&error.message))
}

/// The data after an edit; `None` is JavaScript's `undefined`, before and after.
pub(super) fn edit(data: Option<&Value>, op: &Value) -> Result<Option<Value>, Failure> {
    applied(data, op).map_err(|message| Failure::not_applied(&message))
}

/// A created document's data after a fixup.
pub(super) fn fix_up(data: Option<&Value>, op: &Value) -> Result<Option<Value>, Failure> {
    applied(data, op).map_err(|message| Failure::uncoded(&message))
}

/// `op` and then `next`, as one op.
pub(super) fn compose(op: &Value, next: &Value) -> Result<Value, Failure> {
    let composed = read(op)
        .and_then(|op| Ok((op, read(next)?)))
        .and_then(|(op, next)| ot_json0::compose(&op, &next).map_err(|error| error.message));
    written(composed)
}

/// `op`, moved past `applied`; it wins where both insert at one place.
pub(super) fn transform_left(op: &Value, applied: &Value) -> Result<Value, Failure> {
    let transformed = read(op)
        .and_then(|op| Ok((op, read(applied)?)))
        .and_then(|(op, applied)| {
            ot_json0::transform(&op, &applied, Side::Left).map_err(|error| error.message)
        });
    written(transformed)
}

fn read(op: &Value) -> Result<Op, String> {
    Op::from_value(op.clone()).map_err(|error| error.message)
}

fn written(op: Result<Op, String>) -> Result<Value, Failure> {
    op.and_then(|op| Value::parse(&op.to_json()).map_err(|error| error.to_string()))
        .map_err(|message| Failure::uncoded(&message))
}

/// Applies to an object that holds the data under a key, as ot-json0 does inside: an op may remove the
/// root of a document, and then meets `undefined` there.
fn applied(data: Option<&Value>, op: &Value) -> Result<Option<Value>, String> {
    let op = read(&below_holder(op))?;
    let held = data.map(|data| (HOLDER.into(), data.clone()));
    let mut holder = Value::Object(held.into_iter().collect());
    ot_json0::apply_in_place(&mut holder, &op).map_err(|error| error.message)?;
    Ok(holder.get(HOLDER).cloned())
}

/// The key of the document's data in the object around it.
const HOLDER: &str = "data";

/// An op with every path made to start at the holder.
fn below_holder(op: &Value) -> Value {
    let mut op = op.clone();
    if let Value::Array(components) = &mut op {
        for component in components.iter_mut() {
            if let Value::Object(component) = component
                && let Some(Value::Array(path)) = component.get_mut(&"p".into())
            {
                path.insert(0, HOLDER.into());
            }
        }
    }
    op
}
