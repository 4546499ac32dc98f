/**
 * ShareDB's Connection. The machine decides; this runs its events and calls the application.
 */

import { EventEmitter } from 'events';

import { checkConnectionOptions } from '../options/connection-options.js';
import { causeOfDeath, isDead, noteOwner } from '../cores/cores.js';
import { announceLetters, readLetters } from './dead-letters.js';
import { Doc } from './doc.js';
import { checkDurableStore } from '../options/durable-options.js';
import { DurableStore, WIPED, describeStorage, handleStorage, noStore } from './durable-store.js';
import { Kind } from '../cores/events.js';
import { PageLife } from '../link/page-life.js';
import { PageLink } from '../link/page-link.js';
import { DocPresence, Presence, docChannel, handlePresence, leaveDoc } from './presence.js';
import { Query } from './query.js';
import { CRASHED, isOverflow, startAgain } from '../link/restart.js';
import { asError, shared, toError } from '../platform/shared.js';
import { ShortLives } from '../platform/short-lives.js';
import { enterNested, leaveNested } from '../cores/stack.js';
import { TabCore } from '../cores/tab-core.js';
import { endOfListener, nextTick } from '../platform/ticks.js';
import { typesBridge } from '../cores/types-bridge.js';

/** @typedef {import('../link/page-link.js').Link} Link */
/** @typedef {import('../index.d.cts').DeadLetter} DeadLetter */
/** @typedef {(...args: any[]) => void} Callback */

/** Held by the tab that asks the browser to keep what is stored. */
const PERSIST_LOCK = 'sharedb-proxy persist';

/** Options of `createConnection`, which are no options here. */
const WITHOUT_SOCKET = 'say createConnection(url, {…}): this connection has a socket';
const OF_CREATE_CONNECTION = {
  url: WITHOUT_SOCKET,
  useSharedWorker: WITHOUT_SOCKET,
  worker: WITHOUT_SOCKET,
};

/** @param {any} options those of an application */
function checkOptions(options) {
  checkConnectionOptions('new Connection', options, [], OF_CREATE_CONNECTION);
  return options;
}

const closed = () => new shared.Error('ERR_CONNECTION_CLOSED', 'The connection is closed');

