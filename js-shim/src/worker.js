/**
 * The entry for a SharedWorker: `import { serve } from 'sharedb-proxy/worker'; serve();`
 *
 * Nothing here is awaited at the top: the first `connect` may come at once.
 */

import { HostCore, isDead, loadModule } from './cores.js';
import { checkServedStore, forWorker, sharedSettings, whyNoMatch } from './durable-options.js';
import { HostKind } from './events.js';
import { epoch, hostLock, newSource, tabLock } from './locks.js';
import { addressOf } from './namespace.js';
import { expectOption, isFunction, refuseUnknown } from './options.js';
import { registerSubtype, shared } from './shared.js';
import { HostStorage } from './storage/host-storage.js';
import { timers } from './ticks.js';
import { typesBridge } from './types-bridge.js';

/** How long the last messages of a tab that is gone may take to arrive, in milliseconds. */
const LAST_WORDS = 50;

/** What hosts died on so often is not tried again. */
const TRAPS = 2;

/** What `serve`'s subtypes have to be, for who gives others: a module in place of its type, say. */
const SUBTYPES = 'a list of OT types with name, apply, transform and compose';

/** @param {any} value */
const areSubtypes = (value) =>
  Array.isArray(value) &&
  value.every(
    (subtype) =>
      typeof subtype?.name === 'string' &&
      [subtype.apply, subtype.transform, subtype.compose].every(isFunction),
  );

/**
 * Serves the tabs of this worker. Where that cannot be, because of the options or because the browser lacks something, the
 * tabs are told why.
 *
 * @param {{types?: any[], subtypes?: any[], durableStore?: any}} [options] the OT types that documents may have, beside
 *   json0; the subtypes that json0 has, beside text0; and what of the durable store cannot come from a page
 */
export function serve(options = {}) {
  const scope = /** @type {any} */ (globalThis);
  // First of all: a tab may be waiting already.
  scope.onconnect = (/** @type {MessageEvent} */ event) => listen(event.ports[0], ready);
  const ready = start(options);
  // Each tab is told, also one that comes later.
  ready.catch(() => {});
}

/**
 * @param {any} options
 * @returns {Promise<WorkerHost>}
 */
async function start(options) {
  refuseUnknown('serve', options, ['types', 'subtypes', 'durableStore']);
  expectOption('serve', options, 'subtypes', areSubtypes, SUBTYPES);
  const served = checkServedStore(options.durableStore);
  for (const type of options.types ?? []) shared.types.register(type);
  for (const subtype of options.subtypes ?? []) registerSubtype(subtype);
  await loadModule(new URL('../pkg/sharedb_proxy_bg.wasm', import.meta.url));
  const host = new WorkerHost(served);
  await host.alive;
  return host;
}

/**
 * @param {MessagePort} port
 * @param {Promise<WorkerHost>} ready
 */
function listen(port, ready) {
  let tab = '';
  ready.then(
    // Said to every port: where a browser runs a worker again behind a living port, the tab learns of it.
    (host) => host.greet(port),
    (error) => fail(error, [port]),
  );
  // Each message waits for the same promise, so they stay in order.
  port.onmessage = async ({ data }) => {
    const host = await ready.catch(() => undefined);
    if (!host) return;
    if (typeof data === 'string') return host.receive(tab, data);
    if (tab || !isIntroduction(data))
      return shared.logger.warn('Ignoring an unknown message', data);
    tab = data.connect.tab;
    host.meet(tab, port, data.connect);
  };
  port.onmessageerror = () => shared.logger.warn('Ignoring an unreadable message');
}

/**
 * There is no host here, and no later tab is to look for one.
 *
 * @param {any} error
 * @param {Iterable<MessagePort>} ports
 */
function fail(error, ports) {
  const message = String(error?.message ?? error);
  for (const port of ports) port.postMessage({ failed: message, code: error?.code });
  globalThis.close();
}

/** @param {any} data */
function isIntroduction(data) {
  const { tab, url, id, namespace, durableStore, parts, trapped } = data?.connect ?? {};
  return (
    Array.isArray(trapped ?? []) &&
    tab &&
    typeof tab === 'string' &&
    typeof url === 'string' &&
    typeof namespace === 'string' &&
    typeof (durableStore ?? {}) === 'object' &&
    typeof (parts ?? {}) === 'object' &&
    typeof (id ?? '') === 'string'
  );
}

