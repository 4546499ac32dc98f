//! A JSON reader that accepts what `JSON.parse` accepts, however deep it is nested.

use crate::number::read_number;
use crate::object::Object;
use crate::string::{PART, Str, Wtf8, plain_length};
use crate::value::Value;
use std::fmt;

/// So many elements are read in one call. Engines of WebAssembly compile a function well for its later calls only, however
/// long it runs: a loop over a large text has to be many calls.
pub(crate) const STRIDE: usize = 256;

/// Why a text is not JSON, and where.
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
    #[cfg(target_family = "wasm")]
    make_room(json);
    let mut reader = Reader::new(json);
    let value = reader.value();
    reader.finish(value)
}

/// Gets the memory that the values of a large text will take in one step. The allocator would ask for it 64 KiB at a time,
/// and each time the engine does more work than reading such a part is.
#[cfg(target_family = "wasm")]
fn make_room(json: &str) {
    /// Of a text, in bytes.
    const LARGE: usize = 256 * 1024;
    /// About what a value takes beside its text, in bytes.
    const VALUE: usize = 64;
    if json.len() < LARGE {
        return;
    }
    let values: usize = json.as_bytes().chunks(PART).map(count_values).sum();
    let mut room: Vec<u8> = Vec::new();
    // Where there is not so much, the values may still fit.
    let _ = room.try_reserve_exact(json.len() + values * VALUE);
    std::hint::black_box(&room);
}

/// About how many values there are in a part of a text.
#[cfg(target_family = "wasm")]
#[inline(never)]
fn count_values(json: &[u8]) -> usize {
    let begins = |byte: &&u8| matches!(**byte, b',' | b'[' | b'{');
    json.iter().filter(begins).count()
}

/// Reads a JSON text piece by piece, for whoever needs only parts of it: brackets and keys one at a
/// time, and what is of no interest skipped, but checked. Each step gives nothing where the text is
/// not as it says; [`Reader::finish`] tells why.
///
/// ```
/// use ot_json0::Reader;
/// let mut reader = Reader::new(r#"{"a":[1,{}],"b":"text"}"#);
/// reader.open(b'{').unwrap();
/// assert!(reader.more(b'}').unwrap());
/// assert_eq!(reader.key().unwrap(), "a");
/// assert_eq!(reader.skip().unwrap(), "[1,{}]");
/// assert!(reader.more(b'}').unwrap());
/// assert_eq!(reader.key().unwrap(), "b");
/// assert_eq!(reader.string().unwrap(), "text");
/// assert!(!reader.more(b'}').unwrap());
/// reader.finish(Some(())).unwrap();
/// ```
pub struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// A bracket was opened, and nothing read since: no comma comes before the first element.
    opened: bool,
    /// The first thing that was found to be wrong.
    error: Option<ParseError>,
}

/// An array or object whose elements are being read.
enum Open {
    Array(Vec<Value>),
    Object(Object),
}

/// How far the elements of an array or object were read.
enum Elements {
    /// Some of them.
    More,
    /// Up to one that holds others: after its key and before its bracket, which is given.
    Inner(Str, u8),
    End,
}

impl Open {
    fn of(bracket: u8) -> Self {
        if bracket == b'[' {
            Open::Array(Vec::new())
        } else {
            Open::Object(Object::new())
        }
    }

    fn put(&mut self, key: Str, value: Value) {
        match self {
            Open::Array(items) => items.push(value),
            Open::Object(object) => drop(object.insert(key, value)),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Open::Array(items) => Value::Array(items.into()),
            Open::Object(object) => Value::Object(object),
        }
    }
}

impl<'a> Reader<'a> {
    /// A reader of one JSON value.
    pub fn new(text: &'a str) -> Self {
        Reader {
            text,
            bytes: text.as_bytes(),
            at: 0,
            opened: false,
            error: None,
        }
    }

