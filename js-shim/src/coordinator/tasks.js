/**
 * What one tab does for others: what it is asked to do, and what is done once for all who ask.
 */

import { isFunction, optionError } from '../options/options.js';
import { copyOf, jsonError } from '../platform/json.js';
import { shared } from '../platform/shared.js';
import { Granted } from './coordination.js';

/** @typedef {(payload: any, from: string, fn: ((payload: any, from: string) => any) | undefined) => any} Around */

/** What other tabs can have this one do. */
export class Tasks {
  /** @param {import('./coordination.js').Coordination} coordination */
  constructor(coordination) {
    this._coordination = coordination;
    /** @type {Map<string, (payload: any, from: string) => any>} */
    this._known = new Map();
    /** What is done around the application's function, if there is one. @type {Map<string, Around>} */
    this._around = new Map();
  }

  /**
   * @param {string} task
   * @param {(payload: any, from: string) => any} fn
   * @returns {() => void} ends it
   */
  handle(task, fn) {
    if (!isFunction(fn)) throw optionError('ERR_OPTION_INVALID', 'handle has nothing to run');
    this._known.set(task, fn);
    return () => void (this._known.get(task) === fn && this._known.delete(task));
  }

  /**
   * @param {string} task
   * @param {Around} around
   */
  serve(task, around) {
    this._around.set(task, around);
  }

  /**
   * @param {string} task
   * @param {any} payload
   * @param {string | undefined} to
   * @returns {Promise<any>}
   */
  async delegate(task, payload, to) {
    const copy = copyOf(payload, 'The payload');
    return this._coordination.ask('delegate', { to, task: String(task), payload: copy });
  }

  /** @param {{from: string, number: number, task: string, payload: any}} asked */
  async carryOut({ from, number, task, payload }) {
    const outcome = await outcomeOf(() => {
      const fn = this._known.get(task);
      const around = this._around.get(task);
      if (around) return around(payload, from, fn);
      if (fn) return fn(payload, from);
      throw new shared.Error('ERR_TASK_UNKNOWN', `The tab has no function for the task '${task}'`);
    });
    await this._coordination.ask('done', { from, of: number, outcome }).catch(() => {});
  }
}

/** What is done once for all tabs that ask. */
export class Errands {
  /**
   * @param {import('./coordination.js').Coordination} coordination
   * @param {() => number} epoch the session's
   */
  constructor(coordination, epoch) {
    this._coordination = coordination;
    this._epoch = epoch;
  }

  /**
   * One tab does it for all who ask, and all get its outcome.
   *
   * @param {string} name
   * @param {'now' | 'session' | 'kept'} how
   * @param {(signal: AbortSignal) => any} run
   * @returns {Promise<any>}
   */
  async forAll(name, how, run) {
    const epoch = this._epoch();
    for (;;) {
      const answer = await this._coordination.ask('claim', { name, shared: how });
      if (!(answer instanceof Granted)) return answer;
      const outcome = await outcomeOf(() => run(answer.signal));
      try {
        await this._coordination.release(answer.token, outcome);
      } catch (/** @type {any} */ error) {
        if (error?.code !== 'ERR_LOCK_LOST') throw error;
        if (how === 'session' && epoch !== this._epoch()) throw sessionChanged();
        // This page was away, and another tab runs it: its outcome counts.
        continue;
      }
      if (outcome.error) throw outcome.thrown;
      return outcome.result;
    }
  }
}

/**
 * What a function came to, as other tabs are told.
 *
 * @param {() => any} run
 * @returns {Promise<{result?: any, error?: {code?: string, message: string}, thrown?: any}>}
 */
async function outcomeOf(run) {
  try {
    return { result: copyOf(await run(), 'The result') };
  } catch (thrown) {
    // `thrown` is the caller's own: it does not become JSON.
    return Object.defineProperty({ error: jsonError(thrown) }, 'thrown', { value: thrown });
  }
}

const sessionChanged = () =>
  new shared.Error('ERR_SESSION_CHANGED', 'The session changed while this was under way');
