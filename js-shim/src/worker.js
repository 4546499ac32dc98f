/**
 * The entry for a SharedWorker: `import { serve } from 'sharedb-proxy/worker'; serve();`
 *
 * Nothing here is awaited at the top: the first `connect` may come at once.
 */

import init, { HostCore } from '../pkg/sharedb_proxy.js';
import { HostKind } from './events.js';
import { hostLock, tabLock } from './locks.js';
import { shared } from './shared.js';
import { timers } from './ticks.js';
import { typesBridge } from './types-bridge.js';

/**
 * Serves the tabs of this worker.
 *
 * @param {{types?: any[]}} [options] the OT types that documents may have, beside json0
 */
export function serve({ types = [] } = {}) {
  for (const type of types) shared.types.register(type);
  const ready = init({
    module_or_path: new URL('../pkg/sharedb_proxy_bg.wasm', import.meta.url),
  }).then(() => new WorkerHost());
  const scope = /** @type {any} */ (globalThis);
  scope.onconnect = (/** @type {MessageEvent} */ event) => listen(event.ports[0], ready);
}

/**
 * @param {MessagePort} port
 * @param {Promise<WorkerHost>} ready
 */
function listen(port, ready) {
  let tab = '';
  ready.catch((error) => port.postMessage({ failed: String(error?.message ?? error) }));
  // Each message waits for the same promise, so they stay in order.
  port.onmessage = async ({ data }) => {
    const host = await ready;
    if (typeof data === 'string') return host.receive(tab, data);
    if (tab || !isIntroduction(data))
      return shared.logger.warn('Ignoring an unknown message', data);
    tab = data.connect.tab;
    host.meet(tab, port, data.connect);
  };
  port.onmessageerror = () => shared.logger.warn('Ignoring an unreadable message');
}

/** @param {any} data */
function isIntroduction(data) {
  const { tab, url, id } = data?.connect ?? {};
  return (
    tab && typeof tab === 'string' && typeof url === 'string' && typeof (id ?? '') === 'string'
  );
}

class WorkerHost {
  constructor() {
    const life = epoch();
    this._core = new HostCore(/** @type {any} */ (typesBridge), life, false, true);
    /** The lock that this host holds for as long as it lives. */
    this._lock = hostLock(life);
    /** @type {Promise<void>} */
    this._alive = new Promise((resolve) => {
      const forever = new Promise(() => {});
      navigator.locks.request(this._lock, () => (resolve(), forever));
    });
    /** @type {Map<string, MessagePort>} */
    this._ports = new Map();
    /** @type {WebSocket | null} */
    this._socket = null;
    /** @type {any} */
    this._timer = undefined;
    this._url = '';
    // Back from sleep or from a dead network: the backoff need not be waited for.
    globalThis.addEventListener?.('online', () => this._run(() => this._core.handleTimer()));
  }

  /**
   * @param {string} tab
   * @param {MessagePort} port
   * @param {{url: string, id?: string}} connect
   */
  meet(tab, port, { url, id }) {
    if (this._ports.has(tab)) return shared.logger.warn('Ignoring a second port of a tab');
    this._ports.set(tab, port);
    this._alive.then(() => port.postMessage({ host: this._lock }));
    // The lock is ours only when the tab is gone, even if it crashed.
    navigator.locks.request(tabLock(tab), () => this._lose(tab));
    if (this._url) return;
    this._url = url;
    if (id) this._core.setId(id);
    this._run(() => this._core.connect());
  }

  /** @param {string} tab */
  _lose(tab) {
    this._ports.delete(tab);
    this._run(() => this._core.tabGone(tab));
  }

  /**
   * @param {string} tab
   * @param {string} text
   */
  receive(tab, text) {
    // Of a stranger, or of a tab that is gone: its lock may be faster than its last message.
    if (!this._ports.has(tab)) return;
    this._run(() => this._core.handleTab(tab, text));
  }

  /** @param {() => void} call */
  _run(call) {
    call();
    for (let output = this._core.poll(); output; output = this._core.poll()) this._handle(output);
  }

  /** @param {any[]} output */
  _handle(output) {
    switch (output[0]) {
      case HostKind.ToTab:
        return this._ports.get(output[1])?.postMessage(output[2]);
      case HostKind.Send:
        return this._socket?.send(output[1]);
      case HostKind.CloseSocket:
        return this._socket?.close();
      case HostKind.OpenSocket:
        return this._openSocket();
      case HostKind.StartTimer:
        timers.stop(this._timer);
        this._timer = timers.start(() => this._run(() => this._core.handleTimer()), output[1]);
        return;
      case HostKind.Warn:
        return void shared.logger.warn(output[1]);
    }
  }

  _openSocket() {
    let socket;
    try {
      socket = this._socket = new WebSocket(this._url);
    } catch (error) {
      // An address that no socket can have: waiting does not mend it.
      return this._core.socketFailed(JSON.stringify({ message: String(error) }));
    }
    this._core.bindSocket(socket.readyState);
    socket.onopen = () => this._run(() => this._core.socketOpened());
    socket.onmessage = ({ data }) => {
      // ShareDB speaks in text only; a binary frame is not its own.
      if (typeof data === 'string') this._run(() => this._core.socketMessage(data));
      else shared.logger.warn('Ignoring a binary message of the server');
    };
    socket.onerror = () => this._run(() => this._core.socketFailed('{"message":"socket error"}'));
    socket.onclose = ({ code, reason, wasClean }) => {
      if (socket !== this._socket) return;
      const text = JSON.stringify({ code, reason, wasClean });
      this._run(() => this._core.socketClosed(text, Math.random()));
    };
  }
}

/** A number for this life of the host that no other life has. */
function epoch() {
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  // 31 bits of milliseconds and 21 random bits stay below 2^53.
  return (Date.now() % 2 ** 31) * 2 ** 21 + (random % 2 ** 21);
}
