//! What another OT type must provide to take over components with its name in `t`.

use crate::error::Error;
use crate::value::Value;

/// Whose change yields when two cannot both stand: `Left`'s is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The op that wins ties.
    Left,
    /// The op that loses them.
    Right,
}

/// An OT type for values inside a json0 document, used for components `{p, t: name, o: op}`.
pub trait Subtype {
    /// The name that stands in `t`.
    fn name(&self) -> &str;
    /// The value after `op`; `None` is JavaScript's undefined: nothing is at the path.
    fn apply(&self, snapshot: Option<&Value>, op: &Value) -> Result<Value, Error>;
    /// One op that does what `first` and then `second` do.
    fn compose(&self, first: &Value, second: &Value) -> Result<Value, Error>;
    /// `op` as it must be to come after `other`; an empty array drops the component.
    fn transform(&self, op: &Value, other: &Value, side: Side) -> Result<Value, Error>;
    /// The op that undoes `op`.
    fn invert(&self, op: &Value) -> Value;
}
