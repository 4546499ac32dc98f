/**
 * The part of Connection that is about the durable store: `getBulk`, `wipe`, dead letters, and shortcuts to methods of
 * `connection.durableStore`.
 */

import { shared } from '../platform/shared.js';
import { nextTick } from '../platform/ticks.js';
import { announceLetters, readLetters } from './dead-letters.js';
import { DurableStore, noStore } from './durable-store.js';
import { MachineOwner } from './machine-owner.js';
import { StorageInfo } from './storage-info.js';

/** @typedef {import('../index.d.cts').DeadLetter} DeadLetter */
/** @typedef {import('./doc.js').Doc} Doc */
/** @typedef {(...args: any[]) => void} Callback */

const wiped = () =>
  new shared.Error('ERR_CONNECTION_CLOSED', 'The store was wiped: make another connection');

/** @abstract */
export class StoringConnection extends MachineOwner {
  /**
   * @param {import('../link/link.d.ts').Link} link to the host
   * @param {import('../index.d.cts').DurableStoreOptions | undefined} durableStore as `checkDurableStore` gives it
   */
  constructor(link, durableStore) {
    super(link);
    /** Whether `wipe` has deleted the store, which ends the connection. */
    this._wiped = false;
    this._info = new StorageInfo(this._self);
    /**
     * Dead letters as last read from the machine; `null` before the host has sent any state.
     *
     * @type {DeadLetter[] | null}
     */
    this._letters = null;
    this._maxOpBytes = durableStore?.maxOpBytes;
    /** The store as this tab sees it; `null` where none was asked for. */
    this.durableStore = durableStore ? new DurableStore(this._self, durableStore) : null;
  }

  /** The mode of the host's store, and the reason for it: `{mode, durable, reason, code, persisted}`. */
  get storage() {
    return this._info.current;
  }

  /** Ops that the server refused, and those that were given up with them, oldest first. */
  get deadLetters() {
    return this._letters ?? [];
  }

  /**
   * Drops dead letters that the application has dealt with, in all tabs. Calls back when that is durable.
   *
   * @param {DeadLetter | number | (DeadLetter | number)[]} letters they, or their numbers
   * @param {Callback} [callback]
   */
  removeDeadLetters(letters, callback) {
    if (!this.durableStore) return callback?.(noStore());
    if (this._closed) return this._refuse(callback);
    const numbers = [letters].flat().map((letter) => {
      return typeof letter === 'number' ? letter : letter.number;
    });
    this._run(() => this._core.removeDeadLetters(Float64Array.from(numbers)));
    if (this._letters) this._letters = readLetters(this._core, this._letters);
    if (callback) this.durableStore.flush(callback);
  }

  /**
   * Documents in the order of their ids: those that are here as they are, the others as the store has them. The server
   * is not asked; what the store does not have is empty. Calls back at once where all are here. An error is about those
   * that the store has and nobody can read, or about the store; the others come with it.
   *
   * @param {string} collection
   * @param {string[]} ids
   * @param {(error: any, docs?: any) => void} [callback]
   */
  getBulk(collection, ids, callback) {
    [collection, ids] = [String(collection), ids.map(String)];
    const docs = ids.map((id) => this._self.get(collection, id));
    const missing = docs.filter((doc) => !doc._isHere()).map(({ id }) => id);
    if (!missing.length) return callback?.(null, docs);
    this._load(collection, missing, (/** @type {any} */ error) => callback?.(error, docs));
  }

  /**
   * Brings documents from the store.
   *
   * @param {string} collection
   * @param {string[]} ids
   * @param {(error: any) => void} callback
   */
  _load(collection, ids, callback) {
    if (this._closed) return this._refuse(callback);
    const token = this._keep({ callback });
    this._run(() => this._core.getBulk(collection, ids, token));
  }

  /**
   * See {@link DurableStore.putDocs}.
   *
   * @param {Doc} doc
   * @param {Callback} [callback]
   */
  putDoc(doc, callback) {
    this.putDocs([doc], callback);
  }

  /**
   * @param {Doc[]} docs
   * @param {Callback} [callback]
   */
  putDocs(docs, callback) {
    if (this.durableStore) this.durableStore.putDocs(docs, callback);
    else callback?.(noStore());
  }

