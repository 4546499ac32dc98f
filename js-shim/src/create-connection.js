/**
 * The factory: the best host that there is here, and what it is.
 */

import { Connection } from './connection.js';
import { PageLink } from './page-link.js';
import { WorkerLink } from './worker-link.js';

/** A socket that never was open, for a backend to replace. */
const CLOSED_SOCKET = { readyState: 3, send() {}, close() {} };

/**
 * A connection to a ShareDB server.
 *
 * @param {any} target a URL, a socket, a backend with `connect()`, or the options
 * @param {any} [options] `{url, useSharedWorker, worker, namespace, durableStore}`
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
function overBackend(backend, { namespace, durableStore }) {
  const reason = 'the backend is in this process';
  const socket = { ...CLOSED_SOCKET };
  const connection = new Connection(null, {
    link: new PageLink(socket, { reason, namespace, durableStore }),
  });
  backend.connect(connection);
  return connection;
}

/** @param {any} options */
function overUrl(options) {
  const url = new URL(options.url, globalThis.location?.href).href.replace(/^http/, 'ws');
  const reason = whyNoWorker(options);
  const { namespace = url, durableStore } = options;
  if (!reason) {
    const link = new WorkerLink({ ...options, url, durableStore: inWorker(durableStore) });
    return new Connection(null, { link });
  }
  const { WebSocket } = globalThis;
  if (!WebSocket) {
    throw new TypeError('There is no WebSocket here: pass a socket instead of a url');
  }
  const open = () => new WebSocket(url);
  const link = new PageLink(null, { reason, open, namespace, durableStore });
  return new Connection(null, { link });
}

/** What cannot be sent to a worker. */
const FOR_THE_WORKER = ['storage', 'encrypt', 'decrypt'];

/**
 * The store's options for a worker.
 *
 * @param {any} durableStore `true` or the options
 */
function inWorker(durableStore) {
  if (!durableStore) return undefined;
  const own = FOR_THE_WORKER.filter((name) => durableStore[name] !== undefined);
  if (own.length) {
    throw new TypeError(
      `durableStore.${own[0]} cannot be sent to a worker: give it to serve({durableStore}) there`,
    );
  }
  return durableStore === true ? {} : durableStore;
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
