/**
 * Provides the hosts that can live in a page. In Node and in the inline entry they are there at once; in a browser they
 * are loaded when a host first lives in the page, since most pages have theirs in a worker.
 */

import { shared } from '../platform/shared.js';
import { delay } from '../platform/ticks.js';

/**
 * @typedef {object} PageHosts
 * @property {typeof import('../host/page-host.js').PageHost} PageHost the host of one tab
 * @property {typeof import('../host/place.js').Place} Place where the host of all tabs may be
 */

/** @type {PageHosts | undefined} */
let here;
/** @type {(() => Promise<PageHosts>) | undefined} */
let load;
/** @type {Promise<PageHosts> | undefined} */
let loading;

/** @param {PageHosts | undefined} hosts whose module is ready */
export function providePageHosts(hosts) {
  here = hosts;
}

/** @param {() => Promise<PageHosts>} loader is called when a host is needed, and again if it failed */
export function loadPageHostsBy(loader) {
  load = loader;
}

/** The hosts, where they are loaded. */
export const pageHostsHere = () => here;

/** @returns {Promise<PageHosts>} */
async function loadPageHosts() {
  if (here) return here;
  loading ??= /** @type {() => Promise<PageHosts>} */ (load)();
  try {
    return (here = await loading);
  } finally {
    loading = undefined;
  }
}

/** How long after a failure the hosts' code is tried again, in milliseconds: the first time, and at most. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [1_000, 30_000];

/**
 * Loads the hosts, and tries again after failures. The first failure is an `error` event, later ones are logged.
 *
 * @param {() => boolean} isWanted asked after each failure
 * @param {import('events').EventEmitter} connection whose host it is
 * @returns {Promise<PageHosts | undefined>} nothing where they are not wanted any more
 */
export async function loadPageHostsWhile(isWanted, connection) {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      return await loadPageHosts();
    } catch (/** @type {any} */ error) {
      if (!isWanted()) return undefined;
      const message = `The host's code could not be loaded, and is tried again: ${error?.message ?? error}`;
      if (pause === FIRST_PAUSE)
        connection.emit('error', new shared.Error('ERR_HOST_FAILED', message));
      else shared.logger.warn(message);
      await delay(pause);
    }
  }
}
