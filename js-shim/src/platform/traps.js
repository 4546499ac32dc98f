/** What a machine that trapped was at. */

/** Traps on one input or document after which the next machine leaves it alone. */
export const TRAPS = 2;

/**
 * What a dead machine was at; `undefined` where it was at nothing, or cannot be asked.
 *
 * @template T
 * @param {{look(): T}} doing
 * @returns {T | undefined}
 */
export function whatTrapped(doing) {
  try {
    return doing.look();
  } catch {
    // The instance cannot even be read: a crash without a known input.
    return undefined;
  }
}

/** Bound of the list of remembered traps. */
const MAX_TRAPPED = 16;

/**
 * @template T
 * @param {T[]} trapped
 * @param {T | undefined} last
 * @returns {T[]} the same and one more, the oldest forgotten
 */
export const remember = (trapped, last) =>
  last ? [...trapped, last].slice(-MAX_TRAPPED) : trapped;
