//! WebAssembly modules as scripts: what a bundler moves or a server forgets is never a file of its own, and a page has
//! its machine at once.
//!
//! For browsers a module is divided into streams (`streams.rs`). A byte is written as one character where it is frequent in
//! its stream and those like it, else as two. The most frequent bytes of all streams are the same characters, which suits gzip: it has one code
//! for several streams. `js-shim/src/cores/unpack.js` reads it. For Node it is base64, which Node reads faster.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::streams::{self, Divided};

/// Characters that stand for themselves in a string of JavaScript and in a page: printable ASCII without these.
const EXCLUDED: &str = "\"'\\`$<";
/// So many of the characters begin a pair.
const PAIRS: usize = 2;

/// The sequence of the streams: found by trials, since gzip has one code for some kilobytes.
const SEQUENCE: [&str; 27] = [
    "locals",
    "loads",
    "stores",
    "rest",
    "calls",
    "before6a",
    "before71",
    "longs",
    "floats",
    "types",
    "beforefc",
    "before6b",
    "before41",
    "before10",
    "constants",
    "before20",
    "before3a",
    "before47",
    "before46",
    "before21",
    "before36",
    "few",
    "declared",
    "alignments",
    "tables",
    "labels",
    "opcodes",
];

/// The name of a module's script for Node.
pub(crate) fn for_node(name: &str) -> String {
    format!("{name}_node.cjs")
}

/// Writes the scripts of a module that stands in the directory, with their declarations.
pub(crate) fn write(directory: &Path, name: &str) -> Result<()> {
    let bytes = fs::read(directory.join(format!("{name}_bg.wasm")))?;
    let Divided {
        code_at,
        code_length,
        functions,
        streams,
    } = streams::divide(&bytes)?;
    let mut orders = Orders::new();
    for (stream, bytes) in &streams {
        let counts = orders.entry(order_of(stream)).or_insert([0; 256]);
        bytes
            .iter()
            .for_each(|&byte| counts[usize::from(byte)] += 1);
    }
    let mut texts = String::new();
    let mut streams: Vec<(&String, &Vec<u8>)> = streams.iter().collect();
    streams.sort_by_key(|&(stream, _)| SEQUENCE.iter().position(|name| name == stream));
    for (stream, bytes) in streams {
        let order = order_of(stream);
        let text = text(bytes, &by_frequency(&orders[order]));
        writeln!(texts, "{stream}:[\"{order}\",\"{text}\"],")?;
    }
    let orders: String = orders
        .iter()
        .map(|(order, counts)| format!("{order}:\"{}\",", order_text(&by_frequency(counts))))
        .collect();
    let script = format!(
        "/** The module's bytes, written by `xtask`. A function, so that the text is gone once it was read. */\n\
         import {{ unpack }} from '../src/cores/unpack.js';\n\
         export const {name}Bytes = () => unpack({}, {code_at}, {code_length}, {functions}, {{{orders}}}, {{\n{texts}}});\n",
        bytes.len(),
    );
    fs::write(directory.join(format!("{name}_bytes.js")), script)?;
    let declarations = format!("export function {name}Bytes(): Uint8Array<ArrayBuffer>;\n");
    fs::write(directory.join(format!("{name}_bytes.d.ts")), declarations)?;
    write_for_node(directory, name)
}

/// Writes the script of the module that unpacks the others.
pub(crate) fn write_unpacker(directory: &Path, bytes: &[u8]) -> Result<()> {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(digits, "{byte:02x}")?;
    }
    let script = format!(
        "/** `unpack.wat` as WebAssembly, in hexadecimal digits: not everywhere is an `atob`. Written by `xtask`. */\n\
         export const unpacker = '{digits}';\n",
    );
    fs::write(directory.join("unpacker.js"), script)?;
    let declarations = "export const unpacker: string;\n";
    Ok(fs::write(directory.join("unpacker.d.ts"), declarations)?)
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

/// The name of the order of a stream's values. Streams that are like each other share one, since an order is not free.
fn order_of(stream: &str) -> &str {
    match stream {
        "opcodes" | "rest" | "locals" | "calls" | "constants" => stream,
        "loads" | "stores" => "offsets",
        _ if stream.starts_with("before") => "constants",
        _ => "few",
    }
}

/// How often there is each value of a byte, by the [`order_of`] the streams.
type Orders<'a> = BTreeMap<&'a str, [usize; 256]>;

/// All values of a byte: those with a character of their own by their frequency, the others by their value.
fn by_frequency(counts: &[usize; 256]) -> Vec<u8> {
    let mut order: Vec<u8> = (0..=255).collect();
    order.sort_by_key(|&byte| std::cmp::Reverse(counts[usize::from(byte)]));
    order[singles()..].sort_unstable();
    order
}

/// How many values have a character of their own.
fn singles() -> usize {
    alphabet().len() - PAIRS
}

/// The values with a character of their own; the others follow from them.
fn order_text(order: &[u8]) -> String {
    order[..singles()]
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn text(bytes: &[u8], order: &[u8]) -> String {
    let alphabet = alphabet();
    let mut codes = vec![String::new(); 256];
    for (rank, &byte) in order.iter().enumerate() {
        let code = &mut codes[usize::from(byte)];
        if let Some(&single) = alphabet.get(PAIRS + rank) {
            code.push(single);
        } else {
            let pair = rank - singles();
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
        assert_eq!(text(&all, &all).len(), singles() + 2 * (256 - singles()));
        assert!(alphabet().len() * PAIRS >= 256 - singles());
    }

    #[test]
    fn frequent_values_come_first_and_rare_ones_in_order() {
        let mut counts = [0; 256];
        counts[200] = 3;
        counts[7] = 5;
        let order = by_frequency(&counts);
        assert_eq!(order[..2], [7, 200]);
        assert!(order[singles()..].is_sorted());
    }
}
