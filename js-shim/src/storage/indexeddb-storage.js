/**
 * A storage in IndexedDB, in a page or in a worker: one database for each namespace, with an object store for documents
 * and one for the rest; a record's id is its key, its payload is the value.
 *
 * It opens no second handle by itself: where the browser or another page ends the one it has, its requests fail until
 * `initialize` is called again.
 */

import { databaseOf } from '../options/namespace.js';
import { isLastMoment, watchLastMoment } from '../platform/last-moment.js';
import { timers } from '../platform/ticks.js';
import { commitsFailures, isFragile } from './engines.js';
import { deleteDatabase, openDatabase } from './indexeddb.js';
import { StorageError, asStorageError, fencedError } from './storage-error.js';
import { storeLock } from './store-lock.js';

/** @typedef {import('../index.d.cts').DurableStorage} DurableStorage */
/** @typedef {import('../index.d.cts').IndexedDbStorageOptions} Options */
/** @typedef {import('../index.d.cts').StorageRecord} StorageRecord */
/** @typedef {import('../index.d.cts').StorageRecords} StorageRecords */
/** @typedef {import('../index.d.cts').StoreName} StoreName */

/**
 * @template [T=void]
 * @typedef {import('./in-memory-storage.js').Callback<T>} Callback
 */

/** The schema that `upgrade` leads to. */
const SCHEMA = 1;
/**
 * How long other pages may hold up an opening or a deletion, in milliseconds. A page that is just closing needs far
 * less.
 */
const PATIENCE = 2_000;

/** @type {StoreName[]} */
const STORES = ['docs', 'meta'];
/**
 * The fence, see `claim`: keys in `meta` that are no records. This one has the holders, the present one first. A holder
 * that is not the present one has a key of its own, at which it cannot add anything.
 */
const FENCE = ' fence';
/** The end of the range of keys that begin with `FENCE`. */
const FENCE_END = ' fence!';
/** Earlier holders that are known. */
const MAX_FENCED = 100;

/** @param {string} holder */
const fenceOf = (holder) => `${FENCE} ${holder}`;

/** @implements {DurableStorage} */
export class IndexedDbStorage {
  /** @param {Options} [options] */
  constructor(options = {}) {
    const { namespace = 'default', durability = 'relaxed', patience = PATIENCE } = options;
    this.deletesInWrite = true;
    this.lockName = storeLock(namespace);
    this._name = databaseOf(namespace);
    this._durability = durability;
    this._patience = patience;
    this._cipher = cipherOf(options);
    /** @type {IDBDatabase | null} */
    this._database = null;
    /** Another object for each handle, the one that is being opened included. @type {object | null} */
    this._life = null;
    this._whyClosed = 'the storage is not open';
    /** @type {Set<{abort: () => void}>} */
    this._running = new Set();
    this._isFragile = isFragile();
    this._commitsFailures = commitsFailures();
    this._unwatch = () => {};
    /** The end of the last transaction on this handle, where they go one after the other. @type {Promise<unknown>} */
    this._last = Promise.resolve();
  }

  /**
   * Opens the database on a new handle.
   *
   * @param {Callback} callback
   */
  initialize(callback) {
    answer(callback, this._open());
  }

  /**
   * Makes `holder` the one whose writes are taken.
   *
   * @param {string} holder
   * @param {boolean} again it was that before: then nobody else may have become it
   * @param {Callback} callback
   */
  claim(holder, again, callback) {
    answer(callback, this._claim(holder, again));
  }

  isReady() {
    return this._database !== null;
  }

  ensureReady() {
    if (!this._database) throw new StorageError('closed', this._whyClosed);
  }

  /**
   * @param {StoreName} storeName
   * @param {string} id
   * @param {Callback<any>} callback
   */
  readRecord(storeName, id, callback) {
    const read = this._read(storeName, [id]);
    answer(
      callback,
      read.then(([record]) => record?.payload ?? null),
    );
  }

  /**
   * Those of the records that there are.
   *
   * @param {StoreName} storeName
   * @param {string[]} ids
   * @param {Callback<StorageRecord[]>} callback
   */
  readRecordsBulk(storeName, ids, callback) {
    answer(callback, this._read(storeName, ids));
  }

