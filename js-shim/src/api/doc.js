/**
 * ShareDB's Doc: what an application may ask of a document. The machine decides; its answers come to `DocData` and as
 * callbacks.
 */

import { pick } from '../options/options.js';
import { asError, isNative, shared, toError } from '../platform/shared.js';
import { nextTick } from '../platform/ticks.js';
import { DocData } from './doc-data.js';
import { readOnly } from './read-only.js';
import { inflightOp, pendingOps } from './unfinished-ops.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('../cores/events.js').ErrorParts} ErrorParts */
/** @typedef {(error?: any) => void} Callback */

const CLOSED_BEFORE_ACKNOWLEDGED =
  'The connection was closed before everything pending was acknowledged';
/** Properties of a Doc that the machine holds. The Doc keeps copies when the machine forgets the document. */
const KEPT = /** @type {const} */ ([
  'version',
  'paused',
  'preventCompose',
  'submitSource',
  'subscribed',
  'wantSubscribe',
]);
/** A handle that no document of the machine has. */
const NO_HANDLE = 0xffffffff;
/** Counts calls of `connection.get`. */
let asked = 0;
const DANGEROUS = new Set(Object.getOwnPropertyNames(Object.prototype));

export class Doc extends DocData {
  /**
   * Made by `connection.get`.
   *
   * @param {Connection} connection
   * @param {string} collection
   * @param {string} id
   */
  constructor(connection, collection, id) {
    super(connection);
    this.collection = collection;
    this.id = id;
    /** The machine's handle of this document. */
    this._handle = connection._handleOf(collection, id);
    /** Settings of the application, restored in the machine that follows a crash. */
    this._wishes = { subscribe: false, paused: false, preventCompose: false, submitSource: false };
    /** Submissions that were given up in a crash of the machine. @type {import('../index.d.cts').Discarded[]} */
    this._discarded = [];
    /** How many machines have crashed on a message of the host about this document. */
    this._crashes = 0;
    /** The error of a document that was given up after repeated crashes. @type {any} */
    this._quarantined = undefined;
    this._wantsDestroy = false;
    /** The number of the last `connection.get` that returned it; 0 if there was none since it was made or destroyed. */
    this._asked = 0;
    /** Whether it was in `connection.collections`. */
    this._wasSeen = false;
    /**
     * When the oldest op was sent, and how often it was sent again.
     *
     * @type {{seq: number, sentAt: number, retries: number} | null}
     */
    this._sent = null;
    /** The machine's properties, copied when the document left its connection. @type {any} */
    this._left = null;
    connection._docs.set(this._handle, this);
  }

  /** `connection.durableStore`. */
  get durableStore() {
    return this.connection.durableStore;
  }

  // ---- What the machine knows ----

  /** @param {typeof KEPT[number]} what */
  _of(what) {
    return this._left ? this._left[what] : this.connection._core[what](this._handle);
  }

  get version() {
    return this._of('version') ?? null;
  }

  /** Assigns the version of the data: ops below it are not applied again, and the next op is based on it. */
  set version(version) {
    if (this._left) {
      this._left.version = version;
      return;
    }
    const number = typeof version === 'number' ? version : NaN;
    const given = version === null || version === undefined ? undefined : number;
    try {
      this.connection._run(() => this.connection._core.setVersion(this._handle, given));
    } catch (error) {
      throw asError(error);
    }
  }

  get subscribed() {
    return this._of('subscribed');
  }

  get wantSubscribe() {
    return this._of('wantSubscribe');
  }

  get paused() {
    return this._of('paused');
  }

  set paused(on) {
    if (on) this.pause();
    else this.resume();
  }

  get preventCompose() {
    return this._of('preventCompose');
  }

  set preventCompose(on) {
    this._wish('preventCompose', Boolean(on));
    this.connection._core.setPreventCompose(this._handle, Boolean(on));
  }

  get submitSource() {
    return this._of('submitSource');
  }

