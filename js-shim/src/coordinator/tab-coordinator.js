/**
 * What an application has of coordination: the tabs, who leads, messages to all tabs, and locks.
 */

import { connectionWithoutServer } from '../api/create-connection.js';
import { expectOption, isFunction, optionError, pick, refuseUnknown } from '../options/options.js';
import { copyOf } from '../platform/json.js';
import { shared } from '../platform/shared.js';
import { delay } from '../platform/ticks.js';
import { watchSleep } from '../platform/waking.js';
import { Coordination } from './coordination.js';
import { Devices } from './devices.js';
import { GuardedEmitter } from './guarded-emitter.js';
import { IdleTimer } from './idle-timer.js';
import { Leadership } from './leadership.js';
import { Locks, guardOf } from './locks.js';
import { WorkerMessageType, checkType, isUrgent, messageOf } from './messages.js';
import { OF_CONNECTION, checkOptions, isRole, isWeight } from './options.js';
import { PageReport } from './page-report.js';
import { Realtime } from './realtime.js';
import { persevere, refreshOptions } from './refresh.js';
import { Reload, isReload } from './reload.js';
import { Session } from './session.js';
import { SharedState } from './shared-state.js';
import { StorageWatches } from './storage-watch.js';
import { TabList } from './tab-list.js';
import { Errands, Tasks } from './tasks.js';

export { WorkerMessageType };

/**
 * @typedef {import('../coordinator.d.ts').SharedWorkerMessage} SharedWorkerMessage
 * @typedef {import('../coordinator.d.ts').TabInfo} TabInfo
 * @typedef {import('../coordinator.d.ts').LockOptions} LockOptions
 * @typedef {import('../coordinator.d.ts').Held} Held
 */

export class TabCoordinator extends GuardedEmitter {
  /** @param {import('../coordinator.d.ts').TabCoordinatorOptions} options */
  constructor(options) {
    super();
    checkOptions(options);
    const { role, weight = 0, rotation = 0, refresh } = options;
    this._isOwn = !options.connection;
    /** @type {import('../api/connection.js').Connection} */
    this._connection = /** @type {any} */ (
      options.connection ?? connectionWithoutServer(pick(options, OF_CONNECTION))
    );
    const own = { weight, observer: role === 'observer', refreshes: Boolean(refresh) };
    this._report = new PageReport(own, () => this._tellReport());
    this._refresh = refresh;
    this._coordination = new Coordination(this._connection, {
      rotation,
      report: this._report.current,
      listener: {
        welcome: (welcome) => this._welcome(welcome),
        tab: (event, tab) => this._tabs.change(event, tab),
        leading: (leading) => this._leadership.take(leading),
        broadcast: (broadcast) => this._receive(broadcast),
        state: (bundle, part) => this._shared.take(bundle, part),
        task: (task) => void this._tasks.carryOut(task),
        session: (session, strangers) => this._session.take(session, strangers),
        logout: () => void this._session.stop(),
        wipe: () => this._session.wipe(),
        loggedOut: (session) => (this._devices?.loggedOut(), this._session.loggedOut(session)),
        idle: (idle) => this._idle.take(idle),
        realtime: (told) => this._realtime.take(told),
        received: (received) => void this.handleMessage(this._realtime.messageOf(received)),
        tokenWanted: (round) => void this._realtime.refresh(round, () => this.refresh()),
        ended: () => this._session.end(),
        over: (error) => this._end(error),
        failed: (error) => this._fail(error),
      },
    });
    this._shared = new SharedState(this._coordination, options.state ?? {}, (event, ...args) =>
      event === 'error' ? this._fail(args[0]) : this._emit(event, ...args),
    );
    this._locks = new Locks(this._coordination);
    this._devices = options.devices && new Devices(this, options.devices);
    this._leadership = new Leadership(this._coordination, {
      changed: (leading) => this._emit('leader', leading),
      backupChanged: (backup) => this._emit('backup', backup),
      failed: (error) => this._fail(error),
    });
    this._tasks = new Tasks(this._coordination);
    this._reload = new Reload(this._coordination, this._tasks, (reload) =>
      this._emit('reload', reload),
    );
    this._storage = new StorageWatches(this._connection, () => this._line, {
      changed: (storage) => this._emit('storage', storage),
      failed: (error) => this._fail(error),
    });
    /** The epoch of the host that began what is kept of coordination. @type {number | undefined} */
    this._line = undefined;
    this._idle = new IdleTimer(this._coordination, (event, content) => this._emit(event, content));
    this._realtime = new Realtime(this._coordination, (state) => this._emit('signalr', state));
    this._session = new Session(this._coordination, this._connection, {
      emit: (event, content) => this._emit(event, content),
      voided: () => this._shared.forget(),
      ended: () => this._idle.forget(),
      deleted: () => this._storage.forget(),
      failed: (error) => this._fail(error),
    });
    this._errands = new Errands(this._coordination, () => this._session.current.epoch);
    /** @type {any} */
    this._lastError = undefined;
    this._endSleepWatch = () => {};
    // Nobody else hears the errors of a connection that only this has.
    if (this._isOwn) this._connection.on('error', (/** @type {any} */ error) => this._fail(error));
    this._tabs = new TabList(
      (event, tab) => this._emit(event, tab),
      (type, tabId, payload) => this._synthesise(type, tabId, payload),
    );
    this._lastUpdate = 0;
    /** @type {Promise<void> | undefined} */
    this._registration = undefined;
    this._registered = () => {};
    /** @type {(error: any) => void} */
    this._refused = () => {};
    /** Why this tab is none of the tabs any more. @type {any} */
    this._whyOver = undefined;
  }

