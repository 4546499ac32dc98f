/**
 * Restart policy for machines that crash: restart at once, unless several in a row have crashed soon after they began.
 * Those crash on something that will be there again, and restarting them without a pause would keep the browser busy.
 */

import { shared } from './shared.js';

/**
 * A machine that ends sooner than this after it began has crashed on something that will be there again, in
 * milliseconds.
 */
const SHORT_LIFE = 1_000;
/** So many machines in a row may end so soon: those that a quarantine takes, and some. */
const SHORT_LIVES = 5;
/** How long the next host waits at most, in milliseconds. */
const LONGEST_PAUSE = 30_000;

export class ShortLives {
  constructor() {
    /** Machines in a row that ended soon. */
    this.count = 0;
    this._began = 0;
  }

  /** A host has taken its first tab, or a tab's machine has begun. */
  began() {
    this._began = performance.now();
  }

  /**
   * That machine has died.
   *
   * @returns {boolean} whether too many have, one soon after the other
   */
  died() {
    const isShort = performance.now() - this._began < SHORT_LIFE;
    this.count = isShort ? this.count + 1 : 0;
    return this.count > SHORT_LIVES;
  }

  /**
   * That host has died.
   *
   * @returns {number} milliseconds before the next one may begin
   */
  ended() {
    if (!this.died()) return 0;
    const pause = Math.min(1_000 * 2 ** (this.count - SHORT_LIVES), LONGEST_PAUSE);
    shared.logger.warn(
      `The host crashed ${this.count} times in a row: the next one starts in ${pause} ms`,
    );
    return pause;
  }
}
