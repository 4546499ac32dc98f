/**
 * Notices that a tab's host says nothing: after the tab has posted something, and, more slowly, when nobody has anything to say.
 * A host that stands still brings no changes either, and its tab would go on showing what it has. What follows from the silence is
 * the link's machine's part; it asks for a sign of life first.
 */

import { timers } from '../platform/ticks.js';

/** Milliseconds between two looks after something was posted, and else. Silence is noticed after one to two of them. */
const ANSWER = 2_000;
const IDLE = 5_000;

export class Quiet {
  /** @param {() => void} quiet called when nothing was heard for a while */
  constructor(quiet) {
    this._quiet = quiet;
    /** Whether the tab has posted a message, and has got none since. */
    this._waits = false;
    /** Whether no message has come since the last look. */
    this._isSilent = false;
    /** Milliseconds between two looks; 0 while the tab has no host. */
    this._interval = 0;
    /** @type {import('../platform/ticks.js').Timer | undefined} */
    this._timer = undefined;
  }

  /** A host has taken the tab. */
  watch() {
    this.heard();
    this._lookAfter(IDLE);
  }

  /** A message was posted. */
  posted() {
    this._waits = true;
    if (this._interval !== ANSWER) this._lookAfter(ANSWER);
  }

  /** Something was heard. */
  heard() {
    this._waits = this._isSilent = false;
  }

  stop() {
    this.heard();
    timers.stop(this._timer);
    this._timer = undefined;
    this._interval = 0;
  }

  /** @param {number} interval */
  _lookAfter(interval) {
    timers.stop(this._timer);
    this._interval = interval;
    this._timer = timers.start(this._look, interval);
  }

  _look = () => {
    if (this._isSilent) this._quiet();
    // The link may have left its host.
    if (!this._interval) return;
    this._isSilent = true;
    this._lookAfter(this._waits ? ANSWER : IDLE);
  };
}
