/**
 * The Web Lock by which one host alone uses a storage. Two hosts that write the same one lose ops.
 *
 * A browser has no Web Locks where the page's context is not secure: there it is never had, since another page may
 * well use the same storage. Elsewhere, in Node, it always is: nobody else can reach what one process keeps.
 */

import { timers } from '../platform/ticks.js';
import { StorageError } from './storage-error.js';

/** @param {string} namespace */
export const storeLock = (namespace) => `sharedb-proxy store ${namespace}`;

/** The reason why it is unknown whether another page uses a storage. */
export function whyNoLocks() {
  if (globalThis.navigator?.locks) return undefined;
  return 'there are no Web Locks here (they need a secure context), so another page could write the same store';
}

/** Browsers, and only they, say in pages and workers whether their context is secure. */
const isBrowser = () => globalThis.isSecureContext !== undefined;

export class StoreLock {
  /**
   * @param {string} name
   * @param {number} patience how long to wait for another page to let go, in milliseconds; with 0 it is now or never
   * @param {() => void} lost called where the lock is held and somebody steals it
   * @param {boolean} [steals] the holder does not answer, and is not waited for
   */
  constructor(name, patience, lost, steals = false) {
    this._name = name;
    this._patience = patience;
    this._lost = lost;
    this._steals = steals;
    /** @type {Promise<void> | null} */
    this._taken = null;
    /** Lets go, or stops waiting. */
    this._end = () => {};
  }

  /** Resolves when the lock is held; at once if it is already. */
  take() {
    this._taken ??= this._take();
    return this._taken;
  }

  /** @returns {Promise<void>} */
  _take() {
    const missing = whyNoLocks();
    if (!missing) return this._request();
    return isBrowser()
      ? Promise.reject(new StorageError('unavailable', missing))
      : Promise.resolve();
  }

  release() {
    this._taken = null;
    this._end();
  }

  /** @returns {Promise<void>} */
  _request() {
    const waits = this._patience > 0 && !this._steals;
    const giveUp = new AbortController();
    this._end = () => giveUp.abort();
    const timer = waits ? timers.start(() => giveUp.abort(), this._patience) : undefined;
    let held = false;
    /** @type {Promise<void>} */
    const taken = new Promise((resolve, reject) => {
      /** @param {Lock | null} lock */
      const hold = (lock) => {
        // What is released before it is given must not be held: nobody would end it.
        if (!lock || giveUp.signal.aborted) throw giveUp.signal.reason;
        held = true;
        timers.stop(timer);
        resolve();
        return new Promise((end) => (this._end = () => end(undefined)));
      };
      const options = this._options(waits, giveUp.signal);
      // Once: whoever takes it later does so by right.
      this._steals = false;
      navigator.locks.request(this._name, options, hold).catch((cause) => {
        timers.stop(timer);
        if (this._taken === taken) this._taken = null;
        if (held) this._lost();
        else reject(new StorageError('unavailable', whyNot(this._name, cause), { cause }));
      });
    });
    return taken;
  }

  /**
   * @param {boolean} waits
   * @param {AbortSignal} signal
   * @returns {LockOptions}
   */
  _options(waits, signal) {
    if (this._steals) return { steal: true };
    return waits ? { signal } : { ifAvailable: true };
  }
}

/**
 * @param {string} name
 * @param {any} cause
 */
function whyNot(name, cause) {
  // Not given in time, or not at once. Anything else is the browser's refusal of locks as such.
  if (!cause || cause.name === 'AbortError') {
    return `another page uses the storage: it holds the lock "${name}"`;
  }
  return cause.message || String(cause);
}
