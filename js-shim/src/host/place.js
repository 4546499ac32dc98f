/**
 * A place that can have the host of a namespace: a SharedWorker, a tab's dedicated worker, or its page. It queues for the
 * namespace's host lock, has the host while the lock is its own, and tells tabs where the host is.
 *
 * The machine in `broker` decides; this holds locks and ports, and begins and ends the host.
 */

import { CandidateCore, hostModule } from '../cores/host-core.js';
import { isDead } from '../cores/cores.js';
import { ChannelPort, namespaceChannel } from '../link/roads.js';
import { hold, hostLock, newSource, placeLock } from '../platform/locks.js';
import { shared } from '../platform/shared.js';
import { timers } from '../platform/ticks.js';
import { watchWaking } from '../platform/waking.js';
import { SharedHost } from './shared-host.js';

/** Milliseconds in which a tab that opened a channel to this place has to introduce itself. */
const INTRODUCTION = 30_000;

/**
 * @typedef {import('../link/roads.js').Port} Port
 * @typedef {import('./shared-host.js').Served} Served
 *
 * What a tab said by its port: its id, and the number of that introduction; nothing so far where the id is empty.
 *
 * @typedef {{tab: string, number: number}} Introduced
 */

export class Place {
  /**
   * @param {object} options
   * @param {string} options.namespace
   * @param {import('../link/link.d.ts').PlaceKind} options.kind
   * @param {string} [options.id] new for each place
   * @param {Served} options.served what this place has for the store
   * @param {() => void} [options.ended] called when everything was deleted, and the tabs know
   * @param {() => void} [options.closed] called when the place was closed and has no host any more
   * @param {(error: any, ports: Iterable<Port>) => void} [options.failed] called where no host can be here
   */
  constructor({ namespace, kind, id = newSource(), served, ended, closed, failed }) {
    this.id = id;
    this._namespace = namespace;
    this._served = served;
    this._ended = ended;
    this._closed = closed;
    this._failed = failed;
    // It outlives the hosts that crash.
    this._newCore = () => hostModule.apart(() => new CandidateCore(id, JSON.stringify(kind)));
    this._core = this._newCore();
    /** Whether the place is to have the host. */
    this._stands = false;
    /** The host that tabs were told of, as JSON. @type {string | undefined} */
    this._told = undefined;
    /** The host, while the lock is held. @type {SharedHost | undefined} */
    this._host = undefined;
    /** Of the last host here, for the next one. @type {import('./recorder.js').Recorder | undefined} */
    this._recorder = undefined;
    /** Whether the lock was taken from a host that did not answer. */
    this._stole = false;
    /** Whether the place is not used again, once it has no host. */
    this._closes = false;
    /** Whether that has come to pass. */
    this._isClosed = false;
    /** Gives up the lock, or the request for it. */
    this._letGo = () => {};
    /** The ports of all tabs, also of those that the host has not taken. @type {Map<Port, Introduced>} */
    this._ports = new Map();
    const { held, release } = hold(placeLock(id));
    /** Resolves when tabs can notice the end of this place. */
    this.alive = held;
    this._release = release;
    this._channel = new BroadcastChannel(namespaceChannel(namespace));
    this._channel.onmessage = ({ data }) => this._hear(data);
    this._endWatch = watchWaking(() => this._host?.wake());
  }

  /**
   * Queues for the host lock.
   *
   * @param {boolean} [steal] the host does not answer
   */
  stand(steal = false) {
    this._closes = false;
    this._stands = true;
    this._handle({ stand: { steal } });
  }

  /**
   * The place is not to have the host any more.
   *
   * @param {boolean} urgent the page is going away
   */
  withdraw(urgent) {
    this._stands = false;
    this._handle({ withdraw: { urgent } });
  }

  /** The place is not used any more. It gives up its host first, and is used again where it is to stand meanwhile. */
  close() {
    this._closes = true;
    this.withdraw(false);
  }

  /** Whether the place was closed. */
  get isOver() {
    return this._closes && !this._host;
  }

