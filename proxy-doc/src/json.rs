//! JSON text that stays text, and how messages are read from it and written to it.
//!
//! A message says once, in a [`wire!`](crate::wire) table, which name each of its fields has in JSON.
//! What is read and written there is little, and most of it (ops, snapshots) passes unread as
//! [`Json`]; so there is no general serializer here, whose code would be the larger part of the
//! module that a browser downloads.
//!
//! Unknown fields are ignored, of a field that comes twice the last one counts, and what is no JSON
//! is refused, also inside of what passes unread.

#[doc(hidden)]
pub mod parts;

use std::rc::Rc;

use ot_json0::{ParseError, Reader};

use crate::Error;

/// The largest count in a message or a record: JavaScript's `Number.MAX_SAFE_INTEGER`.
pub const MAX_COUNT: u64 = (1 << 53) - 1;

/// One more, and never more than [`MAX_COUNT`]: a count that came from outside may be there already, and what is
/// written has to be readable again.
#[must_use]
pub const fn next_count(count: u64) -> u64 {
    if count < MAX_COUNT {
        count + 1
    } else {
        MAX_COUNT
    }
}

/// JSON text that was checked once, where it entered, and is opaque from there on.
#[derive(Clone, Debug)]
pub struct Json(Rc<Box<str>>);

impl Json {
    /// The text.
    pub fn get(&self) -> &str {
        &self.0
    }

    /// Text that the caller wrote itself, or cut out of JSON.
    pub fn trusted(text: &str) -> Self {
        Self::written(text.to_owned())
    }

    /// Text that the caller wrote itself, and has no more use for.
    pub fn written(text: String) -> Self {
        Self(Rc::new(text.into_boxed_str()))
    }

    /// `null`.
    pub fn null() -> Self {
        Self::trusted("null")
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.get() == "null"
    }

    /// Reads a message from the text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse<T: ReadJson>(&self) -> Result<T, ParseError> {
        read_json(&self.0)
    }

    /// The content, where the text is a string.
    pub fn string(&self) -> Option<String> {
        self.parse().ok()
    }

    /// The count, where the text is one: a number from 0 to [`MAX_COUNT`], in plain digits.
    pub fn count(&self) -> Option<u64> {
        self.parse().ok()
    }
}

/// Checks `text` and makes it opaque.
///
/// # Errors
/// `ERR_MESSAGE_BADLY_FORMED` when `text` is not JSON.
pub fn json(text: String) -> Result<Json, Error> {
    match read_json::<Skipped>(&text) {
        Ok(Skipped) => Ok(Json::written(text)),
        Err(error) => Err(Error::badly_formed(format!("Invalid JSON: {error}"))),
    }
}

/// `text` as a JSON string literal.
pub fn json_string(text: &str) -> Json {
    Json::written(write_json(text))
}

/// Reads the one value that `text` is.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read_json<T: ReadJson>(text: &str) -> Result<T, ParseError> {
    let mut reader = Reader::new(text);
    let value = T::read(&mut reader);
    reader.finish(value)
}

/// The text of a value.
pub fn write_json<T: WriteJson + ?Sized>(value: &T) -> String {
    let mut out = String::new();
    value.write(&mut out);
    out
}

/// What can be read from JSON.
pub trait ReadJson: Sized {
    /// Reads one value; the reader notes what is wrong where there is none.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;

    /// What a field stands for that is not there; `None` where it must be there.
    fn absent() -> Option<Self> {
        None
    }
}

/// What can be written as JSON.
pub trait WriteJson {
    /// Appends the value.
    fn write(&self, out: &mut String);

    /// Whether a field is left out that has this value.
    fn is_absent(&self) -> bool {
        false
    }
}

/// Any value, of which only the grammar is of interest.
struct Skipped;

impl ReadJson for Skipped {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.skip().map(|_| Self)
    }
}

impl ReadJson for Json {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.skip().map(Self::trusted)
    }
}

impl WriteJson for Json {
    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}