  /** This tab's id. Another page load is another tab, and so is a duplicate of this one. */
  get tabId() {
    return this._coordination.id;
  }

  /** Where the host is, and why there: `connection.host`. */
  get host() {
    return this._connection.host;
  }

  /** What cannot be promised here, in words; empty where everything can. */
  get limits() {
    const { kind, reason, code } = this._connection.host;
    if (kind !== 'in-page' || !code) return [];
    return [
      `Tabs cannot see each other here, so each of them is alone: ${reason}. Every tab leads, and locks hold within one tab only.`,
    ];
  }

  // ---- The contract ----

  /**
   * Joins the tabs. Resolves when the host has told this tab what there is. Rejects where no host will: there is no WebAssembly,
   * the host is a newer build's, or the tab has left meanwhile.
   *
   * @returns {Promise<void>}
   */
  register() {
    if (this._whyOver) return Promise.reject(this._whyOver);
    this._registration ??= this._join().then(() => this._devices?.begin());
    return this._registration;
  }

  /** @returns {Promise<void>} */
  _join() {
    return new Promise((resolve, reject) => {
      this._registered = resolve;
      this._refused = reject;
      this._report.watch();
      this._endSleepWatch = watchSleep(LOOK, (slept) => this._wake(slept));
      this._coordination.begin();
    });
  }

  /**
   * Tells all other tabs something. Resolves when the host has it: it then reaches every tab, also one that is away now.
   *
   * @param {import('../coordinator.d.ts').WorkerMessageType} type
   * @param {any} payload
   * @returns {Promise<void>}
   */
  async sendMessage(type, payload) {
    checkType(type);
    const message = { type, payload: payload ?? null, timestamp: Date.now() };
    const copy = copyOf(message, 'The payload');
    await this._coordination.ask('send', { urgent: isUrgent(type), message: copy });
    if (type === 'state_update') this._lastUpdate = message.timestamp;
  }

  /**
   * Takes a message as if another tab had sent it.
   *
   * @param {SharedWorkerMessage} message
   * @returns {Promise<void>}
   */
  async handleMessage(message) {
    checkType(message?.type);
    if (message.type === 'state_update') this._lastUpdate = message.timestamp;
    this._emit('message', message);
    // `error` is what goes wrong here.
    if (message.type !== 'error') this._emit(message.type, message);
  }

  /** Leaves the tabs: what this one holds is free, and another one leads. @returns {Promise<void>} */
  async unregister() {
    this._quit();
    if (this._coordination._isOver) return;
    // The host has what was asked before when it has answered. There may be no host just now: nobody waits for the next one.
    if (this.tabs.length) {
      const late = delay(LEAVING);
      await Promise.race([late, this._coordination.ask('ping', {}).catch(() => {})]);
    }
    this._coordination.leave();
    if (this._isOwn) this._connection.close();
  }