export class Connection extends EventEmitter {
  /**
   * A connection over a socket of the application's, its host in this page.
   *
   * @param {any} socket anything like a WebSocket; none where `link` reaches a host elsewhere
   * @param {object} [options]
   * @param {any} [options.durableStore] `true`, or what the durable store is to be
   * @param {string} [options.namespace] of the store
   * @param {boolean} [options.keepPendingOnReject] where an op is refused that cannot be taken back, the others stay
   * @param {Link} [options.link] how to reach the host
   */
  constructor(socket, options = {}) {
    super();
    const { link = new PageLink(socket, checkOptions(options)) } = options;
    const durableStore = checkDurableStore(options.durableStore);
    /** How many keys the watched objects have at least. @type {WeakMap<object, {fewest: number}>} */
    this._keys = new WeakMap();
    /** @type {Record<string, Record<string, Doc>>} */
    this._collections = this._watched(Object.create(null));
    /** @type {Record<number, Query>} */
    this.queries = Object.create(null);
    this.nextQueryId = 1;
    /** By channel. @type {Record<string, Presence>} */
    this._presences = Object.create(null);
    /** Whether documents have presence to move along. */
    this._hasDocPresence = false;
    /** The server's agent, where `Backend.connect` set it. @type {any} */
    this.agent = null;
    /** Log every message. */
    this.debug = false;
    /** Whether reads are being collected. */
    this.bulk = false;
    this._link = link;
    this._machine = new TabCore(/** @type {any} */ (typesBridge), link.initialState);
    noteOwner(this._machine, this);
    /** What is known beside the machine, for the one that comes after it when it has crashed. */
    this._known = {
      /** The state, as the application was told last. */
      state: link.initialState,
      /** The history that the host named last. @type {number | undefined} */
      line: undefined,
      /** The number of the last op that was sent. */
      lastSeq: 0,
      /** The highest number of a document. */
      lastHandle: -1,
      /** Machines that have crashed. */
      crashes: 0,
    };
    this._lives = new ShortLives();
    /** A machine takes the place of one that crashed. */
    this._isStarting = false;
    /** Machines crashed too often: no other one is made. */
    this._isGivenUp = false;
    /** The host does not know the machine yet: the connection was closed when it began. */
    this._isUnregistered = false;
    /** Messages for the host that have to wait for the registration. @type {string[] | null} */
    this._held = null;
    /** Documents by the machine's number. @type {Map<number, Doc>} */
    this._docs = new Map();
    /** What a token stands for: callback, source and content of a call. @type {Map<number, any>} */
    this._submissions = new Map();
    this._nextToken = 1;
    /**
     * Requests for snapshots of the past, by token.
     *
     * @type {Map<number, {emitter: EventEmitter, ask: () => void}>}
     */
    this._snapshotRequests = new Map();
    /** Whether the application closed this, and bound no other socket since. */
    this._closed = false;
    /** What to call then: nothing that is pending now would end by itself. @type {Set<() => void>} */
    this._waits = new Set();
    /** Whether everything was deleted, and this with it. */
    this._wiped = false;
    /** The store as this tab sees it; `null` where none was asked for. */
    this.durableStore = durableStore ? new DurableStore(this, durableStore) : null;
    /** Whether the browser has promised to keep the store. @type {boolean | undefined} */
    this._persisted = undefined;
    this._storage = describeStorage(undefined, undefined);
    /** As they were read last; `null` before the host has said anything. @type {DeadLetter[] | null} */
    this._letters = null;
    /** How deep we are in calls of the machine. */
    this._busy = 0;
    /** Messages that came while we were. @type {string[]} */
    this._inbox = [];
    this._page = new PageLife(() => this._flushAll());
    this._page.watch();
    this._maxOpBytes = durableStore?.maxOpBytes;
    if (this._maxOpBytes) this._core.limitOps(this._maxOpBytes);
    link.attach(this);
    this._run(() => this._core.register());
    if (durableStore) this._run(() => this._core.watchStorage());
    if (durableStore?.persist) this._askToPersist();
  }

  /** The machine. One that crashed is replaced as soon as nothing of it is on the stack. */
  get _core() {
    if (isDead(this._machine) && !this._busy && !this._isStarting && !this._isGivenUp)
      startAgain(this);
    return this._machine;
  }

  /** The machine has died; another one is made now, if none was called for. */
  coreDied() {
    if (!this._closed) void this._core;
  }

  // ---- What is so ----

  get state() {
    if (this._isGivenUp) return 'closed';
    return this._core.state;
  }

  get canSend() {
    return this.state === 'connected';
  }

  /** The id of the one real connection: `src` of the ops of all tabs. */
  get id() {
    return this._link.id ?? this._core.id ?? null;
  }

  set id(id) {
    this._link.id = id;
  }

  /** The number of the next op, where the host is in this page. */
  get seq() {
    return this._link.seq;
  }

  set seq(seq) {
    this._link.seq = seq;
  }

  get socket() {
    return this._link.socket;
  }

  /** What the host really is, and why: `{kind, reason}`. */
  get host() {
    return this._link.host;
  }

  // ---- Documents ----

  /** The documents by collection and id. What the application takes out is forgotten. */
  get collections() {
    return this._collections;
  }

  set collections(collections) {
    const before = this._collections;
    this._collections = this._watched(collections);
    for (const docs of Object.values(before)) this._noteRemoved(docs);
  }

  /**
   * Documents by id, or these by collection: whatever is deleted from it is noted.
   *
   * @param {any} target
   */
  _watched(target) {
    const keys = { fewest: 0 };
    const watched = new Proxy(target, {
      deleteProperty: (_, key) => {
        const removed = target[key];
        delete target[key];
        keys.fewest -= 1;
        if (removed) this._noteRemoved(removed instanceof Doc ? [removed] : removed);
        return true;
      },
    });
    this._keys.set(watched, keys);
    return watched;
  }

  /**
   * Whether no documents are left there. They are counted again only when as many were deleted: of ten thousand documents each
   * one that is destroyed would count the others.
   *
   * @param {Record<string, Doc>} docs
   */
  _isEmpty(docs) {
    const keys = this._keys.get(docs);
    if (keys && keys.fewest > 0) return false;
    const { length } = Object.keys(docs);
    if (keys) keys.fewest = length;
    return length === 0;
  }

