/**
 * The link of a tab that can have no machine and no host, since there is no WebAssembly. The connection is closed from the
 * beginning, and says why.
 */

import { UNAVAILABLE } from '../cores/cores.js';
import { tabModule } from '../cores/tab-core.js';
import { emitOrLog } from '../platform/shared.js';
import { nextTick } from '../platform/ticks.js';

/** @typedef {import('./link.d.ts').Link} Link */

/**
 * The link that `make` gives, or one that leads nowhere.
 *
 * @param {() => Link} make
 * @returns {Link}
 */
export function reach(make) {
  try {
    const link = make();
    tabModule.compile();
    return link;
  } catch (/** @type {any} */ error) {
    if (error?.code !== UNAVAILABLE) throw error;
    return new NoLink(error);
  }
}

/** @implements {Link} */
class NoLink {
  /** @param {Error & {code: string}} failure */
  constructor(failure) {
    this.failure = failure;
    const { message: reason, code } = failure;
    /** @type {Link['host']} */
    this.host = { kind: 'in-page', place: 'page', reason, code };
    this.initialState = /** @type {const} */ ('closed');
    /** @type {Link['socket']} */
    this.socket = null;
    /** @type {Link['id']} */
    this.id = undefined;
    /** @type {Link['seq']} */
    this.seq = undefined;
  }

  /** @param {import('../api/connection.js').Connection} connection */
  attach(connection) {
    // The first time nobody listens yet.
    nextTick(() => emitOrLog(connection, this.failure));
  }

  post() {}

  close() {}

  expectEnd() {}

  /** @param {() => void} callback */
  whenEnded(callback) {
    callback();
  }

  bind() {
    throw this.failure;
  }

  reconnect() {
    throw this.failure;
  }

  send() {
    throw this.failure;
  }

  receiveFromServer() {
    throw this.failure;
  }

  takeReason() {}

  takeSocketError() {}
}
