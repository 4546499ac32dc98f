/**
 * Reads a WebAssembly module out of a script, where `xtask` has written it (`scripted.rs`, `streams.rs`): the bytes of its
 * code are divided by what they mean, and each such stream is a text. What is to be done for each byte is done by a small
 * module of its own (`unpack.wat`): JavaScript that runs once, before an engine has compiled it, takes several times as long.
 */

import { unpacker } from '../../pkg/unpacker.js';
import { TextEncoder } from './text-coding.js';

/** Characters that are not used: those that a string of JavaScript or a page would take for something else. */
const EXCLUDED = '"\'\\`$<';
/** So many of the characters begin a pair. */
const PAIRS = 2;

/** Where `unpack.wat` has what; from `TABLES` on it is told. */
const [AT, TABLE_OF, STREAM_OF, BEFORE, KIND, NATURAL, AFTER_PREFIX, TABLES] = [
  0, 256, 512, 768, 1024, 1280, 1536, 2048,
];
/** The streams that it names. */
const NAMED = ['opcodes', 'declared', 'alignments'];
/** Values of a character; from here on the addresses of tables for the second one of a pair. */
const PAIR = 256;

/** The kinds of opcodes, as `unpack.wat` numbers them. */
const [NUMBER, NUMBERS, DEEPER, END, MEMORY, TABLE, CONSTANT, PREFIX, F32, F64] = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
];
/** The opcodes that have immediates or a kind: the first, the last, the kind and the stream. */
const OPCODES = /** @type {[number, number, number, string][]} */ ([
  [0x02, 0x04, DEEPER, 'types'],
  [0x0b, 0x0b, END, ''],
  [0x0c, 0x0d, NUMBER, 'labels'],
  [0x0e, 0x0e, TABLE, 'tables'],
  [0x10, 0x10, NUMBER, 'calls'],
  [0x11, 0x11, NUMBERS, 'few'],
  [0x20, 0x22, NUMBER, 'locals'],
  [0x23, 0x26, NUMBER, 'few'],
  [0x28, 0x35, MEMORY, 'loads'],
  [0x36, 0x3e, MEMORY, 'stores'],
  [0x3f, 0x40, NUMBER, 'few'],
  [0x41, 0x41, CONSTANT, 'constants'],
  [0x42, 0x42, NUMBER, 'longs'],
  [0x43, 0x43, F32, 'floats'],
  [0x44, 0x44, F64, 'floats'],
  [0xd0, 0xd2, NUMBER, 'few'],
  [0xfc, 0xfc, PREFIX, 'few'],
]);
/** Logarithms of the natural alignments of loads and stores. */
const ALIGNMENTS = '23230011001122232301012';
/** How many immediates follow an opcode of two bytes, by the second. */
const IMMEDIATES = '000000002121212111';

/**
 * @param {number} length of the module in bytes
 * @param {number} codeAt bytes before the length of the code
 * @param {number} codeLength of the code in bytes
 * @param {number} functions in the code
 * @param {Record<string, string>} orders values of a byte in hexadecimal digits, the most frequent first
 * @param {Record<string, string[]>} texts by the names of the streams: the name of the order, and the stream
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function unpack(length, codeAt, codeLength, functions, orders, texts) {
  const code = Uint8Array.from(bytesOf(unpacker));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code));
  const { memory, end, take, write, functions: takeFunctions } = /** @type {any} */ (exports);
  const names = [...new Set([...NAMED, ...Object.keys(texts)])];
  const characters = names.reduce((sum, name) => sum + (texts[name]?.[1].length ?? 0), 0);
  const first = TABLES + Object.keys(orders).length * TABLE_BYTES;
  const output = first + characters;
  memory.grow((output + length) >> 16);
  const bytes = new Uint8Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);

  const tables = writeTables(new Uint16Array(memory.buffer), orders);
  const encoder = new TextEncoder();
  let at = first;
  names.forEach((name, number) => {
    const [order, text] = texts[name] ?? [];
    words[AT / 4 + number] = at;
    words[TABLE_OF / 4 + number] = tables[order] ?? 0;
    at += encoder.encodeInto(text ?? '', bytes.subarray(at, output)).written;
  });
  const numberOf = (/** @type {string} */ name) => names.indexOf(name);
  for (const [from, to, kind, stream] of OPCODES) {
    bytes.fill(kind, KIND + from, KIND + to + 1);
    bytes.fill(numberOf(stream), STREAM_OF + from, STREAM_OF + to + 1);
  }
  for (let opcode = 0; opcode < 256; opcode++) {
    const own = numberOf(`before${opcode.toString(16).padStart(2, '0')}`);
    bytes[BEFORE + opcode] = own < 0 ? numberOf('constants') : own;
  }
  bytes.set([...ALIGNMENTS].map(Number), NATURAL + 0x28);
  bytes.set([...IMMEDIATES].map(Number), AFTER_PREFIX);

  end.value = output;
  const rest = numberOf('rest');
  take(rest, codeAt);
  write(codeLength);
  write(functions);
  takeFunctions(functions);
  take(rest, output + length - end.value);
  return bytes.subarray(output, output + length);
}

/** @param {string} digits hexadecimal, two for each byte */
const bytesOf = (digits) => (digits.match(/../g) ?? []).map((pair) => parseInt(pair, 16));

/** Of an order: 2 bytes for each character, and each second character of a pair. */
const TABLE_BYTES = 2 * 128 * (1 + PAIRS);

/**
 * @param {Uint16Array} memory
 * @param {Record<string, string>} orders
 * @returns {Record<string, number>} the addresses of the tables
 */
function writeTables(memory, orders) {
  /** @type {number[]} */
  const alphabet = [];
  for (let code = 32; code < 127; code++)
    if (!EXCLUDED.includes(String.fromCharCode(code))) alphabet.push(code);
  const singles = alphabet.length - PAIRS;
  /** @type {Record<string, number>} */
  const tables = {};
  Object.entries(orders).forEach(([name, order], number) => {
    const address = TABLES + number * TABLE_BYTES;
    const start = address / 2;
    tables[name] = address;
    for (let first = 0; first < PAIRS; first++)
      memory[start + alphabet[first]] = address + 2 * 128 * (1 + first);
    /** Those of the order, then all others. */
    const values = new Set(bytesOf(order));
    for (let value = 0; value < PAIR; value++) values.add(value);
    [...values].forEach((value, rank) => {
      const pair = rank - singles;
      const second = 128 * (1 + Math.floor(pair / alphabet.length));
      const place = pair < 0 ? alphabet[PAIRS + rank] : second + alphabet[pair % alphabet.length];
      memory[start + place] = value;
    });
  });
  return tables;
}