  /**
   * @param {StoreName} storeName
   * @param {Callback<StorageRecord[]>} callback
   */
  readAllRecords(storeName, callback) {
    answer(callback, this._readAll(storeName));
  }

  /**
   * Writes and deletes in one transaction, and calls back when it is committed.
   *
   * @param {StorageRecords} records
   * @param {Callback} callback
   */
  writeRecords(records, callback) {
    answer(callback, this._write(records));
  }

  /**
   * @param {StoreName} storeName
   * @param {string} id
   * @param {Callback} callback
   */
  deleteRecord(storeName, id, callback) {
    answer(callback, this._write({ deleted: { [storeName]: [id] } }));
  }

  /**
   * @param {StoreName} storeName
   * @param {Callback} callback
   */
  clearStore(storeName, callback) {
    answer(callback, this._clear([storeName]));
  }

  /** @param {Callback} callback */
  clearAll(callback) {
    answer(callback, this._clear(STORES));
  }

  /**
   * Deletes the database, open or not. Afterwards the storage is closed.
   *
   * @param {Callback} callback
   */
  deleteDatabase(callback) {
    answer(callback, this._delete());
  }

  /** Ends the handle. Transactions that are under way still commit. */
  close() {
    this._end('the storage was closed');
  }

  /** Ends the handle and what is under way on it: a transaction that hangs would keep the next handle waiting. */
  abandon() {
    this._running.forEach(abort);
    this._end('the storage was abandoned');
  }

  async _open() {
    this.close();
    const life = (this._life = {});
    if (this._commitsFailures) this._unwatch = watchLastMoment();
    if (!globalThis.indexedDB) throw new StorageError('unavailable', 'there is no IndexedDB here');
    const lost = (/** @type {string} */ reason) => {
      if (this._life === life) this._end(reason);
    };
    const opened = unblocked(this._patience, (blocked) => {
      const opening = openDatabase(this._name, SCHEMA, {
        upgrade,
        blocked,
        blocking: () => lost('another page deletes or upgrades the database'),
        terminated: () => lost('the browser closed the database'),
      });
      // It may come when nobody waits for it any more, and would be in everybody's way.
      opening.then((database) => this._life === life || database.close(), ignore);
      return opening;
    });
    try {
      const database = await opened;
      if (this._life !== life) {
        throw new StorageError('closed', 'the storage was closed while it was opened');
      }
      this._database = database;
      if (!STORES.every((name) => database.objectStoreNames.contains(name))) {
        throw new StorageError('unavailable', `the database "${this._name}" is not one of ours`);
      }
    } catch (error) {
      lost('the storage could not be opened');
      throw asOpenError(error);
    }
  }

  /** @param {string} reason */
  _end(reason) {
    this._database?.close();
    this._database = null;
    this._life = null;
    this._unwatch();
    this._whyClosed = reason;
    // The next handle does not wait for what hangs on this one.
    this._last = Promise.resolve();
  }

  /**
   * @param {StoreName} storeName
   * @param {string[]} ids
   * @returns {Promise<StorageRecord[]>}
   */
  async _read(storeName, ids) {
    const payloads = await this._transact([storeName], 'readonly', function* (store) {
      for (const id of ids) yield store(storeName).get(id);
    });
    return ids
      .map((id, index) => ({ id, payload: payloads[index] }))
      .filter(({ payload }) => payload !== undefined)
      .map((record) => this._cipher.open(record));
  }

  /**
   * @param {StoreName} storeName
   * @returns {Promise<StorageRecord[]>}
   */
  async _readAll(storeName) {
    const [ids, payloads] = await this._transact([storeName], 'readonly', function* (store) {
      yield store(storeName).getAllKeys();
      yield store(storeName).getAll();
    });
    /** @type {StorageRecord[]} */
    const records = ids.map((/** @type {string} */ id, /** @type {number} */ index) => ({
      id,
      payload: payloads[index],
    }));
    return records.filter(({ id }) => !isFence(id)).map((record) => this._cipher.open(record));
  }

