/**
 * What an application has of coordination: the tabs, who leads, messages to all tabs, and locks.
 */

import { EventEmitter } from 'events';

import { connectionWithoutServer } from '../api/create-connection.js';
import { expectOption, isFunction, optionError, pick, refuseUnknown } from '../options/options.js';
import { shared } from '../platform/shared.js';
import { timers } from '../platform/ticks.js';
import { Coordination } from './coordination.js';
import { WorkerMessageType, checkType, isUrgent, textOf } from './messages.js';
import { PageReport } from './page-report.js';

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
const OWN = ['connection', 'role', 'weight', 'rotation', ...OF_CONNECTION];

/** The pause before a lock is asked for again, in milliseconds: the first one and the longest. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [50, 5_000];

const isCount = (/** @type {any} */ value) => Number.isSafeInteger(value) && value >= 0;
const isWeight = (/** @type {any} */ value) => isCount(value) && value <= 100;
const isRole = (/** @type {any} */ value) => value === 'auto' || value === 'observer';

/** @param {any} options */
function checkOptions(options) {
  refuseUnknown('new TabCoordinator', options, OWN);
  expectOption('options', options, 'role', isRole, "'auto' or 'observer'");
  expectOption('options', options, 'weight', isWeight, 'a whole number from 0 to 100');
  expectOption('options', options, 'rotation', isCount, 'a number of milliseconds');
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
        failed: (error) => this._fail(error),
      },
    });
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
    this._report.stop();
    if (this._coordination._isOver) return;
    // The host has it when it has answered what was asked before.
    await this._coordination.ask('ping', {}).catch(() => {});
    this._coordination.leave();
    this._setLeading({ term: 0 });
    this._tabs.clear();
    if (this._isOwn) this._connection.close();
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
      sessionData: null,
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
  _welcome({ tabs, leading, missed = [], gap }) {
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
    this._emit('leader', { leader: leader ?? null, isLeader, term });
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
    return isFunction(options)
      ? this._lock(name, {}, /** @type {any} */ (options), [])
      : this._lock(name, /** @type {LockOptions} */ (options), /** @type {any} */ (fn), []);
  }

  /**
   * @param {string} name
   * @param {LockOptions} options
   * @param {(held: Held) => any} fn
   * @param {number[]} within
   */
  async _lock(name, options, fn, within) {
    checkLock(name, options, fn);
    const grant = await this._claim(`lock ${name}`, options, within);
    const { token, signal } = grant;
    const tokens = [...within, token];
    const held = {
      token,
      signal,
      isHeld: () => this._coordination.holds(token),
      /** @type {any} */
      lock: (/** @type {string} */ inner, /** @type {any} */ given, /** @type {any} */ run) =>
        isFunction(given)
          ? this._lock(inner, {}, given, tokens)
          : this._lock(inner, given, run, tokens),
    };
    try {
      const result = await fn(held);
      if (signal.aborted) throw signal.reason;
      return result;
    } finally {
      // Where the host is gone it is told when the next one is there. Nobody has to wait for that.
      void this._coordination.release(token).catch(() => {});
    }
  }

  /**
   * Asks for a name, again and again where that is wanted.
   *
   * @param {string} name
   * @param {LockOptions} options
   * @param {number[]} within
   */
  async _claim(name, { timeout, expires, retry = 0, signal }, within) {
    for (
      let pause = FIRST_PAUSE, left = retry;
      ;
      left--, pause = Math.min(2 * pause, LONGEST_PAUSE)
    ) {
      try {
        return await this._coordination.ask('claim', { name, timeout, expires, within }, signal);
      } catch (/** @type {any} */ error) {
        if (signal?.aborted) throw signal.reason;
        if (error?.code !== 'ERR_LOCK_TIMEOUT' || left <= 0) throw error;
        const wait = pause * (0.5 + Math.random());
        await new Promise((resolve) => timers.start(() => resolve(undefined), wait));
      }
    }
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
  async guard(key, fn) {
    const name = `guard ${key}`;
    try {
      return await this._lock(name, { timeout: 0 }, fn, []);
    } catch (/** @type {any} */ error) {
      if (error?.code !== 'ERR_LOCK_TIMEOUT' || !error.message.includes(`'lock ${name}'`))
        throw error;
      const message = `'${key}' is being changed by tab ${error.holder}`;
      throw Object.assign(new shared.Error('ERR_GUARDED', message), { tabId: error.holder });
    }
  }

  /**
   * Which tab holds a lock, if any does.
   *
   * @param {string} name
   * @returns {Promise<string | undefined>}
   */
  whoHolds(name) {
    return this._coordination.ask('holder', { name: `lock ${name}` });
  }

  /**
   * Which tab is at a key of `guard`, if any is.
   *
   * @param {string} key
   * @returns {Promise<string | undefined>}
   */
  whoGuards(key) {
    return this.whoHolds(`guard ${key}`);
  }

  // ---- Health ----

  /** Milliseconds of a message to the host and back. @returns {Promise<number>} */
  async latency() {
    const begin = performance.now();
    await this._coordination.ask('ping', {});
    return performance.now() - begin;
  }

  /** @param {any} error */
  _fail(error) {
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
 * @param {any} name
 * @param {any} options
 * @param {any} fn
 */
function checkLock(name, options, fn) {
  if (typeof name !== 'string' || !name)
    throw optionError('ERR_OPTION_INVALID', 'The name of a lock is a text with something in it');
  refuseUnknown('lock', options, ['timeout', 'expires', 'retry', 'signal']);
  for (const option of ['timeout', 'expires', 'retry'])
    expectOption('lock', options, option, isCount, 'a whole number, 0 or more');
  if (!isFunction(fn))
    throw optionError('ERR_OPTION_INVALID', `The lock '${name}' has nothing to run`);
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
