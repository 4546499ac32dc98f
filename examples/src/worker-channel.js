/**
 * What pages and the workers of the demos tell each other beside the connection: a worker is to end, or has begun. A
 * worker that is told to end does so as in a crash: all that it knew is gone, and no tab is told.
 */

/** @param {string} name of the worker */
export const workerChannel = (name) => new BroadcastChannel(`${name}: worker`);

export const END = 'end';
export const BEGUN = 'begun';

/** In a worker: ends when a page says so. @param {string} name of the worker */
export function endWhenTold(name) {
  const channel = workerChannel(name);
  channel.addEventListener('message', ({ data }) => data === END && self.close());
  channel.postMessage(BEGUN);
}
