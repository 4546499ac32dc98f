/** Whether the page may be about to end with the task that runs now. */

import { timers } from './ticks.js';

let isNow = false;
let isWatched = false;

function begin() {
  isNow = true;
  // A page that goes on has a next task.
  timers.start(() => (isNow = false), 0);
}

/** From now on the page is watched. Nothing happens where it is already, or where there is no page. */
export function watchLastMoment() {
  const { document } = /** @type {any} */ (globalThis);
  if (isWatched || !document) return;
  isWatched = true;
  // Before all listeners that save something.
  const first = { capture: true };
  globalThis.addEventListener('pagehide', begin, first);
  document.addEventListener(
    'visibilitychange',
    () => {
      if (document.visibilityState === 'hidden') begin();
    },
    first,
  );
}

export const isLastMoment = () => isNow;
