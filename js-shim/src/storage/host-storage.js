/**
 * The storage of a host: carries out the requests of the host's machine, tells the machine when it is idle, and finds
 * out which tabs of an earlier host are alive.
 */

import { tabLock } from '../platform/locks.js';
import { nextTick, timers } from '../platform/ticks.js';
import { chooseStorage } from './choose-storage.js';
import { asStorageError } from './storage-error.js';

/** Milliseconds without an input after which a moment is quiet. */
const QUIET = 300;
/**
 * Milliseconds that a host waits for tabs that live: one that is blocked for longer does not keep the others waiting. What
 * it has seen and no other tab has is lost to it then. (A page that the browser freezes has released its lock.) A tab whose
 * worker says nothing makes another one after a second, and asks who else has the host after a second and a half: both may
 * come before this is over.
 */
const ASLEEP = 3_000;

/**
 * @typedef {import('../host/recorder.js').TimedCore} HostCore
 * @typedef {(call: () => void) => void} Run calls the machine, and carries out what follows
 */

export class HostStorage {
  /**
   * @param {object} options see `chooseStorage`
   */
  constructor(options) {
    this._driver = chooseStorage(options);
    this._driver.onFenced = () => this._run?.(() => this._core?.depose());
    /** The writes, one after the other. @type {Promise<any>} */
    this._writes = Promise.resolve();
    /** Requests without an answer. */
    this._running = 0;
    /** Nobody needs the storage, once everything is written. */
    this._ends = false;
    /** It has come to that. */
    this._closed = false;
    /** @type {import('../platform/ticks.js').Timer | undefined} */
    this._quiet = undefined;
    /** @type {import('../platform/ticks.js').Timer | undefined} */
    this._wait = undefined;
  }

  /**
   * @param {HostCore} core
   * @param {Run} run
   */
  attach(core, run) {
    this._core = core;
    this._run = run;
  }

  /**
   * The machine is dead. Nothing that it asked for reaches the next one.
   *
   * @returns {Promise<void>} resolves when nothing of it is under way any more: then another one can be attached
   */
  detach() {
    this._forget();
    return this._driver.abandon();
  }

  /**
   * The machine has resigned: another host can have the storage.
   *
   * @returns {Promise<void>} resolves when its lock is released
   */
  release() {
    this._forget();
    return this._driver.close();
  }

  /** Another host has the storage, or is to have it at once: what is not committed does not count. */
  yield() {
    this._forget();
    this._driver.yield();
  }

  _forget() {
    timers.stop(this._quiet);
    timers.stop(this._wait);
    this._core = this._run = undefined;
  }

  /** @type {import('../cores/events.js').HostOutputs['askStorage']} */
  async carryOut(number, request, records, deletes) {
    this._running++;
    const core = /** @type {HostCore} */ (this._core);
    const run = /** @type {Run} */ (this._run);
    /** @type {() => void} */
    let answer;
    try {
      const texts = await this._ask(core, request, records, deletes);
      answer = () => core.storageDone(number, texts);
    } catch (/** @type {any} */ error) {
      const { kind = 'other', message, code } = asStorageError(error);
      answer = () => core.storageFailed(number, kind, message, code);
    }
    this._running--;
    run(answer);
  }

  /**
   * @param {HostCore} core
   * @param {string} request
   * @param {any} records
   * @param {any} deletes
   * @returns {Promise<any[] | undefined>}
   */
  async _ask(core, request, records, deletes) {
    const driver = this._driver;
    switch (request) {
      case 'open': {
        const { mode, reason } = await driver.open();
        if (core === this._core) core.setStorageMode(mode, reason);
        return undefined;
      }
      case 'read':
        return driver.read(records);
      case 'write':
        this._writes = this._writes
          .then(noFailure, noFailure)
          .then(() => driver.write(records, deletes));
        return void (await this._writes);
      case 'wipe':
        return void (await driver.wipe());
      default:
        throw new TypeError(`no such storage request: ${request}`);
    }
  }

  /**
   * Finds out which of the tabs live, each of which holds its lock, and tells the machine.
   *
   * @param {string[]} tabs
   */
  async findTabs(tabs) {
    const { _core: core } = this;
    const lives = await Promise.all(tabs.map(isAlive));
    const living = tabs.filter((_, index) => lives[index]);
    if (core === this._core) this.tellTabs(living);
    return living;
  }

  /**
   * Tells the machine which tabs live. It waits for them, but not for ever.
   *
   * @param {string[]} living
   */
  tellTabs(living) {
    this._run?.(() => this._core?.tabsFound(living));
    timers.stop(this._wait);
    if (!this._core?.waitsForTabs) return;
    this._wait = timers.start(() => this._run?.(() => this._core?.tabsAsleep()), ASLEEP);
  }

  /** The machine was called: the next moment is quiet only when that is over for a while. */
  stir() {
    timers.stop(this._quiet);
    if (this._ends) return this._close();
    if (!this._core?.wantsIdle) return;
    this._quiet = timers.start(() => this._idle(), QUIET);
  }

  _idle() {
    this._run?.(() => this._core?.handleIdle());
  }

  /** The storage is in use, again if it had come to an end. */
  begin() {
    this._ends = false;
    if (!this._closed) return;
    this._closed = false;
    this._run?.(() => this._core?.resumeStore());
  }

  /** Lets another host have the storage, as soon as the machine has nothing to write. */
  end() {
    this._ends = true;
    this._close();
  }

  _close() {
    if (this._closed || !this._core) return;
    this._closed = this._core.closeStore();
    if (this._closed) this._driver.close();
    // What is left would wait for a quiet moment: there is none better.
    else if (!this._running && this._core.wantsIdle) nextTick(() => this._ends && this._idle());
  }
}

const noFailure = () => {};

/** @param {string} tab */
async function isAlive(tab) {
  const locks = globalThis.navigator?.locks;
  if (!locks) return false;
  // Shared: a worker that watches the tab and has just been granted the lock does not make the tab alive.
  const options = /** @type {const} */ ({ mode: 'shared', ifAvailable: true });
  try {
    return await locks.request(tabLock(tab), options, async (lock) => !lock);
  } catch {
    // Nobody can tell. What is kept for a tab that is gone costs room; what is forgotten of one that lives, an op
    // twice.
    return true;
  }
}
