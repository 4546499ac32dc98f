/**
 * One life of a host in a worker: its machine and its socket, from the first tab to a crash or a wipe. Nothing of a
 * life reaches the next one but the storage.
 */

import { shared } from '../platform/shared.js';
import { HostDriver } from './host-driver.js';

/**
 * A tab's introduction: it asks a host to take it.
 *
 * @typedef {object} Introduction
 * @property {string} tab the tab's id
 * @property {number} life the epoch of the host that is asked
 * @property {number} protocol that the tab speaks
 * @property {number} [number] higher than in all introductions of this tab before
 * @property {string} [url] where it is no function
 * @property {string} [id]
 * @property {string} namespace
 * @property {import('../index.d.cts').DurableStoreOptions} [durableStore] what of it can be sent
 * @property {import('../options/durable-options.js').PageParts} [parts] what the page has of what cannot be sent
 * @property {boolean} [keepPendingOnReject]
 * @property {false | import('../index.d.cts').RecorderBounds} [recorder] what the host records of itself
 * @property {Trapped[]} [trapped] what hosts died on, as this tab was told
 */

/**
 * The parts of its worker that a life uses.
 *
 * @typedef {object} Worker
 * @property {(tab: string, text: string) => void} toTab
 * @property {(tabs: string[]) => void} watch these tabs live, and will have to be missed when they are gone
 * @property {(error: any, trapped?: Trapped) => void} died
 * @property {() => void} deposed another host has taken the storage
 * @property {() => void} ended everything was deleted, and the tabs know
 * @property {() => void} beginAnew another life can go on with a storage that this one had to do without
 *
 * @typedef {import('./quarantine.js').Trapped} Trapped
 * @typedef {import('./host-driver.js').Surroundings} Surroundings
 */

/** @implements {Surroundings} */
export class HostLife {
  /**
   * @param {number} epoch
   * @param {Introduction} wanted
   * @param {import('../storage/host-storage.js').HostStorage} storage
   * @param {Worker} worker
   * @param {import('../index.d.cts').Connections} [connections]
   * @param {import('./recorder.js').Recorder} [earlier] of the life before in this place
   */
  constructor(epoch, wanted, storage, worker, connections, earlier) {
    this._epoch = epoch;
    this._wanted = wanted;
    this._storage = storage;
    this._worker = worker;
    this._connections = connections;
    this._earlier = earlier;
    /** Drives the machine, from `begin` on. @type {HostDriver | undefined} */
    this.host = undefined;
    /** @type {WebSocket | null} */
    this._socket = null;
  }

  /** @param {Trapped[]} trapped what machines before this one died on */
  begin(trapped) {
    const { id, durableStore, keepPendingOnReject } = this._wanted;
    /** @type {import('./host-driver.js').MachineOptions} */
    const machine = {
      epoch: this._epoch,
      isPrivate: false,
      opensSockets: true,
      hasUrl: this._wanted.url !== undefined,
      retention: durableStore ? 'durable' : 'session',
      storage: this._storage,
      connections: this._connections,
      earlier: this._earlier,
      recorder: this._wanted.recorder,
    };
    try {
      this.host = new HostDriver(machine, this);
    } catch (error) {
      return this.died(error);
    }
    this.host.run((core) => {
      core.configure(durableStore?.maxOpBytes, keepPendingOnReject);
      if (id) core.setId(id);
    });
    this.host.quarantine(trapped);
    this.host.run((core) => core.connect());
  }

  /** A tab has brought a URL that is no function, where there was none. */
  haveUrl() {
    this.host?.run((core) => core.haveUrl());
  }

  /** @param {Trapped[]} trapped */
  quarantine(trapped) {
    this.host?.quarantine(trapped);
  }

  /**
   * @param {string} tab
   * @param {string} text
   */
  receive(tab, text) {
    this.host?.run((core) => core.handleTab(tab, text));
  }

  /** @param {string} tab */
  lose(tab) {
    this.host?.run((core) => core.tabGone(tab));
  }

  /** The network changed, or the machine slept. */
  wake() {
    this.host?.wake();
  }

  // ---- The end ----

  /** Whether the host can resign now without losing anything. */
  get mayResign() {
    return this.host?.mayResign ?? true;
  }

  /**
   * Lets another host take over: see {@link HostDriver.resign}. The worker hears nothing more of this life but what it
   * tells tabs.
   *
   * @returns {Promise<void>} resolves when others can have the storage
   */
  async resign() {
    this._leaveSocket();
    await this.host?.resign();
  }

  /**
   * @param {any} error
   * @param {Trapped} [trapped]
   */
  died(error, trapped) {
    this.leave();
    this._worker.died(error, trapped);
  }

  ended() {
    this.leave();
    this._worker.ended();
  }

  deposed() {
    this.leave();
    this._worker.deposed();
  }

  beginAnew() {
    this.leave();
    this._worker.beginAnew();
  }

  /** Ends the life: the machine is not called any more, and its outputs are dropped. */
  leave() {
    this.host?.leave();
    this._leaveSocket();
  }

  /** Drops later outputs. Messages that were sent still go out. */
  _leaveSocket() {
    const { _socket: socket } = this;
    if (!socket) return;
    this._socket = null;
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
    socket.close();
  }

  // ---- The tabs ----

  /**
   * @param {string | undefined} tab
   * @param {string} text
   */
  toTab(tab, text) {
    this._worker.toTab(/** @type {string} */ (tab), text);
  }

  /** @param {string[]} tabs */
  async findTabs(tabs) {
    this._worker.watch(await this._storage.findTabs(tabs));
  }

  // ---- The server ----

  /** @param {string} text */
  send(text) {
    this._socket?.send(text);
  }

  closeSocket() {
    this._socket?.close();
  }

  dropSocket() {
    this._leaveSocket();
  }

  /** @param {string} [url] given by a tab */
  openSocket(url = this._wanted.url) {
    const host = /** @type {HostDriver} */ (this.host);
    let socket;
    try {
      socket = this._socket = new WebSocket(/** @type {string} */ (url));
    } catch (error) {
      // An address that no socket can have: waiting does not mend it.
      return host.run((core) => core.socketFailed(JSON.stringify({ message: String(error) })));
    }
    // The listeners first: what follows from binding it is carried out at once, and may fail.
    socket.onopen = () => host.run((core) => core.socketOpened());
    socket.onmessage = ({ data }) => {
      // ShareDB speaks in text only; a binary frame is not its own.
      if (typeof data !== 'string')
        return shared.logger.warn('Ignoring a binary message of the server');
      host.run((core) => core.socketMessage(data));
    };
    socket.onerror = () => host.run((core) => core.socketFailed('{"message":"socket error"}'));
    socket.onclose = ({ code, reason, wasClean }) => {
      if (socket !== this._socket) return;
      const text = JSON.stringify({ code, reason, wasClean });
      host.run((core) => core.socketClosed(text, Math.random()));
    };
    const { readyState } = socket;
    host.run((core) => core.bindSocket(readyState));
  }
}
