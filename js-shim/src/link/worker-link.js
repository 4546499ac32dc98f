/**
 * The way to a host in a SharedWorker; and into this page, where there is no such host.
 */

import {
  checkDurableStore,
  forWorker,
  pageParts,
  refuseFunctions,
  whyNotHere,
} from '../options/durable-options.js';
import { addressOf, requireNamespace } from '../options/namespace.js';
import { packagedWorker } from '../packaged-worker.js';
import { tabLock } from '../platform/locks.js';
import { shared } from '../platform/shared.js';
import { ShortLives } from '../platform/short-lives.js';
import { timers } from '../platform/ticks.js';
import { burialTime } from './burial.js';
import { PageLink } from './page-link.js';

/** @typedef {import('./link.d.ts').Link} Link */

/** The protocol between page and worker; part of the worker's name, so that versions do not meet. */
const MAJOR = 1;
/**
 * How long a new worker may be silent before another port is tried, in milliseconds: the first time, and twice as long each
 * time after it. One that lives needs a fraction of the first, unless its script is on a slow network.
 */
const FIRST_SILENCE = 1_000;
/** After so many silences in a row nothing is expected of it any more: that is 15 seconds. */
const SILENCES = 4;
/** How often a worker that does not start is made. It may have been in the process of a tab that went away. */
const ATTEMPTS = 3;

/** So many messages that crashed a host are remembered. */
const MAX_TRAPPED = 16;

/**
 * What is wanted of a host, wherever it is.
 *
 * @typedef {object} Wanted
 * @property {string} url
 * @property {string} [namespace]
 * @property {(name: string) => any} [worker] makes the application's own worker
 * @property {boolean | import('../index.d.cts').DurableStoreOptions} [durableStore] `true`, or the options
 * @property {boolean} [keepPendingOnReject]
 */

/**
 * The way to a host in this page that opens its sockets itself.
 *
 * @param {Wanted} wanted
 * @param {{reason: string, code?: string, tab?: string}} why why it is here, and how a host elsewhere knew this tab
 */
export function pageLink({ url, namespace, worker, durableStore, keepPendingOnReject }, why) {
  const inMemory = whyNotHere(checkDurableStore(durableStore), worker);
  const open = () => new WebSocket(url);
  return new PageLink(null, {
    ...why,
    open,
    namespace,
    durableStore,
    keepPendingOnReject,
    inMemory,
  });
}

/** @implements {Link} */
export class WorkerLink {
  /** @param {Wanted} wanted */
  constructor(wanted) {
    const { url, worker } = wanted;
    const store = checkDurableStore(wanted.durableStore);
    if (!worker) refuseFunctions(store);
    // A store of the application's, too: tabs of the same namespace have the same worker.
    if (store) requireNamespace(wanted.namespace);
    const { namespace = addressOf(url) } = wanted;
    this._wanted = wanted;
    /** @type {import('../api/connection.js').Connection} */
    this._connection = /** @type {any} */ (undefined);
    /** @type {Link['host']} */
    this.host = {
      kind: 'shared-worker',
      reason: 'SharedWorker is available',
    };
    this.initialState = /** @type {const} */ ('connecting');
    /** @type {Link['socket']} */
    this.socket = null;
    /** @type {Link['seq']} */
    this.seq = undefined;
    /** The id that the application wants. @type {string | undefined} */
    this._id = undefined;
    /** Messages on which hosts died, for the next one. @type {import('../host/quarantine.js').Trapped[]} */
    this._trapped = [];
    /** What a host is told of this tab, and of what it is to be. */
    this._introduction = {
      url,
      namespace,
      durableStore: forWorker(store),
      keepPendingOnReject: wanted.keepPendingOnReject ?? store?.keepPendingOnReject,
      parts: pageParts(store),
    };
    const name = `sharedb-proxy ${MAJOR} ${namespace}`;
    this._make = () => checkWorker((worker ?? packagedWorker)(name));
    /** Made when the connection is attached. @type {SharedWorker} */
    this._worker = /** @type {any} */ (undefined);
    this._tab = crypto.randomUUID();
    /** Messages that wait until a host has taken this tab. @type {string[] | null} */
    this._waiting = [];
    /** The epoch of the host behind the port. @type {number | undefined} */
    this._life = undefined;
    /** That of the host that was asked to take this tab. @type {number | undefined} */
    this._asked = undefined;
    /** This tab's lock is held. */
    this._held = false;
    /** It is, or was asked for. */
    this._holds = false;
    /** Runs until the worker's first word. @type {import('../platform/ticks.js').Timer | undefined} */
    this._silence = undefined;
    /** Workers in a row that said nothing. */
    this._silences = 0;
    /** Workers in a row that did not start. */
    this._failed = 0;
    /** How soon workers ended that took this tab. */
    this._lives = new ShortLives();
    this._closed = false;
    /** Nothing goes this way any more. */
    this._left = false;
    /** The application closed this before there was anybody to tell. */
    this._leaves = false;
    /** Who waits for the host's end. @type {(() => void)[]} */
    this._whenEnded = [];
    /** The lock of the host that is watched. */
    this._watched = '';
    /** Aborts the request for that lock; nothing where none is queued. @type {AbortController | undefined} */
    this._watching = undefined;
    /** Ends the tab's lock. @type {() => void} */
    this._release = () => {};
  }