  /**
   * @param {string} holder
   * @param {boolean} again
   */
  async _claim(holder, again) {
    const [known] = await this._transact(['meta'], 'readonly', function* (store) {
      yield store('meta').get(FENCE);
    });
    /** @type {string[]} */
    const holders = known ?? [];
    if (holders[0] === holder) return;
    // Where the database was deleted meanwhile nobody is.
    if (again && holders.length) throw fencedError();
    await this._transact(['meta'], 'readwrite', function* (store) {
      // Where somebody else has claimed it since that was read, this cannot be added.
      yield store('meta').add(0, fenceOf(holders[0] ?? ''));
      yield store('meta').put([holder, ...holders].slice(0, MAX_FENCED), FENCE);
      if (holders.length === MAX_FENCED) {
        yield store('meta').delete(fenceOf(holders[MAX_FENCED - 1]));
      }
    });
  }

  /** @param {StorageRecords} records */
  async _write({ docs = [], meta = [], deleted = {}, holder }) {
    const seal = (/** @type {StorageRecord} */ record) => this._cipher.seal(record);
    const puts = { docs: [docs].flat().map(seal), meta: [meta].flat().map(seal) };
    const names = STORES.filter((name) => puts[name].length || deleted[name]?.length);
    if (!names.length) return this.ensureReady();
    const work = function* (/** @type {any} */ store) {
      for (const name of names) {
        for (const { id, payload } of puts[name]) yield store(name).put(payload, id);
        for (const id of deleted[name] ?? []) yield store(name).delete(id);
      }
    };
    if (!holder) return void (await this._transact(names, 'readwrite', work));
    await this._transact(STORES, 'readwrite', function* (store) {
      yield* unlessFenced(store, holder);
      yield* work(store);
    });
  }

  /** @param {StoreName[]} names */
  async _clear(names) {
    await this._transact(names, 'readwrite', function* (store) {
      for (const name of names) {
        if (name !== 'meta') yield store(name).clear();
        // The fence stays.
        else yield* emptied(store(name));
      }
    });
  }

  async _delete() {
    // A deletion waits for every page that has the database open. Emptying does not.
    const emptied = await this._clear(STORES).then(
      () => true,
      () => false,
    );
    this.close();
    try {
      await unblocked(this._patience, (blocked) => deleteDatabase(this._name, blocked));
    } catch (error) {
      if (!emptied) throw asOpenError(error);
    }
  }

  /**
   * Runs one transaction; resolves with the results of its requests when it is committed.
   *
   * @param {StoreName[]} names
   * @param {IDBTransactionMode} mode
   * @param {Work} work
   * @returns {Promise<any[]>}
   */
  _transact(names, mode, work) {
    if (!this._isFragile) return this._run(names, mode, work);
    const life = this._life;
    const run = this._last.then(() => {
      if (this._life !== life) throw new StorageError('closed', this._whyClosed);
      return this._run(names, mode, work);
    });
    this._last = run.catch(ignore);
    return run;
  }

  /**
   * Whether a transaction is told to commit. It does so by itself, but not where the page ends first. Where that takes
   * away the fence it is done in the page's last moment only.
   */
  _mayCommit() {
    return !this._isFragile && (!this._commitsFailures || isLastMoment());
  }

  /**
   * All requests are made at once: a transaction that has none left ends.
   *
   * @param {StoreName[]} names
   * @param {IDBTransactionMode} mode
   * @param {Work} work
   * @returns {Promise<any[]>}
   */
  _run(names, mode, work) {
    return new Promise((resolve, reject) => {
      this.ensureReady();
      const database = /** @type {IDBDatabase} */ (this._database);
      const transaction = database.transaction(names, mode, { durability: this._durability });
      /** @type {IDBRequest[]} */
      let requests = [];
      const running = {
        abort() {
          transaction.abort();
          // Where the database is closed next, WebKit gives no event of it.
          end(aborted());
        },
      };
      this._running.add(running);
      const end = (/** @type {any} */ error) => {
        this._running.delete(running);
        if (!error) return resolve(requests.map((made) => made.result));
        // Only what a fence refuses is added and not put.
        reject(error.name === 'ConstraintError' ? fencedError() : error);
      };
      // Where a transaction is committed although one of its requests failed, that request says so.
      transaction.oncomplete = () => end(requests.find((made) => made.error)?.error);
      transaction.onabort = () => end(transaction.error ?? aborted());
      try {
        requests = request(transaction, work, mode === 'readwrite' && this._mayCommit());
      } catch (error) {
        end(error);
      }
    });
  }
}

/**
 * Makes the requests of a transaction, one by one.
 *
 * @typedef {(store: (name: StoreName) => IDBObjectStore) => Iterable<IDBRequest>} Work
 */

