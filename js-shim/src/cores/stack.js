/**
 * Checks that enough stack is left before a core is entered. A core that overflows the stack is dead (`cores.js`); the
 * stock client throws a RangeError and goes on. Throwing it here, before the core is entered, keeps the core alive.
 *
 * JavaScript cannot ask for the stack, so it is tried. That costs microseconds, and is only done where calls are
 * nested, as they are when a listener submits. An application that is deep in a recursion of its own is not noticed.
 */

/**
 * So many calls of machines may be nested before the stack is tried: applications that recurse by mistake nest
 * hundreds.
 */
const SHALLOW = 8;
/**
 * Kilobytes that a call of a machine takes at most, the application's own part left out. The largest need measured is
 * that of an op nested thousands of levels deep, which is refused: between 64 and 96, with a compiler that does not
 * optimize.
 */
const CALL = 96;
/** Kilobytes before a call begins that runs listeners: it has to be able to come to its end. */
const RUN = 2 * CALL;

/** What one level of the trial is called with: a kilobyte, less what a call takes anyway. */
const KILOBYTE = new Array(120).fill(0);

/** Calls of machines on the stack, of all connections of this page. */
let nested = 0;

/**
 * Before a call of a machine and all that follows from it; `leave` comes after it.
 *
 * @throws {RangeError} where the stack does not suffice, in Firefox an `InternalError`
 */
export function enterNested() {
  if (nested > SHALLOW) tryStack(RUN);
  nested += 1;
}

export function leaveNested() {
  nested -= 1;
}

/**
 * Before something that is not to be broken off, however it was reached.
 *
 * @throws as `enterNested`
 */
export function demandStack() {
  tryStack(RUN);
}

/** Before a single entry of a machine, in the middle of a nested call. */
export function ensureStack() {
  if (nested > SHALLOW) tryStack(CALL);
}

/**
 * Arguments are on the stack in all engines, whatever they optimize.
 *
 * @param {number} kilobytes
 * @param {any[]} rest
 * @returns {number}
 */
function tryStack(kilobytes, ...rest) {
  // Not a tail call.
  return kilobytes ? tryStack(kilobytes - 1, ...KILOBYTE) + rest.length : 0;
}