  /** @param {Doc[] | Record<string, Doc>} docs */
  _noteRemoved(docs) {
    for (const doc of Object.values(docs)) {
      const isHeld = this._docs.get(doc._handle) === doc;
      // What is pending comes to its end first, and says so.
      if (isHeld && this._isRemoved(doc) && !doc.hasWritePending()) this._forget(doc);
    }
  }

  /**
   * @param {string} collection
   * @param {string} id
   * @returns {Doc}
   */
  get(collection, id) {
    // They are keys in the stock client, which become strings.
    [collection, id] = [String(collection), String(id)];
    let doc = this.getExisting(collection, id);
    if (!doc) {
      const held = this._docs.get(this._handleOf(collection, id));
      if (held && this._isRemoved(held)) this._forget(held);
      doc = this._docOf(collection, id);
      this._addDoc(doc);
      this.emit('doc', doc);
    }
    doc._wantsDestroy = false;
    return doc;
  }

  /**
   * The Doc that holds this document here. The application does not see it before it asks for it by `get`.
   *
   * @param {string} collection
   * @param {string} id
   */
  _docOf(collection, id) {
    const existing = this.getExisting(collection, id);
    return (
      existing ?? this._docs.get(this._handleOf(collection, id)) ?? new Doc(this, collection, id)
    );
  }

  /**
   * The machine's number of a document.
   *
   * @param {string} collection
   * @param {string} id
   */
  _handleOf(collection, id) {
    const handle = this._core.get(collection, id);
    this._known.lastHandle = Math.max(this._known.lastHandle, handle);
    return handle;
  }

  /**
   * Forgets the document, if the application does not see it.
   *
   * @param {string} collection
   * @param {string} id
   */
  _dropUnseen(collection, id) {
    if (this.getExisting(collection, id)) return;
    const handle = this._handleOf(collection, id);
    this._docs.delete(handle);
    this._run(() => this._core.destroy(handle));
  }

  /**
   * @param {string} collection
   * @param {string} id
   * @returns {Doc | undefined}
   */
  getExisting(collection, id) {
    return this.collections[collection]?.[id];
  }

  /** @param {Doc} doc */
  _addDoc(doc) {
    const docs = (this.collections[doc.collection] ??= this._watched(Object.create(null)));
    docs[doc.id] = doc;
    doc._wasSeen = true;
  }

  /**
   * Whether the application took the document out of `collections`, as test suites do to start afresh.
   *
   * @param {Doc} doc
   */
  _isRemoved(doc) {
    return doc._wasSeen && this.getExisting(doc.collection, doc.id) !== doc;
  }

  /**
   * Gives up a document that was removed. Its pending ops end with an error: the next Doc of this name is to know
   * nothing of them, so nobody would hear of their end.
   *
   * @param {Doc} doc
   */
  _forget(doc) {
    if (doc.hasWritePending()) this._run(() => this._core.abandon(doc._handle));
    // The last of its events may have been a reason to do so already.
    if (this._docs.get(doc._handle) === doc) this._release(doc);
  }

  /**
   * The machine forgets the document, which stays as it is.
   *
   * @param {Doc} doc
   */
  _release(doc) {
    doc._leave();
    leaveDoc(doc);
    this._docs.delete(doc._handle);
    this._run(() => this._core.destroy(doc._handle));
  }

  /** @param {Doc} doc */
  _destroyDoc(doc) {
    if (!doc._wantsDestroy) return;
    if (this._docs.get(doc._handle) === doc) this._release(doc);
    const docs = this.collections[doc.collection];
    if (docs?.[doc.id] === doc) {
      delete docs[doc.id];
      if (this._isEmpty(docs)) delete this.collections[doc.collection];
    }
    doc.emit('destroy');
  }

  /** @returns {Doc[]} */
  _allDocs() {
    return Object.values(this.collections).flatMap((docs) => Object.values(docs));
  }

  hasPending() {
    return Boolean(this._firstPending());
  }

