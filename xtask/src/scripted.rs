//! WebAssembly modules as scripts: what a bundler moves or a server forgets is never a file of its own, and a page has
//! its machine at once.
//!
//! For browsers a byte is written as one character where it is frequent, else as two. Equal bytes stay equal text at
//! whole characters, so that what is packed is as small as the packed module itself (base64 takes a third more).
//! `js-shim/src/cores/unpack.js` reads it. For Node it is base64, which Node reads faster.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;

/// Characters that stand for themselves in a string of JavaScript and in a page: printable ASCII without these.
const EXCLUDED: &str = "\"'\\`$<";
/// So many of the characters begin a pair.
const PAIRS: usize = 2;

/// The name of a module's script for Node.
pub(crate) fn for_node(name: &str) -> String {
    format!("{name}_node.cjs")
}

/// Writes the scripts of a module that stands in the directory, with their declarations.
pub(crate) fn write(directory: &Path, name: &str) -> Result<()> {
    let bytes = fs::read(directory.join(format!("{name}_bg.wasm")))?;
    let script = format!(
        "/** The module's bytes, written by `xtask`. A function, so that the text is gone once it was read. */\n\
         import {{ unpack }} from '../src/cores/unpack.js';\n\
         export const {name}Bytes = () => unpack({}, \"{}\", \"{}\");\n",
        bytes.len(),
        order_text(&by_frequency(&bytes)),
        text(&bytes),
    );
    fs::write(directory.join(format!("{name}_bytes.js")), script)?;
    let declarations = format!("export function {name}Bytes(): Uint8Array<ArrayBuffer>;\n");
    fs::write(directory.join(format!("{name}_bytes.d.ts")), declarations)?;
    write_for_node(directory, name)
}

/// Writes the script of a module for Node.
pub(crate) fn write_for_node(directory: &Path, name: &str) -> Result<()> {
    let bytes = fs::read(directory.join(format!("{name}_bg.wasm")))?;
    let script = format!(
        "'use strict';\n/** The module's bytes, written by `xtask`. */\n\
         const {{ Buffer }} = require('node:buffer');\n\
         module.exports = () => Buffer.from('{}', 'base64');\n",
        base64(&bytes),
    );
    fs::write(directory.join(for_node(name)), script)?;
    let declarations = "declare function bytes(): Uint8Array<ArrayBuffer>;\nexport = bytes;\n";
    Ok(fs::write(
        directory.join(format!("{name}_node.d.cts")),
        declarations,
    )?)
}

fn alphabet() -> Vec<char> {
    (' '..='~').filter(|c| !EXCLUDED.contains(*c)).collect()
}

/// All values of a byte, the most frequent first.
fn by_frequency(bytes: &[u8]) -> Vec<u8> {
    let mut counts = [0_usize; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let mut order: Vec<u8> = (0..=255).collect();
    order.sort_by_key(|&byte| std::cmp::Reverse(counts[usize::from(byte)]));
    order
}

fn order_text(order: &[u8]) -> String {
    order.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn text(bytes: &[u8]) -> String {
    let alphabet = alphabet();
    let singles = alphabet.len() - PAIRS;
    let mut codes = vec![String::new(); 256];
    for (rank, byte) in by_frequency(bytes).into_iter().enumerate() {
        let code = &mut codes[usize::from(byte)];
        if let Some(&single) = alphabet.get(PAIRS + rank) {
            code.push(single);
        } else {
            let pair = rank - singles;
            code.push(alphabet[pair / alphabet.len()]);
            code.push(alphabet[pair % alphabet.len()]);
        }
    }
    bytes
        .iter()
        .map(|&byte| codes[usize::from(byte)].as_str())
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .enumerate()
            .fold(0_usize, |group, (at, &byte)| {
                group | usize::from(byte) << (16 - 8 * at)
            });
        for digit in 0..4 {
            let is_there = digit <= chunk.len();
            let value = group >> (18 - 6 * digit) & 63;
            text.push(if is_there { DIGITS[value].into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b"Ma"), "TWE=");
        assert_eq!(base64(b"M"), "TQ==");
        assert_eq!(base64(b"Man"), "TWFu");
        assert_eq!(base64(&[255, 254, 253, 0]), "//79AA==");
    }

    #[test]
    fn every_byte_has_a_text_of_its_own() {
        let all: Vec<u8> = (0..=255).collect();
        let singles = alphabet().len() - PAIRS;
        assert_eq!(text(&all).len(), singles + 2 * (256 - singles));
        assert!(alphabet().len() * PAIRS >= 256 - singles);
    }
}
