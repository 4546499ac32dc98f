/**
 * `createConnection`: picks where the host lives (a SharedWorker, this page) and makes the connection to it.
 */

import { PageLink } from '../link/page-link.js';
import { WorkerLink, pageLink } from '../link/worker-link.js';
import { STORING, checkConnectionOptions } from '../options/connection-options.js';
import { expectOption, isBoolean, isFunction, optionError, pick } from '../options/options.js';
import { Connection } from './connection.js';

/** A socket that never was open, for a backend to replace. @type {any} */
const CLOSED_SOCKET = { readyState: 3, send() {}, close() {} };

/**
 * A connection to a ShareDB server.
 *
 * @param {any} target a URL, a socket, a backend with `connect()`, or the options
 * @param {any} [options] `{url, useSharedWorker, worker, namespace, durableStore, keepPendingOnReject}`
 */
export function createConnection(target, options) {
  options = { ...options };
  const isBackend = isFunction(target?.connect);
  const isSocket = isFunction(target?.send);
  if (typeof target === 'string' || target instanceof URL) options.url = target;
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
  checkConnectionOptions('createConnection', options, ['url', 'useSharedWorker', 'worker']);
  expectOption('options', options, 'useSharedWorker', isBoolean, 'true or false');
  expectOption('options', options, 'worker', isFunction, 'a function that makes a SharedWorker');
}

/**
 * @param {any} backend
 * @param {any} options
 */
function overBackend(backend, options) {
  const reason = 'the backend is in this process';
  const socket = { ...CLOSED_SOCKET };
  const storing = pick(options, STORING);
  const link = new PageLink(socket, { reason, ...storing });
  const connection = new Connection(null, { ...storing, link });
  backend.connect(connection);
  return connection;
}

/** @param {any} options */
function overUrl(options) {
  const url = new URL(options.url, globalThis.location?.href).href.replace(/^http/, 'ws');
  const storing = pick(options, STORING);
  const wanted = { ...storing, url, worker: options.worker };
  const reason = whyNoWorker(options);
  if (reason && !globalThis.WebSocket) {
    const message = 'There is no WebSocket here: pass a socket instead of a url';
    throw optionError('ERR_OPTION_INVALID', message);
  }
  const link = reason ? pageLink(wanted, { reason }) : new WorkerLink(wanted);
  return new Connection(null, { ...storing, link });
}

/**
 * Why the host has to be in this page, or nothing.
 *
 * @param {any} options
 */
function whyNoWorker(options) {
  if (options.useSharedWorker === false) return 'useSharedWorker is false';
  if (typeof globalThis.SharedWorker === 'undefined') return 'there is no SharedWorker here';
  if (!globalThis.navigator?.locks) {
    return 'there are no Web Locks here (they need a secure context)';
  }
  return undefined;
}
