/**
 * Who leads, as this tab was told, and the functions that run while this one does.
 */

import { isFunction, optionError } from '../options/options.js';
import { shared } from '../platform/shared.js';

/** @typedef {{leader?: string, backup?: string, term: number}} Leading */

export class Leadership {
  /**
   * @param {import('./coordination.js').Coordination} coordination
   * @param {object} listener
   * @param {(leading: {leader: string | null, isLeader: boolean, term: number}) => void} listener.changed
   * @param {(backup: {backup: string | null, isBackup: boolean}) => void} listener.backupChanged
   * @param {(error: any) => void} listener.failed
   */
  constructor(coordination, listener) {
    this._coordination = coordination;
    this._listener = listener;
    /** @type {Leading} */
    this._leading = { term: 0 };
    /** Functions that run while this tab leads, with what stops them. @type {Map<Function, AbortController>} */
    this._running = new Map();
  }

  get leader() {
    return this._leading.leader;
  }

  get backup() {
    return this._leading.backup;
  }

  get isLeader() {
    return this._coordination.term !== undefined;
  }

  /** @param {Leading} leading */
  take(leading) {
    const { _leading: before } = this;
    this._leading = leading;
    const { leader, backup, term } = leading;
    if (before.leader !== leader || before.term !== term) {
      const isLeader = this.isLeader;
      for (const [fn, stop] of this._running) {
        if (!isLeader) stop.abort(new shared.Error('ERR_NOT_LEADER', 'Another tab leads'));
        else if (stop.signal.aborted) void this._lead(fn);
      }
      this._listener.changed({ leader: leader ?? null, isLeader, term });
    }
    if (before.backup === backup) return;
    const isBackup = backup !== undefined && backup === this._coordination.id;
    this._listener.backupChanged({ backup: backup ?? null, isBackup });
  }

  resign() {
    const { term } = this._coordination;
    if (term === undefined) return;
    this._coordination.tell({ resigned: { term, willing: false } });
    this.take({ term: 0 });
  }

  /**
   * @param {(leading: {signal: AbortSignal, term: number}) => any} fn
   * @returns {() => void} ends it
   */
  run(fn) {
    if (!isFunction(fn)) throw optionError('ERR_OPTION_INVALID', 'runAsLeader has nothing to run');
    const ended = new AbortController();
    ended.abort();
    this._running.set(fn, ended);
    if (this.isLeader) void this._lead(fn);
    return () => {
      this._running.get(fn)?.abort();
      this._running.delete(fn);
    };
  }

  /** @param {Function} fn */
  async _lead(fn) {
    const stop = new AbortController();
    this._running.set(fn, stop);
    try {
      await fn({ signal: stop.signal, term: this._coordination.term });
    } catch (error) {
      if (!stop.signal.aborted) this._listener.failed(error);
    }
  }
}
