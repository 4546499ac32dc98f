/**
 * The id of this device among those of a user: of this browser, by its storage. Where nothing can be stored, each page load is
 * another device.
 */

import { newSource } from '../platform/locks.js';

/** Whether devices know this one. */
const KNOWN = ' known';

export class DeviceId {
  /** @param {{collection: string, id: string, device?: string}} options the document, and the id where the application has one */
  constructor({ collection, id, device }) {
    this._given = device;
    this._name = `sharedb-proxy device ${collection} ${id}`;
    this._isKnown = false;
  }

  /** One tab at a time may do this. @returns {{device: string, isNew: boolean}} */
  take() {
    const { _given: given } = this;
    try {
      const { localStorage } = globalThis;
      const device = given ?? localStorage.getItem(this._name) ?? newSource();
      localStorage.setItem(this._name, device);
      this._isKnown = localStorage.getItem(this._name + KNOWN) === device;
      return { device, isNew: !this._isKnown };
    } catch {
      return { device: given ?? newSource(), isNew: true };
    }
  }

  /** The device has registered. @param {string} device */
  noteKnown(device) {
    if (this._isKnown) return;
    this._isKnown = true;
    try {
      globalThis.localStorage.setItem(this._name + KNOWN, device);
    } catch {
      // It is new at each page load.
    }
  }

  /** The user has logged out: who comes next is another device. */
  forget() {
    try {
      for (const name of [this._name, this._name + KNOWN]) globalThis.localStorage.removeItem(name);
    } catch {
      // Nothing was stored.
    }
  }
}
