/**
 * What stands for a tab's machine where there is no WebAssembly: it holds nothing, knows nothing and has no events, so that what
 * an application asks about its documents has an answer. Calls end by the connection's failure.
 */

import { PARTS } from './cores.js';

/** @returns {import('./tab-core.js').TabCore} */
export function absentCore() {
  let handles = 0;
  const known = {
    [PARTS]: { instance: { isDead: false, cause: undefined, owners: [] } },
    state: 'closed',
    id: undefined,
    queueSize: 0,
    autoFlush: true,
    get: () => handles++,
    poll: () => undefined,
    version: () => undefined,
    unfinished: () => [],
    inventory: () => '[]',
    pendingStored: () => '[]',
    storageState: () => undefined,
  };
  const no = () => false;
  const get = (/** @type {any} */ target, /** @type {any} */ key) =>
    key in target ? target[key] : no;
  return /** @type {any} */ (new Proxy(known, { get }));
}
