/**
 * The page as a place for the namespace's host, for where no worker can have it. Its code is loaded when the page is first to
 * have the host.
 */

import { loadPageHostsWhile } from './page-host-loader.js';

/** @typedef {import('../host/place.js').Place} Place */
/** @typedef {import('./roads.js').Port} Port */

export class PagePlace {
  /**
   * @param {object} options
   * @param {string} options.id
   * @param {string} options.namespace
   * @param {import('../host/shared-host.js').Served} options.served what of the page's options cannot be sent
   * @param {import('events').EventEmitter} connection whose link this is
   */
  constructor(options, connection) {
    this._options = options;
    this._connection = connection;
    /** Whether the page queues for the host lock. */
    this._stands = false;
    /** Whether the host that has the lock does not answer. */
    this._steals = false;
    /** @type {Place | undefined} */
    this._place = undefined;
    /** @type {Promise<void> | undefined} */
    this._loading = undefined;
  }

  /** @param {boolean} steal the host does not answer */
  stand(steal) {
    this._stands = true;
    this._steals ||= steal;
    if (this._place?.isOver) this._place = this._loading = undefined;
    this._loading ??= this._load();
    this._apply();
  }

  /** @param {boolean} urgent the page is about to be frozen */
  withdraw(urgent) {
    this._stands = this._steals = false;
    this._place?.withdraw(urgent);
    // A channel that is open can be sent a message, for which a browser throws a page out that it keeps.
    if (urgent) this._place?.close();
  }

  /** The link is out of use. */
  leave() {
    this.withdraw(false);
    this._place?.close();
  }

  /** A host has taken the tab: the page no longer steals the lock from a silent place. */
  trust() {
    this._steals = false;
  }

  /** @param {Port} port of this page's tab */
  addPort(port) {
    this._place?.addPort(port);
  }

  /** The host's code is loaded once, also for a page that withdraws meanwhile and queues again. */
  async _load() {
    const hosts = await loadPageHostsWhile(() => this._stands, this._connection);
    if (!hosts || !this._stands) return void (this._loading = undefined);
    const place = new hosts.Place({ ...this._options, kind: 'page' });
    this._place = place;
    // Where locks are denied, the link notices it by the tab's own.
    await place.alive.catch(() => {});
    this._apply();
  }

  _apply() {
    if (!this._place || !this._stands) return;
    this._place.stand(this._steals);
    this._steals = false;
  }
}