  set submitSource(on) {
    this._wish('submitSource', Boolean(on));
    this.connection._core.setSubmitSource(this._handle, Boolean(on));
  }

  /**
   * @param {'paused' | 'preventCompose' | 'submitSource'} what
   * @param {boolean} on
   */
  _wish(what, on) {
    this._wishes[what] = on;
    if (this._left) this._left[what] = on;
  }

  /** The op that was sent and is not acknowledged, or `null`. A copy: changing it has no effect. */
  get inflightOp() {
    return inflightOp(this);
  }

  /** The ops behind the inflight one. A copy, except that `push` adds ops. */
  get pendingOps() {
    return pendingOps(this);
  }

  hasPending() {
    return !this.connection._wiped && this.connection._core.hasPending(this._handle);
  }

  hasWritePending() {
    return !this.connection._wiped && this.connection._core.hasWritePending(this._handle);
  }

  /** @param {number} seq */
  _noteSent(seq) {
    const before = this._sent?.seq === seq ? this._sent.retries : -1;
    this._sent = { seq, sentAt: Date.now(), retries: before + 1 };
  }

  // ---- Submitting ----

  /**
   * @param {any} op
   * @param {any} [options] `{source}`, or the callback
   * @param {Callback} [callback]
   */
  submitOp(op, options, callback) {
    if (typeof options === 'function') [options, callback] = [null, options];
    const submission = { callback, source: options?.source || true, op: undefined };
    let text;
    try {
      if (this.type && !isNative(this.type)) {
        op = submission.op = normalize(this.type, op);
      }
      text = JSON.stringify(op) ?? 'null';
    } catch (error) {
      return this._callbackOrEmit(asBadlyFormed(error), callback);
    }
    const content = () => ({ op: JSON.parse(text) });
    this._submit(submission, content, (token, source) => {
      this.connection._core.submitOp(this._handle, text, source, token, Boolean(callback));
    });
  }

  /**
   * @param {any} data
   * @param {any} [type] a name or URI, or the callback
   * @param {any} [options] `{source}`, or the callback
   * @param {Callback} [callback]
   */
  create(data, type, options, callback) {
    if (typeof type === 'function') [type, options, callback] = [null, null, type];
    else if (typeof options === 'function') [options, callback] = [null, options];
    const name = type || shared.types.defaultType.uri;
    if (typeof name !== 'string') {
      // The server's word for a type that is no name.
      const error = new shared.Error('ERR_OT_OP_BADLY_FORMED', 'Missing create type');
      return this._callbackOrEmit(error, callback);
    }
    const submission = { callback, source: options?.source || true, data };
    /** @type {string | undefined} */
    let text;
    try {
      text = JSON.stringify(data);
    } catch (error) {
      return this._callbackOrEmit(asBadlyFormed(error), callback);
    }
    const content = () => ({ create: { type: name, data: text && JSON.parse(text) } });
    this._submit(submission, content, (token, source) => {
      this.connection._core.create(this._handle, name, text, source, token, Boolean(callback));
    });
  }

  /**
   * @param {any} [options] `{source}`, or the callback
   * @param {Callback} [callback]
   */
  del(options, callback) {
    if (typeof options === 'function') [options, callback] = [null, options];
    const submission = { callback, source: options?.source || true };
    const content = () => ({ del: /** @type {const} */ (true) });
    this._submit(submission, content, (token, source) => {
      this.connection._core.del(this._handle, source, token, Boolean(callback));
    });
  }

  /**
   * @param {any} submission
   * @param {() => import('../index.d.cts').Discarded} content of it, for as long as it was not sent
   * @param {(token: number, source: string | undefined) => void} call
   */
  _submit(submission, content, call) {
    if (this._quarantined) return this._callbackOrEmit(this._quarantined, submission.callback);
    if (this.connection._endsCall(submission.callback)) return;
    if (!this._attach()) return this._callbackOrEmit(this._outOfPlace(), submission.callback);
    submission.doc = this;
    submission.content = content;
    submission.seq = undefined;
    const token = this.connection._keep(submission);
    const source = this._wishes.submitSource ? JSON.stringify(submission.source) : undefined;
    this.connection._run(() => call(token, source));
  }