class WorkerHost {
  /** @param {any} served what the worker's own module says of the store, as `checkServedStore` gives it */
  constructor(served) {
    this._life = epoch();
    this._served = served;
    /** @type {HostCore} made when the first tab says for what */
    this._core = /** @type {any} */ (undefined);
    /** @type {HostStorage} */
    this._storage = /** @type {any} */ (undefined);
    /** The lock that this host holds for as long as it lives. */
    this._lock = hostLock(this._life);
    /** Settles when that lock is held, or cannot be. @type {Promise<void>} */
    this.alive = new Promise((resolve, reject) => {
      const forever = new Promise(() => {});
      navigator.locks.request(this._lock, () => (resolve(), forever)).catch(reject);
    });
    /** @type {Map<string, MessagePort>} */
    this._ports = new Map();
    /** @type {WebSocket | null} */
    this._socket = null;
    /** @type {any} */
    this._timer = undefined;
    this._url = '';
    this._namespace = '';
    /** What the first tab wanted. @type {Map<string, any>} */
    this._settings = new Map();
    this._ends = false;
    /** What the machine began last; can be asked when that has trapped. @type {import('../pkg/sharedb_proxy.js').HostDoing} */
    this._doing = /** @type {any} */ (undefined);
    /** What the host was told to refuse. @type {Set<string>} */
    this._quarantined = new Set();
  }

  /** @param {MessagePort} port */
  greet(port) {
    port.postMessage({ host: this._lock });
  }

  /**
   * @param {string} tab
   * @param {MessagePort} port
   * @param {Introduction} connect
   *
   * @typedef {object} Introduction
   * @property {string} url
   * @property {string} [id]
   * @property {string} namespace
   * @property {any} [durableStore]
   * @property {import('./durable-options.js').PageParts} [parts] what the page has of what cannot be sent
   * @property {boolean} [keepPendingOnReject]
   * @property {[cause: number, text: string][]} [trapped] what hosts died on, as this tab was told
   */
  meet(tab, port, connect) {
    if (this._ports.has(tab)) return shared.logger.warn('Ignoring a second port of a tab');
    const refused = this._whyRefused(connect);
    if (refused) return port.postMessage({ refused });
    this._ports.set(tab, port);
    this._watch(tab);
    if (this._core) {
      this._compare(port, connect);
      this._quarantine(connect.trapped);
    } else {
      try {
        this._start(connect);
      } catch (error) {
        return fail(error, [port]);
      }
    }
    port.postMessage({ taken: true });
  }

  /**
   * One host has one user's documents of one server, and nobody else's tab may see them. It was the first tab that said whose.
   * Credentials and query of a url may change, as a token does: it is the namespace that says who the user is.
   *
   * @param {Introduction} connect
   */
  _whyRefused({ url, namespace, parts }) {
    const other = this._core && this._whatOther(url, namespace);
    // Not which it is: that may be a secret.
    const message = `the shared worker serves another ${other}: name it as options.worker is told to`;
    if (other) return { code: 'ERR_HOST_MISMATCH', message };
    const reason = whyNoMatch(parts, this._served);
    return reason && { code: 'ERR_STORE_MISMATCH', message: reason };
  }

  /**
   * @param {string} url
   * @param {string} namespace
   */
  _whatOther(url, namespace) {
    if (namespace !== this._namespace) return 'namespace';
    return addressOf(url) === addressOf(this._url) ? undefined : 'url';
  }

  /** @param {[cause: number, text: string][]} [trapped] */
  _quarantine(trapped = []) {
    const times = new Map();
    for (const [cause, text] of trapped) {
      const what = `${cause} ${text}`;
      times.set(what, (times.get(what) ?? 0) + 1);
      if (times.get(what) < TRAPS || this._quarantined.has(what)) continue;
      this._quarantined.add(what);
      this._core.quarantine(cause, text);
    }
  }

