/**
 * The link of a tab to the host of its namespace, wherever that is: in the tab's SharedWorker, in that of another build,
 * in another tab, in this one's dedicated worker or page. The machine in `broker` decides; this makes roads, holds the tab's
 * lock, and keeps messages while no host has taken the tab.
 */

import { isDead } from '../cores/cores.js';
import { LinkCore } from '../cores/link-core.js';
import { tabModule } from '../cores/tab-core.js';
import { refuseConnections } from '../options/connections.js';
import {
  checkDurableStore,
  forPage,
  forWorker,
  pageParts,
  refuseFunctions,
} from '../options/durable-options.js';
import { addressOf, requireNamespace } from '../options/namespace.js';
import { hold, newSource, tabLock } from '../platform/locks.js';
import { emitOrLog, shared } from '../platform/shared.js';
import { timers } from '../platform/ticks.js';
import { remember } from '../platform/traps.js';
import { burialTime } from './burial.js';
import { whyNoDedicated } from './dedicated-worker.js';
import { FirstLook } from './first-look.js';
import { HostEnd } from './host-end.js';
import { PageAbsence } from './page-absence.js';
import { OwnWorkers } from './own-workers.js';
import { pageLink } from './page-link.js';
import { PagePlace } from './page-place.js';
import { ChannelPort, isOfWorker, localPorts, namespaceChannel, workerAt } from './roads.js';
import { Quiet } from './quiet.js';
import { WatchedPlaces } from './watched-places.js';
import { RemoteLink } from './remote-link.js';
import { INCOMPATIBLE, electedTab, whereIs } from './whereabouts.js';

/** @typedef {import('./link.d.ts').Link} Link */
/** @typedef {import('./roads.js').Port} Port */
/** @typedef {import('./roads.js').Road} Road */
/** @typedef {import('./link.d.ts').Wanted} Wanted */

/** Version of the messages between page and worker before a host takes the tab. It is part of the worker's name. */
const MAJOR = 2;