  // ---- Reading ----

  /** @param {Callback} [callback] */
  fetch(callback) {
    this._read('fetch', callback);
  }

  /** @param {Callback} [callback] */
  subscribe(callback) {
    this._read('subscribe', callback);
  }

  /** @param {Callback} [callback] */
  unsubscribe(callback) {
    this._read('unsubscribe', callback);
  }

  /**
   * @param {'fetch' | 'subscribe' | 'unsubscribe'} read
   * @param {Callback} [callback]
   */
  _read(read, callback) {
    if (this._quarantined) return this._callbackOrEmit(this._quarantined, callback);
    const { connection } = this;
    if (connection._endsCall(callback, read === 'unsubscribe')) return;
    if (read === 'unsubscribe' && this._rival) {
      // The subscription is of the other Doc of this id; this one gets no events.
      this._wishes.subscribe = false;
      if (this._left) this._left.wantSubscribe = this._left.subscribed = false;
      if (callback) nextTick(callback);
      return;
    }
    if (!this._attach()) return connection._refuse(callback, this._outOfPlace());
    if (read !== 'fetch') this._wishes.subscribe = read === 'subscribe';
    const token = callback && connection._keep({ callback, doc: this, read });
    connection._run(() => connection._core[read](this._handle, token));
    if (read !== 'unsubscribe') connection._link.want?.(this);
  }

  /**
   * Loads data if there is none here: from the store, or else from the server.
   *
   * @param {Callback} [callback]
   */
  ensureDocHasData(callback) {
    this._ensure(() => this.type !== null, callback);
  }

  /**
   * Loads data of this version or a later one if there is none here: from the store, or else from the server. Ops that the
   * server has not acknowledged do not count.
   *
   * @param {number} minVersion
   * @param {Callback} [callback]
   */
  ensureDocHasRecentData(minVersion, callback) {
    const isRecent = () => this.type !== null && Number(this.version) >= minVersion;
    this._ensure(isRecent, callback);
  }

  /**
   * @param {() => boolean} isEnough
   * @param {Callback} [callback]
   */
  _ensure(isEnough, callback) {
    if (isEnough()) return nextTick(() => callback?.());
    const { connection, collection, id } = this;
    if (connection._endsCall(callback)) return;
    if (!connection.durableStore) return this.fetch(callback);
    if (!this._attach()) return connection._refuse(callback, this._outOfPlace());
    // An error of the store is ignored: the server is asked next.
    connection.getBulk(collection, [id], () => {
      if (isEnough()) callback?.();
      else this.fetch(callback);
    });
  }

  /** Whether the document was loaded or created here. */
  _isHere() {
    return this.version !== null || this.type !== null || this.hasWritePending();
  }

  /**
   * @param {any} snapshot `{v, data, type}`
   * @param {Callback} [callback]
   */
  ingestSnapshot(snapshot, callback) {
    this._ingest(snapshot, false, callback);
  }

  /**
   * @param {any} snapshot
   * @param {boolean} isServed it came from the server as it is
   * @param {Callback} [callback]
   */
  _ingest(snapshot, isServed, callback) {
    if (!snapshot) return callback?.();
    if (this._quarantined) return this._callbackOrEmit(this._quarantined, callback);
    const { connection } = this;
    if (connection._endsCall(callback)) return;
    if (!this._attach()) return connection._refuse(callback, this._outOfPlace());
    const { v, data, type } = snapshot;
    const isVersion = Number.isSafeInteger(v) && v >= 0;
    this._ingesting = { data };
    try {
      const text = JSON.stringify({ v: isVersion ? v : undefined, data, type });
      const token = callback && connection._keep({ callback });
      connection._run(() => connection._core.ingestSnapshot(this._handle, text, isServed, token));
    } catch (error) {
      // The machine throws arrays. Any other exception is of a listener or a `toJSON`.
      if (!Array.isArray(error)) throw error;
      this._callbackOrEmit(toError(/** @type {ErrorParts} */ (error)), callback);
    } finally {
      this._ingesting = null;
    }
  }

