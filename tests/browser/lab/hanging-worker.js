/**
 * A worker whose IndexedDB opens, and whose every transaction hangs: as WebKit's does where a tab was closed in the middle of a
 * write. It answers again when a test says so on the BroadcastChannel of the worker's name, and says there how many hung.
 */

import { serve } from 'sharedb-proxy/worker';
import { keepAlive } from './endless-transaction.js';

/** How long the host waits for an answer, in milliseconds. */
const TIMEOUT = 400;

const channel = new BroadcastChannel(self.name);
let hangs = true;
let hung = 0;

channel.onmessage = ({ data }) => {
  if (data === 'answer') hangs = false;
};

const { transaction } = IDBDatabase.prototype;
IDBDatabase.prototype.transaction = function begin(...args) {
  const begun = transaction.apply(this, args);
  if (hangs) {
    hung += 1;
    channel.postMessage({ hung });
    keepAlive(begun);
  }
  return begun;
};

serve({ durableStore: { timeout: TIMEOUT } });
