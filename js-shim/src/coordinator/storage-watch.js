/**
 * How full the browser's storage is, as far as the browser says it, and whether it has dropped what was stored.
 */

import { expectOption, isPositiveCount, refuseUnknown } from '../options/options.js';
import { every } from '../platform/waking.js';

/**
 * What the store is known by: another one stands in its place where it was emptied.
 *
 * @typedef {{namespace: string | undefined, line: number}} Store
 */

/** @param {string | undefined} namespace */
const witnessOf = (namespace) => `sharedb-proxy store ${namespace}`;

/** What remembers which store there was: a storage of the browser's that may outlive it; where there is none, the page. */
class Witness {
  constructor() {
    this._items = attempt(() => globalThis.localStorage) ?? itemsInMemory();
  }

  /** @param {Store} store @returns {number | undefined} */
  seen({ namespace }) {
    const line = attempt(() => this._items.getItem(witnessOf(namespace)));
    return line ? Number(line) : undefined;
  }

  /** @param {Store} store */
  note({ namespace, line }) {
    attempt(() => this._items.setItem(witnessOf(namespace), String(line)));
  }

  /** What was stored was deleted on purpose. @param {string | undefined} namespace */
  forget(namespace) {
    attempt(() => this._items.removeItem(witnessOf(namespace)));
  }
}

function itemsInMemory() {
  const items = new Map();
  return {
    getItem: (/** @type {string} */ name) => items.get(name),
    setItem: (/** @type {string} */ name, /** @type {string} */ value) =>
      void items.set(name, value),
    removeItem: (/** @type {string} */ name) => void items.delete(name),
  };
}

/**
 * A browser may forbid it, and Node has none.
 *
 * @template T
 * @param {() => T} use
 */
function attempt(use) {
  try {
    return use();
  } catch {
    return undefined;
  }
}

const isPart = (/** @type {any} */ value) => value >= 0 && value <= 1;
const areParts = (/** @type {any} */ value) => Array.isArray(value) && value.every(isPart);

class StorageWatch {
  /**
   * Says when the storage passes a threshold, in either direction, and when the store is another one than before.
   *
   * @param {{thresholds?: number[], interval?: number}} options parts of the quota, and milliseconds
   * @param {object} listener
   * @param {() => Store | undefined} listener.store nothing where none is kept for good
   * @param {(storage: import('../coordinator.d.ts').StorageEvent) => void} listener.changed
   * @param {(error: any) => void} listener.failed the browser does not say how full it is
   */
  constructor({ thresholds = [0.8, 0.95], interval = 60_000 }, listener) {
    this._thresholds = thresholds;
    this._listener = listener;
    this._witness = new Witness();
    this._passed = 0;
    this._isOver = false;
    this.look();
    this._end = every(interval, () => this.look());
  }

  look() {
    void this._look().catch((error) => this._listener.failed(error));
  }

  async _look() {
    const { usage = 0, quota = 0 } = (await globalThis.navigator?.storage?.estimate?.()) ?? {};
    if (this._isOver) return;
    const ratio = quota && usage / quota;
    const passed = this._thresholds.filter((threshold) => ratio >= threshold).length;
    const isFuller = passed > this._passed;
    const evicted = this._wasEvicted();
    if (passed !== this._passed || evicted)
      this._listener.changed({ usage, quota, ratio, isFuller, evicted });
    this._passed = passed;
  }

  _wasEvicted() {
    const store = this._listener.store();
    if (!store) return false;
    const before = this._witness.seen(store);
    this._witness.note(store);
    return before !== undefined && before !== store.line;
  }

  /** What was stored is deleted on purpose. @param {string | undefined} namespace */
  forget(namespace) {
    this._witness.forget(namespace);
  }

  end() {
    this._isOver = true;
    this._end();
  }
}

/** All watches of a coordinator. */
export class StorageWatches {
  /**
   * @param {import('../api/connection.js').Connection} connection
   * @param {() => number | undefined} line the epoch of the host that began what is kept of coordination
   * @param {object} listener
   * @param {(storage: import('../coordinator.d.ts').StorageEvent) => void} listener.changed
   * @param {(error: any) => void} listener.failed
   */
  constructor(connection, line, listener) {
    this._connection = connection;
    this._line = line;
    this._listener = listener;
    /** @type {Set<StorageWatch>} */
    this._watches = new Set();
  }

  /**
   * @param {{thresholds?: number[], interval?: number}} [options]
   * @returns {() => void} ends it
   */
  watch(options = {}) {
    refuseUnknown('watchStorage', options, ['thresholds', 'interval']);
    expectOption('options', options, 'thresholds', areParts, 'a list of numbers from 0 to 1');
    expectOption('options', options, 'interval', isPositiveCount, 'a number of milliseconds');
    const watch = new StorageWatch(options, { store: () => this._store(), ...this._listener });
    this._watches.add(watch);
    return () => {
      this._watches.delete(watch);
      watch.end();
    };
  }

  /** @returns {Store | undefined} */
  _store() {
    const { _connection: connection } = this;
    const line = this._line();
    const isKept = connection.durableStore && connection.storage.durable;
    return isKept && line !== undefined ? { namespace: connection._namespace, line } : undefined;
  }

  /** What was stored was deleted on purpose. */
  forget() {
    for (const watch of this._watches) watch.forget(this._connection._namespace);
  }

  end() {
    for (const watch of this._watches) watch.end();
  }
}