  /** `{v, data, type}`, the data cloned. */
  toSnapshot() {
    const data = this.data === undefined ? undefined : JSON.parse(JSON.stringify(this.data));
    return { v: this.version, data, type: this.type.uri };
  }

  // ---- Waiting, pausing, leaving ----

  /** @param {() => void} callback */
  whenNothingPending(callback) {
    nextTick(() => {
      if (this.hasPending()) this.once('nothing pending', callback);
      else callback();
    });
  }

  pause() {
    this._wish('paused', true);
    this.connection._core.pause(this._handle);
  }

  resume() {
    this._wish('paused', false);
    this.connection._run(() => this.connection._core.resume(this._handle));
  }

  flush() {
    this.connection._run(() => this.connection._core.flush(this._handle));
  }

  /**
   * Unsubscribes and leaves the connection, when nothing is pending any more: offline that is after
   * the next reconnect. Once the connection is closed it may be never, and the callback gets an
   * error. The document then still leaves if another socket is bound and all is acknowledged.
   *
   * @param {Callback} [callback]
   */
  destroy(callback) {
    this._wantsDestroy = true;
    this._asked = 0;
    const { connection } = this;
    const finish = () => {
      connection._destroyDoc(this);
      callback?.();
    };
    const giveUp = () => {
      if (!this.hasPending()) return;
      connection._waits.delete(giveUp);
      const given = callback;
      callback = undefined;
      given?.(new shared.Error('ERR_CONNECTION_CLOSED', CLOSED_BEFORE_ACKNOWLEDGED));
    };
    connection._whenClosed(giveUp);
    this.whenNothingPending(() => {
      connection._waits.delete(giveUp);
      if (!this.wantSubscribe) return finish();
      this.unsubscribe((error) => {
        if (error) return this._callbackOrEmit(error, callback);
        finish();
        if (this._left) this._sayNothingPending();
      });
    });
  }

  /** Emits what callers still wait for when the machine has forgotten the document. */
  _sayNothingPending() {
    this.emit('no write pending');
    if (!this.hasPending()) this.emit('nothing pending');
  }

  /** Notes that `connection.get` returns it to the application. */
  _noteAsked() {
    this._wantsDestroy = false;
    this._asked = ++asked;
  }

  /** Copies the machine's properties before the machine forgets the document, which may be used again. */
  _leave() {
    this._left = pick(this, KEPT);
  }

  /** @param {any} error */
  _hardRollback(error) {
    this.connection._run(() => this.connection._core.hardRollback(this._handle, error));
  }

  /**
   * @param {any} error
   * @param {Callback} [callback]
   */
  _callbackOrEmit(error, callback) {
    if (callback) callback(error);
    else this.emit('error', error);
  }

  /**
   * The other Doc of this id that holds the machine's document.
   *
   * @returns {Doc | undefined}
   */
  get _rival() {
    const { connection, collection, id } = this;
    if (connection._docs.get(this._handle) === this) return undefined;
    const holder = connection._docs.get(connection._handleOf(collection, id));
    return holder === this ? undefined : holder;
  }

