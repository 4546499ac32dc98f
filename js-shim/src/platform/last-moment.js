/** Whether the page may be about to end with the task that runs now. */

import { timers } from './ticks.js';

let isNow = false;
let watchers = 0;

function begin() {
  isNow = true;
  // A page that goes on has a next task.
  timers.start(() => (isNow = false), 0);
}

function beginWhenHidden() {
  if (/** @type {any} */ (globalThis).document.visibilityState === 'hidden') begin();
}

/** Before all listeners that save something. */
const FIRST = { capture: true };

/**
 * The page is watched from now on. Nothing happens where there is no page.
 *
 * @returns {() => void} ends it; the second call does nothing
 */
export function watchLastMoment() {
  const { document } = /** @type {any} */ (globalThis);
  if (!document) return () => {};
  if (watchers++ === 0) {
    globalThis.addEventListener('pagehide', begin, FIRST);
    document.addEventListener('visibilitychange', beginWhenHidden, FIRST);
  }
  let isWatching = true;
  return () => {
    if (!isWatching) return;
    isWatching = false;
    if (--watchers > 0) return;
    globalThis.removeEventListener('pagehide', begin, FIRST);
    document.removeEventListener('visibilitychange', beginWhenHidden, FIRST);
  };
}

export const isLastMoment = () => isNow;
