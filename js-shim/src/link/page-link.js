/**
 * The link to a host in this page, which serves this tab alone, and the socket that the host uses.
 *
 * In a browser the host's code is loaded when it is first needed. Calls of the host are kept until then, in order.
 */

import { checkDurableStore, whyNotHere } from '../options/durable-options.js';
import { requireNamespace } from '../options/namespace.js';
import { newSource } from '../platform/locks.js';
import { shared } from '../platform/shared.js';
import { ShortLives } from '../platform/short-lives.js';
import { delay, nextTick } from '../platform/ticks.js';
import { remember } from '../platform/traps.js';
import { watchWaking } from '../platform/waking.js';
import { loadPageHostsWhile, pageHostsHere } from './page-host-loader.js';

/** @typedef {import('../api/connection.js').Connection} Connection */
/** @typedef {import('../host/recorder.js').TimedCore} HostCore */
/** @typedef {typeof import('../host/page-host.js').PageHost} PageHostClass */
/** @typedef {import('./link.d.ts').Wanted} Wanted */
/** @typedef {import('../host/host-driver.js').Surroundings} Surroundings */

/**
 * Where the host is:
 *
 * - `absent`: the host was asked for nothing yet, and its code may not be loaded.
 * - `loading`: its code is on its way. Calls wait.
 * - `catching up`: it is told the calls that waited. Those that come meanwhile wait behind them.
 * - `running`: it is called at once.
 * - `down`: it died, and the next one is not here yet. Calls are dropped: the tab registers anew with the next one.
 *
 * @typedef {'absent' | 'loading' | 'catching up' | 'running' | 'down'} Phase
 */

/** @typedef {import('./link.d.ts').Link} Link */
/** @typedef {import('../index.d.cts').Socket} Socket */

/** The `readyState` of an open socket. */
const OPEN = 1;

const OWN_SOCKET = 'the application brought its own socket';

/**
 * The link to a host in this page that opens its own sockets.
 *
 * @param {Wanted} wanted
 * @param {{reason: string, code?: string, tab?: string}} why the reason for `connection.host`, and this tab's id as an
 *   earlier host knew it
 */
export function pageLink(wanted, why) {
  const { url, namespace, worker, durableStore, keepPendingOnReject, connections, recorder } =
    wanted;
  const inMemory = whyNotHere(checkDurableStore(durableStore), worker);
  const open = (/** @type {string | undefined} */ given) =>
    new WebSocket(/** @type {string} */ (given ?? url));
  return new PageLink(null, {
    ...why,
    open,
    hasUrl: url !== undefined,
    namespace,
    durableStore,
    keepPendingOnReject,
    connections,
    recorder,
    inMemory,
  });
}

