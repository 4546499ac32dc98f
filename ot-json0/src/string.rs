//! JavaScript strings: sequences of UTF-16 units in which half a surrogate pair may stand alone.
//!
//! Stored as generalised UTF-8 (WTF-8): a lone surrogate takes the three bytes its code point would
//! have, a pair always takes the four of its character, so equal strings have equal bytes. Positions
//! and lengths count UTF-16 units, as in JavaScript. Does not normalise, fold case or know locales.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

/// Bytes kept inside the handle itself: keys and short words then need no allocation.
const INLINE_BYTES: usize = 15;
/// Bytes looked at in one call; for the reason see `STRIDE` of the reader.
pub(crate) const PART: usize = 4096;
/// Bytes counted at a time while looking for a unit's place; large enough to be vectorised.
const BLOCK_BYTES: usize = 128;

/// A JavaScript string, cheap to clone.
pub struct Str(Repr);

enum Repr {
    Inline(Inline),
    Heap(Rc<Buffer>),
}

/// A short text in place. Its length is an enum so that [`Repr`] marks its other variant by a value that no length has.
/// Beside a tag of its own a text would be fifteen bytes, which compilers copy in overlapping pieces, slow to read back.
#[derive(Clone, Copy)]
struct Inline {
    len: InlineLength,
    bytes: [u8; INLINE_BYTES],
}

/// A length in bytes up to [`INLINE_BYTES`].
#[rustfmt::skip]
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum InlineLength { L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12, L13, L14, L15 }

impl InlineLength {
    #[rustfmt::skip]
    const ALL: [Self; INLINE_BYTES + 1] = [
        Self::L0, Self::L1, Self::L2, Self::L3, Self::L4, Self::L5, Self::L6, Self::L7,
        Self::L8, Self::L9, Self::L10, Self::L11, Self::L12, Self::L13, Self::L14, Self::L15,
    ];
}

impl Inline {
    const EMPTY: Inline = Inline {
        len: InlineLength::L0,
        bytes: [0; INLINE_BYTES],
    };

    #[inline(always)]
    fn as_wtf8(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }
}

#[derive(Clone)]
struct Buffer {
    bytes: Vec<u8>,
    units: usize,
}

/// A place between two UTF-16 units: a byte offset, and whether it lies inside the pair starting there.
#[derive(Clone, Copy)]
struct Place {
    byte: usize,
    inside_pair: bool,
}

impl Str {
    /// The empty string.
    pub const fn new() -> Str {
        Str(Repr::Inline(Inline::EMPTY))
    }

    /// From bytes that are well-formed WTF-8 already; only this crate can promise that.
    #[inline]
    pub(crate) fn from_wtf8(wtf8: &[u8]) -> Str {
        if wtf8.len() <= INLINE_BYTES {
            let mut bytes = [0; INLINE_BYTES];
            bytes[..wtf8.len()].copy_from_slice(wtf8);
            let len = InlineLength::ALL[wtf8.len()];
            return Str(Repr::Inline(Inline { len, bytes }));
        }
        Str::from_wtf8_vec(wtf8.to_vec())
    }

    fn from_wtf8_vec(bytes: Vec<u8>) -> Str {
        if bytes.len() <= INLINE_BYTES {
            return Str::from_wtf8(&bytes);
        }
        let units = count_units(&bytes);
        Str(Repr::Heap(Rc::new(Buffer { bytes, units })))
    }

    /// From UTF-16 units, as JavaScript holds them.
    pub fn from_utf16(units: &[u16]) -> Str {
        let mut out = Wtf8::default();
        for unit in units {
            out.push_unit(*unit);
        }
        out.finish()
    }

