/**
 * Leases: what one tab of one device has alone. Within a device a lock says which tab may ask for it, and keeps a tab that is
 * frozen or gone from believing that it holds it.
 */

import {
  expectOption,
  isCount,
  isFunction,
  optionError,
  refuseUnknown,
} from '../options/options.js';
import { shared } from '../platform/shared.js';
import { delay, timers } from '../platform/ticks.js';

/**
 * @typedef {import('../coordinator.d.ts').Lease} Lease
 * @typedef {import('../coordinator.d.ts').LeaseOptions} LeaseOptions
 */

/** Milliseconds for which a lease is held without a sign of the holder, if nothing else is said; and at least. */
const [TTL, LEAST_TTL] = [30_000, 1_000];
/** The lease of `runOnOneDevice`, if no other one is named. */
const ONE = 'one device';
/** Milliseconds before a lease is asked for again that was refused. */
const PAUSE = 5_000;

/** The lock by which tabs of a device take turns. @param {string} name */
const lockOf = (name) => `sharedb-proxy lease ${name}`;

/** @param {any} value */
const isTtl = (value) => isCount(value) && value >= LEAST_TTL;

export class Leases {
  /**
   * @param {import('./locks.js').Locks} locks
   * @param {import('./devices.js').Devices} devices
   */
  constructor(locks, devices) {
    this._locks = locks;
    this._devices = devices;
  }

  /**
   * @param {string} name
   * @param {LeaseOptions | ((lease: Lease) => any)} [options] or `fn`
   * @param {(lease: Lease) => any} [fn]
   * @returns {Promise<any>}
   */
  async lease(name, options = {}, fn) {
    if (typeof options === 'function') return this.lease(name, {}, options);
    check(name, options, fn);
    if (fn) return this._hold(name, options, fn);
    return new Promise((resolve, reject) => {
      const hold = (/** @type {Lease} */ lease) =>
        new Promise((resigned) => {
          const end = () => resigned(undefined);
          lease.signal.addEventListener('abort', end, { once: true });
          resolve({ ...lease, resign: () => (lease.resign(), end()) });
        });
      this._hold(name, options, hold).catch(reject);
    });
  }

  /**
   * Runs `fn` whenever this tab of this device is the one.
   *
   * @param {(lease: Lease) => any} fn
   * @param {{name?: string, ttl?: number}} [options]
   * @returns {() => void} ends it
   */
  run(fn, options = {}) {
    refuseUnknown('runOnOneDevice', options, ['name', 'ttl']);
    const { name = ONE, ttl } = options;
    check(name, { ttl }, fn);
    if (!isFunction(fn))
      throw optionError('ERR_OPTION_INVALID', 'runOnOneDevice has nothing to run');
    const ended = new AbortController();
    const { signal } = ended;
    const hold = async (/** @type {Lease} */ lease) => {
      const stop = new AbortController();
      const over = aborted([lease.signal, signal], () => stop.abort());
      try {
        await fn({ ...lease, signal: stop.signal });
      } catch (error) {
        if (!stop.signal.aborted) this._devices.fail(error);
      }
      await over;
    };
    void this._again(() => this._hold(name, { ttl, signal }, hold), signal);
    return () => ended.abort();
  }

  /**
   * @param {() => Promise<any>} hold
   * @param {AbortSignal} ended
   */
  async _again(hold, ended) {
    while (!ended.aborted) {
      try {
        await hold();
      } catch (/** @type {any} */ error) {
        if (ended.aborted || this._devices.isOver) return;
        if (error?.code === 'ERR_LEASE_LOST') continue;
        this._devices.fail(error);
        await delay(PAUSE);
      }
    }
  }

  /**
   * @param {string} name
   * @param {LeaseOptions} options
   * @param {(lease: Lease) => any} fn
   */
  async _hold(name, { ttl = TTL, timeout, signal }, fn) {
    const begin = performance.now();
    try {
      return await this._locks.lock(lockOf(name), { timeout, signal }, (held) => {
        const left = timeout === undefined ? undefined : timeout - (performance.now() - begin);
        return this._holdAmongDevices({ name, ttl, timeout: left, signal }, held, fn);
      });
    } catch (/** @type {any} */ error) {
      if (error?.code === 'ERR_LOCK_TIMEOUT') throw late(name, this._devices.id);
      throw error?.code === 'ERR_LOCK_LOST' ? lost() : error;
    }
  }

