/**
 * ShareDB's Connection: its public methods and properties. The protocol is the machine's part; `MachineOwner` runs
 * that.
 */

import { reach } from '../link/no-link.js';
import { PageLink } from '../link/page-link.js';
import { checkConnectionOptions } from '../options/connection-options.js';
import { checkDurableStore } from '../options/durable-options.js';
import { refuseUnknown } from '../options/options.js';
import { asError, shared } from '../platform/shared.js';
import { nextTick } from '../platform/ticks.js';
import { Collections } from './collections.js';
import { Doc } from './doc.js';
import { closed } from './machine-owner.js';
import { DocPresence, Presence, docChannel, leaveDoc } from './presence.js';
import { Query } from './query.js';
import { readOnly } from './read-only.js';
import { SnapshotRequests } from './snapshot-requests.js';
import { StoringConnection } from './storing-connection.js';
import { UrlGiver } from './url-giver.js';

/** @typedef {import('../link/link.d.ts').Link} Link */
/** @typedef {(...args: any[]) => void} Callback */

/** Options of `createConnection` that the constructor does not have. */
const WITHOUT_SOCKET = 'say createConnection(url, {…}): this connection has a socket';
const OF_CREATE_CONNECTION = {
  url: WITHOUT_SOCKET,
  useSharedWorker: WITHOUT_SOCKET,
  worker: WITHOUT_SOCKET,
  dedicatedWorker: WITHOUT_SOCKET,
  workerUrl: WITHOUT_SOCKET,
  firstLook: WITHOUT_SOCKET,
};

/** @param {any} options those of an application */
function checkOptions(options) {
  checkConnectionOptions('new Connection', options, [], OF_CREATE_CONNECTION);
  return options;
}

export class Connection extends StoringConnection {
  /**
   * A connection over a socket of the application's, its host in this page.
   *
   * @param {import('../index.d.cts').Socket | null} socket anything like a WebSocket; none where `link` reaches a host
   *   elsewhere
   * @param {object} [options]
   * @param {boolean | import('../index.d.cts').DurableStoreOptions} [options.durableStore] `true`, or what the durable
   *   store is to be
   * @param {string} [options.namespace] of the store
   * @param {boolean} [options.keepPendingOnReject] where an op is refused that cannot be taken back, the others stay
   * @param {Link} [options.link] how to reach the host
   * @param {() => any} [options.giveUrl] the application's function that gives the URL for each socket
   */
  constructor(socket, options = {}) {
    const { link = reach(() => new PageLink(socket, checkOptions(options))) } = options;
    const durableStore = checkDurableStore(options.durableStore);
    super(link, durableStore);
    /** The store's namespace, if the application named one. */
    this._namespace = options.namespace;
    this._collections = new Collections((docs) => this._noteRemoved(docs));
    /** @type {Record<number, Query>} */
    this.queries = Object.create(null);
    this.nextQueryId = 1;
    this.nextSnapshotRequestId = 1;
    /** By channel. @type {Record<string, Presence>} */
    this._presences = Object.create(null);
    /** Whether any document has presence, whose values move with its ops. */
    this._hasDocPresence = false;
    /** The server's agent, where `Backend.connect` set it. @type {any} */
    this.agent = null;
    /** Log every message. */
    this.debug = false;
    /** The bulk that reads are collected in, between `startBulk` and `endBulk`. @type {object | null} */
    this.bulk = null;
    this._snapshots = new SnapshotRequests(this);
    this._page.watch();
    if (this._maxOpBytes) this._core.limitOps(this._maxOpBytes);
    if (options.giveUrl) this._urls = new UrlGiver(this, options.giveUrl);
    this._urls?.offer();
    link.attach(this);
    this._run(() => this._core.register());
    if (this.durableStore) this._run(() => this._core.watchStorage());
    if (durableStore?.persist) this._info.askToPersist();
  }

  // ---- State ----

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
    if (typeof (id ?? '') !== 'string') {
      throw new shared.Error('ERR_CLIENT_ID_BADLY_FORMED', 'connection.id must be a string');
    }
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

  /** The host's kind and place, and the reason for it: `{kind, place, reason, code}`. */
  get host() {
    return this._link.host;
  }

  // ---- Documents ----

  /** The documents by collection and id. A document that the application removes is forgotten. */
  get collections() {
    return this._collections.all;
  }

  set collections(collections) {
    this._collections.replace(collections);
  }

