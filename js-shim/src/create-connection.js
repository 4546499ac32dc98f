/**
 * The factory: the best host that there is here, and what it is.
 */

import { Connection } from './connection.js';
import { pick } from './durable-options.js';
import { PageLink } from './page-link.js';
import { WorkerLink } from './worker-link.js';

/** A socket that never was open, for a backend to replace. */
const CLOSED_SOCKET = { readyState: 3, send() {}, close() {} };

/**
 * A connection to a ShareDB server.
 *
 * @param {any} target a URL, a socket, a backend with `connect()`, or the options
 * @param {any} [options] `{url, useSharedWorker, worker, namespace, durableStore, keepPendingOnReject}`
 */
export function createConnection(target, options = {}) {
  if (typeof target?.connect === 'function') return overBackend(target, options);
  if (typeof target?.send === 'function') return new Connection(target, options);
  if (typeof target === 'string' || target instanceof URL) options = { ...options, url: target };
  else if (target && typeof target === 'object') options = { ...target, ...options };
  if (!options.url) {
    throw new TypeError('createConnection needs a url, a socket, or a backend with connect()');
  }
  return overUrl(options);
}

/**
 * @param {any} backend
 * @param {any} options
 */
function overBackend(backend, options) {
  const reason = 'the backend is in this process';
  const socket = { ...CLOSED_SOCKET };
  const link = new PageLink(socket, { reason, ...storing(options) });
  const connection = new Connection(null, { ...storing(options), link });
  backend.connect(connection);
  return connection;
}

/** @param {any} options */
function overUrl(options) {
  const url = new URL(options.url, globalThis.location?.href).href.replace(/^http/, 'ws');
  const reason = whyNoWorker(options);
  const given = { namespace: url, ...storing(options) };
  if (!reason) {
    const link = new WorkerLink({ ...given, url, worker: options.worker });
    return new Connection(null, { ...given, link });
  }
  const { WebSocket } = globalThis;
  if (!WebSocket) {
    throw new TypeError('There is no WebSocket here: pass a socket instead of a url');
  }
  const open = () => new WebSocket(url);
  const link = new PageLink(null, { reason, open, ...given });
  return new Connection(null, { ...given, link });
}

/**
 * What is said of storing.
 *
 * @param {any} options
 */
function storing(options) {
  return pick(options, ['namespace', 'durableStore', 'keepPendingOnReject']);
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