  _end() {
    if (!this.isOver || this._isClosed) return;
    this._isClosed = true;
    this._endWatch();
    this._channel.close();
    for (const port of this._ports.keys()) port.close();
    this._ports.clear();
    this._release();
    this._closed?.();
  }

  // ---- The machine ----

  /** @param {object} input */
  _handle(input) {
    let outputs;
    try {
      outputs = this._core.handle(JSON.stringify(input));
    } catch (error) {
      if (!isDead(this._core)) throw error;
      return this._startAgain(error);
    }
    if (outputs === undefined) return shared.logger.warn('Ignoring an unknown message', input);
    for (const output of JSON.parse(outputs)) this._carryOut(output);
    this._tellHost();
    this._end();
  }

  _tellHost() {
    const { host } = this._core;
    if (host === this._told) return;
    this._told = host;
    for (const port of this._ports.keys()) this._greet(port);
  }

  /**
   * The machine has crashed: gives up the host and its lock, as if the place had died.
   *
   * @param {any} error
   */
  _startAgain(error) {
    shared.logger.error('A place for the host crashed, and is started again', error);
    this._core = this._newCore();
    this._endHost();
    this._letGo();
    this._tellHost();
    if (this._stands) this.stand();
  }

  /** @param {any} output */
  _carryOut(output) {
    const [[name, content]] = Object.entries(output);
    switch (name) {
      case 'requestLock':
        return this._requestLock(content.steal);
      case 'releaseLock':
        return this._letGo();
      case 'begin':
        return this._begin();
      case 'resign':
        return void this._resign(content.urgent);
      case 'end':
        return this._endHost();
      case 'announce':
        return this._channel.postMessage(content);
    }
  }

  /** @param {boolean} steal */
  _requestLock(steal) {
    this._letGo();
    const giveUp = new AbortController();
    let isHeld = false;
    /** @type {Promise<void>} */
    const released = new Promise((resolve) => {
      this._letGo = () => {
        resolve();
        giveUp.abort();
      };
    });
    const options = steal ? { steal } : { signal: giveUp.signal };
    const granted = () => {
      if (giveUp.signal.aborted) return;
      isHeld = true;
      this._stole = steal;
      this._handle({ granted: {} });
      return released;
    };
    navigator.locks.request(hostLock(this._namespace), options, granted).catch((error) => {
      if (giveUp.signal.aborted) return;
      if (isHeld) return this._handle({ lost: {} });
      // It was stolen in the moment in which it was given.
      if (error?.name === 'AbortError') return this._requestLock(false);
      shared.logger.warn(`This place cannot have the host: ${error?.message ?? error}`);
    });
  }

  // ---- The host ----

  _begin() {
    /** @type {import('./shared-host.js').OfPlace} */
    const ofPlace = {
      newLife: (life) => this._handle({ life: { life } }),
      deposed: () => this._handle({ lost: {} }),
      ended: () => {
        // Nothing of a store that was wiped may stay in memory.
        this._host = this._recorder = undefined;
        this._handle({ over: {} });
        this._ended?.();
      },
      failed: (error, port) => this._fail(error, port),
      lost: (port) => this._removePort(port),
    };
    this._host = new SharedHost(this._served, this._stole, ofPlace, this._recorder);
    this._host.begin();
  }

  _endHost() {
    this._recorder = this._host?.recorder;
    this._host?.end();
    this._host = undefined;
  }

  /**
   * @param {any} error
   * @param {Port} port of the tab for which the host was to begin
   */
  _fail(error, port) {
    if (this._failed) return this._failed(error, this._ports.keys());
    const { message: reason = String(error), code = 'ERR_HOST_FAILED' } = error ?? {};
    port.postMessage({ refused: { code, reason } });
  }

  /** @param {boolean} urgent */
  async _resign(urgent) {
    const host = this._host;
    try {
      await host?.resign(urgent);
    } catch (error) {
      shared.logger.error('The host could not resign, and is ended', error);
      host?.end();
    }
    if (this._host !== host) return;
    this._recorder = host?.recorder;
    this._host = undefined;
    this._handle({ resigned: {} });
  }