    /// The WTF-8 bytes: UTF-8 unless a lone surrogate is present.
    #[inline(always)]
    pub fn as_wtf8(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(inline) => inline.as_wtf8(),
            Repr::Heap(buffer) => &buffer.bytes,
        }
    }

    /// As a Rust string; `None` when a lone surrogate is present.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_wtf8()).ok()
    }

    /// As a Rust string, each lone surrogate replaced by U+FFFD.
    pub fn to_string_lossy(&self) -> String {
        if let Some(text) = self.to_str() {
            return text.to_owned();
        }
        char::decode_utf16(self.to_utf16())
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    }

    /// The UTF-16 units.
    pub fn to_utf16(&self) -> Vec<u16> {
        let mut units = Vec::with_capacity(self.len_utf16());
        let mut rest = self.as_wtf8();
        while let Some((code, size)) = decode(rest) {
            if code >= 0x1_0000 {
                units.push(high_of(code));
                units.push(low_of(code));
            } else {
                units.push(code as u16);
            }
            rest = &rest[size..];
        }
        units
    }

    /// Number of UTF-16 units: JavaScript's `length`.
    #[inline]
    pub fn len_utf16(&self) -> usize {
        match &self.0 {
            Repr::Inline(inline) => count_units(inline.as_wtf8()),
            Repr::Heap(buffer) => buffer.units,
        }
    }

    /// Whether there is no unit at all.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.as_wtf8().is_empty()
    }

    /// The units from `start` up to `end`, both clamped to the length.
    pub fn slice(&self, start: usize, end: usize) -> Str {
        let bytes = self.as_wtf8();
        let units = self.len_utf16();
        let end = end.min(units);
        if start >= end {
            return Str::new();
        }
        if units == bytes.len() {
            return Str::from_wtf8(&bytes[start..end]);
        }
        let from = place_of(bytes, start);
        let to = place_of(bytes, end);
        if !from.inside_pair && !to.inside_pair {
            return Str::from_wtf8(&bytes[from.byte..to.byte]);
        }
        let mut out = Wtf8::default();
        out.push_between(bytes, from, to);
        out.finish()
    }

    /// This string followed by `other`; two halves of a pair that meet become one character.
    pub fn concat(&self, other: &Str) -> Str {
        let mut joined = self.clone();
        let end = joined.len_utf16();
        joined.splice(end, end, other);
        joined
    }

    /// Replaces the units from `start` up to `end` (both clamped to the length) by `insert`, in place
    /// where nobody else holds the text.
    pub fn splice(&mut self, start: usize, end: usize, insert: &Str) {
        let units = self.len_utf16();
        let start = start.min(units);
        let end = end.clamp(start, units);
        let bytes = self.as_wtf8();
        let (from, to) = if units == bytes.len() {
            (Place::at(start), Place::at(end))
        } else {
            let from = place_of(bytes, start);
            (
                from,
                if end == start {
                    from
                } else {
                    place_of(bytes, end)
                },
            )
        };
        let added = insert.as_wtf8();
        let in_pair = from.inside_pair || to.inside_pair;
        if in_pair || meets_as_pair(&bytes[..from.byte], added, &bytes[to.byte..]) {
            let mut out = Wtf8::default();
            out.push_between(bytes, Place::at(0), from);
            out.push_wtf8(added);
            out.push_between(bytes, to, Place::at(bytes.len()));
            *self = out.finish();
            return;
        }
        let length = bytes.len() - (to.byte - from.byte) + added.len();
        let units = units - (end - start) + insert.len_utf16();
        self.splice_bytes(from.byte, to.byte, added, length, units);
    }

    /// The plain case of [`Str::splice`]: no pair is cut or made. `length` and `units` are the result's.
    fn splice_bytes(&mut self, from: usize, to: usize, added: &[u8], length: usize, units: usize) {
        if length > INLINE_BYTES
            && let Repr::Heap(shared) = &mut self.0
            && let Some(buffer) = Rc::get_mut(shared)
        {
            replace_range(&mut buffer.bytes, from, to, added);
            buffer.units = units;
            return;
        }
        let bytes = self.as_wtf8();
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(&bytes[..from]);
        out.extend_from_slice(added);
        out.extend_from_slice(&bytes[to..]);
        *self = if length <= INLINE_BYTES {
            Str::from_wtf8(&out)
        } else {
            Str(Repr::Heap(Rc::new(Buffer { bytes: out, units })))
        };
    }
}

impl Place {
    fn at(byte: usize) -> Place {
        Place {
            byte,
            inside_pair: false,
        }
    }
}

impl Clone for Str {
    #[inline]
    fn clone(&self) -> Str {
        match &self.0 {
            Repr::Inline(inline) => Str(Repr::Inline(*inline)),
            Repr::Heap(buffer) => share(buffer),
        }
    }
}

/// A call of its own: an inlined one would build both variants in pieces, and so copy a short text in pieces.
#[inline(never)]
fn share(buffer: &Rc<Buffer>) -> Str {
    Str(Repr::Heap(Rc::clone(buffer)))
}