/** @implements {Link} */
export class HostLink extends RemoteLink {
  /**
   * @param {Wanted} wanted
   * @param {string} [noWorker] why no SharedWorker is to be used
   */
  constructor(wanted, noWorker) {
    super();
    const { url, worker } = wanted;
    const store = checkDurableStore(wanted.durableStore);
    if (!worker && !noWorker) {
      refuseFunctions(store);
      refuseConnections(wanted.connections);
    }
    // Also where the storage is the application's: the namespace decides which tabs share the host.
    if (store) requireNamespace(wanted.namespace);
    const { namespace = addressOf(/** @type {string} */ (url)) } = wanted;
    this._wanted = wanted;
    this._namespace = namespace;
    /** @type {import('../api/connection.js').Connection} */
    this._connection = /** @type {any} */ (undefined);
    const noDedicated = whyNoDedicated(wanted, store);
    /** @type {Link['host']} */
    this.host = noWorker
      ? electedTab(noWorker, noDedicated)
      : { kind: 'shared-worker', place: 'shared-worker', reason: 'SharedWorker is available' };
    /** Whether no host was heard of yet. */
    this._isFirst = true;
    this.initialState = /** @type {const} */ ('connecting');
    /** @type {Link['socket']} */
    this.socket = null;
    /** @type {Link['seq']} */
    this.seq = undefined;
    /** The id that the application wants. @type {string | undefined} */
    this._id = undefined;
    /**
     * Inputs on which hosts crashed, for the next one's quarantine.
     *
     * @type {import('../host/quarantine.js').Trapped[]}
     */
    this._trapped = [];
    /** The constant part of this tab's introduction to a host, see `Introduction`. */
    this._introduction = {
      url,
      namespace,
      durableStore: forWorker(store),
      keepPendingOnReject: wanted.keepPendingOnReject ?? store?.keepPendingOnReject,
      recorder: wanted.recorder,
      parts: pageParts(store),
    };
    this._workers = new OwnWorkers({
      wanted,
      name: `sharedb-proxy ${MAJOR} ${namespace}`,
      namespace,
      receive: (road, port, data) => this._receive(road, port, data),
      tell: (input) => this._tell(input),
    });
    this._pageId = newSource();
    this._page = /** @type {PagePlace} */ (/** @type {unknown} */ (undefined));
    this._served = { ...forPage(store, worker), connections: wanted.connections };
    this._options = JSON.stringify({
      ...(noWorker && { noWorker: { reason: noWorker } }),
      ...(noDedicated && { noDedicated: { reason: noDedicated } }),
      page: this._pageId,
      burial: burialTime(),
    });
    if (!noWorker) this._workers.makeEarly();
    this._core = this._firstCore();
    /** Inputs that came while another one was carried out, oldest first. @type {object[]} */
    this._inputs = [];
    this._isBusy = false;
    this._tab = newSource();
    /** The tab's lock, while it is held or requested. @type {ReturnType<typeof hold> | undefined} */
    this._lock = undefined;
    /** The road in use. @type {Road | undefined} */
    this._road = undefined;
    /** How many introductions this machine has made, and those before it: two roads may be differently fast. */
    this._introductions = this._introduced = 0;
    /** Messages that wait until a host has taken this tab; `null` while one has. @type {string[] | null} */
    this._waiting = [];
    /** @type {import('../platform/ticks.js').Timer | undefined} */
    this._timer = undefined;
    this._quiet = new Quiet(() => this._tell({ quiet: {} }));
    this._places = new WatchedPlaces((place) => this._tell({ gone: { place } }));
    /** The namespace's channel, while the link is in use. @type {BroadcastChannel | undefined} */
    this._channel = undefined;
    this._end = new HostEnd();
    /** Whether this link is out of use. */
    this._left = false;
    this._absence = new PageAbsence(this._goAway, this._comeBack);
    /** The page's own reads before there is a host. @type {FirstLook | undefined} */
    this._look = undefined;
    /** Whether the page was told that it is about to be frozen. */
    this._isAway = false;
    /** Whether the application closed the connection. */
    this._leaves = false;
  }

  /** @param {import('../api/connection.js').Connection} connection */
  attach(connection) {
    this._connection = connection;
    const { _pageId: id, _namespace: namespace, _served: served } = this;
    this._page = new PagePlace({ id, namespace, served }, connection);
    if (this._workers.shared) this._look = FirstLook.of(connection, this._wanted, namespace);
    this._start();
  }

  /** @param {import('../api/doc.js').Doc} doc */
  want(doc) {
    this._look?.want(doc);
  }

  _start() {
    this._absence.watch();
    if (this._listen()) this._tell({ start: {} });
  }

  /** @returns {boolean} whether that can be */
  _listen() {
    try {
      this._channel ??= new BroadcastChannel(namespaceChannel(this._namespace));
    } catch (error) {
      this._beAlone(error);
      return false;
    }
    this._channel.onmessage = ({ data }) => this._tell({ heard: data });
    this._lock ??= hold(tabLock(this._tab));
    const { _lock: lock } = this;
    lock.held.catch((error) => this._lock === lock && this._beAlone(error));
    return true;
  }

  /**
   * The browser has locks and channels, and denies them to this page: its cookies are blocked, say.
   *
   * @param {any} error
   */
  _beAlone(error) {
    if (this._left) return;
    const reason = `tabs cannot share a host here: ${error?.message ?? error}`;
    this._moveIn({ reason, code: 'ERR_HOST_ALONE' });
  }

  // ---- The machine ----

  /**
   * Tells the machine, and carries out what follows. A listener of the application that throws stops nothing: the first
   * exception is thrown when all is done.
   *
   * @param {object} input
   */
  _tell(input) {
    this._inputs.push(input);
    if (this._isBusy) return;
    this._isBusy = true;
    let failure;
    for (let next = this._inputs.shift(); next; next = this._inputs.shift()) {
      for (const output of this._handle(next)) {
        try {
          this._carryOut(output);
        } catch (error) {
          failure ??= { error };
        }
      }
    }
    this._isBusy = false;
    if (failure) throw failure.error;
  }