  /** @param {Doc[] | Record<string, Doc>} docs */
  _noteRemoved(docs) {
    for (const doc of Object.values(docs)) {
      const isHeld = this._docs.get(doc._handle) === doc;
      // Pending calls end first, with their callbacks.
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
    doc._noteAsked();
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
   * The machine's handle of a document.
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
   * Makes the Doc of a document that the application may not have asked for: of a query's result, or of the store.
   *
   * @param {number} handle
   * @param {string} collection
   * @param {string} id
   */
  _openDoc(handle, collection, id) {
    const held = this._docs.get(handle);
    // One that was removed has just got the newest state, and is in the results of a query.
    if (held && this._isRemoved(held)) this._addDoc(held);
    if (held) return;
    if (this.durableStore?._isReading(collection, id)) this._docOf(collection, id);
    else this.get(collection, id);
  }

  /**
   * @param {string} collection
   * @param {string} id
   * @returns {Doc | undefined}
   */
  getExisting(collection, id) {
    return this._collections.get(collection, id);
  }

  /** @param {Doc} doc */
  _addDoc(doc) {
    this._collections.add(doc);
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
   * Gives up a document that was removed. Its pending ops end with an error now: the next Doc of this id will not know them, so
   * no callback could be called later.
   *
   * @param {Doc} doc
   */
  _forget(doc) {
    if (doc.hasWritePending()) this._run(() => this._core.abandon(doc._handle));
    // A listener of its last event may have given it up already.
    if (this._docs.get(doc._handle) === doc) this._release(doc);
  }

  /**
   * Has the machine forget the document. The Doc keeps its data.
   *
   * @param {Doc} doc
   * @param {boolean} [isSucceeded] another Doc of this id goes on with its presence
   */
  _release(doc, isSucceeded = false) {
    doc._leave();
    if (!isSucceeded) leaveDoc(doc);
    this._docs.delete(doc._handle);
    this._run(() => this._core.destroy(doc._handle));
  }

  /** @param {Doc} doc */
  _destroyDoc(doc) {
    if (!doc._wantsDestroy) return;
    if (this._docs.get(doc._handle) === doc) this._release(doc);
    this._collections.remove(doc);
    doc.emit('destroy');
  }

  hasPending() {
    return Boolean(this._firstPending());
  }

  /** The first emitter with a pending call, and the event that it emits when the call has ended. */
  _firstPending() {
    if (this._wiped) return undefined;
    const doc = this._collections.list().find((one) => one.hasPending());
    if (doc) return { emitter: doc, event: 'nothing pending' };
    const query = Object.values(this.queries).find((one) => one.hasPending());
    if (query) return { emitter: query, event: 'ready' };
    const snapshot = this._snapshots.first;
    return snapshot && { emitter: snapshot, event: 'ready' };
  }

  hasWritePending() {
    return this._collections.list().some((doc) => doc.hasWritePending());
  }

  /** @param {() => void} callback */
  whenNothingPending(callback) {
    const pending = this._firstPending();
    if (!pending) return nextTick(callback);
    // Listeners may have submitted more meanwhile, so all emitters are checked again.
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
    if (this._failure || this._wiped) nextTick(() => query._giveUp(this._failure ?? closed()));
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
    this.nextSnapshotRequestId++;
    if (typeof callback !== 'function') {
      throw new Error('Callback is required for SnapshotRequest');
    }
    if (at !== null && !(Number.isInteger(at) && at >= 0)) {
      throw new Error(`Snapshot ${what} must be a positive integer or null`);
    }
    if (this._failure || this._wiped) return this._refuse(callback);
    this._snapshots.fetch(collection, id, what, at, callback);
  }

  /** Sends queries and snapshot requests to another host, which does not know them. */
  _askAgain() {
    for (const query of Object.values(this.queries)) query.send();
    for (const ask of this._snapshots.asks) ask();
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
   * @param {import('../index.d.cts').Socket} socket
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
   * Opens the connection again after `close()`: documents, queries and presence are subscribed again, and pending ops
   * are sent. Nothing happens where it is open. Where the application brought the socket it brings another one, by
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

  /** Registers a machine that was made while the connection was closed. */
  _registerAgain() {
    const { _core: core } = this;
    if (!this._isUnregistered) return;
    this._isUnregistered = false;
    this._run(() => core.register());
  }

  close() {
    this._coordination?.leave();
    this._closed = true;
    this._page.leave();
    this._link.close();
    this._endWaits();
  }

  /**
   * Closes the connection after too many crashes of its machines.
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

  ping() {
    if (this._failure) throw this._failure;
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
   * Handles a message as if the server had sent it.
   *
   * @param {any} message
   */
  handleMessage(message) {
    this._link.receiveFromServer(JSON.stringify(message));
  }

  startBulk() {
    this.bulk = {};
    this._core.startBulk();
  }

  endBulk() {
    this.bulk = null;
    this._run(() => this._core.endBulk());
  }

  /**
   * Asks what the host has: `{tabs, sockets, docs, pendingOps}`.
   *
   * @param {(error: any, status: any) => void} callback
   * @param {{details?: boolean}} [options]
   */
  hostStatus(callback, options = {}) {
    refuseUnknown('hostStatus', options, ['details']);
    const { details = false } = options;
    if (this._closed) return this._refuse(callback);
    const token = this._keep({ callback });
    this._run(() => this._core.askStatus(token, details));
  }

  /**
   * Exports the host's inputs and outputs as JSON; see `docs/debugging.md`.
   *
   * @param {{redact?: boolean}} [options]
   * @returns {Promise<string>}
   */
  async exportTrace(options = {}) {
    // A misspelt option would export the users' texts.
    refuseUnknown('exportTrace', options, ['redact']);
    const { redact = false } = options;
    return this._askDriver({ trace: { redact } });
  }

  /**
   * Asks the host's driver for something, see `host/debug.js`.
   *
   * @param {object} request
   * @returns {Promise<string>} the answer, as JSON
   */
  _askDriver(request) {
    return new Promise((resolve, reject) => {
      const callback = (/** @type {any} */ error, /** @type {string} */ answer) => {
        if (error) return reject(error);
        if (!answer.startsWith('{"failed"')) return resolve(answer);
        const { code, message } = JSON.parse(answer).failed;
        reject(new shared.Error(code, message));
      };
      if (this._closed) return this._refuse(callback);
      const token = this._keep({ callback });
      this._run(() => this._core.askDriver(token, JSON.stringify(request)));
    });
  }

  /**
   * @param {import('../cores/events.js').State} state
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

readOnly(Connection, ['state', 'canSend', 'socket', 'host']);
