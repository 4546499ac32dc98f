/**
 * `fetchSnapshot` and `fetchSnapshotByTimestamp`: requests that wait for their answer. They are sent again to each host
 * that takes over.
 */

import { EventEmitter } from 'events';

import { toError } from '../platform/shared.js';

/** @typedef {import('./connection.js').Connection} Connection */

export class SnapshotRequests {
  /** @param {Connection} connection */
  constructor(connection) {
    this._connection = connection;
    /** Those without an answer, by token. @type {Map<number, {emitter: EventEmitter, ask: () => void}>} */
    this._waiting = new Map();
  }

  /**
   * @param {string} collection
   * @param {string} id
   * @param {'version' | 'timestamp'} by
   * @param {number | null} at `null` is now
   * @param {(error: any, snapshot?: any) => void} callback
   */
  fetch(collection, id, by, at, callback) {
    const connection = this._connection;
    // The server says what is wrong with a name that is no string.
    const names = /** @type {const} */ ([asJson(collection), asJson(id)]);
    const token = connection._keep({ callback, id });
    const [isByTime, moment] = [by === 'timestamp', at ?? undefined];
    const ask = () =>
      connection._run(() => connection._core.fetchSnapshot(...names, isByTime, moment, token));
    this._waiting.set(token, { emitter: new EventEmitter(), ask });
    ask();
  }

  /** Functions that send the waiting requests again. */
  get asks() {
    return [...this._waiting.values()].map(({ ask }) => ask);
  }

  /** The oldest waiting request: an emitter of `ready`. */
  get first() {
    const [request] = this._waiting.values();
    return request?.emitter;
  }

  /** Drops the requests. Their callbacks are the caller's to call. */
  clear() {
    this._waiting.clear();
  }

  /** @type {import('../cores/events.js').TabEvents['snapshot']} */
  answer(token, error, text) {
    const { callback, id } = /** @type {import('./machine-owner.js').Call} */ (
      this._connection._take(token)
    );
    const request = this._waiting.get(token);
    this._waiting.delete(token);
    request?.emitter.emit('ready');
    if (error) return callback?.(toError(error));
    const { v, type, data, meta } = JSON.parse(/** @type {string} */ (text));
    callback?.(null, { id, v, type, data, m: meta ?? null });
  }
}

/** @param {any} value */
function asJson(value) {
  return JSON.stringify(value) ?? 'null';
}
