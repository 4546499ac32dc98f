/**
 * Carries out the host's storage requests. The host is a machine without I/O: it says what is to be read and written,
 * and this is what drives the storage for it, whichever that is, as a driver does for a device.
 *
 * It decides nothing: it repeats no request, and opens no storage again by itself. It sees to it that every request
 * ends, once and not too late, and that every error says of which kind it is.
 */

import { newSource } from '../platform/locks.js';
import { limited } from './limited.js';
import { StorageError, asStorageError, fencedError } from './storage-error.js';
import { StoreLock } from './store-lock.js';

/** @typedef {import('../index.d.cts').DurableStorage} DurableStorage */
/** @typedef {import('../index.d.cts').StorageRecord} StorageRecord */
/** @typedef {import('../index.d.cts').StoreName} StoreName */

/**
 * `memory` is lost with the process; of a `custom` storage only the application knows.
 *
 * @typedef {'indexeddb' | 'custom' | 'memory'} StorageMode
 */

/**
 * What is open: `reason` says why it is no better one.
 *
 * @typedef {{mode: StorageMode, reason?: string}} OpenStorage
 */

/**
 * @typedef {object} DriverOptions
 * @property {StorageMode} [mode]
 * @property {boolean} [steals] the host that has the storage does not answer: it is taken from it
 * @property {string} [reason]
 * @property {(text: string) => any} [encrypt] gives what is stored instead of the text, or a promise of it: anything
 *   that can be cloned, but not null or undefined
 * @property {(stored: any) => string | Promise<string>} [decrypt]
 * @property {number} [timeout] milliseconds after which a request that has not ended is taken for dead, and the handle
 *   with it
 * @property {number} [patience] milliseconds for another page to let go of the storage
 */

/** Another object each time the storage is opened. @typedef {{ready: boolean}} Handle */

/** A transaction takes milliseconds; a disk that has to spin up first, seconds. */
const TIMEOUT = 10_000;
/** A worker that is being replaced lets go within milliseconds. */
const PATIENCE = 2_000;

/** @type {StoreName[]} */
const STORES = ['docs', 'meta'];

/** All rejections are {@link StorageError}s. */
export class StorageDriver {
  /**
   * @param {DurableStorage} storage
   * @param {DriverOptions} [options]
   */
  constructor(storage, options = {}) {
    const { mode = 'custom', reason, encrypt, decrypt } = options;
    if (!encrypt !== !decrypt) throw new TypeError('encrypt and decrypt need each other');
    this._storage = storage;
    this._mode = mode;
    this._reason = reason;
    this._encrypt = encrypt;
    this._decrypt = decrypt;
    this._timeout = options.timeout ?? TIMEOUT;
    /** @type {Handle | null} */
    this._handle = null;
    this._whyClosed = 'it was never opened';
    /** Requests to the storage that are under way. @type {Set<Promise<any>>} */
    this._running = new Set();
    /** Names the time from taking the storage to letting go of it: the fence knows it. @type {string | undefined} */
    this._tenure = undefined;
    /** The fence knows this tenure already. */
    this._isClaimed = false;
    /** Another host took the storage during this tenure. */
    this._isFenced = false;
    /** Called when that is known without a request. */
    this.onFenced = () => {};
    const lost = () => this._lose();
    this._lock = storage.lockName
      ? new StoreLock(storage.lockName, options.patience ?? PATIENCE, lost, options.steals)
      : null;
  }

  /**
   * Opens the storage, or opens it again on a new handle. The storage is this host's alone until `close`.
   *
   * Rejects with `unavailable`, and then holds nothing; with `closed` where it was closed meanwhile, or lost its connection
   * while it was opened; with `fenced` where it was this host's and another one has taken it. Where it opens and cannot be
   * claimed, with the claim's error, as any other request does. But for `unavailable` the storage stays this host's, to be
   * opened again.
   *
   * @returns {Promise<OpenStorage>}
   */
  async open() {
    if (this._isFenced) throw this._closed();
    this._end('it is being opened again');
    /** @type {Handle} */
    const handle = { ready: false };
    this._handle = handle;
    try {
      await this._lock?.take();
      // Without the lock the storage must not be touched.
      if (this._handle === handle) await this._initialize();
      if (this._handle === handle) await this._claim();
    } catch (thrown) {
      if (this._handle !== handle) throw this._closed();
      throw this._openError(thrown);
    }
    if (this._handle !== handle) throw this._closed();
    handle.ready = true;
    return { mode: this._mode, reason: this._reason };
  }

