/**
 * Notices that a tab's messages get no answer. A place that is frozen, or that has forgotten the tab, says nothing; what
 * follows from that is the link's machine's part.
 */

import { timers } from '../platform/ticks.js';

/** Milliseconds between two looks. Silence is noticed after one to two of them. */
const INTERVAL = 2_000;

export class Quiet {
  /** @param {() => void} quiet called when messages were posted a while ago and nothing was heard since */
  constructor(quiet) {
    this._quiet = quiet;
    /** Whether something was posted, and nothing heard since. */
    this._waits = false;
    /** Whether that was so at the last look. */
    this._waited = false;
    /** @type {import('../platform/ticks.js').Timer | undefined} */
    this._timer = undefined;
  }

  /** A message was posted. */
  posted() {
    this._waits = true;
    this._timer ??= timers.start(this._look, INTERVAL);
  }

  /** Something was heard. */
  heard() {
    this._waits = this._waited = false;
  }

  stop() {
    this.heard();
    timers.stop(this._timer);
    this._timer = undefined;
  }

  _look = () => {
    this._timer = undefined;
    if (!this._waits) return;
    if (this._waited) this._quiet();
    this._waited = true;
    this._timer = timers.start(this._look, INTERVAL);
  };
}
