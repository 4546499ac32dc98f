/**
 * An event emitter of the application's listeners, for code that has to go on whatever they do.
 */

import { EventEmitter } from 'events';

import { shared } from '../platform/shared.js';

export class GuardedEmitter extends EventEmitter {
  /**
   * Calls the listeners of an event. One that throws is logged, and stops neither the others nor the caller. Unlike with
   * `emit`, an `error` without a listener is not thrown.
   *
   * @param {string} event
   * @param {...any} args
   */
  _emit(event, ...args) {
    for (const listener of this.rawListeners(event)) {
      try {
        listener.apply(this, args);
      } catch (error) {
        shared.logger.error(`A listener of '${event}' threw`, error);
      }
    }
  }
}