/** @implements {Link} */
export class PageLink {
  /**
   * @param {Socket | null} socket the application's, or `null` where `open` makes them
   * @param {object} [options]
   * @param {string} [options.reason]
   * @param {(url?: string) => Socket} [options.open] makes a socket, to this URL where the tab gave one
   * @param {boolean} [options.hasUrl] `false`: the tab gives one each time
   * @param {string} [options.namespace] of the store
   * @param {boolean | import('../index.d.cts').DurableStoreOptions} [options.durableStore] `true`, or what the store is
   *   to be
   * @param {boolean} [options.keepPendingOnReject]
   * @param {import('../index.d.cts').Connections} [options.connections] that tabs share
   * @param {false | import('../index.d.cts').RecorderBounds} [options.recorder] what the host records of itself
   * @param {string} [options.inMemory] why the store is to be in memory only
   * @param {string} [options.code] of the reason
   * @param {string} [options.tab] as another host knew this tab
   */
  constructor(socket, options = {}) {
    const { reason = OWN_SOCKET, code, open, hasUrl, namespace, inMemory } = options;
    const store = checkDurableStore(options.durableStore);
    // An application that brings the storage knows whose documents are in it.
    if (store && !store.storage) requireNamespace(namespace);
    const keepsPending = options.keepPendingOnReject ?? store?.keepPendingOnReject;
    /** @type {Link['host']} */
    this.host = { kind: 'in-page', place: 'page', reason, ...(code && { code }) };
    this.initialState = open ? 'connecting' : stateOf(/** @type {Socket} */ (socket));
    this.socket = socket;
    this._open = open;
    this._stores = Boolean(store);
    this._options = {
      opensSockets: Boolean(open),
      hasUrl,
      store,
      namespace,
      inMemory,
      keepsPending,
      connections: options.connections,
      recorder: options.recorder,
    };
    /** The host; while the phase is `down` the one that died. @type {InstanceType<PageHostClass> | undefined} */
    this._host = undefined;
    /** Calls that wait for the host, oldest first. @type {((core: HostCore) => void)[]} */
    this._calls = [];
    /** @type {Phase} */
    this._phase = 'absent';
    /** The inputs on which hosts of this page crashed. @type {import('../host/quarantine.js').Trapped[]} */
    this._trapped = [];
    this._lives = new ShortLives();
    /**
     * The socket that the host has: the application may have bound another one while the host was loaded.
     *
     * @type {Socket | null}
     */
    this._bound = null;
    /**
     * The id and the seq as the application set them last, for while there is no host to ask.
     *
     * @type {{id?: string, seq: number}}
     */
    this._given = { seq: 1 };
    /** Whether the host has given the last socket up. */
    this._gaveUp = false;
    /** The last reason of a close and the last error of the socket, as given: they need not be JSON. @type {any} */
    this._reason = undefined;
    /** @type {any} */
    this._socketError = undefined;
    this._endWatch = () => {};
    /** @type {Connection} */
    this._connection = /** @type {any} */ (undefined);
    /** Identifies the last request to release the storage; `null` where it is in use. @type {object | null} */
    this._leaving = null;
    /** The id of this tab, new for each link: the store remembers tabs and the seqs of their ops. */
    this._tab = options.tab ?? newSource();
    const hosts = pageHostsHere();
    if (!hosts) return;
    const { PageHost } = hosts;
    this._begin(PageHost);
    this._phase = 'running';
  }

  /** @param {Connection} connection */
  attach(connection) {
    this._connection = connection;
    if (this._open) this._beginSockets();
    else this._take(/** @type {Socket} */ (this.socket));
  }

  get id() {
    const host = this._living();
    return host ? host.core.id : this._given.id;
  }

  set id(id) {
    this._given.id = id;
    this._run((core) => core.setId(id ?? undefined));
  }

  get seq() {
    const host = this._living();
    return host ? host.core.seq : this._given.seq;
  }

  set seq(seq) {
    this._given.seq = seq;
    this._run((core) => core.setSeq(seq));
  }

  /** @param {string} text */
  post(text) {
    this._run((core) => core.handleTab(this._tab, text));
  }

  close() {
    const connection = this._connection;
    connection._run(() => connection._core.close(false, false));
    this._endWatch();
    if (this._stores) this._leaveStorage();
  }

  /** @param {() => void} open */
  reconnect(open) {
    if (!this._open) {
      const message =
        'reconnect() needs a url: bring another socket to this connection by bindToSocket()';
      throw new shared.Error('ERR_NO_URL', message);
    }
    const { _isUnregistered: isUnregistered } = this._connection;
    open();
    this._leaving = null;
    this._host?.storage?.begin();
    if (isUnregistered) this._connection._changeHost('reconnect');
    this._beginSockets();
  }

  _beginSockets() {
    this._endWatch();
    this._endWatch = watchWaking(() => this._run((core) => core.wake(Math.random())));
    this._run((core) => core.connect());
  }

  /** Releases the storage when all submitted ops are written. */
  _leaveStorage() {
    const connection = this._connection;
    const leaving = (this._leaving = {});
    const callback = () => {
      if (this._leaving === leaving) this._host?.storage?.end();
    };
    const token = connection._keep({ callback });
    connection._run(() => connection._core.flushWrites(token));
  }

  /** The host in this page cannot be replaced by anybody else. */
  expectEnd() {}

  /**
   * Releases the storage for another host, at once.
   *
   * @param {() => void} callback
   */
  whenEnded(callback) {
    this._host?.storage?.end();
    callback();
  }

  // ---- The socket ----

  /** @param {Socket} socket */
  bind(socket) {
    const old = this.socket;
    if (old) {
      // As in ShareDB (`bindToSocket`), messages that the socket sends at once are handled.
      old.close();
      forget(old);
    }
    this._take(socket);
  }

