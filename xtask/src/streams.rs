//! A module's code, divided by what its bytes mean: opcodes, locals, constants, offsets. Bytes of one kind are like each other,
//! and gzip finds that where they stand together, not where they alternate.
//!
//! Alignments are written as their difference from the natural one, which is nearly always zero. The lengths of functions
//! follow from the rest and are left out. `js-shim/src/cores/unpack.js` puts the module together again, by the same tables.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// Bytes by the names of their streams.
pub(crate) type Streams = BTreeMap<String, Vec<u8>>;

/// A module in parts.
#[derive(Debug)]
pub(crate) struct Divided {
    /// Bytes of the module before the length of its code.
    pub(crate) code_at: usize,
    /// Bytes of the code.
    pub(crate) code_length: usize,
    /// How many functions the code has.
    pub(crate) functions: usize,
    pub(crate) streams: Streams,
}

/// Divides a module.
///
/// # Errors
/// When it is no module, or has instructions that are not known here.
pub(crate) fn divide(module: &[u8]) -> Result<Divided> {
    let (code_at, code, after) = find_code(module)?;
    let mut divider = Divider::new(code);
    let functions = divider.number()?;
    for _ in 0..functions {
        let length = divider.number()?;
        let (body, left) = divider
            .left
            .split_at_checked(length)
            .context("a function ends early")?;
        divider.left = body;
        divider.function()?;
        divider.left = left;
    }
    let mut streams = divider.streams;
    streams.insert("rest".to_owned(), [&module[..code_at], after].concat());
    Ok(Divided {
        code_at,
        code_length: code.len(),
        functions,
        streams,
    })
}

/// The opcodes of a function.
///
/// # Errors
/// As [`divide`].
pub(crate) fn opcodes(body: &[u8]) -> Result<Vec<u8>> {
    let mut divider = Divider::new(body);
    divider.function()?;
    Ok(divider.streams.remove("opcodes").unwrap_or_default())
}

/// Where the length of the code stands, the code, and what follows it.
fn find_code(module: &[u8]) -> Result<(usize, &[u8], &[u8])> {
    let mut reader = Divider::new(module.get(8..).context("no module")?);
    loop {
        let id = reader.byte()?;
        let at = module.len() - reader.left.len();
        let length = reader.number()?;
        let (section, after) = reader
            .left
            .split_at_checked(length)
            .context("a section ends early")?;
        if id == SECTION_OF_CODE {
            return Ok((at, section, after));
        }
        reader.left = after;
    }
}

const SECTION_OF_CODE: u8 = 10;

const BRANCH_TABLE: u8 = 0x0e;
const I32_CONST: u8 = 0x41;
/// Begins an opcode of two bytes.
const PREFIX: u8 = 0xfc;

/// The opcodes before which constants have a stream of their own: sums, comparisons, stores, arguments.
const AFTER_CONSTANTS: [u8; 12] = [
    0x10, 0x20, 0x21, 0x36, 0x3a, 0x41, 0x46, 0x47, 0x6a, 0x6b, 0x71, 0xfc,
];
const FIRST_LOAD: u8 = 0x28;
/// Logarithms of the natural alignments of loads and stores.
const NATURAL: [u8; 23] = [
    2, 3, 2, 3, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 2, 3, 2, 3, 0, 1, 0, 1, 2,
];
/// How many immediates follow an opcode with [`PREFIX`], by its second byte.
const AFTER_PREFIX: [usize; 18] = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1];

struct Divider<'a> {
    left: &'a [u8],
    streams: Streams,
}

