/**
 * The Web Lock by which one host alone uses a storage. Where there are no Web Locks it is always had: there is one host
 * then, or nobody who could tell.
 */

import { timers } from '../ticks.js';
import { StorageError } from './storage-error.js';

/** @param {string} namespace */
export const storeLock = (namespace) => `sharedb-proxy store ${namespace}`;

export class StoreLock {
  /**
   * @param {string} name
   * @param {number} patience how long to wait for another page to let go, in milliseconds; with 0 it is now or never
   * @param {() => void} lost called where the lock is held and somebody steals it
   */
  constructor(name, patience, lost) {
    this._name = name;
    this._patience = patience;
    this._lost = lost;
    /** @type {Promise<void> | null} */
    this._taken = null;
    /** Lets go, or stops waiting. */
    this._end = () => {};
  }

  /** Resolves when the lock is held; at once if it is already. */
  take() {
    this._taken ??= globalThis.navigator?.locks ? this._request() : Promise.resolve();
    return this._taken;
  }

  release() {
    this._taken = null;
    this._end();
  }

  /** @returns {Promise<void>} */
  _request() {
    const giveUp = new AbortController();
    this._end = () => giveUp.abort();
    const timer = timers.start(() => giveUp.abort(), this._patience);
    let held = false;
    /** @type {Promise<void>} */
    const taken = new Promise((resolve, reject) => {
      /** @param {Lock | null} lock */
      const hold = (lock) => {
        if (!lock) throw giveUp.signal.reason;
        held = true;
        timers.stop(timer);
        resolve();
        return new Promise((end) => (this._end = () => end(undefined)));
      };
      const options = this._patience > 0 ? { signal: giveUp.signal } : { ifAvailable: true };
      navigator.locks.request(this._name, options, hold).catch((cause) => {
        timers.stop(timer);
        if (this._taken === taken) this._taken = null;
        if (held) this._lost();
        else reject(new StorageError('unavailable', whyNot(this._name, cause), { cause }));
      });
    });
    return taken;
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