  /** @param {Socket} socket */
  _take(socket) {
    this._leaving = null;
    this._host?.storage?.begin();
    this.socket = socket;
    socket.onmessage = (event) => this._onMessage(event);
    const { readyState } = socket;
    this._run((core) => {
      this._bound = socket;
      core.bindSocket(readyState);
    });
    socket.onopen = () => this._run((core) => core.socketOpened());
    socket.onerror = (error) => {
      this._socketError = error;
      this._run((core) => core.socketFailed(asJson(error)));
    };
    socket.onclose = (reason) => {
      this._reason = reason;
      this._gaveUp = false;
      const random = Math.random();
      this._run((core) => core.socketClosed(asJson(reason), random));
    };
  }

  /** @param {any} event */
  _onMessage(event) {
    const connection = this._connection;
    let { data } = event;
    if (connection.debug)
      shared.logger.info('RECV', typeof data === 'string' ? data : JSON.stringify(data));
    if (connection.listenerCount('receive')) {
      try {
        if (typeof data === 'string') data = JSON.parse(data);
      } catch {
        return void shared.logger.warn('Failed to parse message', event);
      }
      const request = { data };
      connection.emit('receive', request);
      if (!request.data) return;
      data = request.data;
    }
    try {
      this.receiveFromServer(typeof data === 'string' ? data : JSON.stringify(data));
    } catch (error) {
      nextTick(() => connection.emit('error', error));
    }
  }

  /** @param {string} text */
  receiveFromServer(text) {
    this._run((core) => core.socketMessage(text));
  }

  /** @param {any} message */
  send(message) {
    this._write(JSON.stringify(message), message);
  }

  /**
   * @param {string} text
   * @param {any} [message]
   */
  _write(text, message) {
    const connection = this._connection;
    if (connection.debug) shared.logger.info('SEND', text);
    if (connection.listenerCount('send')) connection.emit('send', message ?? JSON.parse(text));
    // A host that is catching up does not know yet that this socket has closed.
    const { _bound: bound } = this;
    if (this._phase !== 'catching up' || bound?.readyState === OPEN) bound?.send(text);
  }

  /** @param {string | undefined} text */
  takeReason(text) {
    if (text === undefined) return undefined;
    return this._gaveUp ? JSON.parse(text) : this._reason;
  }

  takeSocketError() {
    return this._socketError;
  }

  // ---- The machine ----

  /** The host, where there is one that can be asked. */
  _living() {
    const isHere = this._phase === 'running' || this._phase === 'catching up';
    return isHere ? this._host : undefined;
  }

  /**
   * Makes the host, in the storage of the one before.
   *
   * @param {PageHostClass} PageHost
   */
  _begin(PageHost) {
    const { storage, recorder } = this._host ?? {};
    this._host = new PageHost(this._options, this._surroundings(PageHost), storage, recorder);
    this._lives.began();
  }

  /**
   * @param {PageHostClass} PageHost of which the next host is made
   * @returns {Surroundings}
   */
  _surroundings(PageHost) {
    return {
      toTab: (_, text, urgent) => this._connection._receive(text, urgent),
      send: (text) => this._write(text),
      closeSocket: () => void this._bound?.close(),
      dropSocket: () => this._giveUpSocket(),
      openSocket: (url) => this._openSocket(url),
      findTabs: (tabs) => this._findTabs(tabs),
      beginAnew: () => {
        this._host?.leave();
        void this._changeHost(PageHost);
      },
      died: (error, trapped) => void this._startAgain(PageHost, error, trapped),
    };
  }

  /**
   * The machine crashed. The next one takes over from the store; without a store the outcome of ops that the host had
   * accepted is unknown. Calls meanwhile are dropped: the tab registers anew, and the socket's state is read again.
   *
   * @param {PageHostClass} PageHost
   * @param {any} error
   * @param {import('../host/quarantine.js').Trapped} [trapped]
   */
  _startAgain(PageHost, error, trapped) {
    shared.logger.error('The host crashed, and is started again', error);
    this._trapped = remember(this._trapped, trapped);
    return this._changeHost(PageHost, this._lives.ended());
  }

