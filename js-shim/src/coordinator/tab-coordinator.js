/**
 * What an application has of coordination: the tabs, who leads, messages to all tabs, and locks.
 */

import { EventEmitter } from 'events';

import { connectionWithoutServer } from '../api/create-connection.js';
import { expectOption, isFunction, optionError, pick, refuseUnknown } from '../options/options.js';
import { shared } from '../platform/shared.js';
import { timers } from '../platform/ticks.js';
import { watchSleep } from '../platform/waking.js';
import { Coordination, Granted } from './coordination.js';
import { Locks, guardOf, isCount } from './locks.js';
import { WorkerMessageType, checkType, isUrgent, textOf } from './messages.js';
import { PageReport } from './page-report.js';
import { Activity, persevere, refreshOptions } from './session.js';
import { SharedState, checkStateOptions } from './shared-state.js';
import { watchStorage } from './storage-watch.js';

export { WorkerMessageType };

/**
 * @typedef {import('../coordinator.d.ts').SharedWorkerMessage} SharedWorkerMessage
 * @typedef {import('../coordinator.d.ts').TabInfo} TabInfo
 * @typedef {import('../coordinator.d.ts').LockOptions} LockOptions
 * @typedef {import('../coordinator.d.ts').Held} Held
 */

/** What the coordinator hands to a connection of its own. */
const OF_CONNECTION = /** @type {const} */ ([
  'namespace',
  'durableStore',
  'useSharedWorker',
  'worker',
  'dedicatedWorker',
]);
const OWN = ['connection', 'role', 'weight', 'rotation', 'state', ...OF_CONNECTION];

const isWeight = (/** @type {any} */ value) => isCount(value) && value <= 100;
const isRole = (/** @type {any} */ value) => value === 'auto' || value === 'observer';

/** @param {any} options */
function checkOptions(options) {
  refuseUnknown('new TabCoordinator', options, OWN);
  expectOption('options', options, 'role', isRole, "'auto' or 'observer'");
  expectOption('options', options, 'weight', isWeight, 'a whole number from 0 to 100');
  expectOption('options', options, 'rotation', isCount, 'a number of milliseconds');
  checkStateOptions(options.state);
  if (options.connection) {
    const [name] = OF_CONNECTION.filter((name) => options[name] !== undefined);
    if (name === undefined) return;
    const message = `new TabCoordinator with a connection has no option ${name}: it is the connection's`;
    throw optionError('ERR_OPTION_UNKNOWN', message);
  }
  if (options.namespace === undefined) {
    const message =
      'new TabCoordinator needs a connection, or the namespace of the tabs: name the user in it, such as user.id';
    throw optionError('ERR_NAMESPACE_REQUIRED', message);
  }
}

