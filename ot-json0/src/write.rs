//! A JSON writer whose output is that of JavaScript's `JSON.stringify`, byte for byte.

use crate::object;
use crate::parse::STRIDE;
use crate::string::{PART, Str, decode, plain_length};
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

pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value) {
    let mut writer = Writer {
        next: value,
        here: None,
        outer: Vec::new(),
    };
    while writer.write_some(out) {}
}

/// A value that is being written.
struct Writer<'a> {
    next: &'a Value,
    here: Option<Open<'a>>,
    outer: Vec<Open<'a>>,
}

impl<'a> Writer<'a> {
    /// Writes a part of the value; whether there is more of it.
    #[inline(never)]
    fn write_some(&mut self, out: &mut Vec<u8>) -> bool {
        for _ in 0..STRIDE {
            match self.next {
                Value::Null => out.extend_from_slice(b"null"),
                Value::Bool(true) => out.extend_from_slice(b"true"),
                Value::Bool(false) => out.extend_from_slice(b"false"),
                Value::Number(number) => write_number(out, *number),
                Value::String(text) => write_string(out, text),
                Value::Array(items) => self.open(out, b'[', Open::Array(items.iter())),
                Value::Object(object) => self.open(out, b'{', Open::Object(object.iter())),
            }
            self.next = loop {
                let Some(holder) = &mut self.here else {
                    return false;
                };
                if let Some(next) = holder.next(out) {
                    break next;
                }
                self.here = self.outer.pop();
            };
        }
        true
    }

    fn open(&mut self, out: &mut Vec<u8>, bracket: u8, open: Open<'a>) {
        out.push(bracket);
        self.outer.extend(self.here.replace(open));
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
    let mut rest = text.as_wtf8();
    while !rest.is_empty() {
        let plain = plain_length(rest, SURROGATE);
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        if plain < PART && !rest.is_empty() {
            rest = &rest[write_special(out, rest)..];
        }
    }
    out.push(b'"');
}

/// What half a surrogate pair begins with in WTF-8, and some whole characters.
const SURROGATE: u8 = 0xED;

/// Writes the character that `bytes` begin with, which may have to be escaped; returns how many bytes were written.
fn write_special(out: &mut Vec<u8>, bytes: &[u8]) -> usize {
    let escape = match bytes[0] {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x09 => b't',
        0x0A => b'n',
        0x0C => b'f',
        0x0D => b'r',
        0x00..0x20 => b'u',
        SURROGATE if bytes.get(1).is_some_and(|b| *b >= 0xA0) => b'u',
        byte => {
            out.push(byte);
            return 1;
        }
    };
    out.extend_from_slice(&[b'\\', escape]);
    if escape != b'u' {
        return 1;
    }
    let (code, size) = decode(bytes).unwrap_or((u32::from(bytes[0]), 1));
    for shift in [12, 8, 4, 0] {
        out.push(HEX[(code >> shift) as usize & 15]);
    }
    size
}