/// `null` is nothing; but see [`present`].
impl<T: ReadJson> ReadJson for Option<T> {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.next_byte() == Some(b'n') {
            return reader.skip().map(|_| None);
        }
        T::read(reader).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: WriteJson> WriteJson for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// Reads a field in which `null` is something else than nothing: json1 composes to `null`.
pub fn present<T: ReadJson>(reader: &mut Reader<'_>) -> Option<Option<T>> {
    T::read(reader).map(Some)
}

/// A field that is not there is `false`, and `false` is not written.
impl ReadJson for bool {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.skip()? {
            "true" => Some(true),
            "false" => Some(false),
            _ => reader.fail("expected true or false"),
        }
    }

    fn absent() -> Option<Self> {
        Some(false)
    }
}

impl WriteJson for bool {
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }

    fn is_absent(&self) -> bool {
        !self
    }
}

/// A count in plain digits, at most [`MAX_COUNT`]: JavaScript would read a larger one as another number, and a sum
/// with it could wrap.
impl ReadJson for u64 {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut count: Option<u64> = Some(0);
        for byte in reader.skip()?.bytes() {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
            count = count.and_then(|count| count.checked_mul(10)?.checked_add(digit?));
        }
        match count.filter(|count| *count <= MAX_COUNT) {
            Some(count) => Some(count),
            None => reader.fail("expected a count from 0 to 2^53 - 1"),
        }
    }
}

impl WriteJson for u64 {
    fn write(&self, out: &mut String) {
        push_count(out, *self);
    }
}

/// Appends the digits of `count`.
pub(crate) fn push_count(out: &mut String, count: u64) {
    if count >= 10 {
        push_count(out, count / 10);
    }
    out.push(char::from(b'0' + (count % 10) as u8));
}

macro_rules! small_count {
    ($ty:ty) => {
        impl ReadJson for $ty {
            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                match <$ty>::try_from(u64::read(reader)?) {
                    Ok(count) => Some(count),
                    Err(_) => reader.fail("expected a smaller count"),
                }
            }
        }

        impl WriteJson for $ty {
            fn write(&self, out: &mut String) {
                push_count(out, *self as u64);
            }
        }
    };
}

small_count!(u32);
small_count!(usize);

impl ReadJson for String {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.string()?.to_str() {
            Some(text) => Some(text.to_owned()),
            None => reader.fail("half a surrogate pair in a name"),
        }
    }
}

impl WriteJson for String {
    fn write(&self, out: &mut String) {
        self.as_str().write(out);
    }
}

impl WriteJson for str {
    fn write(&self, out: &mut String) {
        const HEX: [char; 16] = [
            '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
        ];
        let is_escaped = |byte| matches!(byte, b'"' | b'\\' | 0..0x20);
        out.push('"');
        let mut rest = self;
        // Names, ids and most texts need no escape: they are copied in one go.
        while let Some(at) = rest.bytes().position(is_escaped) {
            out.push_str(&rest[..at]);
            let code = rest.as_bytes()[at];
            match code {
                b'"' | b'\\' => out.extend(['\\', char::from(code)]),
                b'\n' => out.push_str("\\n"),
                b'\r' => out.push_str("\\r"),
                b'\t' => out.push_str("\\t"),
                _ => {
                    out.push_str("\\u00");
                    out.extend([HEX[usize::from(code >> 4)], HEX[usize::from(code & 15)]]);
                }
            }
            rest = &rest[at + 1..];
        }
        out.push_str(rest);
        out.push('"');
    }
}

impl<T: WriteJson + ?Sized> WriteJson for &T {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }

    fn is_absent(&self) -> bool {
        (**self).is_absent()
    }
}

impl<T: ReadJson> ReadJson for Vec<T> {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut items = Self::new();
        reader.open(b'[')?;
        while reader.more(b']')? {
            items.push(T::read(reader)?);
        }
        Some(items)
    }
}