  /** @param {import('../api/connection.js').Connection} connection */
  attach(connection) {
    this._connection = connection;
    if (!this._start()) return;
    this._bearSilence();
    this._hold();
  }

  /**
   * Makes the worker. Where the browser forbids it (blocked cookies, an address that is no worker's) the host is in this page.
   *
   * @returns {boolean} whether it was made
   */
  _start() {
    try {
      this._worker = this._make();
    } catch (/** @type {any} */ error) {
      this._moveIn(`the shared worker could not be made: ${error?.message ?? error}`);
      return false;
    }
    this._listen();
    return true;
  }

  _listen() {
    const connection = this._connection;
    const { port } = this._worker;
    port.onmessage = (/** @type {MessageEvent} */ { data }) => {
      if (typeof data === 'string') connection._receive(data, false);
      else if (data?.host) this._meet(data.host, data.life);
      else if (data?.taken) this._beTaken();
      else if (data?.refused) this._beRefused(data.refused);
      else if (data?.warning) shared.logger.warn(data.warning);
      else if (data?.failed) this._fail(data.failed, data.code);
      else if (data?.trapped) this._trapped = [...this._trapped, data.trapped].slice(-MAX_TRAPPED);
    };
    this._worker.onerror = (/** @type {any} */ { message }) => this._fail(message);
  }

  /**
   * A worker that dies before its first word leaves no lock to watch. Where there is only silence another port is tried:
   * to a worker that lives it is as good as the one before, since nothing was posted there yet. One that goes on
   * saying nothing has thrown while its module was evaluated, which no browser tells a page.
   */
  _bearSilence() {
    timers.stop(this._silence);
    this._silence = timers.start(
      () => {
        this._silences += 1;
        if (this._silences === SILENCES)
          this._moveIn('the shared worker did not start: it says nothing');
        else this._goOn();
      },
      FIRST_SILENCE * 2 ** this._silences,
    );
  }

  /**
   * The worker cannot be loaded, or threw. Where it did not take this tab the host moves into this page, and
   * whatever was meant for the worker goes there.
   *
   * @param {string} [message]
   * @param {string} [code]
   */
  _fail(message = 'its script could not be loaded', code = 'ERR_HOST_FAILED') {
    if (this._leaves) return this._leave();
    if (!this._waiting) {
      return void this._connection.emit('error', new shared.Error(code, message));
    }
    this._failed += 1;
    // A mistake of the application's does not mend by itself.
    if (this._failed === ATTEMPTS || code !== 'ERR_HOST_FAILED')
      this._moveIn(`the shared worker did not start: ${message}`, code);
    else this._goOnLater();
  }

