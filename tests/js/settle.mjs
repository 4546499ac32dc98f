/**
 * How tests wait, since none of them waits for a time to pass.
 *
 * - `settle()` ends when nothing in this process runs by itself any more. After it a test can say that something did
 *   *not* happen.
 * - `until(what, condition)` ends when a condition holds that needs more than that: a timer of the client, a key, a file.
 *
 * Both fail with what they waited for.
 */

import { LIMIT_MS, until } from '../until.mjs';

export { until };

/** Messages that were posted to ports so far. */
let posted = 0;
const { postMessage } = MessagePort.prototype;
MessagePort.prototype.postMessage = function counted(...args) {
  posted += 1;
  return postMessage.apply(this, args);
};

/** How many wait here for a turn to end: their immediates are none that others wait for. */
let waiting = 0;

/**
 * Ends when nothing in this process runs by itself: no tick, microtask or immediate is left, and no message is on its
 * way between ports. The backends, streams, memory storages, hosts and ungated wires of the tests have nothing else.
 * Timers, and messages that a gated wire holds back, are no part of it.
 *
 * An immediate runs when all ticks and microtasks are done, and after the messages that were posted before Node's turn
 * began. So all is done when a turn ends in which no message was posted, and which left no other immediate.
 *
 * @param {number} [limitMs]
 */
export async function settle(limitMs = LIMIT_MS) {
  const end = Date.now() + limitMs;
  // The turn in which this is called may have handed over its messages already.
  await turn();
  for (;;) {
    const before = posted;
    await turn();
    const immediates = pendingImmediates();
    if (posted === before && !immediates) return;
    if (Date.now() > end) {
      throw new Error(
        `never settles: ${immediates} immediates, ${posted - before} messages in a turn`,
      );
    }
  }
}

/** Ends with Node's turn. */
function turn() {
  waiting += 1;
  return new Promise((resolve) => {
    setImmediate(() => {
      waiting -= 1;
      resolve(undefined);
    });
  });
}

function pendingImmediates() {
  const kinds = process.getActiveResourcesInfo();
  return kinds.filter((kind) => kind === 'Immediate').length - waiting;
}