  /**
   * @param {object} input
   * @returns {any[]} the outputs
   */
  _handle(input) {
    try {
      const outputs = this._core.handle(Math.floor(performance.now()), JSON.stringify(input));
      if (outputs !== undefined) return JSON.parse(outputs);
      shared.logger.warn('Ignoring an unknown message', input);
      return [];
    } catch (error) {
      if (!isDead(this._core)) throw error;
      return this._startAgain();
    }
  }

  /** @throws ERR_WASM_UNAVAILABLE */
  _firstCore() {
    try {
      return this._newCore();
    } catch (error) {
      this._workers.dropShared();
      throw error;
    }
  }

  /** In an instance of its own: a crash of the connection's machine is none of the link's. */
  _newCore() {
    return tabModule.apart(() => new LinkCore(this._options));
  }

  /**
   * The machine died. The next one finds the host again.
   *
   * @returns {any[]} what is to be carried out first
   */
  _startAgain() {
    shared.logger.error('The link to the host crashed, and is started again');
    this._core = this._newCore();
    this._introduced += this._introductions;
    this._introductions = 0;
    this._inputs = this._left ? [] : [{ start: {} }];
    if (this._isAway) this._inputs.push({ away: {} });
    if (this._leaves) this._inputs.push({ close: {} });
    return [
      { withdraw: { place: 'page', urgent: false } },
      { withdraw: { place: 'dedicated-worker', urgent: true } },
      { leave: {} },
    ];
  }

  /** @param {any} output */
  _carryOut(output) {
    const [[name, content]] = Object.entries(output);
    switch (name) {
      case 'makeWorker':
        return this._workers.make(content.worker);
      case 'startTimer':
        timers.stop(this._timer);
        return void (this._timer = timers.start(() => this._tell({ timer: {} }), content.delay));
      case 'announce':
        return this._channel?.postMessage(content);
      case 'watch':
        return this._places.watch(content.place);
      case 'open':
        return this._open(content);
      case 'introduce':
        return void this._introduce(content);
      case 'ready':
        return this._beReady();
      case 'leave':
        return this._leaveRoad();
      case 'ping':
        return this._road?.port.postMessage({ ping: true });
      case 'stand':
        return this._stand(content);
      case 'withdraw':
        return this._withdraw(content);
      case 'beQuiet':
        return this._beQuiet();
      case 'hostIs':
        return this._noteHost({ ...whereIs(content.kind), ...content.why });
      case 'tell':
        return this._fail(content);
      case 'giveUp':
        return this._moveIn(content);
      case 'finish':
        return this._leave();
    }
  }

  // ---- The places ----

  /** @param {{place: import('./link.d.ts').PlaceKind, steal: boolean}} how */
  _stand({ place, steal }) {
    this._look?.finish();
    if (place === 'page') return this._page.stand(steal);
    this._workers.stand(place === 'shared-worker' ? 'shared' : 'dedicated', steal);
  }

  /** @param {{place: import('./link.d.ts').PlaceKind, urgent: boolean}} how */
  _withdraw({ place, urgent }) {
    if (place === 'page') return this._page.withdraw(urgent);
    this._workers.withdraw(urgent);
  }

  // ---- The road ----

  /** @param {{road: Road['kind'], place: string}} road */
  _open({ road: kind, place }) {
    this._closeRoad();
    const port = this._makePort(kind, place);
    this._road = { kind, place, port };
  }

  /**
   * @param {Road['kind']} kind
   * @param {string} place
   * @returns {Port}
   */
  _makePort(kind, place) {
    if (kind === 'port' || kind === 'dedicated') return this._workers.portOf(workerAt(kind));
    /** @type {Port} */
    let port;
    if (kind === 'local') {
      const [mine, its] = localPorts();
      port = mine;
      this._page.addPort(its);
    } else {
      const road = newSource();
      port = new ChannelPort(road, 'tab');
      this._channel?.postMessage({ knock: { place, tab: this._tab, road } });
    }
    port.onmessage = ({ data }) => this._receive(kind, port, data);
    return port;
  }