  /**
   * The worker is another one than this page wants: of another user, or one that would store in clear what the page
   * encrypts. Nothing of it was seen here, and nothing was posted to it.
   *
   * @param {{code: string, message: string}} refusal
   */
  _beRefused({ code, message }) {
    if (this._leaves) return this._leave();
    this._moveIn(message, code);
    this._connection.emit('error', new shared.Error(code, message));
  }

  /**
   * The host is in this page from now on.
   *
   * @param {string} reason
   * @param {string} [code]
   */
  _moveIn(reason, code = 'ERR_HOST_FAILED') {
    if (this._leaves) return this._leave();
    shared.logger.warn(reason);
    const connection = this._connection;
    const waiting = this._waiting ?? [];
    this._leave();
    const link = pageLink(this._wanted, { reason, code, tab: this._tab });
    if (this._id) link.id = this._id;
    connection._useLink(link);
    for (const text of waiting) connection._link.post(text);
  }

  /** The host forgets the port with the lock. */
  _leave() {
    this._closed = true;
    this._left = true;
    timers.stop(this._silence);
    // A queued request would keep this connection in memory until the host dies.
    if (!this._whenEnded.length) this._unwatch();
    if (this._worker) {
      // The same tab may come again by another port.
      if (!this._waiting) this._worker.port.postMessage({ left: true });
      this._worker.onerror = this._worker.port.onmessage = null;
    }
    // The host keeps the end of ops for as long as the lock is held, should the application reconnect.
    if (!this._mayReturn()) this._releaseLock();
  }

  /** The application closed the connection, and has ops without an end. */
  _mayReturn() {
    const docs = [...this._connection._docs.values()];
    return this._leaves && docs.some((doc) => doc.hasWritePending());
  }

  _releaseLock() {
    this._held = this._holds = false;
    this._release();
  }

  /** @param {() => void} open */
  reconnect(open) {
    open();
    const { _left: hasLeft } = this;
    this._closed = this._left = this._leaves = false;
    if (!hasLeft) return this._connection._changeHost('reconnect');
    // A host that learns that a tab is gone forgets the tab for good: this is another one.
    if (!this._holds) this._tab = crypto.randomUUID();
    this._waiting = [];
    this._silences = this._failed = 0;
    this._connection._changeHost('reconnect');
    if (!this._makeAgain()) return;
    this._bearSilence();
    if (!this._holds) this._hold();
  }

  /**
   * A host says that it is there.
   *
   * @param {string} lock its worker's
   * @param {number} life its epoch
   */
  _meet(lock, life) {
    timers.stop(this._silence);
    this._silences = 0;
    const isAnother = this._life !== undefined && this._life !== life;
    this._life = life;
    if (lock !== this._watched) this._watch(lock);
    // Behind the same port: the host crashed and another one took over, or the browser ran the worker again.
    if (isAnother) this._changeHost();
    this._introduce();
  }

  /** The host takes this tab: from now on it is spoken to. */
  _beTaken() {
    const waiting = this._waiting ?? [];
    this._failed = 0;
    this._lives.began();
    this._waiting = null;
    for (const text of waiting) this._worker.port.postMessage(text);
    if (this._leaves) this._leave();
  }

  /**
   * The worker holds its lock for as long as it lives: to get it is to know that the worker is gone.
   * It lives in the process of the tab that made it, and dies with that.
   *
   * @param {string} lock
   */
  _watch(lock) {
    this._unwatch();
    this._watched = lock;
    const { signal } = (this._watching = new AbortController());
    const gone = () => {
      // An abort comes too late where the lock was granted already.
      if (signal.aborted) return;
      this._watching = undefined;
      // Where the host died over a wipe that this tab wants, the next one has to finish it.
      if (this._closed && !this._connection._core.isWiping) this._finish();
      else this._replace();
    };
    // Shared: all tabs get the lock at once. Exclusive requests are granted one after the other, and a tab that is
    // blocked (an `alert()`, a busy loop) would hold up every tab behind it.
    navigator.locks.request(lock, { mode: 'shared', signal }, gone).catch(() => {});
  }

