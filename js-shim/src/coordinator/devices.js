/**
 * What an application has of its user's devices: which there are, leases, messages and notifications.
 */

import {
  expectOption,
  isCount,
  isFunction,
  optionError,
  refuseUnknown,
} from '../options/options.js';
import { copyOf, jsonError } from '../platform/json.js';
import { partsOf, shared, toError } from '../platform/shared.js';
import { DeviceDriver } from './device-driver.js';
import { DeviceId } from './device-id.js';
import { GuardedEmitter } from './guarded-emitter.js';
import { Claim, Leases } from './leases.js';

/**
 * @typedef {import('../coordinator.d.ts').DevicesOptions} DevicesOptions
 * @typedef {import('../coordinator.d.ts').DeviceInfo} DeviceInfo
 * @typedef {import('../coordinator.d.ts').Notification} Notification
 */

/** By their weight. */
const PRIORITIES = ['security', 'high', 'normal', 'low'];
/** Milliseconds after which others take a device for gone, if nothing else is said; and at least. */
const [TTL, LEAST_TTL] = [60_000, 3_000];
/** Milliseconds that devices have for a message, if nothing else is said. */
const TIMEOUT = 60_000;
/** What tells that a device is another one than before. */
const NEWS = [
  'leader',
  'join',
  'leave',
  'frozen',
  'resumed',
  'visible',
  'hidden',
  'focused',
  'report',
];
const OPTIONS = ['collection', 'id', 'device', 'name', 'kind', 'ttl', 'capabilities'];

const isName = (/** @type {any} */ value) => typeof value === 'string' && value !== '';
const isTtl = (/** @type {any} */ value) => isCount(value) && value >= LEAST_TTL;
const areNames = (/** @type {any} */ value) => Array.isArray(value) && value.every(isName);

/** @param {any} options of a coordinator */
export function checkDevices(options) {
  if (options === undefined) return;
  refuseUnknown('devices', options, OPTIONS);
  for (const name of ['collection', 'id']) {
    if (!isName(options[name]))
      throw optionError('ERR_OPTION_INVALID', `devices needs the ${name} of the user's document`);
  }
  checkOwn(options);
  expectOption('devices', options, 'device', isName, 'an id');
  expectOption('devices', options, 'ttl', isTtl, `a number of milliseconds, ${LEAST_TTL} at least`);
}

/** @param {any} options */
function checkOwn(options) {
  expectOption('devices', options, 'name', isName, 'a name');
  expectOption('devices', options, 'kind', isName, 'a name');
  expectOption('devices', options, 'capabilities', areNames, 'a list of names');
}

export class Devices extends GuardedEmitter {
  /**
   * @param {import('./tab-coordinator.js').TabCoordinator} coordinator
   * @param {DevicesOptions} options
   */
  constructor(coordinator, options) {
    super();
    this._coordinator = coordinator;
    this._options = options;
    this._ids = new DeviceId(options);
    this.leases = new Leases(coordinator._locks, this);
    /** @type {DeviceDriver | undefined} */
    this._driver = undefined;
    /** This device's id, once the coordinator has registered. @type {string | undefined} */
    this.id = undefined;
    this.isOver = false;
    this._next = 1;
    /** By the number of their requests. @type {Map<number, {resolve: (result: any) => void, reject: (error: any) => void}>} */
    this._calls = new Map();
    /** By the number of their requests. @type {Map<number, Claim>} */
    this._claims = new Map();
    /** @type {((message: any) => any) | undefined} */
    this._receiver = undefined;
    /** @type {any[]} */
    this._present = [];
    /** @type {any[]} */
    this._known = [];
    /** @type {any[]} */
    this._notices = [];
  }

  // ---- For the coordinator ----

  /** The tab is one of the tabs. One tab at a time makes the device's id. */
  async begin() {
    if (this._driver) return;
    const { _coordinator: coordinator } = this;
    const { device, isNew } = await coordinator._locks.lock('sharedb-proxy device', () =>
      this._ids.take(),
    );
    if (this.isOver) return;
    const { collection, id, ttl = TTL } = this._options;
    this.id = device;
    const who = { device, tab: coordinator.tabId, ttl, isNew };
    this._driver = new DeviceDriver(coordinator._connection, { collection, id }, who, {
      told: (tell) => this._beTold(tell),
      failed: (error) => this.fail(error),
    });
    for (const event of NEWS) coordinator.on(event, this._onNews);
    this._onNews();
    this._driver.begin();
  }

