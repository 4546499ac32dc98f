/** The session of the application's user: which one it is, and its end in all tabs. */

import { delay } from '../platform/ticks.js';

/** Milliseconds that listeners of `logout` have. */
const STOPPING = 2_000;

export class Session {
  /**
   * @param {import('./coordination.js').Coordination} coordination
   * @param {import('../api/connection.js').Connection} connection
   * @param {object} listener
   * @param {(event: 'session' | 'session mismatch' | 'logout' | 'logged out', content?: any) => void} listener.emit
   * @param {() => void} listener.voided what was of the session before is void
   * @param {() => void} listener.ended
   * @param {() => void} listener.deleted what is stored was deleted
   * @param {(error: any) => void} listener.failed
   */
  constructor(coordination, connection, listener) {
    this._coordination = coordination;
    this._connection = connection;
    this._listener = listener;
    this.current = { epoch: 0, id: /** @type {string | undefined} */ (undefined) };
    this._onWiped = () => {};
    /** Whether this tab takes part in a logout: one that was away hears only that there was one. */
    this._isEnding = false;
  }

  /** @param {string} [id] */
  async name(id) {
    await this._coordination.ask('session', { id });
  }

  /**
   * @param {{epoch?: number, id?: string}} session
   * @param {string[]} strangers
   */
  take({ epoch = 0, id }, strangers) {
    const { current: before } = this;
    this.current = { epoch, id };
    if (epoch !== before.epoch) this._listener.voided();
    if (epoch !== before.epoch || id !== before.id) this._listener.emit('session', { epoch, id });
    if (strangers.length)
      this._listener.emit('session mismatch', { session: { epoch, id }, tabs: strangers });
  }

  async logout() {
    const wiped = new Promise((resolve) => (this._onWiped = () => resolve(undefined)));
    await Promise.race([wiped, this._coordination.ask('logout', {})]);
  }

  /** The session ends: what the application waits for is waited for. */
  async stop() {
    this._isEnding = true;
    /** @type {any[]} */
    const waits = [];
    const waitUntil = (/** @type {any} */ wait) => void waits.push(wait);
    this._listener.emit('logout', { waitUntil });
    const late = delay(STOPPING);
    await Promise.race([late, Promise.allSettled(waits)]);
    this._coordination.tell({ stopped: {} });
  }

  /** This tab is to delete everything. */
  wipe() {
    if (!this._connection.durableStore) return this._coordination.tell({ wiped: {} });
    this._connection.wipe((/** @type {any} */ error) => {
      if (error) this._listener.failed(error);
      else this._onWiped();
    });
  }

  /** @param {{epoch?: number, id?: string}} session that has begun */
  loggedOut(session) {
    if (this._isEnding) this._listener.deleted();
    this._isEnding = false;
    this._listener.ended();
    this._listener.voided();
    this.take(session, []);
    this._listener.emit('logged out');
  }

  /** Everything was deleted, and the connection with it. */
  end() {
    this._listener.deleted();
    this._listener.voided();
    this._onWiped();
    this._listener.emit('logged out');
  }
}