  // ---- The tabs ----

  /** @param {any} announcement */
  _hear(announcement) {
    const { knock } = announcement ?? {};
    if (!knock) return this._handle({ heard: announcement });
    if (knock.place !== this.id) return;
    const port = new ChannelPort(knock.road, 'place');
    this.addPort(port);
    timers.start(() => {
      if (this._ports.get(port)?.tab === '') this._removePort(port);
    }, INTRODUCTION);
  }

  /** @param {Port} port of a tab that may come to this place */
  addPort(port) {
    this._ports.set(port, { tab: '', number: 0 });
    port.onmessage = ({ data }) => this._receive(port, data);
    this._greet(port);
  }

  /**
   * The tab is gone, or left this road. For as long as it lives it may come again by another one.
   *
   * @param {Port} port
   * @param {string} [tab]
   */
  _removePort(port, tab = '') {
    this._host?.leave(tab, port);
    this._ports.delete(port);
    port.close();
  }

  /**
   * A tab has one road at a time: its other ports are dropped. But a worker's own port stays beside a channel.
   *
   * @param {Port} port
   * @param {Introduced} introduced
   * @returns {boolean} `false` where this introduction came late, by a road that the tab has left meanwhile
   */
  _keepLatest(port, { tab, number }) {
    const others = [...this._ports].filter(([other, by]) => by.tab === tab && other !== port);
    if (others.some(([, by]) => by.number > number)) return false;
    for (const [other] of others) {
      const stays = port instanceof ChannelPort && !(other instanceof ChannelPort);
      if (!stays) this._removePort(other);
    }
    return true;
  }

  /** @param {Port} port */
  _greet(port) {
    const host = this._told && JSON.parse(this._told);
    port.postMessage({ greeting: { place: this.id, ...(host && { host }) } });
  }

  /**
   * @param {Port} port
   * @param {any} data
   */
  _receive(port, data) {
    const known = this._ports.get(port);
    if (!known) return undefined;
    const { tab } = known;
    if (typeof data === 'string') return this._host?.receive(tab, port, data);
    // Said again where the worker asked for it.
    if (data?.hello) return undefined;
    if (data?.ping) return port.postMessage({ pong: true });
    if (data?.stand) return this.stand(Boolean(data.stand.steal));
    if (data?.withdraw) return this.close();
    if (data?.left) return this._removePort(port, tab);
    // One for each life of the host.
    if (!isIntroduction(data) || (tab && tab !== data.connect.tab))
      return shared.logger.warn('Ignoring an unknown message', data);
    const introduced = { tab: data.connect.tab, number: data.connect.number ?? 0 };
    this._ports.set(port, introduced);
    if (!this._keepLatest(port, introduced)) return this._removePort(port);
    // The tab asked a host that is not here any more, or not yet: it has to ask the one that is.
    if (!this._host?.isMet(data.connect)) return this._greet(port);
    const refusal = this._core.refusal(data.connect.protocol);
    if (refusal) return port.postMessage({ refused: JSON.parse(refusal) });
    this._host.meet(data.connect.tab, port, data.connect);
  }
}

/** @param {any} data */
function isIntroduction(data) {
  const {
    tab,
    life,
    number,
    protocol,
    url,
    id,
    namespace,
    durableStore,
    parts,
    trapped,
    recorder,
  } = data?.connect ?? {};
  return (
    Array.isArray(trapped ?? []) &&
    tab &&
    typeof tab === 'string' &&
    typeof life === 'number' &&
    typeof protocol === 'number' &&
    typeof (number ?? 0) === 'number' &&
    typeof (url ?? '') === 'string' &&
    typeof namespace === 'string' &&
    typeof (durableStore ?? {}) === 'object' &&
    typeof (parts ?? {}) === 'object' &&
    typeof (recorder || {}) === 'object' &&
    typeof (id ?? '') === 'string'
  );
}