  /**
   * The texts of these records; undefined where there is none. Of a write that is under way they show all or nothing,
   * if the storage is IndexedDB or memory.
   *
   * A document that cannot be decrypted costs only itself: its text is then `{"error": {"code", "message"}}`, which is
   * no document.
   *
   * @param {[store: StoreName, id: string][]} ids
   * @returns {Promise<(string | undefined)[]>}
   */
  async read(ids) {
    const payloads = await this._request(this._ready(), () => this._read(ids));
    return this._each(ids, (_, index) => this._toText(payloads[index]), DECRYPT, illegible);
  }

  /**
   * Writes and deletes, all or nothing; resolves when it is committed. No record may occur twice.
   *
   * One write at a time: a storage of the application's may not keep several in order.
   *
   * @param {[store: StoreName, id: string, text: string][]} puts
   * @param {[store: StoreName, id: string][]} [deletes]
   * @returns {Promise<void>}
   */
  async write(puts, deletes = []) {
    const handle = this._ready();
    // Before the transaction: it would not wait for an encryption, it would end.
    const payloads = this._encrypt
      ? await this._each(puts, ([, , text]) => this._toPayload(text), ENCRYPT)
      : puts.map(([, , text]) => text);
    /** @type {Record<StoreName, StorageRecord[]>} */
    const records = { docs: [], meta: [] };
    puts.forEach(([store, id], index) => records[store].push({ id, payload: payloads[index] }));
    await this._request(handle, () => this._write(records, deletes));
  }

  /**
   * Deletes everything of this namespace, whether the storage is open or not. It is closed afterwards.
   *
   * @returns {Promise<void>}
   */
  async wipe() {
    const open = this._handle?.ready;
    const handle = { ready: false };
    this._handle = handle;
    this._whyClosed = 'it is being wiped';
    try {
      await this._lock?.take();
      if (open) await this._ensureHeld();
      await this._wipe(open);
    } catch (thrown) {
      throw asStorageError(thrown);
    } finally {
      if (this._handle === handle) this.close();
    }
  }

  /**
   * Closes the handle, and releases the storage when the requests under way have ended.
   *
   * @returns {Promise<void>} resolves when others can have it
   */
  close() {
    this._end('it was closed');
    this._tenure = undefined;
    this._isClaimed = this._isFenced = false;
    return Promise.allSettled(this._running).then(() => {
      if (!this._handle) this._lock?.release();
    });
  }

  /**
   * Closes the handle, and aborts its requests if the storage can do that. The storage stays this host's.
   *
   * @returns {Promise<void>} resolves when nothing is under way any more: a late write must not come between those of
   *   the next handle
   */
  async abandon() {
    quietly(() => this._storage.abandon?.());
    this._end('its host crashed');
    await Promise.allSettled(this._running);
  }

  /**
   * Ends the handle, and lets others have the storage at once. What is under way ends where the storage can end it;
   * what is written late is refused by the fence of the next host.
   */
  yield() {
    quietly(() => this._storage.abandon?.());
    this._end('another host has the storage');
    this._tenure = undefined;
    this._isClaimed = this._isFenced = false;
    this._lock?.release();
  }

  /** @param {string} why */
  _end(why) {
    const { _handle: handle } = this;
    this._handle = null;
    this._whyClosed = why;
    if (handle) quietly(() => this._storage.close?.());
  }

  /**
   * @param {Handle | null} handle the one that is of no use any more
   * @param {string} why
   */
  _drop(handle, why) {
    if (this._handle === handle) this._end(why);
  }

  async _initialize() {
    try {
      await this._call('initialize');
    } catch (/** @type {any} */ thrown) {
      throw asStorageError(thrown, thrown?.kind === 'closed' ? 'closed' : 'unavailable');
    }
  }

  /**
   * A storage that cannot be opened is let go of. After any other failure, most of which are those of the claim, which is a
   * request on an open storage, the handle is dead, the storage is this host's, and opening it again may help.
   *
   * @param {any} thrown
   */
  _openError(thrown) {
    const error = asStorageError(thrown);
    if (error.kind === 'unavailable') this.close();
    else if (error.kind === 'fenced') this._isFenced = true;
    else this._end(error.message);
    return error;
  }

