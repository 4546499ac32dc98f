/**
 * One life of a host in a worker: a machine, its socket and its timer, from the first tab to a crash or a wipe. Nothing of a life
 * reaches the next one but the storage.
 */

import { isDead } from '../cores/cores.js';
import { HostKind } from '../cores/events.js';
import { HostCore } from '../cores/host-core.js';
import { newSource } from '../platform/locks.js';
import { Quarantine, whatTrapped } from './quarantine.js';
import { shared } from '../platform/shared.js';
import { timers } from '../platform/ticks.js';
import { typesBridge } from '../cores/types-bridge.js';

/**
 * What a tab says when it asks a host to take it.
 *
 * @typedef {object} Introduction
 * @property {number} life the epoch of the host that is asked
 * @property {string} url
 * @property {string} [id]
 * @property {string} namespace
 * @property {any} [durableStore]
 * @property {import('../options/durable-options.js').PageParts} [parts] what the page has of what cannot be sent
 * @property {boolean} [keepPendingOnReject]
 * @property {Trapped[]} [trapped] what hosts died on, as this tab was told
 */

/**
 * What a life needs of its worker.
 *
 * @typedef {object} Worker
 * @property {(tab: string, text: string) => void} toTab
 * @property {(tabs: string[]) => void} watch these tabs live, and will have to be missed when they are gone
 * @property {(error: any, trapped: Trapped | undefined) => void} died
 * @property {() => void} ended everything was deleted, and the tabs know
 * @property {() => void} beginAnew another life can go on with a storage that this one had to do without
 *
 * @typedef {import('./quarantine.js').Trapped} Trapped
 */

export class HostLife {
  /**
   * @param {number} epoch
   * @param {Introduction} wanted
   * @param {import('../storage/host-storage.js').HostStorage} storage
   * @param {Worker} worker
   */
  constructor(epoch, wanted, storage, worker) {
    this._epoch = epoch;
    this._wanted = wanted;
    this._storage = storage;
    this._worker = worker;
    /** @type {HostCore} */
    this._core = /** @type {any} */ (undefined);
    /** What the machine began last; can be asked when that has trapped. @type {import('../../pkg/host.js').HostDoing} */
    this._doing = /** @type {any} */ (undefined);
    /** @type {WebSocket | null} */
    this._socket = null;
    /** @type {any} */
    this._timer = undefined;
    this._isOver = false;
    this._quarantine = new Quarantine();
  }

  /** @param {Trapped[]} trapped what machines before this one died on */
  begin(trapped) {
    const { id, durableStore, keepPendingOnReject } = this._wanted;
    this.run(() => {
      this._core = new HostCore(
        /** @type {any} */ (typesBridge),
        this._epoch,
        false,
        true,
        durableStore ? 'durable' : 'session',
        newSource(),
      );
      this._doing = this._core.doing();
      this._core.configure(durableStore?.maxOpBytes, keepPendingOnReject);
      this._storage.attach(this._core, (call) => this.run(call));
      if (id) this._core.setId(id);
      this._quarantine.apply(this._core, trapped);
      this._core.connect();
    });
  }

  /** @param {Trapped[]} trapped */
  quarantine(trapped) {
    this.run(() => this._quarantine.apply(this._core, trapped));
  }

  /**
   * @param {string} tab
   * @param {string} text
   */
  receive(tab, text) {
    this.run(() => this._core.handleTab(tab, text));
  }

  /** @param {string} tab */
  lose(tab) {
    this.run(() => this._core.tabGone(tab));
  }

  /** The timer ran out, or the network may be back: then the backoff need not be waited for. */
  wake() {
    this.run(() => this._core.handleTimer());
  }

  /**
   * Calls the machine, and carries out what follows. After the machine's death it does nothing.
   *
   * @param {() => void} call
   */
  run(call) {
    if (this._isOver) return;
    let failure;
    try {
      call();
      for (let output = this._poll(); output; output = this._poll()) {
        try {
          this._carryOut(output);
        } catch (error) {
          if (isDead(this._core)) throw error;
          // The outputs behind it are carried out all the same.
          failure ??= { error };
        }
      }
      if (!this._isOver) this._storage.stir();
      if (!this._isOver && this._core.isOver) this._end();
    } catch (error) {
      if (this._core && !isDead(this._core)) throw error;
      return this._die(error);
    }
    if (failure) throw failure.error;
  }

  /** The machine's next output; nothing more after its life. */
  _poll() {
    return this._isOver ? undefined : this._core.poll();
  }

  /** @param {any} error */
  _die(error) {
    this._leave();
    this._worker.died(error, whatTrapped(this._doing));
  }

  _end() {
    this._leave();
    this._worker.ended();
  }

  _beginAnew() {
    this._leave();
    this._worker.beginAnew();
  }

  _leave() {
    this._isOver = true;
    timers.stop(this._timer);
    if (!this._socket) return;
    const { _socket: socket } = this;
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
    socket.close();
  }

  /** @param {any[]} output */
  _carryOut(output) {
    switch (output[0]) {
      case HostKind.ToTab:
        return this._worker.toTab(output[1], output[2]);
      case HostKind.Send:
        return this._socket?.send(output[1]);
      case HostKind.CloseSocket:
        return this._socket?.close();
      case HostKind.OpenSocket:
        return this._openSocket();
      case HostKind.StartTimer:
        timers.stop(this._timer);
        this._timer = timers.start(() => this.wake(), output[1]);
        return;
      case HostKind.Storage:
        return void this._storage.carryOut(output);
      case HostKind.FindTabs:
        return void this._findTabs(output[1]);
      case HostKind.BeginAnew:
        return this._beginAnew();
      case HostKind.Warn:
        return void shared.logger.warn(output[1]);
    }
  }

  /** @param {string[]} tabs */
  async _findTabs(tabs) {
    this._worker.watch(await this._storage.findTabs(tabs));
  }

  _openSocket() {
    let socket;
    try {
      socket = this._socket = new WebSocket(this._wanted.url);
    } catch (error) {
      // An address that no socket can have: waiting does not mend it.
      return this._core.socketFailed(JSON.stringify({ message: String(error) }));
    }
    this._core.bindSocket(socket.readyState);
    socket.onopen = () => this.run(() => this._core.socketOpened());
    socket.onmessage = ({ data }) => {
      // ShareDB speaks in text only; a binary frame is not its own.
      if (typeof data !== 'string')
        return shared.logger.warn('Ignoring a binary message of the server');
      this.run(() => this._core.socketMessage(data));
    };
    socket.onerror = () => this.run(() => this._core.socketFailed('{"message":"socket error"}'));
    socket.onclose = ({ code, reason, wasClean }) => {
      if (socket !== this._socket) return;
      const text = JSON.stringify({ code, reason, wasClean });
      this.run(() => this._core.socketClosed(text, Math.random()));
    };
  }
}
