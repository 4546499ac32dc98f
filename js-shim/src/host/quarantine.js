/**
 * Quarantine of inputs on which host machines crashed: the next machine refuses an input that has crashed two. The
 * machine identifies inputs; this counts the crashes of each.
 */

import { TRAPS } from '../platform/traps.js';

/** @typedef {[cause: number, text: string]} Trapped what a machine was at, as `HostDoing.look` gives it */

/** The quarantine of one machine. */
export class Quarantine {
  constructor() {
    /** Inputs that the machine was told to refuse. @type {Set<string>} */
    this._refused = new Set();
  }

  /**
   * @param {import('./recorder.js').TimedCore} core
   * @param {Trapped[]} trapped what machines before this one died on
   */
  apply(core, trapped) {
    const times = new Map();
    for (const [cause, text] of trapped) {
      const what = `${cause} ${text}`;
      times.set(what, (times.get(what) ?? 0) + 1);
      if (times.get(what) < TRAPS || this._refused.has(what)) continue;
      this._refused.add(what);
      core.quarantine(cause, text);
    }
  }
}
