/**
 * An argument that traps: a text of which nobody can read the length. The exception leaves the call of a core as one that a trap
 * or the end of the stack throws.
 */
export const TRAP = /** @type {any} */ ({
  get length() {
    throw new WebAssembly.RuntimeError('unreachable');
  },
});