  /** Who comes next is another device. */
  loggedOut() {
    this._ids.forget();
    this.end();
  }

  end() {
    if (this.isOver) return;
    this.isOver = true;
    for (const event of NEWS) this._coordinator.removeListener(event, this._onNews);
    for (const claim of this._claims.values()) {
      // Others need not wait for the end of what this tab holds.
      this._driver?.ask({ release: { number: claim.number } });
      claim.lose(closed());
    }
    this._driver?.end();
    for (const { reject } of this._calls.values()) reject(closed());
    this._calls.clear();
  }

  /** @param {any} error */
  fail(error) {
    if (!this.isOver) this._coordinator._fail(error);
  }

  _onNews = () => this._driver?.setOwn(this._own);

  get _own() {
    const { _coordinator: coordinator, _options: options, _receiver: receiver } = this;
    const { name = '', kind = '', capabilities = [] } = options;
    const { navigator, screen, Notification } = /** @type {any} */ (globalThis);
    const { tabs } = coordinator;
    return {
      leads: coordinator.isLeader,
      receives: receiver !== undefined,
      tabs: tabs.map((tab) => tab.id),
      name,
      kind,
      can: {
        visible: tabs.some((tab) => tab.visible && !tab.frozen),
        focused: tabs.some((tab) => tab.focused),
        online: navigator?.onLine !== false,
        push: Notification?.permission === 'granted',
        battery: coordinator._report.current.battery,
        screen: screen?.width ?? 0,
        more: capabilities,
      },
    };
  }

  // ---- What there is ----

  /** The devices that are there, this one first. @returns {DeviceInfo[]} */
  get list() {
    return this._present.map((device) => this._infoOf(device));
  }

  /** All devices that are known, also those that are not there. @returns {{id: string, name: string, kind: string}[]} */
  get known() {
    return this._known.map(({ id, name, kind }) => ({ id, name, kind }));
  }

  /** The most important ones first, the latest first among those. @returns {Notification[]} */
  get notifications() {
    return this._notices.map(noticeOf);
  }

  /** Changes what this device says of itself. @param {{name?: string, kind?: string, capabilities?: string[]}} changes */
  configure(changes) {
    refuseUnknown('configure', changes, ['name', 'kind', 'capabilities']);
    checkOwn(changes);
    this._options = { ...this._options, ...changes };
    this._onNews();
  }

  /** @param {any} device @returns {DeviceInfo} */
  _infoOf({ id, name, kind, can, tabs, since, seen }) {
    const { visible, focused, online, push, battery, screen, more } = can;
    const isSelf = id === this.id;
    return {
      id,
      name,
      kind,
      isSelf,
      tabs,
      since,
      seen: isSelf ? Date.now() : seen,
      capabilities: {
        visible: Boolean(visible),
        focused: Boolean(focused),
        online: Boolean(online),
        push: Boolean(push),
        battery: battery ?? null,
        screen,
        more,
      },
    };
  }

  // ---- Messages ----

  /**
   * Sends something to devices. Resolves with their ids when their applications have taken it.
   *
   * @param {any} payload
   * @param {import('../coordinator.d.ts').SendOptions} [options]
   * @returns {Promise<string[]>}
   */
  async send(payload, options = {}) {
    refuseUnknown('send', options, ['to', 'priority', 'timeout']);
    const { to = 'all', priority, timeout = TIMEOUT } = options;
    expectOption('options', options, 'timeout', isCount, 'a number of milliseconds');
    const content = { to: targetOf(to), priority: weightOf(priority), timeout };
    return this._ask('send', { ...content, payload: copyOf(payload, 'The payload') });
  }

  /**
   * Takes the messages for this device: `fn` runs in its leading tab, and what it returns is waited for before the sender hears
   * that the message was taken.
   *
   * @param {(message: {id: string, from: string, priority: string, payload: any}) => any} fn
   * @returns {() => void} ends it
   */
  receive(fn) {
    if (!isFunction(fn)) throw optionError('ERR_OPTION_INVALID', 'receive has nothing to run');
    this._receiver = fn;
    this._onNews();
    return () => {
      if (this._receiver !== fn) return;
      this._receiver = undefined;
      this._onNews();
    };
  }

  /** @param {any} message */
  async _receive({ id, from, priority, payload }) {
    let refused;
    try {
      await this._receiver?.({ id, from, priority: PRIORITIES[priority], payload });
    } catch (error) {
      refused = jsonError(error).message;
    }
    this._driver?.ask({ taken: { id, refused } });
  }