  /** Something without an answer, and the event that says that it has one. */
  _firstPending() {
    const doc = this._allDocs().find((one) => one.hasPending());
    if (doc) return { emitter: doc, event: 'nothing pending' };
    const query = Object.values(this.queries).find((one) => one.hasPending());
    if (query) return { emitter: query, event: 'ready' };
    const [request] = this._snapshotRequests.values();
    return request && { emitter: request.emitter, event: 'ready' };
  }

  hasWritePending() {
    return this._allDocs().some((doc) => doc.hasWritePending());
  }

  /** @param {() => void} callback */
  whenNothingPending(callback) {
    const pending = this._firstPending();
    if (!pending) return nextTick(callback);
    // Listeners may submit more in the meantime, so everything is looked at again.
    const again = () => nextTick(() => this.whenNothingPending(callback));
    pending.emitter.once(pending.event, again);
  }

  // ---- Queries and snapshots ----

  /**
   * @param {string} collection
   * @param {any} query
   * @param {any} [options]
   * @param {Callback} [callback] `(error, docs, extra)`
   */
  createFetchQuery(collection, query, options, callback) {
    return this._createQuery('qf', collection, query, options, callback);
  }

  /**
   * @param {string} collection
   * @param {any} query
   * @param {any} [options]
   * @param {Callback} [callback] `(error, docs, extra)`
   */
  createSubscribeQuery(collection, query, options, callback) {
    return this._createQuery('qs', collection, query, options, callback);
  }

  /**
   * @param {'qf' | 'qs'} action
   * @param {string} collection
   * @param {any} q
   * @param {any} options
   * @param {Callback} [callback]
   */
  _createQuery(action, collection, q, options, callback) {
    const id = this.nextQueryId++;
    const query = new Query(action, this, id, collection, q, options, callback);
    this.queries[id] = query;
    if (this._wiped) nextTick(() => query._giveUp(closed()));
    else query.send();
    return query;
  }

  /** @param {Query} query */
  _destroyQuery(query) {
    this._forgetQuery(query);
    this._run(() => this._core.destroyQuery(query.id));
  }

  /** @param {Query} query */
  _forgetQuery(query) {
    delete this.queries[query.id];
  }

  /**
   * A read-only snapshot at a version.
   *
   * @param {string} collection
   * @param {string} id
   * @param {any} version `null` is the latest; or the callback
   * @param {Callback} [callback] `(error, snapshot)`
   */
  fetchSnapshot(collection, id, version, callback) {
    if (typeof version === 'function') [version, callback] = [null, version];
    this._fetchSnapshot(collection, id, 'version', version, callback);
  }

  /**
   * A read-only snapshot at a time.
   *
   * @param {string} collection
   * @param {string} id
   * @param {any} timestamp milliseconds, `null` is now; or the callback
   * @param {Callback} [callback] `(error, snapshot)`
   */
  fetchSnapshotByTimestamp(collection, id, timestamp, callback) {
    if (typeof timestamp === 'function') [timestamp, callback] = [null, timestamp];
    this._fetchSnapshot(collection, id, 'timestamp', timestamp, callback);
  }

  /**
   * @param {string} collection
   * @param {string} id
   * @param {'version' | 'timestamp'} what
   * @param {any} at
   * @param {Callback} [callback]
   */
  _fetchSnapshot(collection, id, what, at, callback) {
    if (typeof callback !== 'function') {
      throw new Error('Callback is required for SnapshotRequest');
    }
    if (at !== null && !(Number.isInteger(at) && at >= 0)) {
      throw new Error(`Snapshot ${what} must be a positive integer or null`);
    }
    if (this._wiped) return this._refuse(callback);
    const emitter = new EventEmitter();
    const token = this._keep({ callback, id });
    const byTime = what === 'timestamp';
    // The server says what is wrong with a name that is none.
    const names = /** @type {const} */ ([JSON.stringify(collection), JSON.stringify(id)]);
    const ask = () =>
      this._run(() => this._core.fetchSnapshot(...names, byTime, at ?? undefined, token));
    this._snapshotRequests.set(token, { emitter, ask });
    ask();
  }

  // ---- The durable store ----

  /** What the host's store really is, and why: `{mode, durable, reason, persisted}`. */
  get storage() {
    return this._storage;
  }

