/** Places whose end is to be noticed: each holds a lock for as long as it exists. */

import { placeLock, watchLock } from '../platform/locks.js';

export class WatchedPlaces {
  /** @param {(place: string) => void} gone */
  constructor(gone) {
    this._gone = gone;
    /** By the place's id, with what stops it. @type {Map<string, () => void>} */
    this._watched = new Map();
  }

  /** @param {string} place its id */
  watch(place) {
    if (this._watched.has(place)) return;
    const gone = () => {
      this._watched.delete(place);
      this._gone(place);
    };
    this._watched.set(place, watchLock(placeLock(place), gone));
  }

  stop() {
    for (const stop of this._watched.values()) stop();
    this._watched.clear();
  }
}
