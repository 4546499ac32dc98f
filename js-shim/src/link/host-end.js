/**
 * The end of a host that has deleted everything. Who waits for it is called when the application may make another worker
 * of its name.
 */

import { placeLock, watchLock } from '../platform/locks.js';
import { delay } from '../platform/ticks.js';
import { burialTime } from './burial.js';

export class HostEnd {
  constructor() {
    /** Whether everything is being deleted: then the host's end is the link's. */
    this.isExpected = false;
    /** Resolves when the host is gone, once that is near. @type {Promise<void> | undefined} */
    this._gone = undefined;
    /** @type {(() => void)[]} */
    this._callbacks = [];
  }

  /** @param {() => void} callback */
  wait(callback) {
    this._callbacks.push(callback);
    void this._gone?.then(() => this._callBack());
  }

  /**
   * The host has deleted everything.
   *
   * @param {string | undefined} place of a worker that ends with it
   */
  note(place) {
    this._gone ??= buried(place);
    void this._gone.then(() => this._callBack());
  }

  _callBack() {
    for (const callback of this._callbacks.splice(0)) callback();
  }
}

/**
 * A worker of the same name must not be made too soon.
 *
 * @param {string | undefined} place
 */
async function buried(place) {
  if (place) await new Promise((resolve) => watchLock(placeLock(place), () => resolve(undefined)));
  await delay(burialTime());
}