  /** Ops that the server refused, and those that were given up with them, oldest first. */
  get deadLetters() {
    return this._letters ?? [];
  }

  /**
   * Somebody has seen to these dead letters: they are forgotten, for all tabs. Calls back when that is durable.
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
    const docs = ids.map((id) => this.get(collection, id));
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
   * Ends all connections of this store, in every tab, and deletes everything that it has: for a user who logs out. Ops that
   * the server has not acknowledged are lost, and their callbacks get an error. When this calls back, another connection
   * can be made; with an error, something may be left.
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

  /** Everything is being deleted, because this tab or another one wanted it. */
  _endForWipe() {
    this._wiped = true;
    this._closed = true;
    this._page.leave();
    this._letters = [];
    this._link.expectEnd();
    this._endWaits();
    this._setStorage(WIPED);
    for (const query of Object.values(this.queries)) query._giveUp(closed());
  }

  /**
   * The browser may drop what is stored when space is short, unless it has promised not to. Only a window can ask, and
   * some browsers ask the user: one tab after the other, and none where the promise is given already.
   */
  async _askToPersist() {
    const { storage, locks } = globalThis.navigator ?? {};
    if (!storage?.persist) return;
    const ask = async () => (await storage.persisted?.()) || storage.persist();
    try {
      this._persisted = await (locks ? locks.request(PERSIST_LOCK, ask) : ask());
    } catch (error) {
      shared.logger.warn('The browser does not say whether it keeps the store', error);
    }
    if (this._persisted !== undefined) this._noteStorage();
  }

  _noteStorage() {
    const text = this._core.storageState();
    if (text) this._known.line = JSON.parse(text).line;
    if (!this._wiped) this._setStorage(describeStorage(text, this._persisted));
  }

  /** @param {import('../index.d.cts').StorageInfo} storage */
  _setStorage(storage) {
    if (JSON.stringify(storage) === JSON.stringify(this._storage)) return;
    this._storage = storage;
    this.emit('storage', storage);
  }

  /** @param {boolean} whole the host has said of all of them: another host may have given a number again */
  _noteLetters(whole) {
    const before = this._letters;
    this._letters = readLetters(this._core, whole || !before ? [] : before);
    announceLetters(this, before, this._letters);
  }

  // ---- Presence ----

  /**
   * @param {string} channel
   * @returns {Presence}
   */
  getPresence(channel) {
    const presence = (this._presences[channel] ??= new Presence(this, channel));
    presence._wantsDestroy = false;
    return presence;
  }

  /**
   * @param {string} collection
   * @param {string} id
   * @returns {Presence}
   */
  getDocPresence(collection, id) {
    const channel = docChannel(collection, id);
    const presence = (this._presences[channel] ??= new DocPresence(this, collection, id));
    presence._wantsDestroy = false;
    return presence;
  }

  // ---- The wire ----

  /**
   * Takes another socket; documents and pending ops stay.
   *
   * @param {any} socket
   */
  bindToSocket(socket) {
    this._refuseWiped();
    const { _closed: closed } = this;
    this._closed = false;
    this._isGivenUp = false;
    try {
      this._registerAgain();
      this._link.bind(socket);
    } catch (error) {
      this._closed = closed;
      throw error;
    }
    this._page.watch();
  }

  /**
   * Opens the connection again after `close()`: documents, queries and presence are subscribed again, and pending ops are
   * sent. Nothing happens where it is open. Where the application brought the socket it brings another one, by
   * `bindToSocket()`.
   */
  reconnect() {
    this._refuseWiped();
    if (!this._closed) return;
    this._link.reconnect(() => {
      this._closed = this._isGivenUp = this._isUnregistered = false;
      this._page.watch();
    });
  }

  _refuseWiped() {
    if (!this._wiped) return;
    const message = 'The store was wiped: make another connection';
    throw new shared.Error('ERR_CONNECTION_CLOSED', message);
  }

  /** A machine that began while this was closed is not known to the host. */
  _registerAgain() {
    const { _core: core } = this;
    if (!this._isUnregistered) return;
    this._isUnregistered = false;
    this._run(() => core.register());
  }

  close() {
    this._closed = true;
    this._page.leave();
    this._link.close();
    this._endWaits();
  }

