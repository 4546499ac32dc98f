/**
 * The way to a host in a SharedWorker.
 */

import { checkDurableStore, forWorker } from './durable-options.js';
import { tabLock } from './locks.js';
import { PageLink } from './page-link.js';
import { shared } from './shared.js';
import { timers } from './ticks.js';

/** @typedef {import('./page-link.js').Link} Link */

/** The protocol between page and worker; part of the worker's name, so that versions do not meet. */
const MAJOR = 1;
/**
 * How long a new worker may be silent before another port is tried, in milliseconds: the first time, and at most. One that
 * lives needs a fraction of the first, unless its script is on a slow network.
 */
const SHORTEST_SILENCE = 1_000;
const LONGEST_SILENCE = 8_000;
/** How often a worker that does not start is made. It may have been in the process of a tab that went away. */
const ATTEMPTS = 3;

/** So many messages that crashed a host are remembered. */
const MAX_TRAPPED = 16;

/** @implements {Link} */
export class WorkerLink {
  /**
   * @param {object} options
   * @param {string} options.url
   * @param {string} [options.namespace]
   * @param {() => any} [options.worker] makes the worker
   * @param {any} [options.durableStore] `true`, or the options
   * @param {boolean} [options.keepPendingOnReject]
   */
  constructor(options) {
    const { url, namespace = url, worker = () => packagedWorker(namespace) } = options;
    const store = checkDurableStore(options.durableStore);
    const keepsPending = options.keepPendingOnReject ?? store?.keepPendingOnReject;
    this.host = {
      kind: 'shared-worker',
      reason: 'SharedWorker is available',
    };
    this.initialState = 'connecting';
    this.socket = null;
    this.seq = undefined;
    /** The id that the application wants. @type {any} */
    this._id = undefined;
    /** Messages on which hosts died, for the next one. @type {string[]} */
    this._trapped = [];
    /** What a host is told of this tab, and of what it is to be. */
    this._introduction = {
      url,
      namespace,
      durableStore: forWorker(store),
      keepPendingOnReject: keepsPending,
    };
    this._make = worker;
    this._worker = worker();
    this._tab = crypto.randomUUID();
    /** Messages that wait for a host's first word, and for this tab's lock. @type {string[] | null} */
    this._waiting = [];
    /** This tab's lock is held. */
    this._held = false;
    /** Runs until the worker's first word. @type {any} */
    this._silence = undefined;
    /** Workers in a row that did not start. */
    this._failed = 0;
    this._closed = false;
    /** The application closed this before there was anybody to tell. */
    this._leaves = false;
    /** Who waits for the host's end. @type {(() => void)[]} */
    this._whenEnded = [];
    /** The lock of the host that is watched. */
    this._watched = '';
    /** Ends the tab's lock. @type {() => void} */
    this._release = () => {};
  }

  /** @param {any} connection */
  attach(connection) {
    this._connection = connection;
    this._listen();
    this._bearSilence();
    this._hold();
    this._leaveWithPage();
  }

  _listen() {
    const connection = this._connection;
    const { port } = this._worker;
    port.onmessage = (/** @type {MessageEvent} */ { data }) => {
      if (typeof data === 'string') connection._receive(data, false);
      else if (data?.host) this._meet(data.host);
      else if (data?.warning) shared.logger.warn(data.warning);
      else if (data?.failed) this._fail(data.failed);
      else if (data?.trapped) this._trapped = [...this._trapped, data.trapped].slice(-MAX_TRAPPED);
    };
    this._worker.onerror = (/** @type {any} */ { message }) => this._fail(message);
  }

  /**
   * A worker that dies before its first word leaves no lock to watch. Where there is only silence another port is tried:
   * to a worker that lives it is as good as the one before, since nothing was posted there yet.
   *
   * @param {number} [patience] in milliseconds
   */
  _bearSilence(patience = SHORTEST_SILENCE) {
    timers.stop(this._silence);
    this._silence = timers.start(() => {
      this._makeAgain();
      this._bearSilence(Math.min(2 * patience, LONGEST_SILENCE));
    }, patience);
  }

