/**
 * `TextDecoder` and `TextEncoder` for the generated bindings, which make one of each when they are evaluated. jsdom has
 * neither; Node's are used then, without defining globals that the application did not have.
 */

import { builtin } from './node-builtins.js';

const { TextDecoder, TextEncoder } =
  'TextDecoder' in globalThis ? globalThis : (builtin('node:util') ?? globalThis);

export { TextDecoder, TextEncoder };