  /** Puts up the fence: from now on the storage refuses writes of earlier hosts. */
  async _claim() {
    this._tenure ??= newSource();
    if (!this._storage.claim) return;
    await this._call('claim', this._tenure, this._isClaimed);
    this._isClaimed = true;
  }

  /** Refuses to delete a storage that another host holds. */
  async _ensureHeld() {
    try {
      await this._claim();
    } catch (/** @type {any} */ error) {
      if (error?.kind === 'fenced') throw error;
    }
  }

  /** The fields of a write for a storage that has a fence. */
  _fence() {
    return this._isClaimed ? { holder: this._tenure } : {};
  }

  /** The lock was stolen. */
  _lose() {
    if (!this._tenure) return;
    this._isFenced = true;
    this._end('its lock was stolen');
    this.onFenced();
  }

  _closed() {
    if (this._isFenced) return fencedError();
    return new StorageError('closed', `the storage is closed: ${this._whyClosed}`);
  }

  /** The handle that requests are carried out on. */
  _ready() {
    if (!this._handle?.ready) throw this._closed();
    return this._handle;
  }

  /**
   * @template T
   * @param {Handle} handle the one that the request was made on: it is never carried out on a later one
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async _request(handle, work) {
    const tenure = this._tenure;
    try {
      if (this._handle !== handle) throw this._closed();
      this._ensureReady();
      return await work();
    } catch (thrown) {
      const error = asStorageError(thrown);
      if (isDead(error)) this._drop(handle, error.message);
      if (error.kind === 'fenced' && this._tenure === tenure) this._isFenced = true;
      throw error;
    }
  }

  _ensureReady() {
    try {
      this._storage.ensureReady?.();
    } catch (thrown) {
      throw asStorageError(thrown, 'closed');
    }
  }

  /**
   * Calls a method of the storage, and waits for its callback; for the first call of it, and not for ever.
   *
   * @param {string} method
   * @param {any[]} args
   * @returns {Promise<any>}
   */
  _call(method, ...args) {
    const answer = new Promise((resolve, reject) => {
      const callback = (/** @type {any} */ error, /** @type {any} */ result) =>
        error ? reject(error) : resolve(result);
      const returned = /** @type {any} */ (this._storage)[method](...args, callback);
      // An asynchronous method throws like this.
      returned?.then?.(undefined, reject);
    });
    const call = limited(answer, this._timeout, () => {
      quietly(() => this._storage.abandon?.());
      return new StorageError('silent', `${method} has not ended after ${this._timeout} ms`);
    });
    const ended = () => void this._running.delete(call);
    this._running.add(call);
    call.then(ended, ended);
    return call;
  }

  /** @param {[store: StoreName, id: string][]} ids */
  async _read(ids) {
    // Both stores are asked in one go, so no write comes in between.
    const [docs, meta] = await Promise.all(
      STORES.map((store) =>
        this._readStore(
          store,
          ids.filter(([name]) => name === store).map(([, id]) => id),
        ),
      ),
    );
    const found = { docs, meta };
    return ids.map(([store, id]) => found[store].get(id));
  }

  /**
   * @param {StoreName} store
   * @param {string[]} ids
   * @returns {Promise<Map<string, any>>}
   */
  async _readStore(store, ids) {
    if (!ids.length) return new Map();
    if (this._storage.readRecordsBulk) {
      try {
        /** @type {StorageRecord[]} */
        const records = await this._call('readRecordsBulk', store, ids);
        return new Map(records.map(({ id, payload }) => [id, payload]));
      } catch (thrown) {
        // A storage that decrypts by itself does not say which one it was.
        if (store !== 'docs' || !isIllegible(thrown)) throw thrown;
      }
    }
    const payloads = await Promise.all(ids.map((id) => this._readRecord(store, id)));
    return new Map(ids.map((id, index) => [id, payloads[index]]));
  }

  /**
   * @param {StoreName} store
   * @param {string} id
   * @returns {Promise<any>} the payload; of a document that the storage could not decrypt the error
   */
  async _readRecord(store, id) {
    try {
      return await this._call('readRecord', store, id);
    } catch (thrown) {
      if (store !== 'docs' || !isIllegible(thrown)) throw thrown;
      return thrown;
    }
  }

