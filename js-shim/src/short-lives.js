/**
 * When the next host is started: at once, unless several in a row have died soon after they began. Those died of something that
 * will be there again, and would keep the machine busy.
 */

import { shared } from './shared.js';

/** A host that ends sooner than this after it began has crashed on something that will be there again, in milliseconds. */
const SHORT_LIFE = 1_000;
/** So many hosts in a row may end so soon before the next one has to wait: those that a quarantine takes, and some. */
const SHORT_LIVES = 5;
/** How long it waits at most, in milliseconds. */
const LONGEST_PAUSE = 30_000;

export class ShortLives {
  constructor() {
    /** Hosts in a row that ended soon. */
    this._count = 0;
    this._began = 0;
  }

  /** A host has taken its first tab. */
  began() {
    this._began = performance.now();
  }

  /**
   * That host has died.
   *
   * @returns {number} milliseconds before the next one may begin
   */
  ended() {
    const isShort = performance.now() - this._began < SHORT_LIFE;
    this._count = isShort ? this._count + 1 : 0;
    if (this._count <= SHORT_LIVES) return 0;
    const pause = Math.min(1_000 * 2 ** (this._count - SHORT_LIVES), LONGEST_PAUSE);
    shared.logger.warn(
      `The host crashed ${this._count} times in a row: the next one starts in ${pause} ms`,
    );
    return pause;
  }
}
