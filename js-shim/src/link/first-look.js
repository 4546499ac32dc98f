/**
 * A first look at documents, for a page whose host is not there yet: its script is still on its way. The page fetches
 * what the application reads over a socket of its own, shows it, and closes the socket before there is a host.
 *
 * What is shown is an ingested snapshot: the host places it when it comes, and then sends what has happened since. Ops
 * that were submitted on it wait until then. There are never two sockets, since this one is open only while the page
 * holds the namespace's host lock: where there is a host, or one comes to be, there is nothing to look at.
 *
 * What it refuses to do: subscribe, send an op, or ask again. A read without an answer here is left to the host.
 */

import { databaseOf } from '../options/namespace.js';
import { hostLock } from '../platform/locks.js';
import { shared } from '../platform/shared.js';
import { nextTick, timers } from '../platform/ticks.js';

/** @typedef {import('../api/connection.js').Connection} Connection */
/** @typedef {import('../api/doc.js').Doc} Doc */

/** Documents that are fetched at most: an application that opens thousands of them does so in turns, at its host. */
const MOST = 32;
/** Milliseconds that a host waits at most for answers that are on their way, and then for the socket's end. */
const PATIENCE = 1000;

/** The server takes this of a client that has no wish about its id. */
const HANDSHAKE = JSON.stringify({ a: 'hs', id: null, protocol: 1, protocolMinor: 2 });

/**
 * @param {string} collection
 * @param {string} id
 */
const keyOf = (collection, id) => JSON.stringify([collection, id]);

export class FirstLook {
  /**
   * The look that the application wants, where there can be one.
   *
   * @param {Connection} connection
   * @param {import('./link.d.ts').Wanted} wanted
   * @param {string} namespace
   */
  static of(connection, { firstLook, url, worker, durableStore: store }, namespace) {
    // The page cannot see the store of an application's worker, nor an application's own storage.
    const isUnknown = store && (worker || (store !== true && store.storage));
    if (!firstLook || url === undefined || isUnknown) return undefined;
    return new FirstLook(connection, { url, namespace, isKept: Boolean(store) });
  }

  /**
   * @param {Connection} connection
   * @param {object} where
   * @param {string} where.url
   * @param {string} where.namespace
   * @param {boolean} where.isKept a store may know more than the server: where there is one, there is nothing to look at
   */
  constructor(connection, { url, namespace, isKept }) {
    this._connection = connection;
    this._url = url;
    this._namespace = namespace;
    this._isKept = isKept;
    /** Documents without an answer, in the order in which they were asked for. @type {Map<string, Doc>} */
    this._wanted = new Map();
    /** Documents that were asked for, also those that have an answer. */
    this._asked = 0;
    /** @type {'idle' | 'locking' | 'opening' | 'open' | 'closing' | 'over'} */
    this._phase = 'idle';
    /** Whether a host waits for the lock. */
    this._isLast = false;
    /** @type {WebSocket | undefined} */
    this._socket = undefined;
    /** Gives the host lock up. */
    this._release = () => {};
    /** @type {import('../platform/ticks.js').Timer | undefined} */
    this._timer = undefined;
  }

  /**
   * The application reads a document.
   *
   * @param {Doc} doc
   */
  want(doc) {
    const key = keyOf(doc.collection, doc.id);
    if (this._isLast || this._asked >= MOST || this._wanted.has(key) || doc._isHere()) return;
    if (this._phase === 'idle') this._begin();
    else if (this._phase === 'closing' || this._phase === 'over') return;
    this._asked++;
    this._wanted.set(key, doc);
    if (this._phase === 'open') this._ask(doc);
  }

  /** Ends with the answers that are on their way, and then frees the lock for the host. */
  finish() {
    this._isLast = true;
    if (this._phase === 'idle') this._phase = 'over';
    if (this._phase === 'locking' || this._phase === 'over') return;
    if (this._wanted.size === 0) return this._close();
    this._timer ??= timers.start(() => this._close(), PATIENCE);
  }

  /** The page is going away, or has a host: the lock is free at once. */
  end() {
    this._close();
    this._free();
  }

