/**
 * The idle timer of all tabs, as this one was told of it, and the activity in this page.
 */

import { isPositiveCount, optionError } from '../options/options.js';

/** Milliseconds between two reports of activity. */
const ACTIVE = 1_000;

const ACTIVITY = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'scroll'];
/** By the phase that has begun. */
const EVENTS = /** @type {const} */ ({
  active: 'idle-active',
  warned: 'idle-warning',
  expired: 'idle-timeout',
});

/** @typedef {{phase: 'active' | 'warned' | 'expired', since: number, timeout: number}} Idle */

export class IdleTimer {
  /**
   * @param {import('./coordination.js').Coordination} coordination
   * @param {(event: 'idle' | (typeof EVENTS)[keyof typeof EVENTS], content: object) => void} emit
   */
  constructor(coordination, emit) {
    this._coordination = coordination;
    this._emit = emit;
    /** @type {Idle | undefined} */
    this._idle = undefined;
    this._activity = new Activity(() => coordination.tell({ active: {} }));
  }

  /** @param {{warnAfter: number, timeoutAfter: number}} options in milliseconds */
  async start({ warnAfter, timeoutAfter }) {
    const areTimes = isPositiveCount(warnAfter) && isPositiveCount(timeoutAfter);
    if (!areTimes || warnAfter > timeoutAfter) {
      const message =
        'idle needs warnAfter and timeoutAfter in milliseconds, the first one not above the second';
      throw optionError('ERR_OPTION_INVALID', message);
    }
    this._activity.watch();
    await this._coordination.ask('idle', { warn: warnAfter, timeout: timeoutAfter });
  }

  note() {
    this._activity.note();
  }

  /** Milliseconds until the time is over, by the clock that all tabs of a browser share. */
  get left() {
    const { _idle: idle } = this;
    if (!idle) return undefined;
    if (idle.phase === 'expired') return 0;
    return Math.max(0, idle.since + idle.timeout - Date.now());
  }

  /** @param {Idle} idle */
  take(idle) {
    const before = this._idle?.phase ?? 'active';
    this._idle = idle;
    // A tab that comes later reports activity, too.
    this._activity.watch();
    const content = { phase: idle.phase, endsAt: idle.since + idle.timeout, left: this.left };
    this._emit('idle', content);
    if (idle.phase !== before) this._emit(EVENTS[idle.phase], content);
  }

  /** The session has ended, and the timer with it. */
  forget() {
    this._idle = undefined;
  }

  stop() {
    this._activity.stop();
  }
}

/** Reports the user's activity in this page. */
class Activity {
  /** @param {() => void} active */
  constructor(active) {
    this._active = active;
    this._last = 0;
    this._isWatched = false;
  }

  watch() {
    if (this._isWatched) return;
    this._isWatched = true;
    for (const event of ACTIVITY)
      globalThis.addEventListener?.(event, this.note, { capture: true, passive: true });
  }

  stop() {
    this._isWatched = false;
    for (const event of ACTIVITY)
      globalThis.removeEventListener?.(event, this.note, { capture: true });
  }

  note = () => {
    const now = Date.now();
    if (Math.abs(now - this._last) < ACTIVE) return;
    this._last = now;
    this._active();
  };
}
