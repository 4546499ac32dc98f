/**
 * Whether this page is going away, as far as it is told. The last tasks of a page are its listeners of `pagehide` and
 * `visibilitychange`, the latter being where browsers recommend to save; what is put off to a later task is lost.
 *
 * It reports; the reaction is the connection's part.
 */

import { timers } from '../platform/ticks.js';

const HIDDEN = 'hidden';

export class PageLife {
  /**
   * @param {() => void} hide called when the page may be about to go: it may also only be in the background
   * @param {() => void} [shown] called when it is seen again
   */
  constructor(hide, shown = () => {}) {
    this._hide = hide;
    this._shown = shown;
    const { document } = /** @type {any} */ (globalThis);
    /** Whether no later task may run. */
    this.isHiding = document?.visibilityState === HIDDEN;
    /** Whether none has run since the page was told so. */
    this.isGoing = false;
  }

  /** Begins to watch the page, unless it is watched already. */
  watch() {
    for (const [target, event, listener] of this._listeners())
      target?.addEventListener?.(event, listener);
  }

  leave() {
    for (const [target, event, listener] of this._listeners())
      target?.removeEventListener?.(event, listener);
  }

  /** @returns {[target: any, event: string, listener: () => void][]} */
  _listeners() {
    const { document } = /** @type {any} */ (globalThis);
    return [
      [globalThis, 'pagehide', this._onHide],
      [globalThis, 'pageshow', this._onVisibility],
      [document, 'visibilitychange', this._onVisibility],
    ];
  }

  _onHide = () => {
    this.isHiding = this.isGoing = true;
    timers.start(() => (this.isGoing = false), 0);
    this._hide();
  };

  _onVisibility = () => {
    const { document } = /** @type {any} */ (globalThis);
    if (document?.visibilityState === HIDDEN) return this._onHide();
    this.isHiding = false;
    this._shown();
  };
}
