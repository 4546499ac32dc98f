/**
 * For tests: a connection with a real MessageChannel between tab and host, both in one thread.
 *
 * It behaves as one whose host is in a SharedWorker, except that the application's socket can be
 * handed over, by reference. Not part of the package's API.
 */

import { Connection } from './connection.js';
import { PageLink, stateOf } from './page-link.js';

/** @typedef {import('./page-link.js').Link} Link */

/** @returns {typeof Connection} */
export function createHopConnectionClass() {
  return /** @type {any} */ (
    class HopConnection extends Connection {
      /** @param {any} socket */
      constructor(socket) {
        super(socket, new HopLink(socket));
      }
    }
  );
}

/** @implements {Link} */
class HopLink {
  /** @param {any} socket */
  constructor(socket) {
    this.host = { kind: 'in-page', reason: 'a test put a MessageChannel before it' };
    this.initialState = stateOf(socket);
    this.id = undefined;
    this.socket = socket;
    const { port1, port2 } = new MessageChannel();
    this._port = port1;
    this._far = new FarHost(socket, port2);
  }

  get seq() {
    return this._far.link.seq;
  }

  set seq(seq) {
    this._far.link.seq = seq;
  }

  /** @param {any} connection */
  attach(connection) {
    this._connection = connection;
    this._port.onmessage = ({ data }) => connection._receive(data, false);
    /** @type {any} */ (this._port).unref?.();
  }

  /** @param {string} text */
  post(text) {
    this._port.postMessage(text);
  }

  /** @param {any} socket */
  bind(socket) {
    this.socket.close();
    this.socket = socket;
    this._far.sockets.push(socket);
    this._connection._run(() => this._connection._core.rebind(stateOf(socket)));
    this._port.postMessage({ bind: true });
  }

  close() {
    this._connection._run(() => this._connection._core.close(true, false));
    // The socket is in this thread, and the application expects it to be closed now.
    this.socket.close();
  }

  /** @param {any} message */
  send(message) {
    this._far.link.send(message);
  }

  /** @param {string} text */
  receiveFromServer(text) {
    this._far.link.receiveFromServer(text);
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

/** The host's end of the channel. */
class FarHost {
  /**
   * @param {any} socket
   * @param {MessagePort} port
   */
  constructor(socket, port) {
    /** Sockets on their way: a port carries no references. @type {any[]} */
    this.sockets = [];
    this.link = new PageLink(socket);
    port.onmessage = ({ data }) => {
      if (typeof data === 'string') this.link.post(data);
      else this.link.bind(this.sockets.shift());
    };
    /** @type {any} */ (port).unref?.();
    const tab = {
      debug: false,
      listenerCount: () => 0,
      _receive: (/** @type {string} */ text) => port.postMessage(text),
    };
    this.link.attach(/** @type {any} */ (tab));
  }
}
