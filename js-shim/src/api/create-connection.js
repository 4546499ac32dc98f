/**
 * `createConnection`: picks how the host is reached (in this page, or wherever the tabs have it) and makes the connection.
 */

import { HostLink } from '../link/host-link.js';
import { reach } from '../link/no-link.js';
import { PageLink, pageLink } from '../link/page-link.js';
import { STORING, checkConnectionOptions } from '../options/connection-options.js';
import { whyNoTabs } from '../platform/locks.js';
import { emitOrLog, shared } from '../platform/shared.js';
import { nextTick } from '../platform/ticks.js';
import { expectOption, isBoolean, isFunction, optionError, pick } from '../options/options.js';
import { Connection } from './connection.js';
import { socketUrl } from './url-giver.js';

const URL_NAMES_NOBODY =
  'a url function needs a namespace that names the user, such as namespace: user.id: tabs with the same one share a ' +
  'host, and the address is not known beforehand';

/** Options about the workers. */
const OF_WORKERS = /** @type {const} */ (['worker', 'dedicatedWorker', 'workerUrl']);

/** A socket that never was open, for a backend to replace. @type {any} */
const CLOSED_SOCKET = { readyState: 3, send() {}, close() {} };

/**
 * A connection to a ShareDB server.
 *
 * @param {any} target a URL or a function that gives it, a socket, a backend with `connect()`, or the options
 * @param {any} [options] `{url, useSharedWorker, worker, dedicatedWorker, workerUrl, firstLook, namespace,
 *   durableStore, keepPendingOnReject, connections, recorder}`
 */
export function createConnection(target, options) {
  options = { ...options };
  const isBackend = isFunction(target?.connect);
  const isSocket = isFunction(target?.send);
  if (typeof target === 'string' || target instanceof URL) options.url = target;
  else if (isFunction(target) && !isBackend && !isSocket) options.url = target;
  else if (!isBackend && !isSocket) options = { ...target, ...options };
  checkOptions(options);
  if (isBackend) return overBackend(target, options);
  if (isSocket) return new Connection(target, pick(options, STORING));
  if (!options.url) {
    const message = 'createConnection needs a url, a socket, or a backend with connect()';
    throw optionError('ERR_OPTION_INVALID', message);
  }
  return overUrl(options);
}

/** @param {any} options */
function checkOptions(options) {
  const names = ['url', 'useSharedWorker', 'firstLook', ...OF_WORKERS];
  checkConnectionOptions('createConnection', options, names);
  expectOption('options', options, 'useSharedWorker', isBoolean, 'true or false');
  expectOption('options', options, 'firstLook', isBoolean, 'true or false');
  expectOption('options', options, 'worker', isFunction, 'a function that makes a SharedWorker');
  const isDedicated = (/** @type {any} */ value) => value === false || isFunction(value);
  const what = 'a function that makes a Worker, or false';
  expectOption('options', options, 'dedicatedWorker', isDedicated, what);
  const isUrl = (/** @type {any} */ value) => typeof value === 'string' || value instanceof URL;
  expectOption('options', options, 'workerUrl', isUrl, 'a text or a URL');
}

/**
 * @param {any} backend
 * @param {any} options
 */
function overBackend(backend, options) {
  const reason = 'the backend is in this process';
  const socket = { ...CLOSED_SOCKET };
  const storing = pick(options, STORING);
  const link = reach(() => new PageLink(socket, { reason, ...storing }));
  const connection = new Connection(null, { ...storing, link });
  if (!link.failure) backend.connect(connection);
  return connection;
}

/** @param {any} options */
function overUrl(options) {
  const giveUrl = isFunction(options.url) ? options.url : undefined;
  if (giveUrl && options.namespace === undefined)
    throw optionError('ERR_NAMESPACE_REQUIRED', URL_NAMES_NOBODY);
  const url = giveUrl ? undefined : socketUrl(options.url);
  const storing = pick(options, STORING);
  const wanted = { ...storing, ...pick(options, OF_WORKERS), url, firstLook: options.firstLook };
  const noWorker = whyNoWorker(options);
  const alone = whyAlone(options);
  if (noWorker && !globalThis.WebSocket) {
    const message = 'There is no WebSocket here: pass a socket instead of a url';
    throw optionError('ERR_OPTION_INVALID', message);
  }
  const link = reach(() => (alone ? pageLink(wanted, alone) : new HostLink(wanted, noWorker)));
  const connection = new Connection(null, { ...storing, link, giveUrl });
  if (alone?.code && !link.failure) sayAlone(connection, alone);
  return connection;
}

/**
 * A connection to the host of a namespace that opens no socket: for what tabs agree on.
 *
 * @param {any} options
 * @returns {Connection}
 */
export function connectionWithoutServer(options) {
  checkOptions(options);
  const storing = pick(options, STORING);
  const wanted = { ...storing, ...pick(options, OF_WORKERS) };
  const alone = whyAlone(options);
  const noWorker = whyNoWorker(options);
  const link = reach(() => (alone ? pageLink(wanted, alone) : new HostLink(wanted, noWorker)));
  const connection = new Connection(null, { ...storing, link });
  if (alone?.code && !link.failure) sayAlone(connection, alone);
  return connection;
}

/**
 * Why this tab has a host of its own, or nothing. A code says that it may do harm: other tabs do not see this one's
 * changes before the server has them.
 *
 * @param {any} options
 * @returns {{reason: string, code?: string} | undefined}
 */
function whyAlone({ durableStore, namespace, useSharedWorker }) {
  // Node, and what resembles a browser there.
  if (globalThis.isSecureContext === undefined) return { reason: 'this is no browser' };
  // Nobody said which tabs the application's storage is for.
  if (useSharedWorker === false && durableStore?.storage && namespace === undefined)
    return { reason: 'useSharedWorker is false, and the storage has no namespace' };
  const missing = whyNoTabs();
  return missing ? { reason: missing, code: 'ERR_HOST_ALONE' } : undefined;
}

/**
 * @param {Connection} connection
 * @param {{reason: string, code?: string}} why
 */
function sayAlone(connection, { reason, code }) {
  // The first time nobody listens yet.
  nextTick(() => emitOrLog(connection, new shared.Error(code, reason)));
}

/**
 * Why no SharedWorker is used, or nothing.
 *
 * @param {any} options
 */
function whyNoWorker(options) {
  if (options.useSharedWorker === false) return 'useSharedWorker is false';
  if (typeof globalThis.SharedWorker === 'undefined') return 'there is no SharedWorker here';
  return undefined;
}
