/** Reads a WebAssembly module out of a script, as `xtask/src/scripted.rs` has written it there. */

/** Characters that are not used: those that a string of JavaScript or a page would take for something else. */
const EXCLUDED = '"\'\\`$<';
/** So many of the characters begin a pair. */
const PAIRS = 2;

/**
 * @param {number} length of the module in bytes
 * @param {string} order the values of a byte in hexadecimal digits, the most frequent first
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function unpack(length, order, text) {
  const ranks = new Uint8Array(128);
  let count = 0;
  for (let code = 32; code < 127; code++) {
    if (!EXCLUDED.includes(String.fromCharCode(code))) ranks[code] = count++;
  }
  const values = new Uint8Array(256);
  for (let rank = 0; rank < 256; rank++) {
    values[rank] = parseInt(order.slice(2 * rank, 2 * rank + 2), 16);
  }
  const bytes = new Uint8Array(length);
  for (let at = 0, index = 0; index < length; index++) {
    const first = ranks[text.charCodeAt(at++)];
    const isPair = first < PAIRS;
    bytes[index] =
      values[isPair ? count - PAIRS + first * count + ranks[text.charCodeAt(at++)] : first - PAIRS];
  }
  return bytes;
}