  /**
   * Writes documents in one go, whatever `isAutoFlush()` says.
   *
   * @param {Doc[]} docs
   * @param {Callback} [callback]
   */
  putDocsBulk(docs, callback) {
    if (this.durableStore) this.durableStore.putDocsBulk(docs, callback);
    else callback?.(noStore());
  }

  /**
   * See {@link DurableStore.flush}. Calls back at once where no store was asked for.
   *
   * @param {Callback} [callback]
   */
  flushWrites(callback) {
    if (this.durableStore) this.durableStore.flush(callback);
    else callback?.(null);
  }

  /** @param {boolean} on */
  setAutoFlush(on) {
    this.durableStore?.setAutoBatchEnabled(on);
  }

  isAutoFlush() {
    return this.durableStore?.isAutoBatchEnabled() ?? true;
  }

  /** Documents that wait to be written, those not counted that are being written. */
  getWriteQueueSize() {
    return this.durableStore?.getWriteQueueSize() ?? 0;
  }

  hasPendingWrites() {
    return this.getWriteQueueSize() > 0;
  }

  /** Whether the store has ops that the server has not acknowledged; `null` where no store was asked for. */
  hasPendingOfflineDocs() {
    return this.durableStore?.hasPendingDocs() ?? null;
  }

  /**
   * @param {string} collection
   * @param {string} id
   * @param {number} [minVersion]
   */
  isDocInInventory(collection, id, minVersion) {
    return this.durableStore?.isDocInInventory(collection, id, minVersion) ?? false;
  }

  /** @param {(collection: string, id: string) => void} callback */
  forEachPendingDocCollectionId(callback) {
    this.durableStore?.forEachPendingDocCollectionId(callback);
  }

  /**
   * Ends all connections of this store, in every tab, and deletes everything that it has: for a user who logs out. Ops
   * that the server has not acknowledged are lost, and their callbacks get an error. When this calls back, another
   * connection can be made; with an error, something may be left.
   *
   * @param {(error?: any) => void} [callback]
   */
  wipe(callback) {
    if (this._closed) return this._refuse(callback);
    const end = (/** @type {any} */ error) => {
      if (error) shared.logger.warn(`The store could not be wiped: ${error.message}`);
      if (!this._wiped) return callback?.(error);
      // Another connection is to get another host.
      this._link.whenEnded(() => callback?.(error));
    };
    const token = this._keep({ callback: end });
    this._run(() => this._core.wipe(token));
  }

  /** Ends everything here: this tab or another one has the store deleted. */
  _endForWipe() {
    const waiting = [...this._docs.values()].filter((doc) => doc.hasPending());
    this._wiped = true;
    this._coordination?.end();
    this._closed = true;
    this._page.leave();
    this._letters = [];
    this._link.expectEnd();
    this._endWaits();
    this._info.noteWiped();
    for (const query of Object.values(this._self.queries)) query._giveUp(wiped());
    // The machine has ended ops, snapshot requests and requests to the store.
    for (const [token, { read, presence, local, callback }] of this._submissions) {
      if (!read && !presence && !local) continue;
      this._take(token);
      this._refuse(callback, wiped());
    }
    nextTick(() => {
      for (const doc of waiting) doc.emit('nothing pending');
    });
  }

  _refuseWiped() {
    if (this._failure) throw this._failure;
    if (this._wiped) throw wiped();
  }

  /**
   * Ends a call where the store was wiped: then there is nobody to ask, and nothing to leave.
   *
   * @param {Callback} [callback]
   * @param {boolean} [leaves] the call gives something back, which is done
   * @returns {boolean} whether it was
   */
  _endsCall(callback, leaves = false) {
    if (!this._wiped) return false;
    if (!leaves) this._refuse(callback, wiped());
    else if (callback) nextTick(() => callback(null));
    return true;
  }

  /** @param {boolean} whole the host has said of all of them: another host may have given a number again */
  _noteLetters(whole) {
    const before = this._letters;
    this._letters = readLetters(this._core, whole || !before ? [] : before);
    announceLetters(this._self, before, this._letters);
  }
}
