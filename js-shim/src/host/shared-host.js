/**
 * The host of a place, for all tabs of a namespace: takes tabs, notices when one is gone, and replaces the host's machine
 * after a crash. Ports outlive a machine; tabs are told of the next one's epoch and introduce themselves again.
 */

import { sharedSettings, forWorker, whyNoMatch } from '../options/durable-options.js';
import { addressOf } from '../options/namespace.js';
import { epoch, tabLock, watchLock } from '../platform/locks.js';
import { shared } from '../platform/shared.js';
import { ShortLives } from '../platform/short-lives.js';
import { delay, timers } from '../platform/ticks.js';
import { remember } from '../platform/traps.js';
import { HostStorage } from '../storage/host-storage.js';
import { HostLife } from './host-life.js';

/**
 * @typedef {import('./host-life.js').Introduction} Introduction
 * @typedef {import('./host-life.js').Trapped} Trapped
 * @typedef {import('../link/roads.js').Port} Port
 *
 * What a place has for the store and for tabs: what a worker's own module says, or what of a page's options cannot be sent.
 *
 * @typedef {import('../index.d.cts').WorkerStoreOptions & {inMemory?: string,
 *   connections?: import('../index.d.cts').Connections}} Served
 *
 * The parts of its place that a host uses.
 *
 * @typedef {object} OfPlace
 * @property {(life: number) => void} newLife the host has this epoch from now on
 * @property {(port: Port) => void} lost its tab is gone
 * @property {(error: any, port: Port) => void} failed no host can be here
 * @property {() => void} deposed another host has taken the storage
 * @property {() => void} ended everything was deleted, and the tabs know
 */

/** Milliseconds that the last messages of a tab may arrive after its lock was released. */
const LAST_WORDS = 50;
/** Milliseconds between two checks whether the host can resign without losing anything. */
const NEXT_MOMENT = 50;

/** Several lives of a host, one after the other, see {@link HostLife}. */
export class SharedHost {
  /**
   * @param {Served} served
   * @param {boolean} steals the host before does not answer: its storage is taken from it
   * @param {OfPlace} place
   * @param {import('./recorder.js').Recorder} [earlier] of a host that was here before
   */
  constructor(served, steals, place, earlier) {
    this._served = served;
    this._steals = steals;
    this._place = place;
    /** The epoch of the current life, or of the next one between two lives. */
    this._epoch = 0;
    /** The current life, from the first tab on; `null` between two lives. @type {HostLife | null} */
    this._life = null;
    /** Whether the next life cannot begin yet. */
    this._isPausing = false;
    /** Whether this host has resigned, and takes no tabs and no messages. */
    this._isOver = false;
    /** The life that resigns. @type {HostLife | null} */
    this._leaving = null;
    /** Resolves when this host has left its storage. @type {Promise<void> | undefined} */
    this._resignation = undefined;
    /**
     * Tabs that introduced themselves during that pause.
     *
     * @type {[tab: string, port: Port, connect: Introduction][]}
     */
    this._arrivals = [];
    /** The ports of the tabs that this life has. @type {Map<string, Port>} */
    this._ports = new Map();
    /** The tabs whose locks this host waits for, with functions that stop the wait. @type {Map<string, () => void>} */
    this._watched = new Map();
    /** The introduction of the first tab of all, which decides what this host is. @type {Introduction | undefined} */
    this._wanted = undefined;
    /** The storage, which all lives share. @type {HostStorage | undefined} */
    this._storage = undefined;
    /** The inputs on which machines of this host crashed. @type {Trapped[]} */
    this._trapped = [];
    this._lives = new ShortLives();
    /** The recording of the life before. @type {import('./recorder.js').Recorder | undefined} */
    this._earlier = earlier;
  }

  /** A life begins, the first one or the one after a crash: it can be met from now on. */
  begin() {
    this._epoch = epoch();
    this._place.newLife(this._epoch);
  }

  /** The recording of the last life, also of one that has resigned. */
  get recorder() {
    return (this._life ?? this._leaving)?.host?.recorder ?? this._earlier;
  }

  /** The network changed, or the machine slept. */
  wake() {
    this._life?.wake();
  }

  /** @param {Introduction} connect */
  isMet(connect) {
    return !this._isOver && connect.life === this._epoch;
  }

  /**
   * A tab asks the present life to take it, again where its road was broken.
   *
   * @param {string} tab
   * @param {Port} port
   * @param {Introduction} connect
   */
  meet(tab, port, connect) {
    const refused = this._whyRefused(connect);
    if (refused) return port.postMessage({ refused });
    if (this._isPausing) return void this._arrivals.push([tab, port, connect]);
    this._ports.set(tab, port);
    this._watch(tab);
    try {
      this._take(port, connect);
    } catch (/** @type {any} */ error) {
      this._ports.delete(tab);
      return this._place.failed(error, port);
    }
    // Taking the tab may have ended this life.
    if (this._ports.get(tab) === port) port.postMessage({ taken: connect.life });
  }