impl Default for Str {
    fn default() -> Str {
        Str::new()
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Str {
        Str::from_wtf8(text.as_bytes())
    }
}

impl From<String> for Str {
    fn from(text: String) -> Str {
        Str::from_wtf8_vec(text.into_bytes())
    }
}

impl PartialEq for Str {
    #[inline(always)]
    fn eq(&self, other: &Str) -> bool {
        match (&self.0, &other.0) {
            (Repr::Inline(a), Repr::Inline(b)) => {
                a.len == b.len && words(&a.bytes) == words(&b.bytes)
            }
            (Repr::Heap(a), Repr::Heap(b)) => Rc::ptr_eq(a, b) || a.bytes == b.bytes,
            _ => false,
        }
    }
}

/// The inline bytes (unused ones are zero) as two overlapping words: comparing the arrays themselves
/// is a call in WebAssembly.
#[inline(always)]
fn words(bytes: &[u8; INLINE_BYTES]) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = *bytes;
    (
        u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        u64::from_le_bytes([h, i, j, k, l, m, n, o]),
    )
}

impl Eq for Str {}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_wtf8() == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_wtf8() == other.as_bytes()
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Str) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// JavaScript's order: unit by unit, which differs from the order of code points.
impl Ord for Str {
    fn cmp(&self, other: &Str) -> Ordering {
        self.to_utf16().cmp(&other.to_utf16())
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::write::string_json(self))
    }
}

/// Builds WTF-8 from pieces, joining halves of a pair that meet.
#[derive(Default)]
pub(crate) struct Wtf8(Vec<u8>);

impl Wtf8 {
    pub(crate) fn push_utf8(&mut self, utf8: &[u8]) {
        self.0.extend_from_slice(utf8);
    }

    pub(crate) fn push_unit(&mut self, unit: u16) {
        let code = u32::from(unit);
        if is_low(code)
            && let Some(high) = trailing_high(&self.0)
        {
            self.0.truncate(self.0.len() - 3);
            let pair = 0x1_0000 + ((high - 0xD800) << 10) + (code - 0xDC00);
            return self.push_code(pair);
        }
        self.push_code(code);
    }

    /// Appends one code point, lone surrogates included.
    fn push_code(&mut self, code: u32) {
        let tail = |shift: u32| 0x80 | ((code >> shift) & 0x3F) as u8;
        match code {
            0..0x80 => self.0.push(code as u8),
            0x80..0x800 => self
                .0
                .extend_from_slice(&[0xC0 | (code >> 6) as u8, tail(0)]),
            0x800..0x1_0000 => {
                self.0
                    .extend_from_slice(&[0xE0 | (code >> 12) as u8, tail(6), tail(0)]);
            }
            _ => {
                let lead = 0xF0 | (code >> 18) as u8;
                self.0
                    .extend_from_slice(&[lead, tail(12), tail(6), tail(0)]);
            }
        }
    }

    pub(crate) fn push_wtf8(&mut self, mut bytes: &[u8]) {
        if let Some((code, size)) = decode(bytes)
            && is_low(code)
        {
            self.push_unit(code as u16);
            bytes = &bytes[size..];
        }
        self.0.extend_from_slice(bytes);
    }

    /// Appends what lies between two places of `bytes`, cutting pairs where a place is inside one.
    fn push_between(&mut self, bytes: &[u8], from: Place, to: Place) {
        let mut start = from.byte;
        if from.inside_pair
            && let Some((code, size)) = decode(&bytes[start..])
        {
            if to.byte == from.byte {
                return;
            }
            self.push_unit(low_of(code));
            start += size;
        }
        self.push_wtf8(&bytes[start..to.byte]);
        if to.inside_pair
            && let Some((code, _)) = decode(&bytes[to.byte..])
        {
            self.push_unit(high_of(code));
        }
    }

    pub(crate) fn finish(self) -> Str {
        Str::from_wtf8_vec(self.0)
    }
}

