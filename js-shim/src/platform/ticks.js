/**
 * ShareDB's `util.nextTick`: process.nextTick in Node, a task in browsers.
 *
 * A task and not a microtask, so that everything submitted in one go, promises included, becomes
 * one op. The originals are taken when the module loads: tests of applications fake the globals.
 */

const { setTimeout, clearTimeout, queueMicrotask } = globalThis;

/** @type {(callback: () => void) => void} */
export const nextTick = pickNextTick();

/**
 * At the end of the listener that runs now, for where no later task may come: what one listener submits in one go is
 * one op all the same.
 *
 * @type {(callback: () => void) => void}
 */
export const endOfListener = (callback) => queueMicrotask(callback);

/** @typedef {ReturnType<typeof setTimeout>} Timer */

/** The real timers. */
export const timers = {
  /** @type {(callback: () => void, ms: number) => Timer} */
  start: (callback, ms) => setTimeout(callback, ms),
  /** @type {(timer: Timer | undefined) => void} */
  stop: (timer) => clearTimeout(timer),
};

/**
 * @param {number} ms
 * @returns {Promise<undefined>} resolves after so many milliseconds
 */
export const delay = (ms) => new Promise((resolve) => timers.start(() => resolve(undefined), ms));

function pickNextTick() {
  const { process } = /** @type {any} */ (globalThis);
  if (typeof process?.nextTick === 'function') return process.nextTick;
  if (typeof MessageChannel === 'undefined') {
    return (/** @type {() => void} */ callback) => void setTimeout(callback);
  }
  /** @type {(() => void)[]} */
  const queue = [];
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => queue.shift()?.();
  return (/** @type {() => void} */ callback) => {
    queue.push(callback);
    port2.postMessage(0);
  };
}