  /**
   * @param {Port} port
   * @param {Introduction} connect
   */
  _take(port, connect) {
    if (this._wanted) this._compare(port, connect, this._wanted);
    this._wanted ??= connect;
    if (connect.url !== undefined && this._wanted.url === undefined) {
      this._wanted.url = connect.url;
      this._life?.haveUrl();
    }
    this._storage ??= this._makeStorage(this._wanted);
    if (this._life) return this._life.quarantine(connect.trapped ?? []);
    this._lives.began();
    /** @type {import('./host-life.js').Worker} */
    const worker = {
      toTab: (tab, text) => this._ports.get(tab)?.postMessage(text),
      watch: (tabs) => tabs.forEach((tab) => this._watch(tab)),
      died: (error, trapped) => this._startAgain(error, trapped),
      beginAnew: () => void this._changeLife(),
      deposed: () => this._place.deposed(),
      // Whoever comes next gets another host.
      ended: () => {
        this._leave();
        this._place.ended();
      },
    };
    const { connections } = this._served;
    const given = /** @type {const} */ ([this._wanted, this._storage, worker, connections]);
    this._life = new HostLife(this._epoch, ...given, this._earlier);
    this._earlier = undefined;
    this._life.begin(this._trapped);
    this._life?.quarantine(connect.trapped ?? []);
  }

  /**
   * One host has the documents of one server, and no other server's tab may see them. It was the first tab that said
   * which. Credentials and query of a url may change, as a token does: it is the namespace that says who the user is.
   *
   * @param {Introduction} connect
   */
  _whyRefused({ url, parts }) {
    const isOther = url && this._wanted?.url && addressOf(url) !== addressOf(this._wanted.url);
    // Not which it is: that may be a secret.
    const otherUrl = 'the host of this namespace serves another url: use another namespace';
    if (isOther) return { code: 'ERR_HOST_MISMATCH', reason: otherUrl };
    const reason = whyNoMatch(parts, this._served);
    return reason && { code: 'ERR_STORE_MISMATCH', reason };
  }

  /**
   * Warns a tab whose options differ from those of the first tab, which decided the host's.
   *
   * @param {Port} port
   * @param {Introduction} connect
   * @param {Introduction} first
   */
  _compare(port, connect, first) {
    const warn = (/** @type {string} */ warning) => port.postMessage({ warning });
    const settings = sharedSettings(first);
    for (const [name, wanted] of sharedSettings(connect)) {
      const is = settings.get(name);
      if (is === wanted) continue;
      warn(`The host was started with ${name} = ${is}: ${wanted} has no effect`);
    }
    if (connect.url && first.url && connect.url !== first.url) {
      warn('The host was started with another query in its url: this one has no effect');
    }
  }

  /** @param {Introduction} wanted */
  _makeStorage({ namespace, durableStore }) {
    const kept = Boolean(durableStore);
    const { storage, connections: _, ...served } = this._served;
    return new HostStorage({
      ...forWorker(durableStore),
      ...served,
      steals: this._steals,
      // A session is forgotten with its last tab, and what the application keeps is not.
      ...(kept && { storage }),
      // What is kept for living tabs only is kept apart.
      namespace: kept ? namespace : `${namespace} session`,
    });
  }

  /** @param {string} tab */
  _watch(tab) {
    if (this._isOver || this._watched.has(tab)) return;
    // The lock is ours only when the tab is gone, even if it crashed. It may be faster than the tab's last messages.
    const gone = () => void timers.start(() => this._lose(tab), LAST_WORDS);
    this._watched.set(tab, watchLock(tabLock(tab), gone));
  }

  /** @param {string} tab */
  _lose(tab) {
    this._watched.delete(tab);
    const port = this._ports.get(tab);
    this._ports.delete(tab);
    this._arrivals = this._arrivals.filter(([arrived]) => arrived !== tab);
    this._life?.lose(tab);
    if (port) this._place.lost(port);
  }

  /**
   * The tab closed its connection. For as long as it lives it may come again, by another port.
   *
   * @param {string} tab
   * @param {Port} port
   */
  leave(tab, port) {
    if (this._ports.get(tab) === port) this._ports.delete(tab);
  }

  /**
   * @param {string} tab
   * @param {Port} port
   * @param {string} text
   */
  receive(tab, port, text) {
    // Of a stranger, by a road that the tab has left, or for a host that died.
    if (this._ports.get(tab) === port) this._life?.receive(tab, text);
  }

  // ---- The end ----

  /**
   * Lets another host take over. Nothing is taken from tabs any more; what was taken is written and told.
   *
   * @param {boolean} urgent the page is about to be frozen, and hears of no write any more: like a crash, at which
   *   nothing that anybody was told is lost
   * @returns {Promise<void>} resolves when others can have the storage
   */
  resign(urgent) {
    if (!urgent) return (this._resignation ??= this._resign());
    this.end();
    return Promise.resolve();
  }

  async _resign() {
    while (!this._isOver && this._life && !this._life.mayResign) await delay(NEXT_MOMENT);
    const { _life: life, _storage: storage } = this;
    if (this._isOver) return;
    this._leave();
    this._leaving = life;
    if (life) await life.resign();
    else {
      await storage?.detach();
      await storage?.release();
    }
    this._ports.clear();
  }

  /** This host says nothing any more, and leaves its storage at once. */
  end() {
    const life = this._life ?? this._leaving;
    this._leave();
    this._ports.clear();
    life?.leave();
    this._storage?.yield();
  }

  /** The life that is left may still tell tabs what it has written. */
  _leave() {
    this._isOver = true;
    this._life = null;
    this._arrivals = [];
    for (const stop of this._watched.values()) stop();
    this._watched.clear();
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
    if (this._isOver) return;
    this._earlier = this._life?.host?.recorder;
    this._life = null;
    this._isPausing = true;
    // Messages to the dead host must not reach the next one.
    const ports = [...this._ports.values()];
    this._ports.clear();
    if (trapped) for (const port of ports) port.postMessage({ trapped });
    this.begin();
    // Storage requests of the dead host must not come in between.
    await this._storage?.detach();
    if (pause) await delay(pause);
    this._isPausing = false;
    for (const arrival of this._arrivals.splice(0)) this.meet(...arrival);
  }
}