impl<'a> Divider<'a> {
    fn new(left: &'a [u8]) -> Self {
        Self {
            left,
            streams: Streams::new(),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        let (&byte, left) = self.left.split_first().context("the module ends early")?;
        self.left = left;
        Ok(byte)
    }

    /// An unsigned number, which is dropped.
    fn number(&mut self) -> Result<usize> {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            value |= usize::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        bail!("a number is too long")
    }

    fn put(&mut self, stream: &str, bytes: &[u8]) {
        match self.streams.get_mut(stream) {
            Some(all) => all.extend_from_slice(bytes),
            None => {
                self.streams.insert(stream.to_owned(), bytes.to_vec());
            }
        }
    }

    /// Moves bytes of a known number.
    fn take(&mut self, stream: &str, length: usize) -> Result<()> {
        let (bytes, left) = self
            .left
            .split_at_checked(length)
            .context("the module ends early")?;
        self.left = left;
        self.put(stream, bytes);
        Ok(())
    }

    /// Moves a number of any size and sign. Returns it as if it were small and unsigned.
    fn copy(&mut self, stream: &str) -> Result<usize> {
        let last = self.left.iter().position(|&byte| byte < 128);
        let length = last.context("the module ends early")? + 1;
        let value = self.left[..length]
            .iter()
            .rev()
            .fold(0_usize, |value, &byte| value << 7 | usize::from(byte & 127));
        self.take(stream, length)?;
        Ok(value)
    }

    /// A function that is all that is left.
    fn function(&mut self) -> Result<()> {
        let groups = self.copy("declared")?;
        for _ in 0..groups {
            self.copy("declared")?;
            self.copy("declared")?;
        }
        while !self.left.is_empty() {
            self.instruction()?;
        }
        Ok(())
    }

    fn instruction(&mut self) -> Result<()> {
        let opcode = self.byte()?;
        self.put("opcodes", &[opcode]);
        match opcode {
            0x02..=0x04 => self.copy("types").map(drop),
            0x0c | 0x0d => self.copy("labels").map(drop),
            BRANCH_TABLE => {
                let labels = self.copy("tables")?;
                (0..=labels).try_for_each(|_| self.copy("tables").map(drop))
            }
            0x10 => self.copy("calls").map(drop),
            0x11 => {
                self.copy("few")?;
                self.copy("few").map(drop)
            }
            0x20..=0x22 => self.copy("locals").map(drop),
            0x23..=0x26 | 0x3f | 0x40 | 0xd0 | 0xd2 => self.copy("few").map(drop),
            FIRST_LOAD..=0x3e => {
                let alignment = self.byte()? ^ NATURAL[usize::from(opcode - FIRST_LOAD)];
                self.put("alignments", &[alignment]);
                self.copy(if opcode < 0x36 { "loads" } else { "stores" })
                    .map(drop)
            }
            I32_CONST => self.constant(),
            0x42 => self.copy("longs").map(drop),
            0x43 => self.take("floats", 4),
            0x44 => self.take("floats", 8),
            PREFIX => {
                let second = self.copy("few")?;
                let immediates = AFTER_PREFIX.get(second).context("an unknown opcode")?;
                (0..*immediates).try_for_each(|_| self.copy("few").map(drop))
            }
            0x00 | 0x01 | 0x05 | 0x0b | 0x0f | 0x1a | 0x1b | 0x45..=0xc4 => Ok(()),
            _ => bail!("the opcode {opcode:#x} is not known to xtask's streams"),
        }
    }

    fn constant(&mut self) -> Result<()> {
        let last = self.left.iter().position(|&byte| byte < 128);
        let next = last.and_then(|last| self.left.get(last + 1));
        match next {
            Some(next) if AFTER_CONSTANTS.contains(next) => self.copy(&format!("before{next:02x}")),
            Some(_) | None => self.copy("constants"),
        }
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_divided_by_what_it_means() -> Result<()> {
        // A function with one local: its length, `i32.const 300`, `i32.add`, `i32.load align=2 offset=8`, `end`.
        let body = [1, 1, 0x7f, 0x41, 0xac, 2, 0x6a, 0x28, 2, 8, 0x0b];
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend([SECTION_OF_CODE, 13, 1, 11]);
        module.extend(body);
        module.extend([11, 1, 0]);
        let divided = divide(&module)?;
        assert_eq!(
            (divided.code_at, divided.code_length, divided.functions),
            (9, 13, 1)
        );
        let stream = |name: &str| divided.streams[name].as_slice();
        assert_eq!(stream("declared"), [1, 1, 0x7f]);
        assert_eq!(stream("opcodes"), [0x41, 0x6a, 0x28, 0x0b]);
        assert_eq!(stream("before6a"), [0xac, 2]);
        assert_eq!(stream("alignments"), [0]);
        assert_eq!(stream("loads"), [8]);
        assert_eq!(stream("rest"), b"\0asm\x01\0\0\0\x0a\x0b\x01\0");
        assert_eq!(opcodes(&body)?, stream("opcodes"));
        Ok(())
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        let body = [0, 0xfd, 0x0b];
        assert!(opcodes(&body).is_err());
    }
}
