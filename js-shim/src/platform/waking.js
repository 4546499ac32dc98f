/**
 * Whether the machine slept: it runs no timers then, and its clock goes on. And when a socket has to be doubted: then, and where
 * the network came or went.
 */

import { timers } from './ticks.js';

/** Milliseconds by which a look at the clock may be late in a busy thread. */
const LATE = 10_000;
/** Milliseconds between two looks for a socket. */
const LOOK = 5_000;

/**
 * Calls `look` after each pause. In Node this alone keeps no process running.
 *
 * @param {number} pause in milliseconds
 * @param {() => void} look
 * @returns {() => void} ends it
 */
export function every(pause, look) {
  /** @type {import('./ticks.js').Timer} */
  let timer;
  const wait = () => {
    timer = timers.start(() => (wait(), look()), pause);
    /** @type {any} */ (timer).unref?.();
  };
  wait();
  return () => timers.stop(timer);
}

/**
 * @param {number} pause milliseconds between two looks at the clock
 * @param {(slept: number) => void} woken called with milliseconds
 * @returns {() => void} ends it
 */
export function watchSleep(pause, woken) {
  let last = Date.now();
  return every(pause, () => {
    const late = Date.now() - last - pause;
    last = Date.now();
    if (late > LATE) woken(late);
  });
}

/**
 * @param {() => void} woken
 * @returns {() => void} ends it
 */
export function watchWaking(woken) {
  const wakeUp = () => woken();
  const end = watchSleep(LOOK, wakeUp);
  for (const event of ['online', 'offline']) globalThis.addEventListener?.(event, wakeUp);
  return () => {
    end();
    for (const event of ['online', 'offline']) globalThis.removeEventListener?.(event, wakeUp);
  };
}