  _unwatch() {
    this._watching?.abort();
    this._watching = undefined;
  }

  _finish() {
    this._leave();
    // Another worker of this name can be made now.
    const callbacks = this._whenEnded.splice(0);
    timers.start(() => callbacks.forEach((callback) => callback()), burialTime());
  }

  _replace() {
    const wasTaken = !this._waiting;
    this._changeHost();
    // One that ends as soon as it has begun will do so again.
    if (!wasTaken) return this._fail('it ended at once');
    this._goOnLater(this._lives.ended());
  }

  /**
   * Goes on with another worker, but not before the name of the last one is free.
   *
   * @param {number} [pause] in milliseconds
   */
  _goOnLater(pause = 0) {
    timers.stop(this._silence);
    this._silence = timers.start(() => this._goOn(), Math.max(pause, burialTime()));
  }

  _goOn() {
    if (this._makeAgain()) this._bearSilence();
  }

  /**
   * Another worker, or another port of the same.
   *
   * @returns {boolean} whether there is one
   */
  _makeAgain() {
    const worker = this._worker;
    worker.onerror = null;
    worker.port.onmessage = null;
    worker.port.close();
    this._unwatch();
    this._watched = '';
    this._life = this._asked = undefined;
    return this._start();
  }

  /** Goes on with a host that does not know this tab yet. */
  _changeHost() {
    this._waiting = [];
    this._connection._changeHost();
  }

  /** The host takes a tab for alive as long as the tab's lock is held, so that comes first. */
  _hold() {
    this._holds = true;
    const { _tab: tab } = this;
    const gone = new Promise((resolve) => {
      this._release = () => resolve(undefined);
    });
    const held = () => {
      if (tab === this._tab && this._holds) {
        this._held = true;
        this._introduce();
      }
      return gone;
    };
    // Rejected only where the page is going away already.
    navigator.locks.request(tabLock(tab), held).catch(() => {});
  }

  /** Asks the host to take this tab, if it was heard of and this tab's lock is held. */
  _introduce() {
    const {
      _introduction: introduction,
      _life: life,
      _tab: tab,
      _id: id,
      _trapped: trapped,
    } = this;
    if (!this._held || this._asked === life || this._left) return;
    this._asked = life;
    this._worker.port.postMessage({ connect: { ...introduction, life, tab, id, trapped } });
  }

  get id() {
    return undefined;
  }

  set id(id) {
    this._id = id;
  }

  /** @param {string} text */
  post(text) {
    if (this._waiting) this._waiting.push(text);
    else this._worker.port.postMessage(text);
  }

  close() {
    this._connection._run(() => this._connection._core.close(true, true));
    this._leaves = true;
    // What the application submitted before is for the host all the same.
    if (!this._waiting) this._leave();
  }

  /** The tab's lock stays until the host is gone: without it the host would not answer. */
  expectEnd() {
    this._closed = true;
  }

  /**
   * A worker that ends holds its lock until nobody can reach it any more.
   *
   * @param {() => void} callback
   */
  whenEnded(callback) {
    this._whenEnded.push(callback);
    // The application may have closed the connection in between.
    if (!this._watching) this._watch(this._watched);
  }

  bind() {
    throw new Error(
      'bindToSocket() needs a connection whose host is in this page: say reconnect() after close()',
    );
  }

  send() {
    throw new Error('send() needs a connection whose host is in this page');
  }

  receiveFromServer() {
    throw new Error('handleMessage() needs a connection whose host is in this page');
  }

  /** @param {string | undefined} text */
  takeReason(text) {
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** @param {string} text */
  takeSocketError(text) {
    return JSON.parse(text);
  }
}

/**
 * @param {any} worker as the application made it
 * @returns {SharedWorker}
 */
function checkWorker(worker) {
  if (!worker?.port) throw new TypeError('options.worker gave no SharedWorker');
  return worker;
}
