//! The JSON value model: what a JavaScript engine holds after `JSON.parse`.

use crate::array::Array;
use crate::object::Object;
use crate::parse::{ParseError, parse};
use crate::string::Str;
use crate::tree;
use crate::write::{write_value, written};
use std::fmt;

/// A JSON value. `==` compares deeply; the order of an object's keys does not matter, and `1 == 1.0`.
///
/// It may be nested as deeply as memory holds: no function recurses as deep as a value is, not even its drop.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any number; written as `null` when not finite.
    Number(f64),
    /// A string
    String(Str),
    /// An array
    Array(Array),
    /// An object
    Object(Object),
}

impl Value {
    /// Reads one JSON text.
    ///
    /// ```
    /// use ot_json0::Value;
    /// let value = Value::parse(r#"{"b": 1.0, "1": "\ud83d"}"#).unwrap();
    /// assert_eq!(value.to_json(), r#"{"1":"\ud83d","b":1}"#);
    /// ```
    pub fn parse(json: &str) -> Result<Value, ParseError> {
        parse(json)
    }

    /// Appends the JSON text that JavaScript's `JSON.stringify` gives.
    pub fn write_json(&self, out: &mut String) {
        out.push_str(&self.to_json());
    }

    /// The JSON text that JavaScript's `JSON.stringify` gives.
    pub fn to_json(&self) -> String {
        written(|out| write_value(out, self))
    }

    /// The value under `key`, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object()?.get(&Str::from(key))
    }

    /// The string, if this is one.
    pub fn as_str(&self) -> Option<&Str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The object, if this is one.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// What a copy through JSON does: numbers that are not finite become null.
    pub(crate) fn make_finite(&mut self) {
        match self {
            Value::Number(number) if !number.is_finite() => *self = Value::Null,
            Value::Array(_) | Value::Object(_) => tree::make_finite(self),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    pub(crate) fn is_tree(&self) -> bool {
        matches!(self, Value::Array(_) | Value::Object(_))
    }
}

/// As JSON.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(Str::from(value))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::String(Str::from(value))
    }
}

impl From<Str> for Value {
    fn from(value: Str) -> Value {
        Value::String(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Value {
        Value::Array(value.into())
    }
}

impl From<Object> for Value {
    fn from(value: Object) -> Value {
        Value::Object(value)
    }
}