  /**
   * @param {Record<StoreName, StorageRecord[]>} records
   * @param {[store: StoreName, id: string][]} deletes
   */
  async _write(records, deletes) {
    if (this._storage.deletesInWrite) {
      /** @type {Record<StoreName, string[]>} */
      const deleted = { docs: [], meta: [] };
      for (const [store, id] of deletes) deleted[store].push(id);
      return this._call('writeRecords', { ...records, ...this._fence(), deleted });
    }
    // A payload of null reads as if there were no record, so the deletions are as atomic as the rest.
    for (const [store, id] of deletes) records[store].push({ id, payload: null });
    await this._call('writeRecords', { ...records, ...this._fence() });
    if (!this._storage.deleteRecord) return;
    await Promise.all(deletes.map(([store, id]) => this._sweep(store, id)));
  }

  /**
   * Frees the room of a record that is deleted already. That it fails changes nothing; that it is still under way
   * would: it could hit a later record of this id.
   *
   * @param {StoreName} store
   * @param {string} id
   */
  async _sweep(store, id) {
    try {
      await this._call('deleteRecord', store, id);
    } catch (thrown) {
      if (isDead(asStorageError(thrown))) throw thrown;
    }
  }

  /** @param {boolean | undefined} open */
  async _wipe(open) {
    const storage = this._storage;
    // One without a parameter does not say when it has ended.
    if (storage.deleteDatabase?.length) return this._call('deleteDatabase');
    if (!open) await this._call('initialize');
    if (storage.clearAll) return this._call('clearAll');
    if (!storage.clearStore) {
      throw new StorageError(
        'other',
        'the storage has no deleteDatabase(callback), clearAll or clearStore',
      );
    }
    await Promise.all(STORES.map((store) => this._call('clearStore', store)));
  }

  /** @param {string} text */
  async _toPayload(text) {
    const payload = await this._encrypt?.(text);
    if (payload === null || payload === undefined) throw new TypeError('encrypt gave nothing');
    return payload;
  }

  /** @param {any} payload */
  async _toText(payload) {
    if (payload === null || payload === undefined) return undefined;
    if (isIllegible(payload)) throw payload;
    const text = this._decrypt ? await this._decrypt(payload) : payload;
    if (typeof text !== 'string') throw new TypeError(`a record is no text, but ${typeof text}`);
    return text;
  }

  /**
   * Encrypts or decrypts each of the records.
   *
   * @template {[store: StoreName, id: string, text?: string]} T
   * @template R
   * @param {T[]} records
   * @param {(record: T, index: number) => Promise<R>} turn
   * @param {{code: string, what: string}} step
   * @param {(record: T, error: StorageError) => R} [instead] what is given in place of one that failed
   * @returns {Promise<R[]>}
   */
  _each(records, turn, { code, what }, instead = raise) {
    /** @type {(error: Error) => void} */
    let giveUp = () => {};
    /** @type {Promise<never>} */
    const late = new Promise((_, reject) => (giveUp = reject));
    const turned = records.map(async (record, index) => {
      try {
        return await Promise.race([turn(record, index), late]);
      } catch (/** @type {any} */ cause) {
        const whose = `the record ${record[0]}/${record[1]}`;
        const message = `${whose} could not be ${what}: ${cause?.message || cause}`;
        return instead(record, new StorageError('other', message, { code, cause }));
      }
    });
    const overdue = () => new Error(`not done after ${this._timeout} ms`);
    limited(Promise.allSettled(turned), this._timeout, overdue).catch(giveUp);
    return Promise.all(turned);
  }
}

const ENCRYPT = { code: 'ERR_STORAGE_ENCRYPT', what: 'encrypted' };
const DECRYPT = { code: 'ERR_STORAGE_DECRYPT', what: 'decrypted' };

/**
 * Whether the handle is of no use any more.
 *
 * @param {StorageError} error
 */
const isDead = ({ kind }) => kind === 'closed' || kind === 'silent';

/** @param {any} thrown */
const isIllegible = (thrown) =>
  thrown instanceof Error && 'code' in thrown && thrown.code === DECRYPT.code;

/**
 * The text in place of a document that cannot be read; without anything else there is no store.
 *
 * @param {[store: StoreName, id: string]} record
 * @param {StorageError} error
 */
function illegible([store], error) {
  if (store !== 'docs') throw error;
  const { code, message } = error;
  return JSON.stringify({ error: { code, message } });
}

/**
 * @param {any} _
 * @param {StorageError} error
 * @returns {never}
 */
function raise(_, error) {
  throw error;
}

/**
 * For calls that end something: the storage is given up either way.
 *
 * @param {() => void} call
 */
function quietly(call) {
  try {
    call();
  } catch {
    // The storage is given up whatever the error is.
  }
}