impl<T: WriteJson> WriteJson for Vec<T> {
    fn write(&self, out: &mut String) {
        out.push('[');
        for item in self {
            separate(out);
            item.write(out);
        }
        out.push(']');
    }
}

impl<T: ReadJson> ReadJson for Box<T> {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        T::read(reader).map(Self::new)
    }
}

impl<T: WriteJson> WriteJson for Box<T> {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }
}

/// An array of two.
impl<A: WriteJson, B: WriteJson> WriteJson for (A, B) {
    fn write(&self, out: &mut String) {
        out.push('[');
        self.0.write(out);
        out.push(',');
        self.1.write(out);
        out.push(']');
    }
}

/// An object whose keys are data, in their order in the text.
#[derive(Clone, Debug)]
pub struct Entries<T>(pub Vec<(String, T)>);

impl<T: ReadJson> ReadJson for Entries<T> {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut entries = Vec::new();
        reader.open(b'{')?;
        while reader.more(b'}')? {
            let Some(key) = reader.key()?.to_str().map(str::to_owned) else {
                return reader.fail("half a surrogate pair in a name");
            };
            entries.push((key, T::read(reader)?));
        }
        Some(Self(entries))
    }
}

impl<T: WriteJson> WriteJson for Entries<T> {
    fn write(&self, out: &mut String) {
        out.push('{');
        for (key, value) in &self.0 {
            push_key(out, key);
            value.write(out);
        }
        out.push('}');
    }
}

/// A comma, unless this is the first element.
fn separate(out: &mut String) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
}

fn push_key(out: &mut String, key: &str) {
    separate(out);
    key.write(out);
    out.push(':');
}