  /** This tab is none of the tabs any more. @param {any} error why */
  _end(error) {
    this._whyOver = error;
    this._refused(error);
    this._quit();
    this._tabs.clear();
  }

  _quit() {
    this._devices?.end();
    this._storage.end();
    this._report.stop();
    this._idle.stop();
    this._endSleepWatch();
    this._leadership.take({ term: 0 });
    this._realtime.take(undefined);
  }

  /** The machine slept, and the clock went on. @param {number} slept in milliseconds */
  _wake(slept) {
    this._emit('sleep', { slept });
    this._emit('wake', { slept });
    this._tellReport();
  }

  // ---- The tabs ----

  /** The ids of the tabs that are there: a frozen one is not. */
  get connectedTabs() {
    return this._tabs.connected;
  }

  /** All tabs, the frozen ones too, with what they say of themselves. */
  get tabs() {
    return this._tabs.all;
  }

  /** The worker's state, as this tab was told it last. */
  get state() {
    return {
      activeTabId: this._tabs.active ?? this.leader ?? null,
      connectedTabs: this.connectedTabs,
      signalRConnection: this._realtime.state,
      lastStateUpdate: this._lastUpdate,
      sessionData: this._shared.bundle?.snapshot ?? null,
    };
  }

  /** Changes this tab's weight or role. @param {{weight?: number, role?: 'auto' | 'observer'}} changes */
  configure(changes) {
    refuseUnknown('configure', changes, ['weight', 'role']);
    const { weight, role } = changes;
    expectOption('options', { weight }, 'weight', isWeight, 'a whole number from 0 to 100');
    expectOption('options', { role }, 'role', isRole, "'auto' or 'observer'");
    this._report.set({
      ...(weight !== undefined && { weight }),
      ...(role !== undefined && { observer: role === 'observer' }),
    });
  }

  _tellReport() {
    this._coordination.tell({ report: this._report.current });
  }

  /** @param {any} welcome */
  _welcome(welcome) {
    const { tabs, leading, missed = [], gap, streamGap, state, session, idle, realtime } = welcome;
    this._line = welcome.line;
    this._tabs.welcome(tabs);
    this._leadership.take(leading);
    this._session.take(session, []);
    if (state) this._shared.take(state);
    else this._shared.forget();
    if (idle) this._idle.take(idle);
    this._realtime.take(realtime);
    this._registered();
    if (gap || streamGap)
      this._emit('gap', { messages: Boolean(gap), signalR: Boolean(streamGap) });
    const messages = missed.filter((/** @type {any} */ one) => !isReload(one));
    if (messages.length) this._emit('catch up', messages.map(messageOf));
    for (const broadcast of missed) this._receive(broadcast);
  }

  /**
   * The contract has messages for what the host says itself.
   *
   * @param {'connect' | 'disconnect'} type
   * @param {string} tabId
   * @param {any} payload
   */
  _synthesise(type, tabId, payload) {
    const timestamp = Date.now();
    void this.handleMessage(/** @type {any} */ ({ type, payload, tabId, timestamp }));
  }

  /** @param {any} broadcast */
  _receive(broadcast) {
    if (isReload(broadcast)) return this._reload.take(broadcast);
    void this.handleMessage(messageOf(broadcast)).catch((error) => this._fail(error));
  }

  // ---- The leader ----

  /** The id of the tab that leads, as far as this one knows. */
  get leader() {
    return this._leadership.leader;
  }

  /** Whether this tab leads, now. No other tab does then. */
  get isLeader() {
    return this._leadership.isLeader;
  }

  /** `leader`, `backup` (it leads next), `follower`, or `observer` (it never leads). */
  get role() {
    if (this.isLeader) return 'leader';
    if (this._report.current.observer) return 'observer';
    return this._leadership.backup === this.tabId ? 'backup' : 'follower';
  }

  /** Another tab is to lead, if there is one. */
  resign() {
    this._leadership.resign();
  }

  /**
   * Runs `fn` whenever this tab leads: `fn` is given `{signal, term}`, and the signal is aborted when another tab is to
   * lead.
   *
   * @param {(leading: {signal: AbortSignal, term: number}) => any} fn
   * @returns {() => void} ends it
   */
  runAsLeader(fn) {
    return this._leadership.run(fn);
  }

