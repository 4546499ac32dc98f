//! The json0 operational-transformation type and its text0 subtype, byte for byte as npm ot-json0 1.1.0.
//!
//! A ShareDB server and its other clients run ot-json0 in JavaScript; whoever edits a document with
//! them must come to the same result, down to the order of keys. So this crate has its own value model
//! ([`Value`], [`Str`], [`Object`]) that holds what a JavaScript engine holds: lone surrogates, numbers
//! as `JSON.stringify` prints them, integer-like keys first.
//!
//! ```
//! use ot_json0::{Op, Side, Value, apply, transform};
//! let document = Value::parse(r#"{"title":"proxy"}"#).unwrap();
//! let ours = Op::parse(r#"[{"p":["title",5],"si":"!"}]"#).unwrap();
//! let theirs = Op::parse(r#"[{"p":["title",0],"si":"a "}]"#).unwrap();
//! let ours_after = transform(&ours, &theirs, Side::Left).unwrap();
//! let document = apply(apply(document, &theirs).unwrap(), &ours_after).unwrap();
//! assert_eq!(document.to_json(), r#"{"title":"a proxy!"}"#);
//! ```
//!
//! What is deliberately absent: properties that JavaScript objects inherit. A path that names one is
//! for [`check_paths`] to refuse, as ShareDB does; [`apply`] takes it for an own property that is not there.

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;

mod append;
mod apply;
mod array;
mod coerce;
mod component;
mod error;
mod field;
mod number;
mod object;
mod op;
mod outcome;
mod parse;
mod paths;
mod string;
mod subtype;
mod text0;
mod transform;
mod tree;
mod value;
mod write;

pub use array::Array;
pub use component::Component;
pub use error::Error;
pub use object::Object;
pub use op::{Json0, Op};
pub use parse::{ParseError, Reader};
pub use paths::check_paths;
pub use string::Str;
pub use subtype::{Side, Subtype};
pub use text0::Text0;
pub use value::Value;

/// The type's name.
pub const NAME: &str = "json0";
/// The URI under which ShareDB knows the type.
pub const URI: &str = "http://sharejs.org/types/JSONv0";

/// A document from what was given to create it; nothing given makes it null.
pub fn create(data: Option<&Value>) -> Value {
    data.cloned().unwrap_or_default()
}

/// An op in normal form, from JSON that may be a bare component and may leave paths out: neighbours are
/// merged, inserts that are deleted again vanish.
///
/// ```
/// let op = ot_json0::normalize(r#"{"na":1}"#).unwrap();
/// assert_eq!(op.to_json(), r#"[{"na":1,"p":[]}]"#);
/// ```
pub fn normalize(json: &str) -> Result<Op, Error> {
    Json0::default().normalize(json)
}

/// The document after `op`. A document whose root the op deletes is null afterwards (JavaScript's
/// undefined).
pub fn apply(snapshot: Value, op: &Op) -> Result<Value, Error> {
    Json0::default().apply(snapshot, op)
}

/// Applies `op` to a document in place. As in ot-json0 the components before one that fails stay applied.
pub fn apply_in_place(snapshot: &mut Value, op: &Op) -> Result<(), Error> {
    Json0::default().apply_in_place(snapshot, op)
}

/// One op that does what `a` and then `b` do.
pub fn compose(a: &Op, b: &Op) -> Result<Op, Error> {
    Json0::default().compose(a, b)
}

/// `op` as it must be to come after `other`, which was made against the same document.
pub fn transform(op: &Op, other: &Op, side: Side) -> Result<Op, Error> {
    Json0::default().transform(op, other, side)
}

/// Transforms two ops past each other in place: `left` to come after `right`, `right` to come after
/// `left`, where `left` wins ties. After an error both are empty.
///
/// ```
/// use ot_json0::{Op, transform_x};
/// let mut left = Op::parse(r#"[{"p":[0],"li":"left"}]"#).unwrap();
/// let mut right = Op::parse(r#"[{"p":[0],"li":"right"}]"#).unwrap();
/// transform_x(&mut left, &mut right).unwrap();
/// assert_eq!(left.to_json(), r#"[{"p":[0],"li":"left"}]"#);
/// assert_eq!(right.to_json(), r#"[{"p":[1],"li":"right"}]"#);
/// ```
pub fn transform_x(left: &mut Op, right: &mut Op) -> Result<(), Error> {
    Json0::default().transform_x(left, right)
}

/// The op that undoes `op`. Fields that json0 does not know are not part of it.
pub fn invert(op: &Op) -> Op {
    Json0::default().invert(op)
}