  /**
   * This tab is the one of its device that may ask.
   *
   * @param {LeaseOptions & {name: string, ttl: number}} options
   * @param {import('../coordinator.d.ts').Held} held
   * @param {(lease: Lease) => any} fn
   */
  async _holdAmongDevices({ name, ttl, timeout, signal }, held, fn) {
    const claim = this._devices.claim(name, ttl);
    const gone = () => claim.drop();
    held.signal.addEventListener('abort', gone, { once: true });
    const late_ = () => claim.giveUp(late(name, this._devices.holder(name)));
    const timer = timeout === undefined ? undefined : timers.start(late_, Math.max(0, timeout));
    const cancel = () => claim.giveUp(signal?.reason);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const token = await claim.granted;
      timers.stop(timer);
      signal?.removeEventListener('abort', cancel);
      const isHeld = () => held.isHeld() && claim.isHeld();
      const resign = () => claim.giveUp();
      const result = await fn({ name, token, signal: claim.signal, isHeld, resign });
      if (claim.signal.aborted) throw claim.signal.reason;
      return result;
    } finally {
      timers.stop(timer);
      signal?.removeEventListener('abort', cancel);
      held.signal.removeEventListener('abort', gone);
      claim.giveUp();
    }
  }
}

/** A lease that is asked for, and then held. */
export class Claim {
  /**
   * @param {number} number
   * @param {import('./device-driver.js').DeviceDriver} driver
   * @param {() => void} ended
   */
  constructor(number, driver, ended) {
    this.number = number;
    this._driver = driver;
    this._ended = ended;
    this._lost = new AbortController();
    this._isOver = false;
    this._resolve = (/** @type {number} */ _token) => {};
    this._reject = (/** @type {any} */ _error) => {};
    /** @type {Promise<number>} */
    this.granted = new Promise((resolve, reject) => {
      this._resolve = resolve;
      this._reject = reject;
    });
    this.granted.catch(() => {});
  }

  /** Aborted when it is lost. */
  get signal() {
    return this._lost.signal;
  }

  isHeld() {
    return !this._isOver && this._driver.holds(this.number);
  }

  /** @param {number} token */
  grant(token) {
    this._resolve(token);
  }

  /** @param {any} [error] */
  lose(error = lost()) {
    if (this._isOver) return;
    this._isOver = true;
    this._ended();
    this._reject(error);
    this._lost.abort(error);
  }

  /** Another tab of this device may have it. */
  drop() {
    if (this._isOver) return;
    this._driver.ask({ drop: { number: this.number } });
    this.lose();
  }

  /** Gives it back. @param {any} [error] of whoever waits for it */
  giveUp(error) {
    if (this._isOver) return;
    this._isOver = true;
    this._ended();
    this._driver.ask({ release: { number: this.number } });
    this._reject(error);
  }
}

/**
 * @param {any} name
 * @param {any} options
 * @param {any} fn
 */
function check(name, options, fn) {
  if (typeof name !== 'string' || !name)
    throw optionError('ERR_OPTION_INVALID', 'a lease needs a name');
  refuseUnknown('lease', options, ['ttl', 'timeout', 'signal']);
  expectOption('options', options, 'ttl', isTtl, `a number of milliseconds, ${LEAST_TTL} at least`);
  expectOption('options', options, 'timeout', isCount, 'a number of milliseconds');
  if (fn !== undefined && !isFunction(fn))
    throw optionError('ERR_OPTION_INVALID', 'lease is given something that is no function');
}

/**
 * Resolves when one of the signals is aborted.
 *
 * @param {AbortSignal[]} signals
 * @param {() => void} act called at that moment
 * @returns {Promise<void>}
 */
const aborted = (signals, act) =>
  new Promise((resolve) => {
    const end = () => (act(), resolve());
    for (const signal of signals) {
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
    }
  });

const lost = () =>
  new shared.Error(
    'ERR_LEASE_LOST',
    'This tab does not hold the lease any more: it could not be renewed in time, or the page was frozen',
  );

/**
 * @param {string} name
 * @param {string | undefined} holder
 */
function late(name, holder) {
  const message = `The lease '${name}' was not free in time`;
  return Object.assign(new shared.Error('ERR_LEASE_TIMEOUT', message), { holder });
}
