/**
 * A host in this page, for the one tab that is this page, and the socket that it uses.
 */

import { HostCore } from './cores.js';
import { checkDurableStore } from './durable-options.js';
import { HostKind } from './events.js';
import { epoch, newSource } from './locks.js';
import { requireNamespace } from './namespace.js';
import { shared } from './shared.js';
import { HostStorage } from './storage/host-storage.js';
import { nextTick, timers } from './ticks.js';
import { typesBridge } from './types-bridge.js';

/** @typedef {import('./connection.js').Connection} Connection */

/**
 * How a connection reaches its host.
 *
 * @typedef {object} Link
 * @property {{kind: string, reason: string, code?: string}} host
 * @property {string} initialState
 * @property {any} socket
 * @property {any} id
 * @property {any} seq
 * @property {(connection: any) => void} attach
 * @property {(text: string) => void} post
 * @property {(socket: any) => void} bind
 * @property {() => void} close
 * @property {() => void} expectEnd the host is about to end, and nobody is to start another
 * @property {(callback: () => void) => void} whenEnded calls back when it has ended
 * @property {(message: any) => void} send
 * @property {(text: string) => void} receiveFromServer
 * @property {(text: string | undefined) => any} takeReason
 * @property {(text: string) => any} takeSocketError
 */

const OWN_SOCKET = 'the application brought its own socket';

/** @implements {Link} */
export class PageLink {
  /**
   * @param {any} socket the application's, or `null` where `open` makes them
   * @param {object} [options]
   * @param {string} [options.reason]
   * @param {() => any} [options.open]
   * @param {string} [options.namespace] of the store
   * @param {any} [options.durableStore] `true`, or what the store is to be
   * @param {boolean} [options.keepPendingOnReject]
   * @param {string} [options.inMemory] why the store is to be in memory only
   * @param {string} [options.code] of the reason
   * @param {string} [options.tab] as another host knew this tab
   */
  constructor(socket, options = {}) {
    const { reason = OWN_SOCKET, code, open, namespace, inMemory } = options;
    const store = checkDurableStore(options.durableStore);
    // Whose documents are in a storage of the application's, the application knows.
    if (store && !store.storage) requireNamespace(namespace);
    const keepsPending = options.keepPendingOnReject ?? store?.keepPendingOnReject;
    this.host = { kind: 'in-page', reason, ...(code && { code }) };
    this.initialState = open ? 'connecting' : stateOf(socket);
    this.socket = socket;
    this._open = open;
    this._storage = store ? new HostStorage({ ...store, namespace, inMemory }) : null;
    this._core = new HostCore(
      /** @type {any} */ (typesBridge),
      epoch(),
      true,
      Boolean(open),
      store ? 'durable' : undefined,
      store ? newSource() : undefined,
    );
    this._core.configure(store?.maxOpBytes, keepsPending);
    this._storage?.attach(this._core, (call) => this._run(call));
    /** @type {any} */
    this._timer = undefined;
    /** The last things the socket said, as they were: they need not be JSON. @type {any} */
    this._reason = undefined;
    /** @type {any} */
    this._socketError = undefined;
    /** @type {Connection} */
    this._connection = /** @type {any} */ (undefined);
    /** Is another object each time the storage is to end. @type {object | null} */
    this._leaving = null;
    /** The only tab; another one each time, since the store remembers tabs, and what they have sent. */
    this._tab = options.tab ?? newSource();
  }

  /** @param {Connection} connection */
  attach(connection) {
    this._connection = connection;
    if (this._open) this._run(() => this._core.connect());
    else this._take(this.socket);
  }

  get id() {
    return this._core.id;
  }

  set id(id) {
    this._core.setId(id ?? undefined);
  }

  get seq() {
    return this._core.seq;
  }

  set seq(seq) {
    this._core.setSeq(seq);
  }

  /** @param {string} text */
  post(text) {
    this._run(() => this._core.handleTab(this._tab, text));
  }

  close() {
    const connection = this._connection;
    connection._run(() => connection._core.close(false, false));
    if (this._storage) this._leaveStorage(this._storage);
  }

