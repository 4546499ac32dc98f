/**
 * What a coordinator watches of the machine: whether it slept, and how full the browser's storage is.
 */

import { timers } from '../platform/ticks.js';

/** Milliseconds between two looks at the clock, and by how much one has to be late to be a sleep. */
const [LOOK, LATE] = [2_000, 10_000];

/**
 * Calls `look` after each pause. In Node this alone keeps no process running.
 *
 * @param {() => void} look
 * @param {number} pause in milliseconds
 * @returns {() => void} ends it
 */
function every(pause, look) {
  /** @type {import('../platform/ticks.js').Timer} */
  let timer;
  const wait = () => {
    timer = timers.start(() => (wait(), look()), pause);
    /** @type {any} */ (timer).unref?.();
  };
  wait();
  return () => timers.stop(timer);
}

/**
 * Notices that the machine slept: timers stand still then, and the wall clock goes on.
 *
 * @param {(slept: number) => void} woken
 * @returns {() => void} ends it
 */
export function watchSleep(woken) {
  let last = Date.now();
  return every(LOOK, () => {
    const late = Date.now() - last - LOOK;
    last = Date.now();
    if (late > LATE) woken(late);
  });
}

/**
 * Says when the storage passes a threshold, in either direction.
 *
 * @param {{thresholds?: number[], interval?: number} | undefined} options parts of the quota, and milliseconds
 * @param {(storage: {usage: number, quota: number, ratio: number, isFuller: boolean}) => void} changed
 * @param {(error: any) => void} failed the browser does not say how full it is
 * @returns {() => void} ends it
 */
export function watchStorage(
  { thresholds = [0.8, 0.95], interval = 60_000 } = {},
  changed,
  failed,
) {
  let passed = 0;
  let isOver = false;
  const look = async () => {
    const { usage = 0, quota = 0 } = (await globalThis.navigator?.storage?.estimate?.()) ?? {};
    if (isOver) return;
    const ratio = quota && usage / quota;
    const now = thresholds.filter((threshold) => ratio >= threshold).length;
    if (now !== passed) changed({ usage, quota, ratio, isFuller: now > passed });
    passed = now;
  };
  const lookSafely = () => void look().catch(failed);
  lookSafely();
  const end = every(interval, lookSafely);
  return () => {
    isOver = true;
    end();
  };
}