/// The code point at the start of well-formed WTF-8 and its size in bytes.
pub(crate) fn decode(bytes: &[u8]) -> Option<(u32, usize)> {
    let lead = *bytes.first()?;
    let (size, bits) = match lead {
        0..0x80 => return Some((u32::from(lead), 1)),
        0x80..0xE0 => (2, lead & 0x1F),
        0xE0..0xF0 => (3, lead & 0x0F),
        _ => (4, lead & 0x07),
    };
    let tail = bytes.get(1..size)?;
    let code = tail
        .iter()
        .fold(u32::from(bits), |code, b| (code << 6) | u32::from(b & 0x3F));
    Some((code, size))
}

fn is_low(code: u32) -> bool {
    (0xDC00..0xE000).contains(&code)
}

fn high_of(code: u32) -> u16 {
    (0xD800 + ((code - 0x1_0000) >> 10)) as u16
}

fn low_of(code: u32) -> u16 {
    (0xDC00 + ((code - 0x1_0000) & 0x3FF)) as u16
}

/// The high surrogate that `bytes` end with, standing alone.
fn trailing_high(bytes: &[u8]) -> Option<u32> {
    let (code, _) = match bytes {
        [.., 0xED, b @ 0xA0..=0xAF, c] => decode(&[0xED, *b, *c])?,
        _ => return None,
    };
    Some(code)
}

fn starts_with_low(bytes: &[u8]) -> bool {
    matches!(bytes, [0xED, 0xB0..=0xBF, ..])
}

/// Whether a lone high surrogate would come to stand before a lone low one.
fn meets_as_pair(left: &[u8], middle: &[u8], right: &[u8]) -> bool {
    let before = if middle.is_empty() { left } else { middle };
    (starts_with_low(middle) && trailing_high(left).is_some())
        || (starts_with_low(right) && trailing_high(before).is_some())
}

/// UTF-16 units in WTF-8: one for each lead byte, one more for each four-byte character.
fn count_units(bytes: &[u8]) -> usize {
    bytes.chunks(PART).map(count_part).sum()
}

#[inline(never)]
fn count_part(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .map(|b| usize::from((*b as i8) >= -64) + usize::from(*b >= 0xF0))
        .sum()
}

/// How many bytes, but [`PART`] at most, come before one that JSON escapes, or before `also`.
#[inline(never)]
pub(crate) fn plain_length(bytes: &[u8], also: u8) -> usize {
    let bytes = &bytes[..bytes.len().min(PART)];
    let also = u64::from(also) * ONES;
    let mut at = 0;
    for eight in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(eight.try_into().unwrap_or_default());
        let control = word.wrapping_sub(0x20 * ONES) & !word;
        let escaped =
            zeros(word ^ (0x22 * ONES)) | zeros(word ^ (0x5C * ONES)) | zeros(word ^ also);
        // Beyond the first byte that is found a carry may find others that are none.
        let found = (control | escaped) & (0x80 * ONES);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_plain = |byte: &&u8| {
        let (byte, also) = (**byte, also as u8);
        byte >= 0x20 && byte != b'"' && byte != b'\\' && byte != also
    };
    at + bytes[at..].iter().take_while(is_plain).count()
}

/// A one in each byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;

/// The high bit of the first byte that is zero, and of none before it.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

/// The place before unit number `unit`, which must not exceed the length.
fn place_of(bytes: &[u8], unit: usize) -> Place {
    let mut byte = 0;
    let mut left = unit;
    while byte + BLOCK_BYTES < bytes.len() {
        let units = count_units(&bytes[byte..byte + BLOCK_BYTES]);
        // A block may end inside a character, whose units it has counted: stay clear of its edge.
        if units + 2 > left {
            break;
        }
        left -= units;
        byte += BLOCK_BYTES;
    }
    while byte < bytes.len() && (bytes[byte] as i8) < -64 {
        byte += 1;
    }
    while left > 0 {
        let Some((code, size)) = decode(&bytes[byte..]) else {
            break;
        };
        if code >= 0x1_0000 {
            if left == 1 {
                return Place {
                    byte,
                    inside_pair: true,
                };
            }
            left -= 1;
        }
        left -= 1;
        byte += size;
    }
    Place::at(byte)
}

fn replace_range(bytes: &mut Vec<u8>, from: usize, to: usize, added: &[u8]) {
    let removed = to - from;
    let old = bytes.len();
    if added.len() > removed {
        bytes.resize(old + added.len() - removed, 0);
    }
    bytes.copy_within(to..old, from + added.len());
    bytes[from..from + added.len()].copy_from_slice(added);
    bytes.truncate(old - removed + added.len());
}