/// Gives a message its names in JSON, and so [`ReadJson`] and [`WriteJson`].
///
/// - `struct T { field = "name", … }`: an object. After the name, `or value` gives what stands for a
///   field that is not there, and `by function` names the function that reads it.
/// - `enum T { Variant = "name", … }`: a string; with a content, an object of that one name. The
///   content is `(Type)`, or fields as above in braces.
/// - `one T`: as its only field.
/// - `read struct`, `write struct`, `read enum`, `write enum`: only to be read, only to be written.
///
/// `..value` after a struct gives the fields that have no name in JSON.
#[macro_export]
macro_rules! wire {
    (struct $ty:ty { $($field:ident = $name:literal $(or $default:expr)? $(, by $by:path)?);* $(;)? } $(.. $rest:expr)?) => {
        $crate::wire!(read struct $ty { $($field = $name $(or $default)? $(, by $by)?);* } $(.. $rest)?);
        $crate::wire!(write struct $ty { $($field = $name);* });
    };
    (read struct $ty:ty { $($fields:tt)* } $(.. $rest:expr)?) => {
        impl $crate::ReadJson for $ty {
            fn read(reader: &mut $crate::Reader<'_>) -> Option<Self> {
                $crate::wire!(@read reader, [Self], ($(.. $rest)?), $($fields)*)
            }
        }
    };
    (write struct $ty:ty { $($field:ident = $name:literal);* $(;)? }) => {
        impl $crate::WriteJson for $ty {
            fn write(&self, out: &mut String) {
                out.push('{');
                $($crate::parts::put(out, $name, &self.$field);)*
                out.push('}');
            }
        }
    };
    (one $ty:ty) => {
        impl $crate::ReadJson for $ty {
            fn read(reader: &mut $crate::Reader<'_>) -> Option<Self> {
                $crate::ReadJson::read(reader).map(Self)
            }
        }

        impl $crate::WriteJson for $ty {
            fn write(&self, out: &mut String) {
                self.0.write(out);
            }
        }
    };
    (enum $ty:ty { $($variants:tt)* }) => {
        $crate::wire!(read enum $ty { $($variants)* });
        $crate::wire!(write enum $ty { $($variants)* });
    };
    (read enum $ty:ty { $($variant:ident = $name:literal $(($content:ty))? $({ $($fields:tt)* })?),* $(,)? }) => {
        impl $crate::ReadJson for $ty {
            fn read(reader: &mut $crate::Reader<'_>) -> Option<Self> {
                #[derive(Clone, Copy)]
                enum At { $($variant),* }
                const NAMES: &[&str] = &[$($name),*];
                const PLACES: &[At] = &[$(At::$variant),*];
                let (at, has_content) = $crate::parts::open_variant(reader, NAMES)?;
                let value = match PLACES[at] {
                    $(At::$variant => $crate::wire!(@variant reader, has_content, $variant $(($content))? $({ $($fields)* })?),)*
                };
                $crate::parts::close_variant(reader, has_content)?;
                Some(value)
            }
        }
    };
    (write enum $ty:ty { $($variant:ident = $name:literal $(($content:ty))? $({ $($fields:tt)* })?),* $(,)? }) => {
        impl $crate::WriteJson for $ty {
            fn write(&self, out: &mut String) {
                $($crate::wire!(@write self, out, $variant = $name $(($content))? $({ $($fields)* })?);)*
            }
        }
    };

    (@read $reader:ident, [$($make:tt)+], ($(.. $rest:expr)?), $($field:ident = $name:literal $(or $default:expr)? $(, by $by:path)?);* $(;)?) => {{
        $(let mut $field = None;)*
        $crate::parts::read_fields(
            $reader,
            &[$($name),*],
            &[$(concat!("missing field ", $name)),*],
            &mut [$($crate::wire!(@slot $field, ($(or $default)?), ($($by)?))),*],
        )?;
        Some($($make)+ { $($field: $crate::wire!(@filled $field $(, $default)?),)* $(..$rest)? })
    }};
    (@slot $field:ident, (), ()) => { &mut $field };
    (@slot $field:ident, (), ($by:path)) => { &mut $crate::parts::By(&mut $field, $by) };
    (@slot $field:ident, (or $default:expr), ()) => { &mut $crate::parts::Or(&mut $field) };
    (@slot $field:ident, (or $default:expr), ($by:path)) => {
        &mut $crate::parts::Or(&mut $crate::parts::By(&mut $field, $by))
    };
    (@filled $field:ident) => { $crate::parts::filled($field) };
    (@filled $field:ident, $default:expr) => { $field.unwrap_or($default) };

    (@variant $reader:ident, $has_content:ident, $variant:ident) => {{
        if $has_content {
            $reader.skip()?;
        }
        Self::$variant
    }};
    (@variant $reader:ident, $has_content:ident, $variant:ident ($content:ty)) => {{
        $crate::parts::content($reader, $has_content)?;
        Self::$variant(<$content as $crate::ReadJson>::read($reader)?)
    }};
    (@variant $reader:ident, $has_content:ident, $variant:ident {}) => {{
        $crate::parts::content($reader, $has_content)?;
        $reader.skip()?;
        Self::$variant {}
    }};
    (@variant $reader:ident, $has_content:ident, $variant:ident { $($fields:tt)+ }) => {{
        $crate::parts::content($reader, $has_content)?;
        let read: Option<Self> =
            $crate::wire!(@read $reader, [Self::$variant], (), $($fields)+);
        read?
    }};

    (@write $self:ident, $out:ident, $variant:ident = $name:literal) => {
        if let Self::$variant = $self {
            $out.push_str(concat!("\"", $name, "\""));
        }
    };
    (@write $self:ident, $out:ident, $variant:ident = $name:literal ($content:ty)) => {
        if let Self::$variant(content) = $self {
            $out.push_str(concat!("{\"", $name, "\":"));
            $crate::WriteJson::write(content, $out);
            $out.push('}');
        }
    };
    (@write $self:ident, $out:ident, $variant:ident = $name:literal { $($field:ident = $key:literal $(or $default:expr)? $(, by $by:path)?);* $(;)? }) => {
        if let Self::$variant { $($field),* } = $self {
            $out.push_str(concat!("{\"", $name, "\":{"));
            $($crate::parts::put($out, $key, $field);)*
            $out.push_str("}}");
        }
    };
}
