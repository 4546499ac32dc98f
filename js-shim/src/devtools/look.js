/** What the panel shows of a connection: asked of the connection itself, its host and the browser. */

import { tabModule } from '../cores/tab-core.js';
import { hostLock, tabLock } from '../platform/locks.js';

/** @typedef {import('../api/connection.js').Connection} Connection */

/** Milliseconds in which a host answers. One that does not is shown as silent. */
const PATIENCE = 2_000;

/**
 * The connections of this page. Nothing keeps a list of them: the module of their machines knows the owners of these anyway,
 * by weak references, to tell them of a crash.
 *
 * @returns {Connection[]}
 */
export const connectionsHere = () => tabModule.owners().filter((owner) => '_askDriver' in owner);

/**
 * @typedef {object} Look
 * @property {any} [status] of the host, with details; nothing where it does not answer
 * @property {string} [silence] why not
 * @property {string} tab the id of this one
 * @property {Map<string, boolean>} locks whether each tab that the host knows holds its lock
 * @property {string | undefined} holder whether the host lock is held, and by whom
 * @property {{usage?: number, quota?: number} | undefined} estimate
 */

/**
 * @param {Connection} connection
 * @returns {Promise<Look>}
 */
export async function lookAt(connection) {
  const [answer, held, estimate] = await Promise.all([statusOf(connection), locks(), room()]);
  const link = /** @type {any} */ (connection._link);
  const tabs = answer.status?.details?.tabs ?? [];
  const names = new Map(held.map(({ name, clientId }) => [name, clientId]));
  return {
    ...answer,
    tab: link._tab,
    locks: new Map(tabs.map((/** @type {any} */ { id }) => [id, names.has(tabLock(id))])),
    holder: names.get(hostLock(link._namespace)),
    estimate,
  };
}

/**
 * @param {Connection} connection
 * @returns {Promise<{status?: any, silence?: string}>}
 */
function statusOf(connection) {
  return new Promise((resolve) => {
    const silent = () => resolve({ silence: 'the host does not answer' });
    const timer = setTimeout(silent, PATIENCE);
    const answered = (/** @type {any} */ error, /** @type {any} */ status) => {
      clearTimeout(timer);
      resolve(error ? { silence: error.message } : { status });
    };
    connection.hostStatus(answered, { details: true });
  });
}

async function locks() {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  return /** @type {{name: string, clientId: string}[]} */ (held);
}

async function room() {
  try {
    return await navigator.storage?.estimate?.();
  } catch {
    return undefined;
  }
}