  // ---- Notifications ----

  /**
   * Makes a notification for all devices. Resolves with its id when the server has it.
   *
   * @param {any} payload
   * @param {{priority?: 'security' | 'high' | 'normal' | 'low'}} [options]
   * @returns {Promise<string>}
   */
  async notify(payload, options = {}) {
    refuseUnknown('notify', options, ['priority']);
    const priority = weightOf(options.priority);
    return this._ask('notify', { priority, payload: copyOf(payload, 'The payload') });
  }

  /** The user has read it: it is read on all devices. @param {string} id */
  markRead(id) {
    this._driver?.ask({ read: { id: String(id) } });
  }

  // ---- Leases ----

  /** @param {string} name @returns {string | undefined} the device that holds the lease, as far as this tab can see */
  holder(name) {
    return this._driver?.holder(name);
  }

  /**
   * @param {string} name
   * @param {number} ttl
   * @returns {Claim}
   */
  claim(name, ttl) {
    if (this.isOver || !this._driver) throw closed();
    const number = this._next++;
    const claim = new Claim(number, this._driver, () => this._claims.delete(number));
    this._claims.set(number, claim);
    this._driver.ask({ claim: { number, name, ttl } });
    return claim;
  }

  // ---- The machine ----

  /**
   * @param {string} name
   * @param {object} content
   * @returns {Promise<any>}
   */
  _ask(name, content) {
    if (this.isOver || !this._driver) return Promise.reject(closed());
    const number = this._next++;
    const promise = new Promise((resolve, reject) => this._calls.set(number, { resolve, reject }));
    this._driver.ask({ [name]: { number, ...content } });
    return promise;
  }

  /** @param {any} tell */
  _beTold(tell) {
    const [[name, content]] = Object.entries(tell);
    switch (name) {
      case 'answer':
        return this._end(content);
      case 'granted':
        return this._claims.get(content.number)?.grant(content.token);
      case 'lost':
        return this._lose(content.number);
      case 'devices':
        return this._takeDevices(content);
      case 'device':
        return this._emit(content.event, this._infoOf(content.device));
      case 'message':
        return void this._receive(content);
      case 'gap':
        return this._emit('gap');
      case 'notices':
        this._notices = content;
        return;
      case 'notice':
        return this._emit('notification', noticeOf(content));
      case 'read':
        return this._emit('read', noticeOf(content));
      case 'failed':
        return this.fail(toError(partsOf(content)));
    }
  }

  /** @param {{number: number, error?: any, result?: any}} answer */
  _end({ number, error, result }) {
    const call = this._calls.get(number);
    this._calls.delete(number);
    if (!error) return call?.resolve(result);
    const { data } = error;
    const failure = Object.assign(toError(partsOf(error)), data !== undefined && { devices: data });
    call?.reject(failure);
    // A claim that the server refused.
    this._lose(number, failure);
  }

  /**
   * @param {number} number
   * @param {any} [error]
   */
  _lose(number, error) {
    this._claims.get(number)?.lose(error);
  }

  /** @param {{present: any[], known: any[]}} devices */
  _takeDevices({ present, known }) {
    this._present = present;
    this._known = known;
    const own = known.find((device) => device.id === this.id);
    if (own) this._ids.noteKnown(own.id);
  }
}

const closed = () =>
  new shared.Error(
    'ERR_COORDINATOR_CLOSED',
    'The coordinator has not registered yet, was unregistered, or its connection closed',
  );

/** @param {any} notice @returns {Notification} */
const noticeOf = ({ id, from, priority, payload, read, missed }) => ({
  id,
  from,
  priority: /** @type {any} */ (PRIORITIES[priority]),
  payload,
  readOn: read ?? null,
  missed: Boolean(missed),
});

/** @param {any} priority */
function weightOf(priority = 'normal') {
  const weight = PRIORITIES.indexOf(priority);
  if (weight >= 0) return weight;
  throw optionError('ERR_OPTION_INVALID', `priority is none of ${PRIORITIES.join(', ')}`);
}

/** @param {any} to */
function targetOf(to) {
  if (to === 'all') return 'all';
  if (isName(to)) return { device: to };
  if (areNames(to?.best)) return { best: to.best };
  const message = "to is none of 'all', a device's id, {best: [what it needs]}";
  throw optionError('ERR_OPTION_INVALID', message);
}
