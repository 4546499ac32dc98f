//! ShareDB's refusal of paths that reach into what JavaScript objects inherit.

use crate::coerce::to_text;
use crate::error::Error;
use crate::op::Op;

/// The own property names of `Object.prototype`.
const INHERITED: [&str; 12] = [
    "constructor",
    "__defineGetter__",
    "__defineSetter__",
    "hasOwnProperty",
    "__lookupGetter__",
    "__lookupSetter__",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toString",
    "valueOf",
    "__proto__",
    "toLocaleString",
];

/// Refuses an op with a path segment that, as a JavaScript property key, names a property of
/// `Object.prototype`: `"__proto__"`, but also `["__proto__"]`.
///
/// ```
/// use ot_json0::{Op, check_paths};
/// let op = Op::parse(r#"[{"p":["a",["__proto__"],"b"],"oi":1}]"#).unwrap();
/// assert_eq!(check_paths(&op).unwrap_err().message, "Invalid path segment");
/// ```
pub fn check_paths(op: &Op) -> Result<(), Error> {
    for segment in op.components().iter().flat_map(|c| c.path()) {
        // Numbers, booleans and null never spell one of the names.
        if !segment.is_tree() && segment.as_str().is_none() {
            continue;
        }
        let name = to_text(segment)?;
        if INHERITED.iter().any(|inherited| name == *inherited) {
            return Err(Error::new("Invalid path segment"));
        }
    }
    Ok(())
}
