/**
 * A storage in the memory of this process: what it holds outlives the connection that wrote it, not the process.
 */

import { StorageError, fencedError } from './storage-error.js';

/** @typedef {import('../index.d.cts').DurableStorage} DurableStorage */
/** @typedef {import('../index.d.cts').StorageRecord} StorageRecord */
/** @typedef {import('../index.d.cts').StorageRecords} StorageRecords */
/** @typedef {import('../index.d.cts').StoreName} StoreName */

/**
 * @template [T=void]
 * @typedef {(error: any, result?: T) => void} Callback
 */

/**
 * Callbacks are never called before the method has returned.
 *
 * @implements {DurableStorage}
 */
export class InMemoryStorage {
  constructor() {
    this.deletesInWrite = true;
    this._ready = false;
    /** @type {Record<StoreName, Map<string, any>>} */
    this._stores = { docs: new Map(), meta: new Map() };
    /** Who alone may write, see `claim`. @type {string | undefined} */
    this._holder = undefined;
  }

  /** @param {Callback} callback */
  initialize(callback) {
    this._ready = true;
    answer(callback, () => {});
  }

  isReady() {
    return this._ready;
  }

  ensureReady() {
    if (!this._ready) throw new StorageError('closed', 'the storage is not open');
  }

  /**
   * Makes `holder` the one whose writes are taken.
   *
   * @param {string} holder
   * @param {boolean} again it was that before: then nobody else may have become it
   * @param {Callback} callback
   */
  claim(holder, again, callback) {
    this._answer(callback, () => {
      if (again && this._holder !== holder) throw fencedError();
      this._holder = holder;
    });
  }

  /**
   * @param {StoreName} storeName
   * @param {string} id
   * @param {Callback<any>} callback
   */
  readRecord(storeName, id, callback) {
    this._answer(callback, () => this._stores[storeName].get(id) ?? null);
  }

  /**
   * @param {StoreName} storeName
   * @param {string[]} ids
   * @param {Callback<StorageRecord[]>} callback
   */
  readRecordsBulk(storeName, ids, callback) {
    const store = this._stores[storeName];
    this._answer(callback, () =>
      ids.filter((id) => store.has(id)).map((id) => ({ id, payload: store.get(id) })),
    );
  }

  /**
   * @param {StoreName} storeName
   * @param {Callback<StorageRecord[]>} callback
   */
  readAllRecords(storeName, callback) {
    this._answer(callback, () =>
      [...this._stores[storeName]].map(([id, payload]) => ({ id, payload })),
    );
  }

  /**
   * @param {StorageRecords} records
   * @param {Callback} callback
   */
  writeRecords({ docs = [], meta = [], deleted = {}, holder }, callback) {
    this._answer(callback, () => {
      if (holder && this._holder !== holder) throw fencedError();
      // What cannot be kept throws here, before anything was changed.
      const puts = { docs: [docs].flat().map(kept), meta: [meta].flat().map(kept) };
      for (const storeName of STORES) {
        const store = this._stores[storeName];
        for (const { id, payload } of puts[storeName]) store.set(id, payload);
        for (const id of deleted[storeName] ?? []) store.delete(id);
      }
    });
  }

  /**
   * @param {StoreName} storeName
   * @param {string} id
   * @param {Callback} callback
   */
  deleteRecord(storeName, id, callback) {
    this._answer(callback, () => void this._stores[storeName].delete(id));
  }

  /**
   * @param {StoreName} storeName
   * @param {Callback} callback
   */
  clearStore(storeName, callback) {
    this._answer(callback, () => this._stores[storeName].clear());
  }

  /** @param {Callback} callback */
  clearAll(callback) {
    this._answer(callback, () => STORES.forEach((storeName) => this._stores[storeName].clear()));
  }

  /** Refuses requests until the next `initialize`. What is stored stays. */
  close() {
    this._ready = false;
  }

  /**
   * @template T
   * @param {Callback<T>} callback
   * @param {() => T} work done at once
   */
  _answer(callback, work) {
    answer(callback, () => {
      this.ensureReady();
      return work();
    });
  }
}

/** @type {StoreName[]} */
const STORES = ['docs', 'meta'];

/**
 * A record that does not change with the caller's.
 *
 * @param {StorageRecord} record
 */
function kept({ id, payload }) {
  return { id, payload: typeof payload === 'string' ? payload : structuredClone(payload) };
}

/**
 * Calls back with what `work`, done at once, gives or throws.
 *
 * @template T
 * @param {Callback<T>} callback
 * @param {() => T} work
 */
function answer(callback, work) {
  const done = new Promise((resolve) => resolve(work()));
  done.then((result) => callback(null, /** @type {T} */ (result)), callback);
}
