/**
 * The host of a SharedWorker: accepts tabs, notices when one is gone, and replaces the host's machine after a crash.
 * Ports outlive a machine; tabs are told of the next one's epoch and introduce themselves again.
 */

import { sharedSettings, forWorker, whyNoMatch } from '../options/durable-options.js';
import { addressOf } from '../options/namespace.js';
import { epoch, hostLock, tabLock } from '../platform/locks.js';
import { shared } from '../platform/shared.js';
import { ShortLives } from '../platform/short-lives.js';
import { timers } from '../platform/ticks.js';
import { HostStorage } from '../storage/host-storage.js';
import { HostLife } from './host-life.js';
import { remember } from './quarantine.js';

/**
 * @typedef {import('./host-life.js').Introduction} Introduction
 * @typedef {import('./host-life.js').Trapped} Trapped
 */

/** Milliseconds that the last messages of a tab may arrive after its lock was released. */
const LAST_WORDS = 50;

/** Several lives of a host, one after the other, see {@link HostLife}. */
export class WorkerHost {
  /** @param {import('../index.d.cts').WorkerStoreOptions} served what the worker's own module says of the store */
  constructor(served) {
    this._served = served;
    /** The epoch of the current life, or of the next one between two lives. */
    this._epoch = epoch();
    /** The name of the lock that this worker holds for as long as it lives. */
    this._lock = hostLock(this._epoch);
    /** Settles when that lock is held, or cannot be. @type {Promise<void>} */
    this.alive = new Promise((resolve, reject) => {
      const forever = new Promise(() => {});
      navigator.locks.request(this._lock, () => (resolve(), forever)).catch(reject);
    });
    /** The current life, from the first tab on; `null` between two lives. @type {HostLife | null} */
    this._life = null;
    /** Whether the next life cannot begin yet. */
    this._isPausing = false;
    /**
     * Tabs that introduced themselves during that pause.
     *
     * @type {[tab: string, port: MessagePort, connect: Introduction][]}
     */
    this._arrivals = [];
    /** The ports of the tabs that this life has. @type {Map<string, MessagePort>} */
    this._ports = new Map();
    /** The tabs whose locks this worker waits for, to notice their end. @type {Set<string>} */
    this._watched = new Set();
    /** The introduction of the first tab of all, which decides what this host is. @type {Introduction | undefined} */
    this._wanted = undefined;
    /** The storage, which all lives share. @type {HostStorage | undefined} */
    this._storage = undefined;
    /** The inputs on which machines of this worker crashed. @type {Trapped[]} */
    this._trapped = [];
    this._lives = new ShortLives();
    globalThis.addEventListener?.('online', () => this._life?.wake());
  }

  /** @param {MessagePort} port */
  greet(port) {
    port.postMessage({ host: this._lock, life: this._epoch });
  }

  /**
   * @param {string} tab
   * @param {MessagePort} port
   * @param {Introduction} connect
   */
  meet(tab, port, connect) {
    // The tab asked a life that ended before it knew the tab: it has to ask this one.
    if (connect.life !== this._epoch) return this.greet(port);
    const refused = this._whyRefused(connect);
    if (refused) return port.postMessage({ refused });
    if (this._isPausing) return void this._arrivals.push([tab, port, connect]);
    if (this._ports.has(tab)) return shared.logger.warn('Ignoring a second port of a tab');
    this._ports.set(tab, port);
    this._watch(tab);
    try {
      this._take(port, connect);
    } catch (error) {
      return refuseTabs(error, [port]);
    }
    // Taking the tab may have ended this life.
    if (this._ports.has(tab)) port.postMessage({ taken: true });
  }

  /**
   * @param {MessagePort} port
   * @param {Introduction} connect
   */
  _take(port, connect) {
    if (this._wanted) this._compare(port, connect, this._wanted);
    this._wanted ??= connect;
    this._storage ??= this._makeStorage(this._wanted);
    if (this._life) return this._life.quarantine(connect.trapped ?? []);
    this._lives.began();
    this._life = new HostLife(this._epoch, this._wanted, this._storage, {
      toTab: (tab, text) => this._ports.get(tab)?.postMessage(text),
      watch: (tabs) => tabs.forEach((tab) => this._watch(tab)),
      died: (error, trapped) => this._startAgain(error, trapped),
      beginAnew: () => void this._changeLife(),
      // Whoever comes next gets another worker.
      ended: () => globalThis.close(),
    });
    this._life.begin(this._trapped);
    this._life?.quarantine(connect.trapped ?? []);
  }

