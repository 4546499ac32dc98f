/**
 * An argument that traps: a text of which nobody can read the length. The exception leaves the call of a core as one that a trap
 * or the end of the stack throws.
 */
export const TRAP = /** @type {any} */ ({
  get length() {
    throw new WebAssembly.RuntimeError('unreachable');
  },
});

/** An address that no memory of a core has. */
const NOWHERE = 0xffff_fff0;

/**
 * A real trap in a core's WebAssembly: it is entered at an address that its memory does not have.
 *
 * @param {any} core
 * @param {() => void} [call] enters the core; else it is entered beneath what detects that it is dead, as by an import that runs
 *   while the core does
 */
export function trapInside(core, call) {
  const { inner } = core[Object.getOwnPropertySymbols(core)[0]];
  inner.__wbg_ptr = NOWHERE;
  if (call) call();
  else inner.mayResign;
  throw new Error('it did not trap');
}