  /**
   * The first tab decided what this host is. One that wants something else is told.
   *
   * @param {MessagePort} port
   * @param {Introduction} connect
   */
  _compare(port, connect) {
    const warn = (/** @type {string} */ warning) => port.postMessage({ warning });
    for (const [name, wanted] of sharedSettings(connect)) {
      const is = this._settings.get(name);
      if (is === wanted) continue;
      warn(`The shared worker was started with ${name} = ${is}: ${wanted} has no effect`);
    }
    if (connect.url !== this._url) {
      warn('The shared worker was started with another query in its url: this one has no effect');
    }
  }

  /** @param {string} tab */
  _watch(tab) {
    // The lock is ours only when the tab is gone, even if it crashed. It may be faster than the tab's last messages.
    const gone = () => void timers.start(() => this._lose(tab), LAST_WORDS);
    // Shared: another worker that waits for the same tab may be blocked, and must not hold up this one.
    navigator.locks
      .request(tabLock(tab), { mode: 'shared' }, gone)
      .catch((error) => shared.logger.warn(`It will not be noticed that a tab is gone: ${error}`));
  }

  /** @param {Introduction} connect */
  _start(connect) {
    const { url, id, namespace, durableStore, keepPendingOnReject } = connect;
    const kept = Boolean(durableStore);
    const { storage, ...served } = this._served;
    this._settings = sharedSettings(connect);
    this._storage = new HostStorage({
      ...forWorker(durableStore),
      ...served,
      // A session is forgotten with its last tab, and what the application keeps is not.
      ...(kept && { storage }),
      // What is kept for living tabs only is kept apart.
      namespace: kept ? namespace : `${namespace} session`,
    });
    this._core = new HostCore(
      /** @type {any} */ (typesBridge),
      this._life,
      false,
      true,
      kept ? 'durable' : 'session',
      newSource(),
    );
    this._doing = this._core.doing();
    this._core.configure(durableStore?.maxOpBytes, keepPendingOnReject);
    this._storage.attach(this._core, (call) => this._run(call));
    this._url = url;
    this._namespace = namespace;
    if (id) this._core.setId(id);
    // Back from sleep or from a dead network: the backoff need not be waited for.
    globalThis.addEventListener?.('online', () => this._run(() => this._core.handleTimer()));
    this._quarantine(connect.trapped);
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
    // Of a stranger, or of a tab that is gone.
    if (!this._ports.has(tab)) return;
    this._run(() => this._core.handleTab(tab, text));
  }

  /** @param {() => void} call */
  _run(call) {
    try {
      call();
      for (let output = this._core.poll(); output; output = this._core.poll()) this._handle(output);
      this._storage.stir();
      if (this._core.isOver) this._end();
    } catch (error) {
      if (isDead(this._core)) return this._die(/** @type {any} */ (error));
      throw error;
    }
  }

  /**
   * The machine trapped, and its memory is not to be trusted. The next host takes over from the store; the
   * tabs see that this one is gone, and say to the next one on what it died.
   *
   * @param {Error} error
   */
  _die(error) {
    shared.logger.error('The host crashed, and is started again', error);
    const trapped = this._whatTrapped();
    for (const port of trapped ? this._ports.values() : []) port.postMessage({ trapped });
    globalThis.close();
  }

  _whatTrapped() {
    try {
      return this._doing.look();
    } catch {
      // Not even that works any more. It is one more crash, and nobody is to blame.
      return undefined;
    }
  }

  /** Everything was deleted, and the tabs know: whoever comes next gets another worker. */
  _end() {
    if (this._ends) return;
    this._ends = true;
    globalThis.close();
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
      case HostKind.Storage:
        return void this._storage.carryOut(output);
      case HostKind.FindTabs:
        return void this._findTabs(output[1]);
      case HostKind.Warn:
        return void shared.logger.warn(output[1]);
    }
  }

  /** @param {string[]} tabs */
  async _findTabs(tabs) {
    for (const tab of await this._storage.findTabs(tabs)) this._watch(tab);
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
      if (typeof data !== 'string')
        return shared.logger.warn('Ignoring a binary message of the server');
      this._run(() => this._core.socketMessage(data));
    };
    socket.onerror = () => this._run(() => this._core.socketFailed('{"message":"socket error"}'));
    socket.onclose = ({ code, reason, wasClean }) => {
      if (socket !== this._socket) return;
      const text = JSON.stringify({ code, reason, wasClean });
      this._run(() => this._core.socketClosed(text, Math.random()));
    };
  }
}