  /**
   * A Doc that is used again after it was destroyed, or removed from `collections`, takes its place again, as in the
   * stock client. There may be a newer Doc of this id by then. In the stock client the one that was used last has the
   * place, and the other one hears of nothing until it is used. Here a Doc that is in use keeps it: nobody's late call
   * may stop what the application looks at.
   *
   * @returns {boolean} whether it has the place; if not, the call is to end with `_outOfPlace()`
   */
  _attach() {
    const { connection, collection, id } = this;
    if (connection._docs.get(this._handle) === this) {
      if (connection._isRemoved(this)) connection._addDoc(this);
      return true;
    }
    const { _rival: rival } = this;
    if (rival && (rival.wantSubscribe || rival.hasPending())) {
      if (this._asked <= rival._asked && !connection._isRemoved(rival)) return false;
      connection._addDoc(this);
      this._succeed(rival);
      return true;
    }
    // The other Doc neither subscribes nor waits for anything. It continues from its copy when it is used again.
    if (rival) connection._release(rival, true);
    this._handle = connection._handleOf(collection, id);
    connection._docs.set(this._handle, this);
    connection._addDoc(this);
    this._restore();
    return true;
  }

  /**
   * Takes over the machine's document as it is, with all that is under way: what the other Doc waits for is called back
   * as ever. That one keeps a copy of the data, and loads anew if it is used again.
   *
   * @param {Doc} rival
   */
  _succeed(rival) {
    const { connection, _left: left } = this;
    const { _handle: handle, _batch: batch, _sent: sent, type } = rival;
    const text = JSON.stringify(rival.data);
    const wishes = { ...this._wishes, subscribe: rival._wishes.subscribe };
    rival._leave();
    Object.assign(rival._left, { version: null, subscribed: false, wantSubscribe: false });
    this._left = null;
    Object.assign(this, { _handle: handle, _batch: batch, _sent: sent, _wishes: wishes });
    connection._docs.set(handle, this);
    for (const call of connection._submissions.values()) if (call.doc === rival) call.doc = this;
    Object.assign(rival, { _handle: NO_HANDLE, _batch: null, _sent: null });
    this.preventCompose = wishes.preventCompose;
    this.submitSource = wishes.submitSource;
    if (left?.paused) this.pause();
    else this.resume();
    nextTick(() => rival._sayNothingPending());
    if (this.version === null && !type) return;
    this.type = type;
    this.data = rival.data;
    if (text !== undefined) rival.data = rival._deserialized(JSON.parse(text));
    this.emit('load');
  }

  _outOfPlace() {
    const message = `Another Doc of ${this.collection}.${this.id} is in use, and this one was destroyed or removed: ask for it by connection.get`;
    return new shared.Error('ERR_DOC_NOT_IN_CONNECTION', message);
  }

  /** Restores the document in the machine from the copy. The application sees no change. */
  _restore() {
    const { connection, _left: left } = this;
    this._left = null;
    if (!left) return;
    this.preventCompose = left.preventCompose;
    this.submitSource = left.submitSource;
    if (left.paused) this.pause();
    if (left.version === null) return;
    const type = this.type?.uri ?? null;
    const text = JSON.stringify({ v: left.version, data: this.data, type });
    this._ingesting = { restores: true };
    try {
      connection._run(() => connection._core.ingestSnapshot(this._handle, text, false));
    } finally {
      this._ingesting = null;
    }
    // A destroyed one has unsubscribed; one that was removed from `collections` has not.
    if (left.wantSubscribe) this.subscribe();
  }
}

readOnly(Doc, ['subscribed', 'wantSubscribe', 'inflightOp', 'pendingOps']);

/**
 * @param {any} type
 * @param {any} op
 */
function normalize(type, op) {
  const normalized = type.normalize ? type.normalize(op) : op;
  if (type.name === 'json0') checkPaths(normalized);
  return normalized;
}

/**
 * For a json0 that is not ours. See ShareDB's `lib/ot.js`, `checkJson0OpPaths`.
 *
 * @param {any} op
 */
function checkPaths(op) {
  for (const component of op) {
    if (component.p.some((/** @type {any} */ segment) => DANGEROUS.has(String(segment)))) {
      throw new shared.Error('ERR_OT_OP_NOT_APPLIED', 'Invalid path segment');
    }
  }
}

/** @param {any} error */
function asBadlyFormed(error) {
  if (error instanceof shared.Error) return error;
  return new shared.Error('ERR_OT_OP_BADLY_FORMED', error?.message || String(error));
}
