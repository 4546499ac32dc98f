/**
 * A host's second realtime connection: makes it by the application's function, sends the tabs' messages, and reports results.
 *
 * What it refuses to do: decide when there is a connection, or for which session. The host's machine does.
 */

import { isFunction, optionError } from '../options/options.js';
import { shared } from '../platform/shared.js';
import { copyOf, jsonError } from '../platform/json.js';

/** @typedef {import('../index.d.cts').OpenConnection} OpenConnection */

export class SecondConnection {
  /**
   * @param {OpenConnection} open the application's
   * @param {(report: object) => void} report to the machine
   */
  constructor(open, report) {
    this._open = open;
    this._report = report;
    /** The last attempt to connect. @type {Attempt | undefined} */
    this._current = undefined;
  }

  /** @param {any} act what the machine wants */
  act({ open, send, close }) {
    if (open) this._begin(open);
    if (send) void this._send(send);
    if (close) this.close();
  }

  /** @param {{attempt: number, token?: any}} wanted */
  _begin({ attempt, token }) {
    this.close();
    const report = (/** @type {object} */ what) => {
      if (this._current === current) this._report(what);
    };
    const current = (this._current = new Attempt(attempt, report));
    void current.make(this._open, token);
  }

  /** @param {{request: number, payload: any}} wanted */
  async _send({ request, payload }) {
    const { _current: current } = this;
    let answered;
    try {
      const result = await current?.connection?.send(payload);
      answered = { result: copyOf(result, 'The answer') };
    } catch (error) {
      answered = { error: jsonError(error, 'ERR_REALTIME_REFUSED') };
    }
    // One that was closed meanwhile has refused its requests.
    if (current === this._current) this._report({ answered: { request, ...answered } });
  }

  /** Closes what there is. Nothing of it is reported any more. */
  close() {
    const { _current: current } = this;
    this._current = undefined;
    current?.end();
  }
}

/** One connection, from the attempt to make it to its end. */
class Attempt {
  /**
   * @param {number} number
   * @param {(report: object) => void} report
   */
  constructor(number, report) {
    this._number = number;
    this._report = report;
    this._ended = new AbortController();
    /** The application's connection. @type {import('../index.d.cts').RealtimeConnection | undefined} */
    this.connection = undefined;
  }

  /**
   * @param {OpenConnection} open
   * @param {any} token
   */
  async make(open, token) {
    const { signal } = this._ended;
    try {
      const connection = await open({
        token,
        signal,
        receive: (message) => this._receive(message),
        // One that is not made yet has no state of its own.
        stateChanged: (state, error) => {
          if (this.connection || state === 'disconnected') this._say(state, error);
        },
      });
      if (!isFunction(connection?.send) || !isFunction(connection.close)) {
        const message = 'connections.signalr gave no connection: it has no send or no close';
        throw optionError('ERR_OPTION_INVALID', message);
      }
      this.connection = connection;
      if (signal.aborted) this.end();
      else this._say('connected');
    } catch (error) {
      this._say('disconnected', error);
    }
  }

  /** @param {any} message */
  _receive(message) {
    try {
      const copy = copyOf(message, 'A message of the second connection');
      this._report({ received: { attempt: this._number, message: copy } });
    } catch (error) {
      this._say('connected', error);
    }
  }

  /**
   * @param {'connecting' | 'connected' | 'disconnected'} state
   * @param {any} [error]
   */
  _say(state, error) {
    const random = Math.floor(1000 * Math.random());
    const failed = error && { error: jsonError(error, 'ERR_REALTIME_DISCONNECTED') };
    this._report({ state: { attempt: this._number, state, ...failed, random } });
  }

  end() {
    this._ended.abort();
    const { connection } = this;
    this.connection = undefined;
    const failed = (/** @type {any} */ error) =>
      shared.logger.warn('The second connection could not be closed', error);
    void (async () => connection?.close())().catch(failed);
  }
}
