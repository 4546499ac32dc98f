/** What hosts died on, so that the next one does not. Which inputs those are the machine knows; this counts. */

/** @typedef {[cause: number, text: string]} Trapped what a machine was at, as `HostDoing.look` gives it */

/** What machines died on so often is not tried again. */
const TRAPS = 2;
/** So many crashes are remembered, with what the machine was at. */
const MAX_TRAPPED = 16;

/**
 * @param {Trapped[]} trapped
 * @param {Trapped | undefined} last
 * @returns {Trapped[]} the same and one more, the oldest forgotten
 */
export const remember = (trapped, last) =>
  last ? [...trapped, last].slice(-MAX_TRAPPED) : trapped;

/**
 * What the machine of a host that is dead was at.
 *
 * @param {import('../../pkg/host.js').HostDoing} doing
 * @returns {Trapped | undefined}
 */
export function whatTrapped(doing) {
  try {
    return /** @type {any} */ (doing.look());
  } catch {
    // Not even that works any more. It is one more crash, and nobody is to blame.
    return undefined;
  }
}

/** The quarantine of one machine. */
export class Quarantine {
  constructor() {
    /** What the machine was told to refuse. @type {Set<string>} */
    this._refused = new Set();
  }

  /**
   * @param {import('../cores/host-core.js').HostCore} core
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