  /**
   * The worker cannot be loaded, or threw. Where it never said a word the host moves into this page;
   * whatever was meant for the worker goes there.
   *
   * @param {string} [message]
   */
  _fail(message = 'its script could not be loaded') {
    const connection = this._connection;
    const waiting = this._waiting;
    if (this._leaves) return this._leave();
    if (!waiting || this._watched) {
      return void connection.emit('error', new shared.Error('ERR_HOST_FAILED', message));
    }
    this._failed += 1;
    if (this._failed < ATTEMPTS) return this._makeAgain();
    const reason = `the shared worker did not start: ${message}`;
    shared.logger.warn(reason);
    this._leave();
    const { url, ...given } = this._introduction;
    const open = () => new WebSocket(url);
    connection._useLink(new PageLink(null, { reason, open, ...given }));
    for (const text of waiting) connection._link.post(text);
  }

  /** The host forgets the port with the lock. */
  _leave() {
    this._closed = true;
    timers.stop(this._silence);
    this._worker.port.onmessage = null;
    this._release();
  }

  /**
   * A host says that it is there.
   *
   * @param {string} lock
   */
  _meet(lock) {
    timers.stop(this._silence);
    this._failed = 0;
    const isAnother = this._watched && this._watched !== lock;
    this._watch(lock);
    // Behind the same port: the worker was run again.
    if (isAnother) this._changeHost();
    else this._start();
  }

  /**
   * The host holds its lock for as long as it lives: to get it is to know that the host is gone.
   * A worker lives in the process of the tab that made it, and dies with that.
   *
   * @param {string} lock
   */
  _watch(lock) {
    const { port } = this._worker;
    this._watched = lock;
    const gone = () => {
      // An older host's lock says nothing of this one.
      if (port !== this._worker.port) return;
      // Where the host died over a wipe that this tab wants, the next one has to finish it.
      if (this._closed && !this._connection._core.isWiping) this._finish();
      else this._replace();
    };
    navigator.locks.request(lock, gone).catch(() => {});
  }

  _finish() {
    this._leave();
    for (const callback of this._whenEnded.splice(0)) callback();
  }

  _replace() {
    this._watched = '';
    this._makeAgain();
    this._bearSilence();
    this._changeHost();
  }

  /** Another worker, or another port of the same. */
  _makeAgain() {
    const worker = this._worker;
    worker.onerror = null;
    worker.port.onmessage = null;
    worker.port.close();
    this._worker = this._make();
    this._listen();
  }

  /** Goes on with a host that does not know this tab yet. */
  _changeHost() {
    this._waiting = [];
    this._connection._changeHost();
    this._start();
  }

  /** The host takes a tab for alive as long as the tab's lock is held, so that comes first. */
  _hold() {
    const gone = new Promise((resolve) => {
      this._release = () => resolve(undefined);
    });
    const held = () => {
      this._held = true;
      this._start();
      return gone;
    };
    // Rejected only where the page is going away already.
    navigator.locks.request(tabLock(this._tab), held).catch(() => {});
  }

  /** Begins to talk to the host, if it was heard of and this tab's lock is held. */
  _start() {
    const { port } = this._worker;
    if (!this._held || !this._watched || !this._waiting) return;
    const { _introduction: introduction, _tab: tab, _id: id, _trapped: trapped } = this;
    port.postMessage({ connect: { ...introduction, tab, id, trapped } });
    for (const text of this._waiting) port.postMessage(text);
    this._waiting = null;
    if (this._leaves) this._leave();
  }

  _leaveWithPage() {
    globalThis.addEventListener?.('pagehide', (event) => {
      if (!event.persisted) this._connection._run(() => this._connection._core.unregister());
    });
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
  }

  bind() {
    throw new Error('bindToSocket() needs a connection whose host is in this page');
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

/** @param {string} namespace */
function packagedWorker(namespace) {
  // Bundled beforehand: a worker has no import map, and Vite's dev server does not convert what a
  // package's worker imports.
  return new SharedWorker(new URL('../dist/worker-entry.js', import.meta.url), {
    type: 'module',
    name: `sharedb-proxy ${MAJOR} ${namespace}`,
  });
}
