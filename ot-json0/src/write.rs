//! A JSON writer whose output is that of JavaScript's `JSON.stringify`, byte for byte.

use crate::object;
use crate::string::{Str, decode};
use crate::value::Value;
use std::slice;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Collects what `write` writes as a string.
pub(crate) fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("the writer escapes everything that is not UTF-8")
}

pub(crate) fn string_json(text: &Str) -> String {
    written(|out| write_string(out, text))
}

pub(crate) fn write_value(out: &mut Vec<u8>, mut value: &Value) {
    let mut outer = Vec::new();
    let mut here: Option<Open<'_>> = None;
    loop {
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Number(number) => write_number(out, *number),
            Value::String(text) => write_string(out, text),
            Value::Array(items) => {
                out.push(b'[');
                outer.extend(here.replace(Open::Array(items.iter())));
            }
            Value::Object(object) => {
                out.push(b'{');
                outer.extend(here.replace(Open::Object(object.iter())));
            }
        }
        value = loop {
            let Some(holder) = &mut here else {
                return;
            };
            if let Some(next) = holder.next(out) {
                break next;
            }
            here = outer.pop();
        };
    }
}

/// What is still to be written of an array or object.
enum Open<'a> {
    Array(slice::Iter<'a, Value>),
    Object(object::Iter<'a>),
}

impl<'a> Open<'a> {
    /// The next value, after what comes before it has been written; at the end, the bracket.
    fn next(&mut self, out: &mut Vec<u8>) -> Option<&'a Value> {
        let close = match self {
            Open::Array(items) => match items.next() {
                Some(item) => {
                    separate(out, b'[');
                    return Some(item);
                }
                None => b']',
            },
            Open::Object(entries) => match entries.next() {
                Some((key, value)) => {
                    separate(out, b'{');
                    write_string(out, key);
                    out.push(b':');
                    return Some(value);
                }
                None => b'}',
            },
        };
        out.push(close);
        None
    }
}

/// A comma, unless the bracket was just opened.
fn separate(out: &mut Vec<u8>, bracket: u8) {
    if out.last() != Some(&bracket) {
        out.push(b',');
    }
}

pub(crate) fn write_array(out: &mut Vec<u8>, items: &[Value]) {
    out.push(b'[');
    for item in items {
        separate(out, b'[');
        write_value(out, item);
    }
    out.push(b']');
}

pub(crate) fn write_number(out: &mut Vec<u8>, number: f64) {
    if !number.is_finite() {
        out.extend_from_slice(b"null");
    } else if number == number.trunc() && number.abs() < 1e15 {
        write_integer(out, number as i64);
    } else {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(number).as_bytes());
    }
}

fn write_integer(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

pub(crate) fn write_string(out: &mut Vec<u8>, text: &Str) {
    out.push(b'"');
    let bytes = text.as_wtf8();
    let mut done = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            0x09 => b't',
            0x0A => b'n',
            0x0C => b'f',
            0x0D => b'r',
            0x00..0x20 => b'u',
            0xED if bytes.get(at + 1).is_some_and(|b| *b >= 0xA0) => b'u',
            _ => continue,
        };
        out.extend_from_slice(&bytes[done..at]);
        out.extend_from_slice(&[b'\\', escape]);
        done = at + 1;
        if escape == b'u' {
            let (code, size) = decode(&bytes[at..]).unwrap_or((u32::from(*byte), 1));
            for shift in [12, 8, 4, 0] {
                out.push(HEX[(code >> shift) as usize & 15]);
            }
            done = at + size;
        }
    }
    out.extend_from_slice(&bytes[done..]);
    out.push(b'"');
}