export class TabCoordinator extends EventEmitter {
  /** @param {import('../coordinator.d.ts').TabCoordinatorOptions} options */
  constructor(options) {
    super();
    checkOptions(options);
    const { role, weight = 0, rotation = 0 } = options;
    this._isOwn = !options.connection;
    /** @type {import('../api/connection.js').Connection} */
    this._connection = /** @type {any} */ (
      options.connection ?? connectionWithoutServer(pick(options, OF_CONNECTION))
    );
    this._report = new PageReport({ weight, observer: role === 'observer' }, () =>
      this._tellReport(),
    );
    this._coordination = new Coordination(this._connection, {
      rotation,
      report: this._report.current,
      listener: {
        welcome: (welcome) => this._welcome(welcome),
        tab: (event, tab) => this._tabChanged(event, tab),
        leading: (leading) => this._setLeading(leading),
        broadcast: (broadcast) => this._receive(broadcast),
        state: (bundle, part) => this._shared.take(bundle, part),
        task: (task) => void this._do(task),
        session: (session, strangers) => this._setSession(session, strangers),
        logout: () => void this._stop(),
        wipe: () => this._wipe(),
        loggedOut: (session) => this._loggedOut(session),
        idle: (idle) => this._setIdle(idle),
        ended: () => this._ended(),
        failed: (error) => this._fail(error),
      },
    });
    this._shared = new SharedState(this._coordination, options.state ?? {}, (event, ...args) =>
      event === 'error' ? this._fail(args[0]) : this._emit(event, ...args),
    );
    this._locks = new Locks(this._coordination);
    /** What other tabs can have this one do. @type {Map<string, (payload: any, from: string) => any>} */
    this._tasks = new Map();
    /** Functions that run while this tab leads, with what stops them. @type {Map<Function, AbortController>} */
    this._asLeader = new Map();
    this._session = { epoch: 0, id: /** @type {string | undefined} */ (undefined) };
    /** @type {any} */
    this._idle = undefined;
    this._activity = new Activity(() => this._coordination.tell({ active: {} }));
    /** @type {any} */
    this._lastError = undefined;
    this._endSleepWatch = () => {};
    this._onWiped = () => {};
    // Nobody else hears the errors of a connection that only this has.
    if (this._isOwn) this._connection.on('error', (/** @type {any} */ error) => this._fail(error));
    /** The tabs as the host told them last. @type {Map<string, TabInfo>} */
    this._tabs = new Map();
    /** Who leads, as the host told it last. @type {{leader?: string, backup?: string, term: number}} */
    this._leading = { term: 0 };
    /** The tab that had the focus last. @type {string | undefined} */
    this._active = undefined;
    this._lastUpdate = 0;
    /** @type {Promise<void> | undefined} */
    this._registration = undefined;
    this._registered = () => {};
    /** @type {(error: any) => void} */
    this._refused = () => {};
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

  /** Joins the tabs. Resolves when the host has told this tab what there is. @returns {Promise<void>} */
  register() {
    this._registration ??= new Promise((resolve, reject) => {
      this._registered = () => resolve();
      this._refused = reject;
      this._report.watch();
      this._endSleepWatch = watchSleep(LOOK, (slept) => this._wake(slept));
      this._coordination.begin();
    });
    return this._registration;
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
    const text = textOf(message, 'The payload');
    await this._coordination.ask('send', { urgent: isUrgent(type), message: JSON.parse(text) });
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
    if (this._tabs.size) {
      const late = new Promise((resolve) => timers.start(() => resolve(undefined), LEAVING));
      await Promise.race([late, this._coordination.ask('ping', {}).catch(() => {})]);
    }
    this._coordination.leave();
    this._setLeading({ term: 0 });
    this._tabs.clear();
    if (this._isOwn) this._connection.close();
  }

  _quit() {
    this._report.stop();
    this._activity.stop();
    this._endSleepWatch();
    this._setLeading({ term: 0 });
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
    const tabs = [...this._tabs.values()].filter(({ frozen }) => !frozen);
    return new Set(tabs.map(({ id }) => id));
  }

  /** All tabs, the frozen ones too, with what they say of themselves. */
  get tabs() {
    return [...this._tabs.values()];
  }

  /** The worker's state, as this tab was told it last. */
  get state() {
    return {
      activeTabId: this._active ?? this.leader ?? null,
      connectedTabs: this.connectedTabs,
      signalRConnection: null,
      lastStateUpdate: this._lastUpdate,
      sessionData: this._shared.bundle?.snapshot ?? null,
    };
  }

  /** Changes this tab's weight or role. @param {{weight?: number, role?: 'auto' | 'observer'}} changes */
  configure({ weight, role }) {
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
  _welcome({ tabs, leading, missed = [], gap, state, session, idle }) {
    const before = this.connectedTabs;
    this._tabs = new Map(tabs.map((/** @type {any} */ tab) => [tab.id, infoOf(tab)]));
    const isFirst = before.size === 0;
    this._active ??= tabs.find((/** @type {any} */ tab) => tab.report.focused)?.id;
    // What happened while this tab had no host, or was away.
    for (const id of this.connectedTabs) {
      if (!before.has(id) && !isFirst)
        this._emit('join', /** @type {TabInfo} */ (this._tabs.get(id)));
    }
    for (const id of before)
      if (!this.connectedTabs.has(id)) this._emit('leave', { id, crashed: true });
    this._setLeading(leading);
    this._setSession(session, []);
    if (state) this._shared.take(state);
    else this._shared.forget();
    if (idle) this._setIdle(idle);
    this._registered();
    if (gap) this._emit('gap');
    if (missed.length) this._emit('catch up', missed.map(messageOf));
    for (const broadcast of missed) this._receive(broadcast);
  }

  /**
   * @param {string} event
   * @param {any} tab
   */
  _tabChanged(event, tab) {
    const info = infoOf(tab);
    if (event === 'focused') this._active = tab.id;
    if (event === 'leave' || event === 'crash') {
      this._tabs.delete(tab.id);
      if (this._active === tab.id) this._active = undefined;
      this._emit('leave', { ...info, crashed: event === 'crash' });
      return this._synthesise('disconnect', tab.id, { crashed: event === 'crash' });
    }
    this._tabs.set(tab.id, info);
    this._emit(event, info);
    if (event === 'join') this._synthesise('connect', tab.id, info);
    return undefined;
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
    void this.handleMessage(messageOf(broadcast)).catch((error) => this._fail(error));
  }

  // ---- The leader ----

  /** The id of the tab that leads, as far as this one knows. */
  get leader() {
    return this._leading.leader;
  }

  /** Whether this tab leads, now. No other tab does then. */
  get isLeader() {
    return this._coordination.term !== undefined;
  }

  /** `leader`, `backup` (it leads next), `follower`, or `observer` (it never leads). */
  get role() {
    if (this.isLeader) return 'leader';
    if (this._report.current.observer) return 'observer';
    return this._leading.backup === this.tabId ? 'backup' : 'follower';
  }

  /** Another tab is to lead, if there is one. */
  resign() {
    const { term } = this._coordination;
    if (term === undefined) return;
    this._coordination.tell({ resigned: { term, willing: false } });
    this._setLeading({ term: 0 });
  }

  /** @param {any} leading */
  _setLeading(leading) {
    const { _leading: before } = this;
    this._leading = leading;
    const { leader, term } = leading;
    if (before.leader === leader && before.term === term) return;
    const isLeader = this.isLeader;
    for (const [fn, stop] of this._asLeader) {
      if (!isLeader) stop.abort(new shared.Error('ERR_NOT_LEADER', 'Another tab leads'));
      else if (stop.signal.aborted) this._lead(fn);
    }
    this._emit('leader', { leader: leader ?? null, isLeader, term });
  }

  /**
   * Runs `fn` whenever this tab leads: `fn` is given `{signal, term}`, and the signal is aborted when another tab is to
   * lead.
   *
   * @param {(leading: {signal: AbortSignal, term: number}) => any} fn
   * @returns {() => void} ends it
   */
  runAsLeader(fn) {
    if (!isFunction(fn)) throw optionError('ERR_OPTION_INVALID', 'runAsLeader has nothing to run');
    const ended = new AbortController();
    ended.abort();
    this._asLeader.set(fn, ended);
    if (this.isLeader) this._lead(fn);
    return () => {
      this._asLeader.get(fn)?.abort();
      this._asLeader.delete(fn);
    };
  }

  /** @param {Function} fn */
  async _lead(fn) {
    const stop = new AbortController();
    this._asLeader.set(fn, stop);
    try {
      await fn({ signal: stop.signal, term: this._coordination.term });
    } catch (error) {
      if (!stop.signal.aborted) this._fail(error);
    }
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
    this._tasks.set(task, fn);
    return () => void (this._tasks.get(task) === fn && this._tasks.delete(task));
  }

  /**
   * Has another tab do something: the leader, if no tab is named. Ends with `ERR_TAB_GONE` where the named tab is gone.
   *
   * @param {string} task
   * @param {any} [payload]
   * @param {{to?: string}} [options]
   * @returns {Promise<any>} what that tab's function gave
   */
  async delegate(task, payload = null, { to } = {}) {
    const text = textOf(payload, 'The payload');
    return this._coordination.ask('delegate', {
      to,
      task: String(task),
      payload: JSON.parse(text),
    });
  }

  /** @param {{from: string, number: number, task: string, payload: any}} asked */
  async _do({ from, number, task, payload }) {
    const outcome = await outcomeOf(() => {
      const fn = this._tasks.get(task);
      if (fn) return fn(payload, from);
      throw new shared.Error('ERR_TASK_UNKNOWN', `The tab has no function for the task '${task}'`);
    });
    await this._coordination.ask('done', { from, of: number, outcome }).catch(() => {});
  }

  /**
   * One tab does it for all who ask, and all get its outcome.
   *
   * @param {string} name
   * @param {'now' | 'session' | 'kept'} how
   * @param {(signal: AbortSignal) => any} run
   * @returns {Promise<any>}
   */
  async _forAll(name, how, run) {
    const { epoch } = this._session;
    for (;;) {
      const answer = await this._coordination.ask('claim', { name, shared: how });
      if (!(answer instanceof Granted)) return answer;
      const outcome = await outcomeOf(() => run(answer.signal));
      try {
        await this._coordination.release(answer.token, outcome);
      } catch (/** @type {any} */ error) {
        if (error?.code !== 'ERR_LOCK_LOST') throw error;
        if (how === 'session' && epoch !== this._session.epoch) throw sessionChanged();
        // This page was away, and another tab runs it: its outcome counts.
        continue;
      }
      if (outcome.error) throw outcome.thrown;
      return outcome.result;
    }
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
    return this._forAll(`once ${key}`, 'kept', (signal) => fn({ signal }));
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

  /**
   * Asks the leader to change the state: its function for the task `reset-request` decides.
   *
   * @param {any} [payload]
   * @returns {Promise<any>}
   */
  requestReset(payload) {
    return this.delegate('reset-request', payload);
  }

  // ---- The session ----

  /** The session as tabs named it last: its id, and a count of its changes. */
  get session() {
    return { ...this._session };
  }

  /**
   * Names the session of this tab. Another name than before voids what was asked for in the session before.
   *
   * @param {string} [id]
   * @returns {Promise<void>}
   */
  async setSession(id) {
    await this._coordination.ask('session', { id });
  }

  /**
   * @param {{epoch?: number, id?: string}} session
   * @param {string[]} strangers
   */
  _setSession({ epoch = 0, id }, strangers) {
    const { _session: before } = this;
    this._session = { epoch, id };
    if (epoch !== before.epoch) this._shared.forget();
    if (epoch !== before.epoch || id !== before.id) this._emit('session', this.session);
    if (strangers.length)
      this._emit('session mismatch', { session: this.session, tabs: strangers });
  }

  /**
   * Runs `fn`, which gets a new token, say, in one tab for all that ask meanwhile. It is tried again with growing pauses;
   * its result, or its last failure, goes to all. What comes for a session that has ended is nobody's: `ERR_SESSION_CHANGED`.
   *
   * @param {(refresh: {signal: AbortSignal}) => any} fn
   * @param {{attempts?: number, deadline?: number}} [options]
   * @returns {Promise<any>}
   */
  async refresh(fn, options) {
    const how = refreshOptions(options);
    const run = (/** @type {AbortSignal} */ signal) => fn({ signal });
    return this._forAll('refresh', 'session', (signal) => persevere(run, { ...how, signal }));
  }

  /**
   * Ends the session in all tabs, in two phases: each tab stops (`logout`, whose `waitUntil` takes a promise), and then
   * what is stored is deleted. Where there is a durable store, the connections end with it.
   *
   * @returns {Promise<void>}
   */
  async logout() {
    const wiped = new Promise((resolve) => (this._onWiped = () => resolve(undefined)));
    await Promise.race([wiped, this._coordination.ask('logout', {})]);
  }

  async _stop() {
    /** @type {any[]} */
    const waits = [];
    this._emit('logout', { waitUntil: (/** @type {any} */ wait) => void waits.push(wait) });
    const late = new Promise((resolve) => timers.start(() => resolve(undefined), STOPPING));
    await Promise.race([late, Promise.allSettled(waits)]);
    this._coordination.tell({ stopped: {} });
  }

  _wipe() {
    if (!this._connection.durableStore) return this._coordination.tell({ wiped: {} });
    this._connection.wipe((/** @type {any} */ error) => {
      if (error) this._fail(error);
      else this._onWiped();
    });
  }

  /** @param {{epoch?: number}} session */
  _loggedOut(session) {
    this._idle = undefined;
    this._shared.forget();
    this._setSession(session, []);
    this._emit('logged out');
  }

  _ended() {
    this._quit();
    this._tabs.clear();
    this._shared.forget();
    this._onWiped();
    this._emit('logged out');
  }

  /**
   * Starts the idle timer of all tabs. Activity in any of them puts it back. `idle-warning`, `idle-timeout` and
   * `idle-active` say in all of them at once how far it is.
   *
   * @param {{warnAfter: number, timeoutAfter: number}} options in milliseconds
   * @returns {Promise<void>}
   */
  async idle({ warnAfter, timeoutAfter }) {
    const isTime = (/** @type {any} */ value) => isCount(value) && value > 0;
    if (!isTime(warnAfter) || !isTime(timeoutAfter) || warnAfter > timeoutAfter) {
      const message =
        'idle needs warnAfter and timeoutAfter in milliseconds, the first one not above the second';
      throw optionError('ERR_OPTION_INVALID', message);
    }
    this._activity.watch();
    await this._coordination.ask('idle', { warn: warnAfter, timeout: timeoutAfter });
  }

  /** The user is there, as the application knows. */
  noteActivity() {
    this._activity.note();
  }

  /** Milliseconds until the time is over, by the clock that all tabs of a browser share; nothing without a timer. */
  get idleLeft() {
    const { _idle: idle } = this;
    if (!idle) return undefined;
    if (idle.phase === 'expired') return 0;
    return Math.max(0, idle.since + idle.timeout - Date.now());
  }

  /** @param {any} idle */
  _setIdle(idle) {
    const before = this._idle?.phase ?? 'active';
    this._idle = idle;
    // A tab that comes later reports activity, too.
    this._activity.watch();
    const content = { phase: idle.phase, endsAt: idle.since + idle.timeout, left: this.idleLeft };
    this._emit('idle', content);
    if (idle.phase === before) return;
    const names = { active: 'idle-active', warned: 'idle-warning', expired: 'idle-timeout' };
    this._emit(/** @type {any} */ (names)[idle.phase], content);
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

  /**
   * Which tab holds a lock, if any does.
   *
   * @param {string} name
   * @returns {Promise<string | undefined>}
   */
  whoHolds(name) {
    return this._locks.holder(name);
  }

  /**
   * Which tab is at a key of `guard`, if any is.
   *
   * @param {string} key
   * @returns {Promise<string | undefined>}
   */
  whoGuards(key) {
    return this._locks.holder(guardOf(key));
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
   * Watches how full the browser's storage is: `storage` says when a threshold is passed.
   *
   * @param {{thresholds?: number[], interval?: number}} [options] parts of the quota, and milliseconds
   * @returns {() => void} ends it
   */
  watchStorage(options) {
    const changed = (/** @type {any} */ storage) => this._emit('storage', storage);
    return watchStorage(options, changed, (error) => this._fail(error));
  }

  /** @param {any} error */
  _fail(error) {
    this._lastError = error;
    this._refused(error);
    if (this.listenerCount('error')) this._emit('error', error);
    else shared.logger.error(error);
  }

  /**
   * A listener that throws disturbs nobody else.
   *
   * @param {string} event
   * @param {...any} args
   */
  _emit(event, ...args) {
    for (const listener of this.rawListeners(event)) {
      try {
        listener.apply(this, args);
      } catch (error) {
        shared.logger.error(`A listener of '${event}' threw`, error);
      }
    }
  }
}

/**
 * @param {any} tab as the host tells it
 * @returns {TabInfo}
 */
function infoOf({ id, report, score, frozen = false }) {
  const { visible = false, focused = false, observer = false, offline = false } = report;
  return { id, score, visible, focused, observer, offline, frozen };
}

/**
 * @param {any} broadcast
 * @returns {SharedWorkerMessage}
 */
function messageOf({ from, request, message: { type, payload, timestamp } }) {
  return { type, payload, tabId: from, timestamp, correlationId: `${from}:${request}` };
}

/** Milliseconds that a host has to answer a tab that leaves. */
const LEAVING = 1_000;
/** Milliseconds between two looks whether the machine slept. */
const LOOK = 2_000;
/** Milliseconds that listeners of `logout` have. */
const STOPPING = 2_000;
/**
 * What a function came to, as other tabs are told.
 *
 * @param {() => any} run
 * @returns {Promise<{result?: any, error?: {code?: string, message: string}, thrown?: any}>}
 */
async function outcomeOf(run) {
  try {
    const result = (await run()) ?? null;
    return { result: JSON.parse(textOf(result, 'The result')) };
  } catch (/** @type {any} */ thrown) {
    const { code, message = String(thrown) } = thrown ?? {};
    const error = { message: String(message), ...(typeof code === 'string' && { code }) };
    // `thrown` is the caller's own: it does not become JSON.
    return Object.defineProperty({ error }, 'thrown', { value: thrown });
  }
}

const sessionChanged = () =>
  new shared.Error('ERR_SESSION_CHANGED', 'The session changed while this was under way');