  _begin() {
    this._phase = 'locking';
    const released = new Promise((resolve) => (this._release = () => resolve(undefined)));
    const storeIsNew = this._isKept ? hasNoDatabase(databaseOf(this._namespace)) : true;
    const granted = async (/** @type {Lock | null} */ lock) => {
      // Without the lock there is a host, or a place that is to have it. With it nobody makes a database.
      if (!lock || !(await storeIsNew) || this._phase !== 'locking') return this._free();
      this._open();
      return released;
    };
    // Also where a place takes the lock away: it does not wait for anybody.
    const stolen = () => this.end();
    navigator.locks
      .request(hostLock(this._namespace), { ifAvailable: true }, granted)
      .catch(stolen);
  }

  _open() {
    this._phase = 'opening';
    let socket;
    try {
      socket = this._socket = new WebSocket(this._url);
    } catch {
      // The host says why.
      return this._free();
    }
    socket.onopen = () => {
      this._phase = 'open';
      // The server reads one after the other: nothing waits for the answer to the handshake.
      socket.send(HANDSHAKE);
      for (const doc of this._wanted.values()) this._ask(doc);
    };
    socket.onmessage = ({ data }) => this._receive(data);
    socket.onclose = () => this._free();
    // The place may have greeted while the lock was asked for.
    if (this._isLast) this.finish();
  }

  /** @param {Doc} doc */
  _ask({ collection, id }) {
    this._socket?.send(JSON.stringify({ a: 'f', c: collection, d: id, v: null }));
  }

  /** @param {any} text */
  _receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    const { a, c, d, data, error } = message ?? {};
    const key = keyOf(c, d);
    const doc = this._wanted.get(key);
    if (a !== 'f' || !doc) return;
    this._wanted.delete(key);
    // An error is the host's to tell: the application may be allowed more by then.
    if (!error) this._show(doc, data);
    if (this._isLast && this._wanted.size === 0) this._close();
  }

  /**
   * Shows a document, and calls back whoever reads it.
   *
   * @param {Doc} doc
   * @param {any} snapshot as the server sent it
   */
  _show(doc, snapshot) {
    const connection = this._connection;
    const { v, type } = snapshot ?? {};
    // The default type is not named; without a document it is `null`.
    const isKnown = type === undefined || Object.hasOwn(shared.types.map, type);
    const isHeld = connection._docs.get(doc._handle) === doc;
    // One that does not exist, or whose type this page lacks, is left to the host; so is one that was made here meanwhile.
    if (!isKnown || !isHeld || !Number.isSafeInteger(v) || doc._isHere()) return;
    const reads = [...connection._submissions.values()].filter(
      (call) => call.doc === doc && (call.read === 'fetch' || call.read === 'subscribe'),
    );
    const calls = [() => doc._ingest(snapshot, true), ...reads.map((call) => answer(doc, call))];
    for (const call of calls) {
      try {
        call();
      } catch (failure) {
        nextTick(() => connection.emit('error', failure));
      }
    }
  }

  _close() {
    if (this._phase === 'closing' || this._phase === 'over') return;
    const { _socket: socket } = this;
    this._phase = 'closing';
    this._wanted.clear();
    timers.stop(this._timer);
    if (!socket) return;
    socket.onopen = socket.onmessage = null;
    socket.close();
    this._timer = timers.start(() => this._free(), PATIENCE);
  }

  /** The host lock is free. */
  _free() {
    this._phase = 'over';
    timers.stop(this._timer);
    this._wanted.clear();
    this._release();
  }
}

/** @param {string} name */
async function hasNoDatabase(name) {
  try {
    return (await indexedDB.databases()).every((one) => one.name !== name);
  } catch {
    // Nobody can tell.
    return false;
  }
}

/**
 * The read has its answer, and its callback was called: what the host says of it is news only where it is an error.
 *
 * @param {Doc} doc
 * @param {import('../api/machine-owner.js').Call} call
 * @returns {() => void} calls back
 */
function answer(doc, call) {
  const { callback } = call;
  call.callback = (error) => error && doc.emit('error', error);
  return () => callback?.(null);
}