  // ---- What one tab does for others ----

  /**
   * Lets other tabs have this one do something.
   *
   * @param {string} task
   * @param {(payload: any, from: string) => any} fn its result is the answer
   * @returns {() => void} ends it
   */
  handle(task, fn) {
    return this._tasks.handle(task, fn);
  }

  /**
   * Has another tab do something: the leader, if no tab is named. Ends with `ERR_TAB_GONE` where the named tab is gone.
   *
   * @param {string} task
   * @param {any} [payload]
   * @param {{to?: string}} [options]
   * @returns {Promise<any>} what that tab's function gave
   */
  async delegate(task, payload = null, options = {}) {
    refuseUnknown('delegate', options, ['to']);
    return this._tasks.delegate(task, payload, options.to);
  }

  /**
   * Runs `fn` in one tab: a mandatory dialog, say. All tabs that ask get its result, also later. Where that tab dies before,
   * another one runs it. A failure goes to those who wait, and is tried again by who asks later.
   *
   * @param {string} key
   * @param {(shown: {signal: AbortSignal}) => any} fn
   * @returns {Promise<any>}
   */
  showOnce(key, fn) {
    return this._errands.forAll(`once ${key}`, 'kept', (signal) => fn({ signal }));
  }

  /**
   * Asks for all pages to be loaded anew, with the new build of the application, say. The leader decides, by its function for
   * the task `reload-request` if there is one; then all tabs get one `reload` event, also those that are away now.
   *
   * @param {any} [payload]
   * @returns {Promise<boolean>} whether it is so
   */
  reload(payload = null) {
    return this._reload.ask(payload);
  }

  // ---- The shared state ----

  /** `{version, updatedAt, sourceId, schema, metadata, config, snapshot}`; nothing before the first write. */
  get bundle() {
    return this._shared.bundle;
  }

  /** Changes the snapshot: a value, or a function of what it is now. @param {any} value @returns {Promise<void>} */
  setState(value) {
    return this._shared.write('snapshot', value);
  }

  /** Changes the config. @param {any} value @returns {Promise<void>} */
  setConfig(value) {
    return this._shared.write('config', value);
  }

  /** Asks the leader's function for the task `reset-request` to change the state. @param {any} [payload] @returns {Promise<any>} */
  requestReset(payload) {
    return this.delegate('reset-request', payload);
  }

  // ---- The session ----

  /** The session as tabs named it last: its id, and a count of its changes. */
  get session() {
    return { ...this._session.current };
  }

  /** Names this tab's session. Another name voids what was asked for in the one before. @param {string} [id] @returns {Promise<void>} */
  async setSession(id) {
    await this._session.name(id);
  }

  /**
   * Runs `fn`, which gets a new token, say, in one tab for all that ask meanwhile. It is tried again with growing pauses;
   * its result, or its last failure, goes to all. What comes for a session that has ended is nobody's: `ERR_SESSION_CHANGED`.
   *
   * @param {(refresh: {signal: AbortSignal}) => any} [fn] the option `refresh`, if nothing else is said
   * @param {{attempts?: number, deadline?: number}} [options]
   * @returns {Promise<any>}
   */
  async refresh(fn = this._refresh, options) {
    const how = refreshOptions(options);
    if (!isFunction(fn)) throw optionError('ERR_OPTION_INVALID', 'refresh has nothing to run');
    const run = (/** @type {AbortSignal} */ signal) => /** @type {Function} */ (fn)({ signal });
    return this._errands.forAll('refresh', 'session', (signal) =>
      persevere(run, { ...how, signal }),
    );
  }

  /**
   * Ends the session in all tabs, in two phases: each tab stops (`logout`, whose `waitUntil` takes a promise), and then
   * what is stored is deleted. Where there is a durable store, the connections end with it.
   *
   * @returns {Promise<void>}
   */
  async logout() {
    await this._session.logout();
  }

  /**
   * Starts the idle timer of all tabs. Activity in any of them puts it back. `idle-warning`, `idle-timeout` and
   * `idle-active` say in all of them at once how far it is.
   *
   * @param {{warnAfter: number, timeoutAfter: number}} options in milliseconds
   * @returns {Promise<void>}
   */
  async idle(options) {
    await this._idle.start(options);
  }

