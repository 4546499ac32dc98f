/**
 * The application's `url` where it is a function. The host asks one tab for each socket, a visible one first.
 */

/** @typedef {import('./connection.js').Connection} Connection */

export class UrlGiver {
  /**
   * @param {Connection} connection
   * @param {() => any} giveUrl the application's function; it may be async
   */
  constructor(connection, giveUrl) {
    this._connection = connection;
    this._giveUrl = giveUrl;
  }

  /** Lets the host ask this tab. To be called again when the page is hidden or shown. */
  offer() {
    const { _core: core, _page: page } = this._connection;
    this._connection._run(() => core.offerUrls(!page.isHiding));
  }

  /** @param {number} round names the socket that the host wants to open */
  async give(round) {
    /** @type {string | undefined} */
    let url;
    let reason = '';
    // The application may be in the middle of making the connection.
    await null;
    try {
      url = socketUrl(await this._giveUrl());
    } catch (/** @type {any} */ error) {
      reason = `The url function failed: ${error?.message ?? error}`;
    }
    this._connection._run(() => this._connection._core.answerUrl(round, url, reason));
  }
}

/**
 * The address of a WebSocket, absolute.
 *
 * @param {string | URL} url also one of http or https, and relative to the page
 */
export function socketUrl(url) {
  return new URL(url, globalThis.location?.href).href.replace(/^http/, 'ws');
}
