/**
 * The second connection, as this tab was told of it, and what the tab sends through it.
 */

import { copyOf, jsonError } from '../platform/json.js';
import { partsOf, toError } from '../platform/shared.js';

/** Who sends what comes by the connection, in place of a tab. */
const SENDER = 'host';

export class Realtime {
  /**
   * @param {import('./coordination.js').Coordination} coordination
   * @param {(state: object) => void} changed
   */
  constructor(coordination, changed) {
    this._coordination = coordination;
    this._changed = changed;
    /** What the host told last; nothing where it has no such connection. @type {any} */
    this._told = undefined;
  }

  /** `{state, lastError}`; `null` where the host has no such connection. */
  get state() {
    if (!this._told) return null;
    const { state, error } = this._told;
    return { state, lastError: error ? toError(partsOf(error)) : null };
  }

  /** @param {any} told */
  take(told) {
    const before = JSON.stringify([this._told?.state, this._told?.error]);
    this._told = told;
    if (told && JSON.stringify([told.state, told.error]) !== before)
      this._changed(this.state ?? {});
  }

  /**
   * @param {any} payload
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async send(payload, signal) {
    return this._coordination.ask('relay', { payload: copyOf(payload, 'The payload') }, signal);
  }

  /**
   * What came by the connection, as a message.
   *
   * @param {{number: number, message: any}} received
   * @returns {import('../coordinator.d.ts').SharedWorkerMessage}
   */
  messageOf({ number, message }) {
    return {
      type: /** @type {any} */ ('signalr_message'),
      payload: message,
      tabId: SENDER,
      timestamp: Date.now(),
      correlationId: `${SENDER}:${number}`,
    };
  }

  /**
   * The host wants another token.
   *
   * @param {number} round
   * @param {() => Promise<any>} refresh
   */
  async refresh(round, refresh) {
    let error;
    try {
      await refresh();
    } catch (thrown) {
      error = jsonError(thrown);
    }
    this._coordination.tell({ token: { round, error } });
  }
}