  /** The user is there, as the application knows. */
  noteActivity() {
    this._idle.note();
  }

  /** Milliseconds until the time is over, by the clock that all tabs of a browser share; nothing without a timer. */
  get idleLeft() {
    return this._idle.left;
  }

  // ---- The second connection ----

  /**
   * Sends something through the second connection, which the host has for all tabs. Resolves with the answer. It waits for a
   * connection that is on its way, and ends with `ERR_REALTIME_DISCONNECTED` where there is none. It is never sent twice: where
   * connection or host end before the answer it is `ERR_REALTIME_LOST`.
   *
   * @param {any} payload
   * @param {{signal?: AbortSignal}} [options] gives it up
   * @returns {Promise<any>}
   */
  sendSignalR(payload, { signal } = {}) {
    return this._realtime.send(payload, signal);
  }

  // ---- Locks ----

  /**
   * Runs `fn` while this tab holds the lock, and gives its result. `fn` is given `{token, signal, lock, isHeld}`: a
   * fencing token, higher than all before it; a signal that is aborted when the lock is lost; `lock` for locks within
   * this one.
   *
   * @template T
   * @param {string} name
   * @param {LockOptions | ((held: Held) => T | Promise<T>)} options or `fn`
   * @param {(held: Held) => T | Promise<T>} [fn]
   * @returns {Promise<T>}
   */
  lock(name, options, fn) {
    return this._locks.lock(name, options, fn);
  }

  /**
   * Runs `fn` if no other tab is at this key, and refuses with `ERR_GUARDED` at once where one is: the error's `tabId`
   * says which.
   *
   * @template T
   * @param {string} key
   * @param {(held: Held) => T | Promise<T>} fn
   * @returns {Promise<T>}
   */
  guard(key, fn) {
    return this._locks.guard(key, fn);
  }

  /** Which tab holds a lock, if any does. @param {string} name @returns {Promise<string | undefined>} */
  whoHolds(name) {
    return this._locks.holder(name);
  }

  /** Which tab is at a key of `guard`, if any is. @param {string} key @returns {Promise<string | undefined>} */
  whoGuards(key) {
    return this._locks.holder(guardOf(key));
  }

  // ---- The user's devices ----

  /** What the user's devices agree on, as the option `devices` says. */
  get devices() {
    if (this._devices) return this._devices;
    const message = 'The coordinator was made without the option devices';
    throw new shared.Error('ERR_DEVICES_NOT_SET_UP', message);
  }

  /**
   * Holds what one tab of one device has at a time: while `fn` runs, or without it until `resign()`.
   *
   * @type {import('./leases.js').Leases['lease']}
   */
  async lease(name, options, fn) {
    return this.devices.leases.lease(name, options, fn);
  }

  /** Runs `fn` in one tab of one device at a time. @type {import('./leases.js').Leases['run']} */
  runOnOneDevice(fn, options) {
    return this.devices.leases.run(fn, options);
  }

  // ---- Health ----

  /** Milliseconds of a message to the host and back. @returns {Promise<number>} */
  async latency() {
    const begin = performance.now();
    await this._coordination.ask('ping', {});
    return performance.now() - begin;
  }

  /** The last error, and what the host is. */
  get health() {
    return { lastError: this._lastError, host: this.host, limits: this.limits };
  }

  /**
   * Watches how full the browser's storage is: `storage` says when a threshold is passed, and when the store was `evicted`.
   *
   * @param {{thresholds?: number[], interval?: number}} [options] parts of the quota, and milliseconds
   * @returns {() => void} ends it
   */
  watchStorage(options) {
    return this._storage.watch(options);
  }

  /** @param {any} error */
  _fail(error) {
    this._lastError = error;
    if (NEVER_JOINS.includes(error?.code)) this._refused(error);
    if (this.listenerCount('error')) this._emit('error', error);
    else shared.logger.error(error);
  }
}

/** Errors after which no host takes this tab. With any other one it joins, or has joined. */
const NEVER_JOINS = ['ERR_WASM_UNAVAILABLE', 'ERR_HOST_INCOMPATIBLE'];
/** Milliseconds that a host has to answer a tab that leaves. */
const LEAVING = 1_000;
/** Milliseconds between two looks whether the machine slept. */
const LOOK = 2_000;
