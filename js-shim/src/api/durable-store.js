/**
 * The durable store as an application sees it in its tab. The store is the host's, one for all tabs; what is asked here
 * without a callback is answered from the machine's mirror of it, which is as new as the last word of the host.
 */

import { EventEmitter } from 'events';

import { partsOf, shared, toError } from '../platform/shared.js';
import { nextTick } from '../platform/ticks.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./doc.js').Doc} Doc */
/** @typedef {(error: any, ...results: any[]) => void} Callback */

/**
 * `connection.durableStore`.
 *
 * It has the names and events of the store that a tab of its own would have, with these differences: every op is
 * written ahead, so that the server gets it only when that write is committed, whatever `setAutoFlush` says; a document
 * counts as written when its changes survive this host, in its record or in the journal; and `persist` comes only after
 * a commit.
 */
export class DurableStore extends EventEmitter {
  /**
   * @param {Connection} connection
   * @param {import('../index.d.cts').DurableStoreOptions} options as `checkDurableStore` gives them
   */
  constructor(connection, options) {
    super();
    if (!connection?._core) throw new TypeError(MADE_BY_THE_CONNECTION);
    /** Whether the inventory is known here: before, everything seems to be missing. */
    this.ready = false;
    this._connection = connection;
    this._options = options;
    /** The documents whose records are being written. @type {StoredDoc[]} */
    this._writing = [];
    /** Whether something waits or is being written. */
    this._busy = false;
    /** The inventory as it was read last. @type {any} */
    this._read = undefined;
    /** How often each document is being read, by its names. @type {Map<string, number>} */
    this._reading = new Map();
  }

  /**
   * Calls back when the store is open, which it becomes by itself: with an error where nothing is durable.
   *
   * @param {Callback} [callback]
   */
  initialize(callback) {
    const finish = () => callback?.(this._whyNotDurable());
    if (this.ready || this.closed) nextTick(finish);
    else this.once('ready', finish);
  }

  _whyNotDurable() {
    const { durable, code = 'ERR_STORAGE', reason } = this._connection.storage;
    return durable ? null : new shared.Error(code, reason);
  }

  /** Whether the connection was closed: nothing can be read or written then. */
  get closed() {
    return this._connection._closed;
  }

  get _core() {
    return this._connection._core;
  }

  // ---- What is so ----

  /**
   * Which documents the store has: `{collections: {[collection]: {[id]: {v, p}}}}`, with the server's version and
   * whether there are ops that the server has not acknowledged. Changing it changes nothing.
   */
  get inventory() {
    return (this._read ??= this._readInventory());
  }

  _readInventory() {
    /** @type {Record<string, Record<string, {v: number | null, p: boolean}>>} */
    const collections = Object.create(null);
    for (const { doc, v = null, p = false } of JSON.parse(this._core.inventory())) {
      (collections[doc.collection] ??= Object.create(null))[doc.id] = { v, p };
    }
    return { collections };
  }

  /** @param {(error: any, inventory?: any) => void} callback */
  getInventoryMeta(callback) {
    callback(null, { id: 'inventory', payload: this.inventory });
  }

  /**
   * @param {string} collection
   * @param {string} id
   * @param {number} [minVersion]
   * @returns {boolean}
   */
  isDocInInventory(collection, id, minVersion) {
    return this._core.isStored(String(collection), String(id), minVersion ?? undefined);
  }

  hasPendingDocs() {
    return this._core.hasPendingStored();
  }

  /** @param {(collection: string, id: string) => void} callback */
  forEachPendingDocCollectionId(callback) {
    for (const { doc } of JSON.parse(this._core.pendingStored())) callback(doc.collection, doc.id);
  }

  getWriteQueueSize() {
    return this._core.queueSize;
  }

  hasDocsInWriteQueue() {
    return this._core.queueSize > 0;
  }

  isAutoBatchEnabled() {
    return this._core.autoFlush;
  }

  // ---- Reading ----

  /**
   * A document as the store has it, the pending ops applied: `{collection, id, v, type, data}`, or `null`. What other
   * tabs know is as good as stored.
   *
   * @param {string} collection
   * @param {string} id
   * @param {(error: any, record?: any) => void} callback
   */
  getDoc(collection, id, callback) {
    this.getDocsBulk(collection, [id], (error, records) => callback(error, records?.[0] ?? null));
  }

