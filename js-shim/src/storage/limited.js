/**
 * A time limit for something that may never happen.
 */

import { timers } from '../platform/ticks.js';

/**
 * A limit is waited for in so many parts: of the time that a machine sleeps only one part can pass, and after it there
 * is time for what should have come meanwhile.
 */
const PARTS = 4;

/**
 * What `work` gives; the error that `overdue` makes where it gives nothing in time.
 *
 * @template T
 * @param {Promise<T>} work
 * @param {number} limit in milliseconds
 * @param {() => Error} overdue
 * @returns {Promise<T>}
 */
export function limited(work, limit, overdue) {
  return new Promise((resolve, reject) => {
    /** @type {any} */
    let timer;
    let parts = PARTS;
    const wait = () => (timer = timers.start(pass, limit / PARTS));
    const pass = () => {
      parts -= 1;
      if (parts > 0) wait();
      else reject(overdue());
    };
    wait();
    work.finally(() => timers.stop(timer)).then(resolve, reject);
  });
}