  /**
   * Machines crash whatever is done.
   *
   * @param {any} error
   */
  _endForCrashes(error) {
    this._closed = true;
    this._page.leave();
    this._endWaits();
    this._known.state = 'closed';
    nextTick(() => {
      this.emit('closed', error);
      this.emit('state', 'closed', error);
      this.emit('error', error);
    });
  }

  /**
   * Says that nothing comes of a call.
   *
   * @param {Callback | undefined} callback
   * @param {any} [error]
   */
  _refuse(callback, error = closed()) {
    if (callback) nextTick(() => callback(error));
    else shared.logger.warn(error.message);
  }

  /**
   * Calls back if this is closed, now or later, unless `_waits` forgets it before.
   *
   * @param {() => void} callback
   */
  _whenClosed(callback) {
    this._waits.add(callback);
    if (this._closed) this._endWaits();
  }

  _endWaits() {
    // Closing ends some of what is pending, a tick later; the rest stays as it is then.
    const end = () => {
      if (this._closed) for (const callback of [...this._waits]) callback();
    };
    nextTick(() => nextTick(end));
  }

  ping() {
    try {
      this._run(() => this._core.ping());
    } catch (error) {
      throw asError(error);
    }
  }

  /**
   * Sends a message of the application's own to the server.
   *
   * @param {any} message
   */
  send(message) {
    this._link.send(message);
  }

  /**
   * Takes a message as if the server had sent it.
   *
   * @param {any} message
   */
  handleMessage(message) {
    this._link.receiveFromServer(JSON.stringify(message));
  }

  startBulk() {
    this.bulk = true;
    this._core.startBulk();
  }

  endBulk() {
    this.bulk = false;
    this._run(() => this._core.endBulk());
  }

  /**
   * Asks what the host has: `{tabs, sockets, docs, pendingOps}`.
   *
   * @param {(error: any, status: any) => void} callback
   */
  hostStatus(callback) {
    if (this._closed) return this._refuse(callback);
    const token = this._keep({ callback });
    this._run(() => this._core.askStatus(token));
  }

  // ---- Running the machine ----

  /**
   * Keeps what belongs to a call until its end is known.
   *
   * @param {any} submission
   */
  _keep(submission) {
    const token = this._nextToken++;
    this._submissions.set(token, submission);
    return token;
  }

  /**
   * Calls the machine, then runs all that follows from it.
   *
   * @param {() => void} call
   */
  _run(call) {
    const { _core: core } = this;
    enterNested();
    this._busy++;
    try {
      const mark = core.depth();
      call();
      this._drain(core, mark);
    } catch (error) {
      if (!isDead(core)) throw error;
      this._noticeCrash(core, error);
    } finally {
      this._busy--;
      leaveNested();
    }
  }

  /**
   * @param {TabCore} core
   * @param {number} mark
   */
  _drain(core, mark) {
    let failure;
    for (let event = core.poll(mark); event; event = isDead(core) ? undefined : core.poll(mark)) {
      try {
        this._handle(event);
      } catch (error) {
        // What is left then is not the application's, and is done before the exception goes on.
        if (isDead(core) || !core.threw(mark, error)) failure ??= { error };
      }
    }
    if (failure) throw failure.error;
  }

  /**
   * The machine crashed in a call, or had crashed before. What was called has an end all the same: the next machine gives
   * it one. Where the stack ended the application is told, as by the stock client, and so it is of its own exceptions.
   *
   * @param {TabCore} core
   * @param {any} error
   */
  _noticeCrash(core, error) {
    if (this._isGivenUp) throw error;
    const cause = causeOfDeath(core);
    const isOwn = error === cause || error?.code === 'ERR_CORE_DEAD';
    if (!isOwn || isOverflow(error)) throw error;
  }

  /**
   * A message of the host. While the machine runs it has to wait, unless the connection itself
   * changed: that is so before the call returns that caused it.
   *
   * @param {string} text
   * @param {boolean} urgent
   */
  _receive(text, urgent) {
    // Of a host that was told nothing by the machine that is here now.
    if (this._isUnregistered) return;
    if (urgent) return this._run(() => this._core.handleMessage(text));
    this._inbox.push(text);
    if (this._busy) nextTick(() => this._readInbox());
    else this._readInbox();
  }