/** @param {string} id */
const isFence = (id) => id.startsWith(FENCE);

/**
 * Has the transaction rolled back where `holder` is not the present one. That needs no answer in between: what is written
 * in the last moment of a page is committed at once.
 *
 * @param {(name: StoreName) => IDBObjectStore} store
 * @param {string} holder
 */
function* unlessFenced(store, holder) {
  yield store('meta').add(0, fenceOf(holder));
  yield store('meta').delete(fenceOf(holder));
}

/** @param {IDBObjectStore} meta */
function* emptied(meta) {
  yield meta.delete(IDBKeyRange.upperBound(FENCE, true));
  yield meta.delete(IDBKeyRange.lowerBound(FENCE_END));
}

/**
 * Brings a database of any earlier schema to this one. A step is never changed once it was released.
 *
 * @param {IDBDatabase} database
 * @param {number} from 0 where the database is new
 */
function upgrade(database, from) {
  if (from < 1) STORES.forEach((name) => database.createObjectStore(name));
}

/**
 * Makes the requests of a transaction. Where one cannot even be made, those before it do not count either.
 *
 * @param {IDBTransaction} transaction
 * @param {Work} work
 * @param {boolean} commits whether it does not wait for their answers
 * @returns {IDBRequest[]}
 */
function request(transaction, work, commits) {
  try {
    const requests = [...work((name) => transaction.objectStore(name))];
    if (commits) transaction.commit?.();
    return requests;
  } catch (error) {
    abort(transaction);
    throw error;
  }
}

/** @param {{abort: () => void}} transaction */
function abort(transaction) {
  try {
    transaction.abort();
  } catch {
    // It has ended already, or is being committed.
  }
}

const aborted = () => new DOMException('the transaction was aborted', 'AbortError');

/**
 * What `start` gives; but once it is blocked by other pages it has only as long as `patience`.
 *
 * @template T
 * @param {number} patience
 * @param {(blocked: () => void) => Promise<T>} start
 * @returns {Promise<T>}
 */
function unblocked(patience, start) {
  return new Promise((resolve, reject) => {
    /** @type {any} */
    let timer;
    const giveUp = () =>
      reject(new StorageError('unavailable', 'another page has the database open and keeps it'));
    const blocked = () => (timer = timers.start(giveUp, patience));
    start(blocked)
      .finally(() => timers.stop(timer))
      .then(resolve, reject);
  });
}

/**
 * A browser that loses its connection to the database while it opens it may have it a moment later. Nothing else mends itself.
 *
 * @param {any} error
 */
function asOpenError(error) {
  if (error instanceof StorageError) return error;
  if (error?.name === 'VersionError') {
    const newer = 'the database was written by a newer version of sharedb-proxy';
    return new StorageError('unavailable', newer, { cause: error });
  }
  const { kind, message } = asStorageError(error);
  return new StorageError(kind === 'closed' ? kind : 'unavailable', message, { cause: error });
}

/**
 * How payloads become values, and back. Both run outside of transactions.
 *
 * @typedef {object} Cipher
 * @property {(record: StorageRecord) => StorageRecord} seal
 * @property {(record: StorageRecord) => StorageRecord} open
 */

/**
 * @param {Options} options
 * @returns {Cipher}
 */
function cipherOf({ useEncryption, encryptionCallback, decryptionCallback }) {
  if (!useEncryption) return { seal: (record) => record, open: (record) => record };
  if (!encryptionCallback || !decryptionCallback) {
    throw new TypeError('useEncryption needs an encryptionCallback and a decryptionCallback');
  }
  return {
    seal({ id, payload }) {
      return { id, payload: encryptionCallback(JSON.stringify(payload)) };
    },
    open({ id, payload }) {
      try {
        return { id, payload: JSON.parse(decryptionCallback(payload)) };
      } catch (cause) {
        const message = `the record ${id} could not be decrypted: ${cause}`;
        throw new StorageError('other', message, { code: 'ERR_STORAGE_DECRYPT', cause });
      }
    },
  };
}

/**
 * @template T
 * @param {Callback<T>} callback
 * @param {Promise<T>} work
 */
function answer(callback, work) {
  work.then((result) => callback(null, result), callback);
}

function ignore() {}