  /**
   * Replaces the host.
   *
   * @param {PageHostClass} PageHost
   * @param {number} [pause] in milliseconds, before the next one begins
   */
  async _changeHost(PageHost, pause = 0) {
    this._phase = 'down';
    if (this._open) this._dropSocket();
    await this._host?.storage?.detach();
    if (pause) await delay(pause);
    const connection = this._connection;
    // The store was wiped meanwhile: there is nothing to take over.
    if (connection._wiped) return;
    this._begin(PageHost);
    this._phase = 'running';
    this._run((core) => this._name(core));
    this._host?.quarantine(this._trapped);
    if (connection._closed) return this._endAgain();
    if (this._open) this._run((core) => core.connect());
    else this._take(/** @type {Socket} */ (this.socket));
    connection._changeHost();
  }

  /**
   * No two ops ever have the same src and seq. A store knows which were used. Without one the next host has to be
   * another client for the server, which knows the socket's client by its id.
   *
   * @param {HostCore} core
   */
  _name(core) {
    if (!this._stores) core.setId(newSource());
    else if (this._given.id) core.setId(this._given.id);
  }

  /** The connection was closed meanwhile: the host only writes what its store holds, and releases the storage. */
  _endAgain() {
    this._connection._isUnregistered = true;
    this._host?.storage?.end();
  }

  _dropSocket() {
    const { socket } = this;
    this.socket = this._bound = null;
    if (!socket) return;
    forget(socket);
    socket.close();
  }

  /** The host has given its socket up; its own reason is the one that counts. */
  _giveUpSocket() {
    this._gaveUp = true;
    this._dropSocket();
  }

  /**
   * Calls the machine, and carries out what follows; later, where the machine is not here yet.
   *
   * @param {(core: HostCore) => void} call
   */
  _run(call) {
    switch (this._phase) {
      case 'running':
        return this._host?.run(call);
      case 'absent':
        this._calls.push(call);
        return void this._load();
      case 'loading':
      case 'catching up':
        return void this._calls.push(call);
      case 'down':
        return;
    }
  }

  /** Loads the host's code, and gives the host the calls and socket messages that were kept for it. */
  async _load() {
    this._phase = 'loading';
    const PageHost = await this._tryToLoad();
    if (!PageHost) return void (this._phase = 'absent');
    this._begin(PageHost);
    this._phase = 'catching up';
    // A listener may add calls meanwhile; they queue behind the older ones.
    while (this._calls.length) {
      try {
        this._host?.run(/** @type {(core: HostCore) => void} */ (this._calls.shift()));
      } catch (error) {
        nextTick(() => this._connection.emit('error', error));
      }
    }
    // One of the calls may have crashed it.
    if (this._living()) this._phase = 'running';
  }

  /**
   * Loads the host's code, and tries again after failures until the connection is closed. The first failure is an
   * `error` event, later ones are logged.
   *
   * @returns {Promise<PageHostClass | undefined>}
   */
  async _tryToLoad() {
    const hosts = await loadPageHostsWhile(() => !this._connection._closed, this._connection);
    return hosts?.PageHost;
  }

  /** @param {string} [url] given by the tab */
  _openSocket(url) {
    let socket;
    try {
      socket = /** @type {(url?: string) => Socket} */ (this._open)(url);
    } catch (error) {
      // The address is invalid or forbidden for this page. Trying again would not help.
      shared.logger.warn(`No socket can be made: ${error}`);
      this._socketError = error;
      // The first time nobody listens yet.
      return nextTick(() => this._run((core) => core.socketFailed(asJson(error))));
    }
    this.bind(socket);
  }

  /**
   * A host in a page has this tab only; the store may name others, of a host that lived elsewhere.
   *
   * @param {string[]} tabs
   */
  _findTabs(tabs) {
    const living = tabs.filter((tab) => tab === this._tab);
    this._host?.storage?.tellTabs(living);
  }
}

/** @param {Socket} socket */
function forget(socket) {
  socket.onmessage = socket.onopen = socket.onerror = socket.onclose = null;
}

/**
 * @param {Socket} socket
 * @returns {'connecting' | 'disconnected'}
 */
export function stateOf(socket) {
  return socket.readyState === 0 || socket.readyState === 1 ? 'connecting' : 'disconnected';
}

/**
 * The parts of a close event or an error that can be JSON.
 *
 * @param {any} reason
 */
function asJson(reason) {
  if (reason === undefined) return undefined;
  if (typeof reason === 'string') return JSON.stringify(reason);
  const { code, reason: why, wasClean, message } = reason ?? {};
  return JSON.stringify({ code, reason: why, wasClean, message });
}
