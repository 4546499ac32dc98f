/**
 * When a socket has to be doubted: the network came or went, or the machine slept. A sleeping machine runs no timers and
 * its clock goes on.
 */

import { timers } from './ticks.js';

/** Milliseconds between two looks at the clock. */
const LOOK = 5_000;
/** Milliseconds that a look may be late in a busy thread. */
const LATE = 10_000;

/**
 * @param {() => void} woken
 * @returns {() => void} ends it
 */
export function watchWaking(woken) {
  let last = Date.now();
  /** @type {import('./ticks.js').Timer} */
  let timer;
  const look = () => {
    const now = Date.now();
    const slept = now - last > LOOK + LATE;
    last = now;
    timer = timers.start(look, LOOK);
    // In Node this alone keeps no process running.
    /** @type {any} */ (timer).unref?.();
    if (slept) woken();
  };
  look();
  for (const event of ['online', 'offline']) globalThis.addEventListener?.(event, woken);
  return () => {
    timers.stop(timer);
    for (const event of ['online', 'offline']) globalThis.removeEventListener?.(event, woken);
  };
}