  _readInbox() {
    while (!this._busy && this._inbox.length) {
      const text = /** @type {string} */ (this._inbox.shift());
      try {
        this._run(() => this._core.handleMessage(text));
      } catch (error) {
        nextTick(() => this.emit('error', error));
      }
    }
  }

  /**
   * The host is somewhere else than it was meant to be, and has not been heard of yet.
   *
   * @param {Link} link
   */
  _useLink(link) {
    this._link = link;
    link.attach(this);
  }

  /**
   * The host died, and the link has reached another one; or the connection was closed and is opened again.
   *
   * @param {'hostLost' | 'reconnect'} [why]
   */
  _changeHost(why = 'hostLost') {
    this._holding(() => {
      this._inbox.length = 0;
      this._run(() => this._core.register());
      this._run(() => this._core[why]());
      for (const query of Object.values(this.queries)) query.send();
      for (const { ask } of this._snapshotRequests.values()) ask();
    });
  }

  /**
   * Posts what follows from the calls when all are through: a host in this page answers at once.
   *
   * @param {() => void} calls
   */
  _holding(calls) {
    if (this._held) return calls();
    const held = (this._held = /** @type {string[]} */ ([]));
    try {
      calls();
    } finally {
      this._held = null;
      for (const text of held) this._post(text);
    }
  }

  /** @param {string} text */
  _post(text) {
    if (this._held) this._held.push(text);
    else this._link.post(text);
  }

  /** The page may be about to go: what was submitted is for the host, which may outlive the page. */
  _flushAll() {
    // What is to be done last is pushed first.
    const handles = [...this._docs.keys()].reverse();
    this._run(() => handles.forEach((handle) => this._core.flush(handle)));
  }

  /**
   * Something to do in the next tick, and what came meanwhile. A page that goes away has no next tick.
   *
   * @param {() => void} call
   */
  _later(call) {
    const wait = this._page.isHiding ? endOfListener : nextTick;
    wait(() => {
      this._run(call);
      this._readInbox();
    });
  }

  /** @param {any[]} event */
  _handle(event) {
    switch (event[0]) {
      case Kind.ToHost:
        return this._post(event[1]);
      case Kind.SubmitOp: {
        const [, text, seq, tokens] = event;
        this._noteSent(seq, tokens);
        return this._post(text);
      }
      case Kind.State:
        return this._announce(event[1], event[2]);
      case Kind.ConnectionError:
        return void this.emit('connection error', this._link.takeSocketError(event[1]));
      case Kind.Error:
        return void this.emit('error', toError(event[1]));
      case Kind.Pong:
        return void this.emit('pong');
      case Kind.Status:
        return this._take(event[1])?.callback(null, JSON.parse(event[2]));
      case Kind.PresenceAnswer:
      case Kind.PresenceValue:
      case Kind.PresenceReceive:
      case Kind.PresenceError:
      case Kind.PresenceLater:
        return handlePresence(this, event);
      case Kind.Stored:
        return this._take(event[1])?.callback?.(event[2] ? toError(event[2]) : null);
      case Kind.Storage:
        return handleStorage(this, event[1]);
      case Kind.Warn:
        return void shared.logger.warn(event[1]);
      case Kind.OpenDoc: {
        const [, handle, collection, id] = event;
        const held = this._docs.get(handle);
        // One that was removed has just got the newest state, and is in the results of a query.
        if (held && this._isRemoved(held)) this._addDoc(held);
        if (held) return;
        if (this.durableStore?._isReading(collection, id)) this._docOf(collection, id);
        else this.get(collection, id);
        return;
      }
      case Kind.QueryResults:
        return this.queries[event[1]]?._answer(event[2], event[3]);
      case Kind.QueryFailed:
        return this.queries[event[1]]?._fail(event[2]);
      case Kind.QueryError:
        return void this.queries[event[1]]?.emit('error', toError(event[2]));
      case Kind.QueryDiff:
        return this.queries[event[1]]?._diff(event[2]);
      case Kind.QueryExtra:
        return this.queries[event[1]]?._setExtra(event[2]);
      case Kind.Snapshot:
        return this._answerSnapshot(event[1], event[2], event[3]);
      default: {
        const doc = this._docs.get(event[1]);
        if (event[0] === Kind.Callback) return this._callBack(event[2], event[3]);
        if (!doc) return;
        this._handleDoc(doc, event);
        if (event[0] === Kind.NoWritePending) this._noteRemoved([doc]);
      }
    }
  }

