/**
 * `connection.storage`: the mode of the host's store (IndexedDB, custom, memory, none), whether it is durable, and why.
 */

import { emitOrLog, shared } from '../platform/shared.js';

/**
 * @typedef {import('../index.d.cts').StorageInfo} Info
 * @typedef {import('./connection.js').Connection} Connection
 */

/** Held by the tab that asks the browser to keep what is stored. */
const PERSIST_LOCK = 'sharedb-proxy persist';

/**
 * What is an error and not only a state: the store did not answer in time, and is used again when it does; or something
 * in it cannot be what was written.
 */
const ERRORS = ['ERR_STORAGE_TIMEOUT', 'ERR_STORAGE_DAMAGED'];

/** After `wipe`. @type {Info} */
const WIPED = Object.freeze({ mode: 'none', durable: false, reason: 'the store was wiped' });

export class StorageInfo {
  /** @param {Connection} connection whose `storage` event tells of changes */
  constructor(connection) {
    this._connection = connection;
    /** Whether the browser has promised to keep the store. @type {boolean | undefined} */
    this._persisted = undefined;
    this.current = describe(undefined, undefined);
  }

  /** The host said what its store is. */
  noteState() {
    const connection = this._connection;
    const before = this.current;
    this._read();
    const { code, reason } = this.current;
    if (code && ERRORS.includes(code) && before.code !== code)
      emitOrLog(connection, new shared.Error(code, reason));
  }

  noteWiped() {
    this._set(WIPED);
  }

  /**
   * The browser may drop what is stored when space is short, unless it has promised not to. Only a window can ask, and
   * some browsers ask the user: one tab after the other, and none where the promise is given already.
   */
  async askToPersist() {
    const { storage, locks } = globalThis.navigator ?? {};
    if (!storage?.persist) return;
    const ask = async () => (await storage.persisted?.()) || storage.persist();
    try {
      this._persisted = await (locks ? locks.request(PERSIST_LOCK, ask) : ask());
    } catch (error) {
      shared.logger.warn('The browser does not say whether it keeps the store', error);
    }
    if (this._persisted !== undefined) this._read();
  }

  _read() {
    const connection = this._connection;
    const text = connection._core.storageState();
    if (text) connection._known.line = JSON.parse(text).line;
    if (!connection._wiped) this._set(describe(text, this._persisted));
  }

  /** @param {Info} info */
  _set(info) {
    if (JSON.stringify(info) === JSON.stringify(this.current)) return;
    this.current = info;
    this._connection.emit('storage', info);
  }
}

/**
 * @param {string | undefined} text the host's word, as the machine has it
 * @param {boolean | undefined} persisted
 * @returns {Info}
 */
function describe(text, persisted) {
  const { mode = 'none', durable, kept, reason } = JSON.parse(text ?? '{}');
  return Object.freeze({
    mode: mode || 'none',
    durable: Boolean(durable && kept && mode !== 'memory'),
    ...(text === undefined && { reason: 'the host has not said anything yet' }),
    ...(text !== undefined && !kept && { reason: 'the host was started without a durable store' }),
    ...(reason && { reason: reason.message, code: reason.code }),
    ...(persisted !== undefined && { persisted }),
  });
}
