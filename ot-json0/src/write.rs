//! A JSON writer whose output is that of JavaScript's `JSON.stringify`, byte for byte.

use crate::string::{Str, decode};
use crate::value::Value;

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
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(out, *number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => write_array(out, items),
        Value::Object(object) => {
            out.push(b'{');
            for (at, (key, value)) in object.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                write_value(out, value);
            }
            out.push(b'}');
        }
    }
}

pub(crate) fn write_array(out: &mut Vec<u8>, items: &[Value]) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
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