  /**
   * @param {Doc} doc
   * @param {any[]} event
   */
  _handleDoc(doc, event) {
    switch (event[0]) {
      case Kind.Apply: {
        const [, , text, token, src] = event;
        const { source, op } = this._submission(token);
        return doc._apply(op === undefined ? JSON.parse(text) : op, source, src);
      }
      case Kind.BatchStart:
        return doc._startBatch(JSON.parse(event[2]), event[3]);
      case Kind.BeforeComponent:
        return doc._beforeComponent(event[2]);
      case Kind.ApplyComponent:
        return doc._applyComponent(event[2], event[3]);
      case Kind.BatchEnd:
        return doc._endBatch();
      case Kind.Create: {
        const [, , name, text, token] = event;
        const submission = this._submission(token);
        const data = text === undefined ? submission.data : JSON.parse(text);
        return doc._create(name, data, submission.source);
      }
      case Kind.Del:
        return doc._del(this._submission(event[2]).source);
      case Kind.Load:
        return doc._load(event[2], event[3]);
      case Kind.Clear:
        return doc._clear();
      case Kind.Sent:
        return doc._noteSent(event[2]);
      case Kind.NoWritePending:
        return void doc.emit('no write pending');
      case Kind.NothingPending:
        return void doc.emit('nothing pending');
      case Kind.DocError:
        return void doc.emit('error', withDiscarded(toError(event[2]), doc));
      case Kind.FlushLater:
        return this._later(() => this._core.flush(doc._handle));
      case Kind.UnsubscribedLater:
        return this._later(() => this._core.finishUnsubscribe(doc._handle));
    }
  }

  /**
   * An op goes to the host, which from now on knows how it ends.
   *
   * @param {number} seq
   * @param {number[]} tokens
   */
  _noteSent(seq, tokens) {
    this._known.lastSeq = Math.max(this._known.lastSeq, seq);
    for (const token of tokens) {
      const submission = this._submissions.get(token);
      if (!submission) continue;
      submission.seq = seq;
      submission.content = undefined;
    }
  }

  /** @param {number | false} token */
  _submission(token) {
    return (token !== false && this._submissions.get(token)) || { source: false };
  }

  /** @param {number} token */
  _take(token) {
    const submission = this._submissions.get(token);
    this._submissions.delete(token);
    return submission;
  }

  /**
   * @param {number[]} tokens
   * @param {any} outcome `undefined`, `null` or the parts of an error
   */
  _callBack(tokens, outcome) {
    const ended = tokens.map((token) => this._take(token));
    const error = Array.isArray(outcome) ? withDiscarded(toError(outcome), ended[0]?.doc) : outcome;
    for (const submission of ended) submission?.callback?.(error);
  }

  /**
   * @param {number} token
   * @param {any[] | undefined} error
   * @param {string | undefined} text the server's message
   */
  _answerSnapshot(token, error, text) {
    const { callback, id } = this._take(token);
    const request = this._snapshotRequests.get(token);
    this._snapshotRequests.delete(token);
    request?.emitter.emit('ready');
    if (error) return callback(toError(error));
    const { v, type, data, meta } = JSON.parse(/** @type {string} */ (text));
    callback(null, { id, v, type, data, m: meta ?? null });
  }

  /**
   * @param {string} state
   * @param {string | undefined} text
   */
  _announce(state, text) {
    this._known.state = state;
    for (const query of Object.values(this.queries)) query.sent = this.canSend;
    if (state !== 'connecting' && state !== 'connected') this.agent = null;
    const reason = this._link.takeReason(text);
    this.emit(state, reason);
    this.emit('state', state, reason);
  }
}

/**
 * Where a crash was the end of ops, the error says of which.
 *
 * @param {any} error
 * @param {Doc | undefined} doc
 */
function withDiscarded(error, doc) {
  if (error.code === CRASHED) error.discarded = doc?._discarded ?? [];
  return error;
}