  /**
   * Those of the documents that the store has. Where this tab has them already they are as they are here. An error is
   * about those that cannot be read; the others come with it.
   *
   * @param {string} collection
   * @param {string[]} ids
   * @param {(error: any, records?: any[]) => void} callback
   */
  getDocsBulk(collection, ids, callback) {
    [collection, ids] = [String(collection), ids.map(String)];
    const connection = this._connection;
    // Those may leave meanwhile, and what they were is as good.
    const here = new Map(ids.map((id) => [id, connection.getExisting(collection, id)]));
    const missing = [...here.keys()].filter((id) => !here.get(id)?._isHere());
    for (const id of missing) this._startReading(collection, id);
    const finish = (/** @type {any} */ error) => {
      for (const id of missing) here.set(id, connection._docOf(collection, id));
      const docs = ids.map((id) => /** @type {Doc} */ (here.get(id)));
      const records = docs.filter(exists).map(asRecord);
      for (const id of missing) this._stopReading(collection, id);
      callback(error, records);
    };
    if (missing.length) connection._load(collection, missing, finish);
    else finish(null);
  }

  /**
   * Whether somebody reads the document, and need not want a Doc for it.
   *
   * @param {string} collection
   * @param {string} id
   */
  _isReading(collection, id) {
    return this._reading.has(nameOf(collection, id));
  }

  /**
   * @param {string} collection
   * @param {string} id
   */
  _startReading(collection, id) {
    const name = nameOf(collection, id);
    this._reading.set(name, (this._reading.get(name) ?? 0) + 1);
  }

  /**
   * The last one to read takes away the Doc that nobody asked for.
   *
   * @param {string} collection
   * @param {string} id
   */
  _stopReading(collection, id) {
    const name = nameOf(collection, id);
    const rest = (this._reading.get(name) ?? 0) - 1;
    if (rest > 0) return void this._reading.set(name, rest);
    this._reading.delete(name);
    this._connection._dropUnseen(collection, id);
  }

  /**
   * Reads all documents with ops that the server has not acknowledged, one after the other.
   *
   * @param {(error: any, record?: any) => void} callback called for each
   */
  loadEachPendingDocAndThen(callback) {
    this.forEachPendingDocCollectionId((collection, id) => this.getDoc(collection, id, callback));
  }

  /**
   * The older name of `getDocsBulk`.
   *
   * @param {string} collection
   * @param {string[]} ids
   * @param {(error: any, records?: any[]) => void} callback
   */
  retrieveDocumentsBulk(collection, ids, callback) {
    this.getDocsBulk(collection, ids, callback);
  }

  // ---- Writing ----

  /**
   * @param {Doc} doc
   * @param {Callback} [callback]
   */
  putDoc(doc, callback) {
    this.putDocs([doc], callback);
  }

  /**
   * Writes documents with all that was submitted to them before, be it on its way to the host. Calls back when that is
   * durable; where `isAutoFlush()` is false, as soon as the host knows. A Doc that was destroyed, or is another
   * connection's, cannot be written: `ERR_DOC_NOT_IN_CONNECTION`, and nothing is.
   *
   * @param {Doc[]} docs
   * @param {Callback} [callback]
   */
  putDocs(docs, callback) {
    const connection = this._connection;
    const isStranger = (/** @type {Doc} */ doc) =>
      !doc || connection._docs.get(doc._handle) !== doc;
    if (docs.some(isStranger)) {
      return connection._refuse(callback, notInConnection(docs.find(isStranger)));
    }
    if (connection._closed) return connection._refuse(callback);
    if (!docs.length) return callback?.(null);
    const handles = Uint32Array.from(docs, (doc) => doc._handle);
    const token = connection._keep({ callback });
    connection._run(() => this._core.putDocs(handles, token));
  }

  /**
   * @param {Doc[]} docs
   * @param {Callback} [callback]
   */
  putDocsBulk(docs, callback) {
    if (this._core.autoFlush) return this.putDocs(docs, callback);
    this.putDocs(docs, (error) => {
      if (error) callback?.(error);
      else this.flush(callback);
    });
  }