  /** A worker's port stays: the worker may have the host again. */
  _closeRoad() {
    if (this._road && !isOfWorker(this._road)) this._road.port.close();
    this._road = undefined;
  }

  /** Messages wait for the next host, which does not know this tab yet. */
  _leaveRoad() {
    const { _road: road } = this;
    // A worker's port stays, for its next host.
    if (road && !isOfWorker(road) && !this._waiting) road.port.postMessage({ left: true });
    this._closeRoad();
    this._quiet.stop();
    if (this._end.isExpected && !this._connection._core.isWiping) return this._beEnded(road?.place);
    if (this._waiting) return;
    this._waiting = [];
    this._connection._changeHost();
  }

  /**
   * A message of a place.
   *
   * @param {Road['kind']} kind
   * @param {Port} port
   * @param {any} data
   */
  _receive(kind, port, data) {
    const isRoad = port === this._road?.port;
    if (isRoad) this._quiet.heard();
    if (typeof data === 'string') {
      // A message on a road that was left, or before the host has taken this tab, is of an earlier host.
      if (isRoad && !this._waiting) this._connection._receive(data, false);
    } else if (data?.who) port.postMessage(this._workers.hello);
    else if (data?.greeting) {
      this._look?.finish();
      this._tell({ greeted: { road: kind, ...data.greeting } });
    } else if (data?.taken) this._tell({ taken: { life: data.taken } });
    else if (data?.refused || data?.pong) {
      // Of the road in use only: another one is of a host before.
      if (isRoad) this._tell(data.pong ? { alive: {} } : { refused: data.refused });
    } else if (data?.unfit) {
      this._workers.forbidden(workerAt(kind), data.unfit);
      this._fail(data.unfit);
    } else if (data?.warning) shared.logger.warn(data.warning);
    else if (data?.failed) this._workers.failed(workerAt(kind), data.failed, data.code);
    else if (data?.trapped) this._trapped = remember(this._trapped, data.trapped);
  }

  /**
   * Asks the host to take this tab, once the tab's lock is held: a host takes a tab whose lock is free for dead.
   *
   * @param {{life: number, number: number, protocol: number}} introduction the host's epoch, how many this machine has
   *   made, and the protocol that it speaks
   */
  async _introduce({ life, number: made, protocol }) {
    this._introductions = made;
    const number = this._introduced + made;
    const { _road: road, _tab: tab, _lock: lock } = this;
    await lock?.held.catch(() => {});
    if (road !== this._road || tab !== this._tab) return;
    const { _introduction: introduction, _id: id, _trapped: trapped } = this;
    road?.port.postMessage({
      connect: { ...introduction, life, protocol, number, tab, id, trapped },
    });
  }

  /** The host has taken this tab: messages are posted from now on. */
  _beReady() {
    const waiting = this._waiting ?? [];
    this._waiting = null;
    this._quiet.watch();
    this._page.trust();
    for (const text of waiting) this.post(text);
  }

  /** @param {string} text */
  post(text) {
    if (this._waiting || !this._road) return void this._waiting?.push(text);
    this._quiet.posted();
    this._road.port.postMessage(text);
  }

  // ---- The application ----

  /** @param {Link['host']} host */
  _noteHost(host) {
    const { host: before } = this;
    this.host = host;
    if (host.code && host.code !== before.code) shared.logger.warn(host.reason);
    // The first host is where it was expected.
    const isExpected =
      this._isFirst && host.place === before.place && host.reason === before.reason;
    this._isFirst = false;
    if (!isExpected) this._connection.emit('host', host);
  }

  /** @param {{reason: string, code?: string}} failure */
  _fail({ reason, code = 'ERR_HOST_FAILED' }) {
    const error = new shared.Error(code, reason);
    if (code === INCOMPATIBLE) this._connection.emit('host.incompatible', error);
    emitOrLog(this._connection, error);
  }