  /**
   * One host has one user's documents of one server, and nobody else's tab may see them. It was the first tab that said
   * whose. Credentials and query of a url may change, as a token does: it is the namespace that says who the user is.
   *
   * @param {Introduction} connect
   */
  _whyRefused({ url, namespace, parts }) {
    const other = this._wanted && whatOther(this._wanted, url, namespace);
    // Not which it is: that may be a secret.
    const message = `the shared worker serves another ${other}: name it as options.worker is told to`;
    if (other) return { code: 'ERR_HOST_MISMATCH', message };
    const reason = whyNoMatch(parts, this._served);
    return reason && { code: 'ERR_STORE_MISMATCH', message: reason };
  }

  /**
   * The first tab decided what this host is. One that wants something else is told.
   *
   * @param {MessagePort} port
   * @param {Introduction} connect
   * @param {Introduction} first
   */
  _compare(port, connect, first) {
    const warn = (/** @type {string} */ warning) => port.postMessage({ warning });
    const settings = sharedSettings(first);
    for (const [name, wanted] of sharedSettings(connect)) {
      const is = settings.get(name);
      if (is === wanted) continue;
      warn(`The shared worker was started with ${name} = ${is}: ${wanted} has no effect`);
    }
    if (connect.url !== first.url) {
      warn('The shared worker was started with another query in its url: this one has no effect');
    }
  }

  /** @param {Introduction} wanted */
  _makeStorage({ namespace, durableStore }) {
    const kept = Boolean(durableStore);
    const { storage, ...served } = this._served;
    return new HostStorage({
      ...forWorker(durableStore),
      ...served,
      // A session is forgotten with its last tab, and what the application keeps is not.
      ...(kept && { storage }),
      // What is kept for living tabs only is kept apart.
      namespace: kept ? namespace : `${namespace} session`,
    });
  }

  /** @param {string} tab */
  _watch(tab) {
    if (this._watched.has(tab)) return;
    this._watched.add(tab);
    // The lock is ours only when the tab is gone, even if it crashed. It may be faster than the tab's last messages.
    const gone = () => void timers.start(() => this._lose(tab), LAST_WORDS);
    // Shared: another worker that waits for the same tab may be blocked, and must not hold up this one.
    navigator.locks
      .request(tabLock(tab), { mode: 'shared' }, gone)
      .catch((error) => shared.logger.warn(`It will not be noticed that a tab is gone: ${error}`));
  }

  /** @param {string} tab */
  _lose(tab) {
    this._watched.delete(tab);
    this._ports.delete(tab);
    this._arrivals = this._arrivals.filter(([arrived]) => arrived !== tab);
    this._life?.lose(tab);
  }

  /**
   * The tab closed its connection. For as long as it lives it may come again, by another port.
   *
   * @param {string} tab
   * @param {MessagePort} port
   */
  leave(tab, port) {
    if (this._ports.get(tab) === port) this._ports.delete(tab);
  }

  /**
   * @param {string} tab
   * @param {string} text
   */
  receive(tab, text) {
    // Of a stranger, of a tab that is gone, or for a host that died.
    if (this._ports.has(tab)) this._life?.receive(tab, text);
  }

  /**
   * The machine died, and its memory is not to be trusted. The next one takes over from the store, as in another
   * worker; the tabs learn on what this one died, should another worker have to know.
   *
   * @param {any} error
   * @param {Trapped} [trapped]
   */
  _startAgain(error, trapped) {
    shared.logger.error('The host crashed, and is started again', error);
    this._trapped = remember(this._trapped, trapped);
    return this._changeLife(trapped, this._lives.ended());
  }

  /**
   * Another host takes over.
   *
   * @param {Trapped} [trapped] what the last one died on
   * @param {number} [pause] in milliseconds, before the next one begins
   */
  async _changeLife(trapped, pause = 0) {
    this._life = null;
    this._epoch = epoch();
    this._isPausing = true;
    const ports = [...this._ports.values()];
    // What tabs said to the dead host is not for the next one.
    this._ports.clear();
    for (const port of ports) {
      if (trapped) port.postMessage({ trapped });
      this.greet(port);
    }
    // What the dead host asked of the storage must not come in between.
    await this._storage?.detach();
    if (pause) await new Promise((resolve) => timers.start(() => resolve(undefined), pause));
    this._isPausing = false;
    for (const arrival of this._arrivals.splice(0)) this.meet(...arrival);
  }
}

/**
 * @param {Introduction} first
 * @param {string} url
 * @param {string} namespace
 */
function whatOther(first, url, namespace) {
  if (namespace !== first.namespace) return 'namespace';
  return addressOf(url) === addressOf(first.url) ? undefined : 'url';
}

/**
 * There is no host here, and no later tab is to look for one.
 *
 * @param {any} error
 * @param {Iterable<MessagePort>} ports
 */
export function refuseTabs(error, ports) {
  const message = String(error?.message ?? error);
  for (const port of ports) port.postMessage({ failed: message, code: error?.code });
  globalThis.close();
}
