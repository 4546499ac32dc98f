//! A JSON reader that accepts what `JSON.parse` accepts, up to a depth that cannot exhaust the stack.

use crate::object::Object;
use crate::string::{Str, Wtf8};
use crate::value::{MAX_DEPTH, Value};
use std::fmt;

/// Why a text is not JSON (or is nested too deeply), and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub message: &'static str,
    /// Byte offset in the text.
    pub offset: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_message())
    }
}

impl std::error::Error for ParseError {}

impl ParseError {
    pub(crate) fn to_message(&self) -> String {
        let mut text = String::from(self.message);
        text.push_str(" at offset ");
        text.push_str(&self.offset.to_string());
        text
    }
}

pub(crate) fn parse(json: &str) -> Result<Value, ParseError> {
    let mut reader = Reader {
        bytes: json.as_bytes(),
        at: 0,
    };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < reader.bytes.len() {
        return reader.fail("unexpected text after the JSON value");
    }
    Ok(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn fail<T>(&self, message: &'static str) -> Result<T, ParseError> {
        let offset = self.at;
        Err(ParseError { message, offset })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true", Value::Bool(true)),
            Some(b'f') => self.word(b"false", Value::Bool(false)),
            Some(b'n') => self.word(b"null", Value::Null),
            Some(_) => self.fail("unexpected character in JSON"),
            None => self.fail("unexpected end of JSON"),
        }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Result<Value, ParseError> {
        if !self.bytes[self.at..].starts_with(word) {
            return self.fail("unexpected character in JSON");
        }
        self.at += word.len();
        Ok(value)
    }

    /// Steps over an opening bracket and tells whether the closing one follows at once.
    fn open(&mut self, depth: usize, close: u8) -> Result<bool, ParseError> {
        if depth >= MAX_DEPTH {
            return self.fail("JSON nested too deeply");
        }
        self.at += 1;
        self.skip_space();
        let empty = self.peek() == Some(close);
        self.at += usize::from(empty);
        Ok(empty)
    }

    /// Steps over a comma or the closing bracket; true for the latter.
    fn next_or(&mut self, close: u8) -> Result<bool, ParseError> {
        self.skip_space();
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(byte) if byte == close => {
                self.at += 1;
                return Ok(true);
            }
            Some(_) => return self.fail("expected a comma or a closing bracket in JSON"),
            None => return self.fail("unexpected end of JSON"),
        }
        Ok(false)
    }

    fn array(&mut self, depth: usize) -> Result<Value, ParseError> {
        let mut items = Vec::new();
        if !self.open(depth, b']')? {
            loop {
                items.push(self.value(depth + 1)?);
                if self.next_or(b']')? {
                    break;
                }
            }
        }
        Ok(Value::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Value, ParseError> {
        let mut object = Object::new();
        if !self.open(depth, b'}')? {
            loop {
                self.skip_space();
                if self.peek() != Some(b'"') {
                    return self.fail("expected a key in JSON");
                }
                let key = self.string()?;
                self.skip_space();
                if self.peek() != Some(b':') {
                    return self.fail("expected a colon in JSON");
                }
                self.at += 1;
                object.insert(key, self.value(depth + 1)?);
                if self.next_or(b'}')? {
                    break;
                }
            }
        }
        Ok(Value::Object(object))
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return self.fail("expected a digit in JSON");
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let first = self.at;
        self.digits()?;
        if self.bytes[first] == b'0' && self.at > first + 1 {
            self.at = first + 1;
            return self.fail("unexpected digit after a leading zero in JSON");
        }
        let whole = &self.bytes[first..self.at];
        let mut plain = true;
        if self.peek() == Some(b'.') {
            plain = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            plain = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        // Up to 15 digits are exact in a double; everything else takes the correctly rounding road.
        if plain && whole.len() <= 15 {
            let number = whole.iter().fold(0u64, |n, d| n * 10 + u64::from(d - b'0')) as f64;
            return Ok(Value::Number(if negative { -number } else { number }));
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        match text.parse() {
            Ok(number) => Ok(Value::Number(number)),
            Err(_) => self.fail("unreadable number in JSON"),
        }
    }

    /// Steps over the run of bytes that stand for themselves and returns it.
    fn plain_run(&mut self) -> &[u8] {
        let start = self.at;
        while let Some(byte) = self.peek() {
            if byte == b'"' || byte == b'\\' || byte < 0x20 {
                break;
            }
            self.at += 1;
        }
        &self.bytes[start..self.at]
    }

    fn string(&mut self) -> Result<Str, ParseError> {
        self.at += 1;
        let start = self.at;
        let end = start + self.plain_run().len();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Str::from_wtf8(&self.bytes[start..end]));
        }
        let mut text = Wtf8::default();
        text.push_utf8(&self.bytes[start..end]);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.finish());
                }
                Some(b'\\') => text.push_unit(self.escape()?),
                Some(0x20..) => text.push_utf8(self.plain_run()),
                Some(_) => return self.fail("control character in a JSON string"),
                None => return self.fail("unterminated string in JSON"),
            }
        }
    }

    fn escape(&mut self) -> Result<u16, ParseError> {
        self.at += 1;
        let unit = match self.peek() {
            Some(b @ (b'"' | b'\\' | b'/')) => u16::from(b),
            Some(b'b') => 8,
            Some(b't') => 9,
            Some(b'n') => 10,
            Some(b'f') => 12,
            Some(b'r') => 13,
            Some(b'u') => return self.hex_escape(),
            Some(_) | None => return self.fail("unknown escape in a JSON string"),
        };
        self.at += 1;
        Ok(unit)
    }

    fn hex_escape(&mut self) -> Result<u16, ParseError> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            let Some(digit) = digit else {
                return self.fail("expected four hexadecimal digits in a JSON string");
            };
            unit = unit * 16 + digit as u16;
            self.at += 1;
        }
        Ok(unit)
    }
}