  /**
   * What the application submitted before is written first.
   *
   * @param {HostStorage} storage
   */
  _leaveStorage(storage) {
    const connection = this._connection;
    const leaving = (this._leaving = {});
    const callback = () => {
      if (this._leaving === leaving) storage.end();
    };
    const token = connection._keep({ callback });
    connection._run(() => connection._core.flushWrites(token));
  }

  /** Everything is being deleted. */
  expectEnd() {}

  /**
   * The host cannot be used any more; another one can have the storage.
   *
   * @param {() => void} callback
   */
  whenEnded(callback) {
    this._storage?.end();
    callback();
  }

  // ---- The socket ----

  /** @param {any} socket */
  bind(socket) {
    const old = this.socket;
    if (old) {
      old.close();
      old.onmessage = old.onopen = old.onerror = old.onclose = null;
    }
    this._take(socket);
  }

  /** @param {any} socket */
  _take(socket) {
    this._leaving = null;
    this._storage?.begin();
    this.socket = socket;
    socket.onmessage = (/** @type {any} */ event) => this._onMessage(event);
    this._run(() => this._core.bindSocket(socket.readyState));
    socket.onopen = () => this._run(() => this._core.socketOpened());
    socket.onerror = (/** @type {any} */ error) => {
      this._socketError = error;
      this._run(() => this._core.socketFailed(asJson(error)));
    };
    socket.onclose = (/** @type {any} */ reason) => {
      this._reason = reason;
      this._run(() => this._core.socketClosed(asJson(reason), Math.random()));
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
    this._run(() => this._core.socketMessage(text));
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
    this.socket.send(text);
  }

  /** @param {string | undefined} text */
  takeReason(text) {
    return text === undefined ? undefined : this._reason;
  }

  takeSocketError() {
    return this._socketError;
  }

  // ---- The machine ----

  /** @param {() => void} call */
  _run(call) {
    call();
    // An output may cause the next input at once. The outputs then follow each other all the same.
    let failure;
    for (let output = this._core.poll(); output; output = this._core.poll()) {
      try {
        this._handle(output);
      } catch (error) {
        failure ??= { error };
      }
    }
    this._storage?.stir();
    if (failure) throw failure.error;
  }

  /** @param {any[]} output */
  _handle(output) {
    switch (output[0]) {
      case HostKind.ToTab:
        return this._connection._receive(output[2], output[3]);
      case HostKind.Send:
        return this._write(output[1]);
      case HostKind.CloseSocket:
        return void this.socket?.close();
      case HostKind.OpenSocket:
        return this._openSocket();
      case HostKind.StartTimer:
        timers.stop(this._timer);
        this._timer = timers.start(() => this._run(() => this._core.handleTimer()), output[1]);
        return;
      case HostKind.Storage:
        return void this._storage?.carryOut(output);
      case HostKind.FindTabs:
        // Hosts in pages die with their only tab; but this one may have come from a host elsewhere.
        return this._findTabs(output[1]);
      case HostKind.Warn:
        return void shared.logger.warn(output[1]);
    }
  }

  _openSocket() {
    let socket;
    try {
      socket = /** @type {() => any} */ (this._open)();
    } catch (error) {
      // An address that no socket can have, or may have from this page: waiting does not mend it.
      shared.logger.warn(`No socket can be made: ${error}`);
      this._socketError = error;
      // The first time nobody listens yet.
      return nextTick(() => this._run(() => this._core.socketFailed(asJson(error))));
    }
    this.bind(socket);
  }

  /** @param {string[]} tabs */
  _findTabs(tabs) {
    const living = tabs.filter((tab) => tab === this._tab);
    this._run(() => this._core.tabsFound(living));
  }
}

/** @param {any} socket */
export function stateOf(socket) {
  return socket.readyState === 0 || socket.readyState === 1 ? 'connecting' : 'disconnected';
}

/**
 * What can be said of a reason in JSON.
 *
 * @param {any} reason
 */
function asJson(reason) {
  if (reason === undefined) return undefined;
  if (typeof reason === 'string') return JSON.stringify(reason);
  const { code, reason: why, wasClean, message } = reason ?? {};
  return JSON.stringify({ code, reason: why, wasClean, message });
}
