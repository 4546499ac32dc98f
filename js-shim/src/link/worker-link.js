/**
 * The link to a host in a SharedWorker. Makes the worker, introduces the tab to each host in it, notices the worker's
 * death, and falls back to a host in this page where no worker can be used.
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

/**
 * Version of the protocol between page and worker. It is part of the worker's name, so different versions never meet.
 */
const MAJOR = 1;
/**
 * Milliseconds that a new worker may be silent before another port is tried; doubled after each try. A living worker
 * needs a fraction of it, unless its script comes over a slow network.
 */
const FIRST_SILENCE = 1_000;
/** Silences in a row after which the worker is given up, 15 seconds in all. */
const SILENCES = 4;
/** Attempts to start a worker that fails. The first may have been in the process of a tab that is just closing. */
const ATTEMPTS = 3;

/** Bound of the list of inputs that crashed hosts. */
const MAX_TRAPPED = 16;

/**
 * What the application asked of its host, wherever that lives.
 *
 * @typedef {object} Wanted
 * @property {string} url
 * @property {string} [namespace]
 * @property {(name: string) => any} [worker] makes the application's own worker
 * @property {boolean | import('../index.d.cts').DurableStoreOptions} [durableStore] `true`, or the options
 * @property {boolean} [keepPendingOnReject]
 */

/**
 * The link to a host in this page that opens its own sockets.
 *
 * @param {Wanted} wanted
 * @param {{reason: string, code?: string, tab?: string}} why the reason for `connection.host`, and this tab's id as an
 *   earlier host knew it
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
    // Also where the storage is the application's: the namespace decides which tabs share the worker.
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
    /**
     * Inputs on which hosts crashed, for the next one's quarantine.
     *
     * @type {import('../host/quarantine.js').Trapped[]}
     */
    this._trapped = [];
    /** The constant part of this tab's introduction to a host, see `Introduction`. */
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
    /** Messages that wait until a host has taken this tab; `null` while one has. @type {string[] | null} */
    this._waiting = [];
    /** The epoch of the host behind the port. @type {number | undefined} */
    this._life = undefined;
    /** The epoch of the host that was asked to take this tab. @type {number | undefined} */
    this._asked = undefined;
    /** Whether this tab's lock is held. */
    this._held = false;
    /** Whether that lock is held or requested. */
    this._holds = false;
    /** Runs out where the worker stays silent. @type {import('../platform/ticks.js').Timer | undefined} */
    this._silence = undefined;
    /** Workers in a row that said nothing. */
    this._silences = 0;
    /** Workers in a row that did not start. */
    this._failed = 0;
    /** Counts workers that ended soon after they took this tab. */
    this._lives = new ShortLives();
    this._closed = false;
    /** Whether this link is out of use. */
    this._left = false;
    /** Whether the application closed the connection; the link is left once a host has taken the waiting messages. */
    this._leaves = false;
    /** Callbacks of `whenEnded`. @type {(() => void)[]} */
    this._whenEnded = [];
    /** The name of the worker's lock that is waited for. */
    this._watched = '';
    /** Aborts the request for that lock; `undefined` where none is queued. @type {AbortController | undefined} */
    this._watching = undefined;
    /** Releases the tab's lock. @type {() => void} */
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
   * Makes the worker. Where that throws (blocked cookies, an invalid address) the host moves into this page.
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
   * Waits for the worker's greeting. A worker that dies before it leaves no lock to watch, so after a silence another
   * port is tried; nothing was posted to the old one. A worker that stays silent threw while its module was evaluated,
   * which browsers do not report to the page.
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
   * The worker could not be loaded, or threw. Before it took this tab, it is made again; after the last attempt the
   * host moves into this page. Later it is an `error` event.
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
    // A coded error is a mistake of the application's: trying again would not help.
    if (this._failed === ATTEMPTS || code !== 'ERR_HOST_FAILED')
      this._moveIn(`the shared worker did not start: ${message}`, code);
    else this._goOnLater();
  }

  /**
   * The worker refuses this tab: it serves another namespace or url, or does not encrypt what the page encrypts. No
   * message was exchanged with it.
   *
   * @param {{code: string, message: string}} refusal
   */
  _beRefused({ code, message }) {
    if (this._leaves) return this._leave();
    this._moveIn(message, code);
    this._connection.emit('error', new shared.Error(code, message));
  }

  /**
   * Moves the host into this page, with the messages that wait.
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

  /** Leaves this link: stops timers, locks and listeners. The host forgets the tab when the tab's lock is released. */
  _leave() {
    this._closed = true;
    this._left = true;
    timers.stop(this._silence);
    // A queued request would keep this connection in memory until the host dies.
    if (!this._whenEnded.length) this._unwatch();
    if (this._worker) {
      // The tab may return by another port; until then the host sends nothing to this one.
      if (!this._waiting) this._worker.port.postMessage({ left: true });
      this._worker.onerror = this._worker.port.onmessage = null;
    }
    // While the lock is held, the host keeps the outcomes of the tab's ops, for a reconnect.
    if (!this._mayReturn()) this._releaseLock();
  }

  /** Whether the application closed the connection with ops that have no outcome yet. */
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
    // The host forgets a tab whose lock was released, so this comes back as another tab.
    if (!this._holds) this._tab = crypto.randomUUID();
    this._waiting = [];
    this._silences = this._failed = 0;
    this._connection._changeHost('reconnect');
    if (!this._makeAgain()) return;
    this._bearSilence();
    if (!this._holds) this._hold();
  }

  /**
   * A host greets this port.
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
    // Another life behind the same port: the host crashed and was replaced, or the browser restarted the worker.
    if (isAnother) this._changeHost();
    this._introduce();
  }

  /** The host has taken this tab: messages are posted from now on. */
  _beTaken() {
    const waiting = this._waiting ?? [];
    this._failed = 0;
    this._lives.began();
    this._waiting = null;
    for (const text of waiting) this._worker.port.postMessage(text);
    if (this._leaves) this._leave();
  }

  /**
   * Requests the worker's lock. The worker holds it for as long as it lives, so the lock is granted when the worker is
   * gone; it dies with the process of the tab that made it.
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
    // The caller may make another worker of this name, but not too soon.
    const callbacks = this._whenEnded.splice(0);
    timers.start(() => callbacks.forEach((callback) => callback()), burialTime());
  }

  _replace() {
    const wasTaken = !this._waiting;
    this._changeHost();
    // A worker that ended before it took this tab is likely to do so again.
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

  /** Messages wait again: the next host does not know this tab yet. */
  _changeHost() {
    this._waiting = [];
    this._connection._changeHost();
  }

  /** Acquires the tab's lock, then introduces the tab: a host takes a tab whose lock is free for dead. */
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
    // Rejected only while the page is being unloaded.
    navigator.locks.request(tabLock(tab), held).catch(() => {});
  }

  /** Asks the host to take this tab, once it has greeted and the tab's lock is held. */
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