  /**
   * Writes everything that waits for it. Calls back when all that was submitted in this tab before is durable.
   *
   * @param {Callback} [callback]
   */
  flush(callback) {
    if (this._connection._closed) return this._connection._refuse(callback);
    const token = this._connection._keep({ callback });
    this._connection._run(() => this._core.flushWrites(token));
  }

  /**
   * Whether records are written by themselves, for all tabs. Ops are written ahead either way.
   *
   * @param {boolean} on
   * @returns {boolean} whether they were
   */
  setAutoBatchEnabled(on) {
    const was = this._core.autoFlush;
    this._connection._run(() => this._core.setAutoFlush(Boolean(on)));
    return was;
  }

  // ---- What the host tells ----

  /** The inventory is known, or there is none to be had. */
  _becomeReady() {
    if (this.ready) return;
    this.ready = true;
    this.emit('ready');
    this._options.onReadyCallback?.();
  }

  _inventoryChanged() {
    this._read = undefined;
  }

  /** @param {number} size */
  _queueChanged(size) {
    this._busy ||= size > 0;
    this._queued = size;
    this._tellIdle();
  }

  /** @param {StoredDoc[]} docs */
  _persisting(docs) {
    this._writing = docs;
    this._busy = true;
    this.emit('before persist', { docs });
  }

  /** @param {StoredDoc[]} docs */
  _persisted(docs) {
    this._writing = [];
    this.emit('persist', { docs });
    this._tellIdle();
  }

  _tellIdle() {
    if (!this._busy || this._queued || this._writing.length) return;
    this._busy = false;
    this.emit('no persist pending');
  }

  /** @param {any} error */
  _writeFailed(error) {
    this.emit('write failed', { reason: 'storage', error, docs: this._writing });
  }
}

/**
 * An event of the host's store, for the connection and for its `durableStore`.
 *
 * @param {Connection} connection
 * @param {string} text as the broker's `StorageEvent` is written
 */
export function noteStorageEvent(connection, text) {
  const event = JSON.parse(text);
  const [kind, content] = typeof event === 'string' ? [event] : Object.entries(event)[0];
  const store = connection.durableStore;
  switch (kind) {
    case 'state':
      connection._info.noteState();
      // A store that was given up has no inventory, and nobody has to wait for it.
      if (!JSON.parse(connection._core.storageState() ?? '{}').durable) store?._becomeReady();
      return;
    case 'whole inventory':
      store?._inventoryChanged();
      return store?._becomeReady();
    case 'inventory':
      return store?._inventoryChanged();
    case 'queue':
      return store?._queueChanged(content.size);
    case 'letters':
    case 'whole letters':
      return connection._noteLetters(kind === 'whole letters');
    case 'persisting':
      return store?._persisting(content.map(asStored));
    case 'persisted':
      return store?._persisted(content.map(asStored));
    case 'write failed':
      return store?._writeFailed(toError(partsOf(content)));
    case 'wiped':
      store?._inventoryChanged();
      return connection._endForWipe();
  }
}

/** Where no durable store was asked for. */
export const noStore = () => new shared.Error('ERR_STORAGE', 'No DurableStore available');

/** @typedef {{collection: string, id: string, v: number | null, p: boolean}} StoredDoc */

/**
 * @param {any} stored
 * @returns {StoredDoc}
 */
function asStored({ doc: { collection, id }, v = null, p = false }) {
  return { collection, id, v, p };
}

const MADE_BY_THE_CONNECTION =
  'A DurableStore is made by its connection: new Connection(socket, {durableStore: {storage}}).durableStore';

/** @param {Doc | undefined} doc */
function notInConnection(doc) {
  const name = doc ? `${doc.collection}/${doc.id}` : doc;
  const message = `${name} was destroyed, or is no document of this connection`;
  return new shared.Error('ERR_DOC_NOT_IN_CONNECTION', message);
}

/**
 * @param {string} collection
 * @param {string} id
 */
const nameOf = (collection, id) => JSON.stringify([collection, id]);

/** @param {Doc} doc */
const exists = (doc) => doc.version !== null || doc.type !== null;

/** @param {Doc} doc */
function asRecord({ collection, id, version, type, data }) {
  const copy = data === undefined ? undefined : JSON.parse(JSON.stringify(data));
  return { collection, id, v: version, type: type?.uri ?? null, data: copy };
}
