/** Properties that say how things stand: the machine holds what they say, and an application changes it by calls. */

import { shared } from '../platform/shared.js';

/**
 * Has an assignment to these getters of a class throw an error that says what happened, as strict mode's own does not.
 *
 * @param {{prototype: any}} ofClass
 * @param {string[]} names
 */
export function readOnly({ prototype }, names) {
  for (const property of names) {
    const { get } = /** @type {any} */ (Object.getOwnPropertyDescriptor(prototype, property));
    const set = () => {
      const message = `${property} cannot be set: it says how things stand`;
      throw new shared.Error('ERR_READ_ONLY', message);
    };
    Object.defineProperty(prototype, property, { configurable: true, get, set });
  }
}
