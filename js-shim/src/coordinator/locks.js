/**
 * Locks of all tabs: what asks the host for one, runs a function under it, and gives it back.
 */

import {
  expectOption,
  isCount,
  isFunction,
  optionError,
  refuseUnknown,
} from '../options/options.js';
import { shared } from '../platform/shared.js';
import { delay } from '../platform/ticks.js';

/**
 * @typedef {import('../coordinator.d.ts').LockOptions} LockOptions
 * @typedef {import('../coordinator.d.ts').Held} Held
 */

/** The pause before a lock is asked for again, in milliseconds: the first one and the longest. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [50, 5_000];

/**
 * The lock by which a key is guarded.
 *
 * @param {string} key
 */
export const guardOf = (key) => `guard ${key}`;

/**
 * What the host calls a lock, among other things that one tab has alone.
 *
 * @param {string} name
 */
const claimOf = (name) => `lock ${name}`;

export class Locks {
  /** @param {import('./coordination.js').Coordination} coordination */
  constructor(coordination) {
    this._coordination = coordination;
  }

  /**
   * @param {string} name
   * @param {LockOptions | ((held: Held) => any)} options or `fn`
   * @param {(held: Held) => any} [fn]
   * @param {number[]} [within] tokens of the locks around this one
   * @returns {Promise<any>}
   */
  async lock(name, options, fn, within = []) {
    if (isFunction(options)) return this.lock(name, {}, /** @type {any} */ (options), within);
    checkLock(name, options, fn);
    const grant = await this._claim(name, /** @type {LockOptions} */ (options), within);
    return this._hold(grant, /** @type {any} */ (fn), within);
  }

  /**
   * @param {string} key
   * @param {(held: Held) => any} fn
   * @returns {Promise<any>}
   */
  async guard(key, fn) {
    const name = guardOf(key);
    checkLock(name, {}, fn);
    const grant = await this._claim(name, { timeout: 0 }, []).catch((error) => {
      throw error?.code === 'ERR_LOCK_TIMEOUT' ? guarded(key, error.holder) : error;
    });
    return this._hold(grant, fn, []);
  }

  /**
   * @param {string} name
   * @returns {Promise<string | undefined>}
   */
  holder(name) {
    return this._coordination.ask('holder', { name: claimOf(name) });
  }

  /**
   * @param {{token: number, signal: AbortSignal}} grant
   * @param {(held: Held) => any} fn
   * @param {number[]} within
   */
  async _hold({ token, signal }, fn, within) {
    const tokens = [...within, token];
    const held = {
      token,
      signal,
      isHeld: () => this._coordination.holds(token),
      /** @type {any} */
      lock: (/** @type {string} */ name, /** @type {any} */ options, /** @type {any} */ run) =>
        this.lock(name, options, run, tokens),
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
   * Asks for a lock, again and again where that is wanted.
   *
   * @param {string} lock
   * @param {LockOptions} options
   * @param {number[]} within
   */
  async _claim(lock, { timeout, expires, retry = 0, signal }, within) {
    const name = claimOf(lock);
    let pause = FIRST_PAUSE;
    for (let left = retry; ; left -= 1) {
      try {
        return await this._coordination.ask('claim', { name, timeout, expires, within }, signal);
      } catch (/** @type {any} */ error) {
        if (signal?.aborted) throw signal.reason;
        if (error?.code !== 'ERR_LOCK_TIMEOUT' || left <= 0) throw error;
      }
      const wait = pause * (0.5 + Math.random());
      await delay(wait);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
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
 * @param {string} key
 * @param {string} tabId which tab is at it
 */
function guarded(key, tabId) {
  const message = `'${key}' is being changed by tab ${tabId}`;
  return Object.assign(new shared.Error('ERR_GUARDED', message), { tabId });
}
