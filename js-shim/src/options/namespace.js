/**
 * The namespace of a connection, by which worker, store and locks are named. Naming the user in it is the application's
 * part.
 */

import { optionError } from './options.js';

const REQUIRED =
  'durableStore needs a namespace that names the user, such as namespace: user.id: without one the next user of this ' +
  'browser would be shown the documents of the last';

/**
 * The server's address, which is the namespace where none is given: the URL without credentials, query and fragment.
 * They may change from one visit to the next, as a token does, and are not to be seen in the names of workers,
 * databases and locks.
 *
 * @param {string} url absolute
 */
export function addressOf(url) {
  return url.replace(/[?#].*$/s, '').replace(/^([^/]*\/\/)[^/]*@/, '$1');
}

/**
 * The name of a namespace's database.
 *
 * @param {string} namespace
 */
export const databaseOf = (namespace) => `sharedb-proxy ${namespace}`;

/**
 * @param {string | undefined} namespace as the application gave it
 * @returns {string}
 */
export function requireNamespace(namespace) {
  if (namespace === undefined) throw optionError('ERR_NAMESPACE_REQUIRED', REQUIRED);
  return namespace;
}
