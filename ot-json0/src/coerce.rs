//! JavaScript's conversions and comparisons, as far as json0 lets them show: path segments and list
//! indices may be any JSON value. `None` stands for `undefined`.

use crate::error::Error;
use crate::number::read_number;
use crate::string::{Str, Wtf8};
use crate::value::Value;
use crate::write::write_number;
use std::cmp::Ordering;

/// `String(value)`; fails where JavaScript finds no primitive to convert to.
pub(crate) fn to_text(value: &Value) -> Result<Str, Error> {
    Ok(match value {
        Value::Null => Str::from("null"),
        Value::Bool(true) => Str::from("true"),
        Value::Bool(false) => Str::from("false"),
        Value::Number(number) => number_text(*number),
        Value::String(text) => text.clone(),
        Value::Array(items) => list_text(items)?,
        Value::Object(object) => {
            let own = |name: &str| object.contains_key(&Str::from(name));
            // An own `toString` is JSON, never a function, and the inherited `valueOf` gives no primitive.
            if own("toString") {
                return Err(Error::new("Cannot convert object to primitive value"));
            }
            Str::from("[object Object]")
        }
    })
}

/// `list.join()`: what `String(list)` gives.
pub(crate) fn list_text(items: &[Value]) -> Result<Str, Error> {
    let mut joined = Wtf8::default();
    let mut open = vec![items.iter()];
    let mut first = true;
    while let Some(items) = open.last_mut() {
        let Some(item) = items.next() else {
            open.pop();
            first = false;
            continue;
        };
        if !first {
            joined.push_utf8(b",");
        }
        first = false;
        match item {
            Value::Null => {}
            Value::Array(inner) => {
                open.push(inner.iter());
                first = true;
            }
            other => joined.push_wtf8(to_text(other)?.as_wtf8()),
        }
    }
    Ok(joined.finish())
}

fn number_text(number: f64) -> Str {
    if number.is_nan() {
        return Str::from("NaN");
    }
    if number.is_infinite() {
        return Str::from(if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        });
    }
    let mut digits = Vec::new();
    write_number(&mut digits, number);
    Str::from_wtf8(&digits)
}

/// `Number(value)`.
pub(crate) fn to_number(value: Option<&Value>) -> f64 {
    match value {
        None => f64::NAN,
        Some(Value::Null | Value::Bool(false)) => 0.0,
        Some(Value::Bool(true)) => 1.0,
        Some(Value::Number(number)) => *number,
        Some(Value::String(text)) => text_number(text),
        Some(tree @ (Value::Array(_) | Value::Object(_))) => {
            to_text(tree).map_or(f64::NAN, |text| text_number(&text))
        }
    }
}

fn text_number(text: &Str) -> f64 {
    let Some(text) = text.to_str() else {
        return f64::NAN;
    };
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
    let radix = match text.get(..2) {
        Some("0x" | "0X") => 16,
        Some("0o" | "0O") => 8,
        Some("0b" | "0B") => 2,
        _ => return decimal_number(text),
    };
    let digits = &text[2..];
    if digits.is_empty() {
        return f64::NAN;
    }
    let step =
        |n: f64, c: char| n * f64::from(radix) + c.to_digit(radix).map_or(f64::NAN, f64::from);
    digits.chars().fold(0.0, step)
}

fn decimal_number(text: &str) -> f64 {
    match text {
        "" => 0.0,
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => read_number(text.as_bytes()).unwrap_or(f64::NAN),
    }
}

/// `ToIntegerOrInfinity`: not-a-number is zero, fractions are cut off.
pub(crate) fn to_integer(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number.trunc() }
}

/// `Boolean(value)`.
pub(crate) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => *number != 0.0 && !number.is_nan(),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// `a === b` for values that are separate copies: two arrays or objects are never the same one.
#[inline(always)]
pub(crate) fn strict_eq(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(Value::Number(a)), Some(Value::Number(b))) => a == b,
        (Some(Value::String(a)), Some(Value::String(b))) => *a == *b,
        (Some(Value::Null), Some(Value::Null)) => true,
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => a == b,
        _ => false,
    }
}

/// `a == b` for values that are separate copies.
pub(crate) fn loose_eq(a: Option<&Value>, b: Option<&Value>) -> bool {
    let missing = |v: Option<&Value>| v.is_none_or(Value::is_null);
    if missing(a) || missing(b) {
        return missing(a) && missing(b);
    }
    let is_text = |v: Option<&Value>| matches!(v, Some(Value::String(_)));
    let is_tree = |v: Option<&Value>| v.is_some_and(Value::is_tree);
    match (is_tree(a), is_tree(b)) {
        (true, true) => false,
        (true, false) if is_text(b) => primitive_text(a) == primitive_text(b),
        (false, true) if is_text(a) => primitive_text(a) == primitive_text(b),
        _ => strict_eq(a, b) || (!(is_text(a) && is_text(b)) && to_number(a) == to_number(b)),
    }
}

fn primitive_text(value: Option<&Value>) -> Option<Str> {
    value.and_then(|value| to_text(value).ok())
}

/// `a < b`.
pub(crate) fn less(a: Option<&Value>, b: Option<&Value>) -> bool {
    order(a, b) == Some(Ordering::Less)
}

/// `a <= b`.
pub(crate) fn less_equal(a: Option<&Value>, b: Option<&Value>) -> bool {
    order(a, b).is_some_and(Ordering::is_le)
}

/// How `<` and `<=` find two values; `None` where neither is true of them, in whatever order.
#[inline(always)]
fn order(a: Option<&Value>, b: Option<&Value>) -> Option<Ordering> {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.partial_cmp(b),
        _ => order_converted(a, b),
    }
}

#[inline(never)]
fn order_converted(a: Option<&Value>, b: Option<&Value>) -> Option<Ordering> {
    match both_text(a, b) {
        Some((a, b)) => Some(a.cmp(&b)),
        None => to_number(a).partial_cmp(&to_number(b)),
    }
}

/// The two strings that `<` compares, when both sides convert to one.
fn both_text(a: Option<&Value>, b: Option<&Value>) -> Option<(Str, Str)> {
    let as_text = |value: Option<&Value>| match value? {
        text @ (Value::String(_) | Value::Array(_) | Value::Object(_)) => to_text(text).ok(),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    };
    Some((as_text(a)?, as_text(b)?))
}

/// `a + b`.
pub(crate) fn add(a: &Value, b: &Value) -> Value {
    if let (Value::Number(a), Value::Number(b)) = (a, b) {
        return Value::Number(a + b);
    }
    let joins = |v: &Value| matches!(v, Value::String(_)) || v.is_tree();
    if joins(a) || joins(b) {
        let text = |v: &Value| to_text(v).unwrap_or_default();
        return Value::String(text(a).concat(&text(b)));
    }
    Value::Number(to_number(Some(a)) + to_number(Some(b)))
}