    /// Hands out what was read as the whole text, or the error.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, ParseError> {
        match (value, self.first_error()) {
            (Some(value), None) => Ok(value),
            (_, Some(error)) => Err(error),
            (None, None) => Err(ParseError {
                message: "unexpected value in JSON",
                offset: self.at,
            }),
        }
    }

    /// What is wrong with the text; a whole one ends here.
    fn first_error(&mut self) -> Option<ParseError> {
        if self.next_byte().is_some() && self.error.is_none() {
            self.fail::<()>("unexpected text after the JSON value");
        }
        self.error.take()
    }

    /// The first byte of what comes next, which tells its kind.
    pub fn next_byte(&mut self) -> Option<u8> {
        self.skip_space();
        self.peek()
    }

    /// Notes what is wrong at this place.
    #[cold]
    pub fn fail<T>(&mut self, message: &'static str) -> Option<T> {
        let offset = self.at;
        self.error.get_or_insert(ParseError { message, offset });
        None
    }

    /// Steps over an opening bracket.
    pub fn open(&mut self, bracket: u8) -> Option<()> {
        if self.next_byte() != Some(bracket) {
            return self.fail("unexpected kind of JSON value");
        }
        self.at += 1;
        self.opened = true;
        Some(())
    }

    /// Whether another element follows; steps over the comma before it, or the closing bracket.
    pub fn more(&mut self, close: u8) -> Option<bool> {
        let first = std::mem::take(&mut self.opened);
        if self.next_byte() == Some(close) {
            self.at += 1;
            return Some(false);
        }
        if !first {
            if self.peek() != Some(b',') {
                return self.fail("expected a comma or a closing bracket in JSON");
            }
            self.at += 1;
        }
        Some(true)
    }

    /// The key of the element that follows; steps over the colon after it.
    pub fn key(&mut self) -> Option<Str> {
        if self.next_byte() != Some(b'"') {
            return self.fail("expected a key in JSON");
        }
        let key = self.string_here()?;
        self.colon()?;
        Some(key)
    }

    fn colon(&mut self) -> Option<()> {
        if self.next_byte() != Some(b':') {
            return self.fail("expected a colon in JSON");
        }
        self.at += 1;
        Some(())
    }

    /// A string.
    pub fn string(&mut self) -> Option<Str> {
        if self.next_byte() != Some(b'"') {
            return self.fail("expected a string in JSON");
        }
        self.string_here()
    }

    /// Checks the value that follows and returns its text.
    pub fn skip(&mut self) -> Option<&'a str> {
        self.skip_space();
        let start = self.at;
        let mut closing: Vec<u8> = Vec::new();
        while self.skip_some(&mut closing)? {}
        Some(self.text.get(start..self.at).unwrap_or_default())
    }

    /// Skips a part of the value; whether there is more of it. `closing` are the brackets that are still to come.
    #[inline(never)]
    fn skip_some(&mut self, closing: &mut Vec<u8>) -> Option<bool> {
        for _ in 0..STRIDE {
            match self.next_byte() {
                Some(b'{') => {
                    self.open(b'{')?;
                    closing.push(b'}');
                }
                Some(b'[') => {
                    self.open(b'[')?;
                    closing.push(b']');
                }
                _ => self.skip_scalar()?,
            }
            while let Some(close) = closing.last().copied() {
                if self.more(close)? {
                    if close == b'}' {
                        self.skip_key()?;
                    }
                    break;
                }
                closing.pop();
            }
            if closing.is_empty() {
                return Some(false);
            }
        }
        Some(true)
    }

    fn skip_key(&mut self) -> Option<()> {
        if self.next_byte() != Some(b'"') {
            return self.fail("expected a key in JSON");
        }
        self.skip_string()?;
        self.colon()
    }

    fn skip_scalar(&mut self) -> Option<()> {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'-' | b'0'..=b'9') => self.scan_number().map(|_| ()),
            Some(_) | None => self.scalar().map(|_| ()),
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.plain_run();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Some(());
                }
                Some(b'\\') => {
                    self.escape()?;
                }
                _ => return self.unfinished_string(),
            }
        }
    }

    fn unfinished_string<T>(&mut self) -> Option<T> {
        match self.peek() {
            Some(_) => self.fail("control character in a JSON string"),
            None => self.fail("unterminated string in JSON"),
        }
    }

    // Inlined whatever the level, since a module for browsers is compiled for size: every byte passes here.
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline(always)]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Option<Value> {
        let mut here = match self.next_byte() {
            Some(bracket @ (b'[' | b'{')) => self.open_value(bracket)?,
            _ => return self.scalar(),
        };
        // Each with the key of the one inside of it.
        let mut outer: Vec<(Open, Str)> = Vec::new();
        loop {
            let read = match &mut here {
                Open::Array(items) => self.items(items)?,
                Open::Object(object) => self.entries(object)?,
            };
            match read {
                Elements::More => {}
                Elements::Inner(key, bracket) => {
                    let inner = self.open_value(bracket)?;
                    outer.push((std::mem::replace(&mut here, inner), key));
                }
                Elements::End => {
                    let value = here.into_value();
                    let Some((holder, key)) = outer.pop() else {
                        return Some(value);
                    };
                    here = holder;
                    here.put(key, value);
                }
            }
        }
    }

    fn open_value(&mut self, bracket: u8) -> Option<Open> {
        self.open(bracket)?;
        Some(Open::of(bracket))
    }

    /// Reads elements of an array.
    #[inline(never)]
    fn items(&mut self, items: &mut Vec<Value>) -> Option<Elements> {
        for _ in 0..STRIDE {
            if !self.more(b']')? {
                return Some(Elements::End);
            }
            match self.next_byte() {
                Some(bracket @ (b'[' | b'{')) => {
                    return Some(Elements::Inner(Str::new(), bracket));
                }
                _ => items.push(self.scalar()?),
            }
        }
        Some(Elements::More)
    }

    /// Reads keys and values of an object.
    #[inline(never)]
    fn entries(&mut self, object: &mut Object) -> Option<Elements> {
        for _ in 0..STRIDE {
            if !self.more(b'}')? {
                return Some(Elements::End);
            }
            let key = self.key()?;
            match self.next_byte() {
                Some(bracket @ (b'[' | b'{')) => return Some(Elements::Inner(key, bracket)),
                _ => drop(object.insert(key, self.scalar()?)),
            }
        }
        Some(Elements::More)
    }

    fn scalar(&mut self) -> Option<Value> {
        match self.peek() {
            Some(b'"') => Some(Value::String(self.string_here()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true", Value::Bool(true)),
            Some(b'f') => self.word(b"false", Value::Bool(false)),
            Some(b'n') => self.word(b"null", Value::Null),
            Some(_) => self.fail("unexpected character in JSON"),
            None => self.fail("unexpected end of JSON"),
        }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Option<Value> {
        if !self.bytes[self.at..].starts_with(word) {
            return self.fail("unexpected character in JSON");
        }
        self.at += word.len();
        Some(value)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return self.fail("expected a digit in JSON");
        }
        Some(())
    }

    /// Steps over a number and tells whether it is written as digits alone, but for a sign.
    fn scan_number(&mut self) -> Option<bool> {
        self.at += usize::from(self.peek() == Some(b'-'));
        let first = self.at;
        self.digits()?;
        if self.bytes[first] == b'0' && self.at > first + 1 {
            self.at = first + 1;
            return self.fail("unexpected digit after a leading zero in JSON");
        }
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
        Some(plain)
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let plain = self.scan_number()?;
        let text = &self.text[start..self.at];
        // Up to 15 digits are exact in a double; everything else takes the correctly rounding road.
        if plain && text.len() <= 15 {
            let (negative, whole) = match text.strip_prefix('-') {
                Some(whole) => (true, whole),
                None => (false, text),
            };
            let whole = whole.bytes();
            let number = whole.fold(0u64, |n, d| n * 10 + u64::from(d - b'0')) as f64;
            return Some(Value::Number(if negative { -number } else { number }));
        }
        match read_number(text.as_bytes()) {
            Some(number) => Some(Value::Number(number)),
            None => self.fail("unreadable number in JSON"),
        }
    }

    /// Steps over the run of bytes that stand for themselves and returns it.
    fn plain_run(&mut self) -> &[u8] {
        let start = self.at;
        loop {
            let plain = plain_length(&self.bytes[self.at..], b'"');
            self.at += plain;
            if plain < PART {
                return &self.bytes[start..self.at];
            }
        }
    }

    fn string_here(&mut self) -> Option<Str> {
        self.at += 1;
        let start = self.at;
        let end = start + self.plain_run().len();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Some(Str::from_wtf8(&self.bytes[start..end]));
        }
        let mut text = Wtf8::default();
        text.push_utf8(&self.bytes[start..end]);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Some(text.finish());
                }
                Some(b'\\') => text.push_unit(self.escape()?),
                Some(0x20..) => text.push_utf8(self.plain_run()),
                Some(_) | None => return self.unfinished_string(),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
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
        Some(unit)
    }

    fn hex_escape(&mut self) -> Option<u16> {
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
        Some(unit)
    }
}
