/**
 * `TextDecoder` and `TextEncoder` for the generated bindings, which make one of each when they are evaluated. jsdom has
 * neither; Node's are used then, without defining globals that the application did not have.
 */

import { builtin } from '../platform/node-builtins.js';

const { TextDecoder, TextEncoder } =
  'TextDecoder' in globalThis ? globalThis : (builtin('node:util') ?? globalThis);

export { TextDecoder, TextEncoder };

/**
 * Passes a long string to WebAssembly. The bindings' own way looks at one character after the other, which is slow, and
 * asks for three times the memory where one of them is not ASCII.
 *
 * @param {TextEncoder} encoder
 * @param {string} text
 * @param {(size: number, align: number) => number} malloc
 * @param {(pointer: number, before: number, after: number, align: number) => number} realloc
 * @param {() => Uint8Array} memory as it is after the last allocation
 * @returns {[pointer: number, bytes: number]}
 */
export function passLong(encoder, text, malloc, realloc, memory) {
  let size = text.length;
  let pointer = malloc(size, 1) >>> 0;
  const into = () => memory().subarray(pointer, pointer + size);
  const { read, written } = encoder.encodeInto(text, into());
  if (read === text.length) return [pointer, written];
  // What is left takes three bytes a character at most.
  const rest = text.slice(read);
  const larger = written + rest.length * 3;
  pointer = realloc(pointer, size, larger, 1) >>> 0;
  size = larger;
  const bytes = written + encoder.encodeInto(rest, into().subarray(written)).written;
  return [realloc(pointer, size, bytes, 1) >>> 0, bytes];
}