  /**
   * No host takes this tab: it goes on with a host of its own, with the messages that wait.
   *
   * @param {{reason: string, code?: string}} why
   */
  _moveIn(why) {
    const connection = this._connection;
    shared.logger.warn(why.reason);
    const waiting = this._waiting ?? [];
    this._leave();
    const link = pageLink(this._wanted, { ...why, tab: this._tab });
    if (this._id) link.id = this._id;
    connection._useLink(link);
    for (const text of waiting) connection._link.post(text);
    this._fail(why);
  }

  get id() {
    return undefined;
  }

  set id(id) {
    this._id = id;
  }

  close() {
    this._look?.end();
    this._connection._run(() => this._connection._core.close(true, true));
    this._leaves = true;
    // Ops that the application submitted before still go to the host.
    this._tell({ close: {} });
  }

  // ---- The page is frozen, or kept for the user's return ----

  /**
   * Sends what was submitted to the host; no message may reach this page from now on. A browser does not keep a page that is sent
   * a message, or for whose lock another one waits.
   */
  _goAway = () => {
    if (this._left || this._isAway) return;
    this._look?.end();
    this._isAway = true;
    this._connection._flushAll();
    this._connection._coordination?.goAway();
    this._tell({ away: {} });
  };

  _comeBack = () => {
    if (!this._isAway) return;
    this._isAway = false;
    this._beAnotherTab();
    if (!this._left && this._listen()) this._tell({ back: {} });
  };

  _beQuiet() {
    this._stopListening();
    this._workers.leaveShared();
    if (!this._hasUnanswered()) this._releaseLock();
  }

  _stopListening() {
    timers.stop(this._timer);
    this._quiet.stop();
    this._places.stop();
    this._channel?.close();
    this._channel = undefined;
  }

  // ---- The end ----

  /** Leaves this link. The host forgets the tab when the tab's lock is released. */
  _leave() {
    this._left = true;
    this._look?.end();
    this._absence.stop();
    this._stopListening();
    // Closed in the middle of a wipe, it still says when the host has ended.
    if (this._end.isExpected) this._noteEnd(this._road?.place);
    // The tab may return by another road; until then the host sends nothing to this one.
    if (!this._waiting) this._road?.port.postMessage({ left: true });
    this._closeRoad();
    this._workers.leave();
    this._page.leave();
    // While the lock is held, the host keeps the outcomes of the tab's ops. The application may reconnect.
    if (!this._leaves || !this._hasUnanswered()) this._releaseLock();
  }

  /** Whether an op of this tab has no outcome yet. */
  _hasUnanswered() {
    const docs = [...this._connection._docs.values()];
    return docs.some((doc) => doc.hasWritePending());
  }

  _releaseLock() {
    this._lock?.release();
    this._lock = undefined;
  }

  /** @param {() => void} open */
  reconnect(open) {
    open();
    const { _left: hasLeft } = this;
    this._left = this._leaves = false;
    if (hasLeft) {
      this._beAnotherTab();
      this._waiting = [];
    }
    this._connection._changeHost('reconnect');
    this._start();
  }

  /** The host forgets a tab whose lock was released, so this comes back as another tab. */
  _beAnotherTab() {
    if (!this._lock) this._tab = newSource();
  }

  /** The tab's lock stays until the host is gone: without it the host would not answer. */
  expectEnd() {
    this._end.isExpected = true;
  }

  /** @param {() => void} callback */
  whenEnded(callback) {
    this._end.wait(callback);
  }

  /**
   * The host has deleted everything, and the link ends with it.
   *
   * @param {string | undefined} place where the host was
   */
  _beEnded(place) {
    this._noteEnd(place);
    this._tell({ end: {} });
  }

  /** @param {string | undefined} place */
  _noteEnd(place) {
    this._end.note(this.host.kind === 'shared-worker' ? place : undefined);
  }
}
