/**
 * The way to a host in a SharedWorker.
 */

import { checkDurableStore, forWorker } from './durable-options.js';
import { tabLock } from './locks.js';
import { PageLink } from './page-link.js';
import { shared } from './shared.js';

/** @typedef {import('./page-link.js').Link} Link */

/** The protocol between page and worker; part of the worker's name, so that versions do not meet. */
const MAJOR = 1;

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
    /** Messages for the host before it may know of this tab. @type {string[] | null} */
    this._waiting = [];
    /** What was posted before the host's first word, for another host. @type {string[] | null} */
    this._unheard = [];
    this._closed = false;
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
    this._hold();
    this._leaveWithPage();
  }

  _listen() {
    const connection = this._connection;
    const { port } = this._worker;
    port.onmessage = (/** @type {MessageEvent} */ { data }) => {
      if (typeof data === 'string') {
        this._unheard = null;
        connection._receive(data, false);
      } else if (data?.host) this._watch(data.host);
      else if (data?.warning) shared.logger.warn(data.warning);
      else if (data?.failed) this._fail(data.failed);
    };
    this._worker.onerror = (/** @type {any} */ { message }) => this._fail(message);
  }

  /**
   * The worker cannot be loaded, or threw. Where it never said a word the host moves into this page;
   * whatever was meant for the worker goes there.
   *
   * @param {string} [message]
   */
  _fail(message = 'its script could not be loaded') {
    const connection = this._connection;
    const unheard = this._unheard;
    if (!unheard) {
      return void connection.emit('error', new shared.Error('ERR_HOST_FAILED', message));
    }
    const reason = `the shared worker did not start: ${message}`;
    shared.logger.warn(reason);
    this._leave();
    const { url, ...given } = this._introduction;
    const open = () => new WebSocket(url);
    connection._useLink(new PageLink(null, { reason, open, ...given }));
    for (const text of unheard) connection._link.post(text);
  }

  /** The host forgets the port with the lock. */
  _leave() {
    this._closed = true;
    this._worker.port.onmessage = null;
    this._release();
  }

  /**
   * The host holds its lock for as long as it lives: to get it is to know that the host is gone.
   * A worker lives in the process of the tab that made it, and dies with that.
   *
   * @param {string} lock
   */
  _watch(lock) {
    const { port } = this._worker;
    // Another host behind the same port: the worker was run again.
    if (this._watched && this._watched !== lock) this._changeHost();
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
    const { port } = this._worker;
    port.onmessage = null;
    port.close();
    this._worker = this._make();
    this._watched = '';
    this._listen();
    this._changeHost();
  }

  /** Goes on with a host that does not know this tab yet. */
  _changeHost() {
    this._waiting = [];
    this._unheard = [];
    this._connection._changeHost();
    this._start();
  }

  /** The host takes a tab for alive as long as the tab's lock is held, so that comes first. */
  _hold() {
    const gone = new Promise((resolve) => {
      this._release = () => resolve(undefined);
    });
    const held = () => {
      this._start();
      return gone;
    };
    // Rejected only where the page is going away already.
    navigator.locks.request(tabLock(this._tab), held).catch(() => {});
  }

  _start() {
    const { port } = this._worker;
    port.postMessage({ connect: { ...this._introduction, tab: this._tab, id: this._id } });
    for (const text of this._waiting ?? []) port.postMessage(text);
    this._waiting = null;
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
    this._unheard?.push(text);
    if (this._waiting) this._waiting.push(text);
    else this._worker.port.postMessage(text);
  }

  close() {
    this._connection._run(() => this._connection._core.close(true, true));
    this._leave();
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
