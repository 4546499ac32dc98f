/**
 * For tests, tabs and hosts in one thread: a connection with a real MessageChannel or BroadcastChannel between tab
 * and host, and a host with several tabs. They behave as with a host in a SharedWorker, except that the
 * application's socket can be handed over, by reference. Not part of the package's API.
 */

import { Connection } from '../../js-shim/src/api/connection.js';
import { HostDriver } from '../../js-shim/src/host/host-driver.js';
import { PageLink, stateOf } from '../../js-shim/src/link/page-link.js';
import { ChannelPort } from '../../js-shim/src/link/roads.js';
import { newSource } from '../../js-shim/src/platform/locks.js';
import { nextTick } from '../../js-shim/src/platform/ticks.js';

/** @typedef {import('../../js-shim/src/link/link.d.ts').Link} Link */

/** @typedef {import('../../js-shim/src/link/roads.js').Port} Port */

/**
 * Node serves the ports that have messages in the order of their making. The host's comes first, so that its answer to
 * one tab is not overtaken by what it led to in another's.
 *
 * @returns {[host: Port, tab: Port]}
 */
function messagePorts() {
  const { port1, port2 } = new MessageChannel();
  return [port1, port2];
}

/**
 * A road to a place that is not the tab's own worker.
 *
 * @returns {[host: Port, tab: Port]}
 */
export function channelPorts() {
  const road = newSource();
  return [new ChannelPort(road, 'place'), new ChannelPort(road, 'tab')];
}

/**
 * @param {() => [host: Port, tab: Port]} [makePorts]
 * @returns {typeof Connection}
 */
export function createHopConnectionClass(makePorts = messagePorts) {
  return /** @type {any} */ (
    class HopConnection extends Connection {
      /** @param {any} socket */
      constructor(socket) {
        super(socket, { link: new HopLink(socket, makePorts()) });
      }
    }
  );
}

/**
 * A host with several tabs, all in one thread, over the application's socket.
 *
 * @param {any} socket
 * @returns {{connect: () => Connection, core: HostDriver['core'], leave: (connection: Connection) => void}}
 */
export function createSharedHost(socket) {
  const host = new SharedHost(socket);
  return {
    core: host.driver.core,
    connect: () => new Connection(null, { link: new SharedLink(host) }),
    leave: (connection) => host.leave(/** @type {any} */ (connection)._link),
  };
}

class SharedHost {
  /** @param {any} socket */
  constructor(socket) {
    this.socket = socket;
    this.driver = new HostDriver({ epoch: 1, isPrivate: false, opensSockets: false }, this);
    /** @type {Map<string, SharedLink>} */
    this.links = new Map();
    this.run((core) => core.bindSocket(socket.readyState));
    socket.onopen = () => this.run((core) => core.socketOpened());
    socket.onmessage = (/** @type {any} */ { data }) =>
      this.run((core) => core.socketMessage(data));
    socket.onclose = (/** @type {string} */ reason) =>
      this.run((core) => core.socketClosed(JSON.stringify(reason), 0));
  }

  /** @param {(core: HostDriver['core']) => void} call */
  run(call) {
    this.driver.run(call);
  }

  /**
   * @param {string} tab
   * @param {string} text
   */
  toTab(tab, text) {
    this.links.get(tab)?.receive(text);
  }

  /** @param {string} text */
  send(text) {
    this.socket.send(text);
  }

  closeSocket() {
    this.socket.close();
  }

  openSocket() {}

  startTimer() {}

  findTabs() {}

  beginAnew() {}

  /** @param {any} error */
  died(error) {
    throw error;
  }

  /** @param {SharedLink} link */
  leave(link) {
    this.links.delete(link.tab);
    this.run((core) => core.tabGone(link.tab));
  }
}

/** @implements {Link} */
class SharedLink {
  /** @param {SharedHost} host */
  constructor(host) {
    this.host = { kind: 'in-page', reason: 'a test put several tabs into one thread' };
    this.initialState = 'connecting';
    this.socket = host.socket;
    this.id = undefined;
    this.seq = undefined;
    this.tab = `tab ${host.links.size + 1}`;
    this._host = host;
    host.links.set(this.tab, this);
  }

  /** @param {any} connection */
  attach(connection) {
    this._connection = connection;
  }

  /** @param {string} text */
  receive(text) {
    this._connection._receive(text, false);
  }

  /** @param {string} text */
  post(text) {
    nextTick(() => this._host.run((core) => core.handleTab(this.tab, text)));
  }

  close() {
    this._connection._run(() => this._connection._core.close(true, true));
  }

  reconnect() {
    throw new Error('a test has no use for this');
  }

  expectEnd() {}

  /** @param {() => void} callback */
  whenEnded(callback) {
    callback();
  }

  bind() {
    throw new Error('the socket belongs to all tabs');
  }

  send() {
    throw new Error('the socket belongs to all tabs');
  }

  /** @param {string} text */
  receiveFromServer(text) {
    this._host.run((core) => core.socketMessage(text));
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

/** @implements {Link} */
class HopLink {
  /**
   * @param {any} socket
   * @param {[host: Port, tab: Port]} ports
   */
  constructor(socket, [far, near]) {
    this.host = { kind: 'in-page', reason: 'a test put a channel before it' };
    this.initialState = stateOf(socket);
    this.id = undefined;
    this.socket = socket;
    this._far = new FarHost(socket, far);
    this._port = near;
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

  reconnect() {
    throw new Error('a test has no use for this');
  }

  expectEnd() {}

  /** @param {() => void} callback */
  whenEnded(callback) {
    callback();
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
   * @param {Port} port
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
