/**
 * ShareDB's Query: a list of documents that the server keeps up to date.
 */

import { EventEmitter } from 'events';

import { toError } from '../platform/shared.js';
import { nextTick } from '../platform/ticks.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./doc.js').Doc} Doc */

export class Query extends EventEmitter {
  /**
   * Made by `connection.createFetchQuery` and `connection.createSubscribeQuery`.
   *
   * @param {'qf' | 'qs'} action
   * @param {Connection} connection
   * @param {number} id
   * @param {string} collection
   * @param {any} query
   * @param {any} [options] `{results}` is taken out; the rest goes to the server
   * @param {(error: any, results?: Doc[] | null, extra?: any) => void} [callback]
   */
  constructor(action, connection, id, collection, query, options, callback) {
    super();
    this.action = action;
    this.connection = connection;
    this.id = id;
    this.collection = collection;
    this.query = query;
    /** The documents; the same array until a full answer replaces it. @type {Doc[] | null} */
    this.results = null;
    if (options?.results) {
      this.results = options.results;
      delete options.results;
    }
    /** What the database added. @type {any} */
    this.extra = undefined;
    this.options = options;
    this.callback = callback;
    this.ready = false;
    this.sent = connection.canSend;
  }

  hasPending() {
    return !this.ready;
  }

  /** Hands the query to the machine. */
  send() {
    const { connection, id, action, collection, query, options, results } = this;
    const json = options ? JSON.stringify(options) : undefined;
    const ids = results?.map((doc) => doc.id);
    connection._run(() =>
      connection._core.createQuery(
        id,
        action,
        String(collection),
        JSON.stringify(query),
        json,
        ids,
      ),
    );
  }

  /** @param {() => void} [callback] */
  destroy(callback) {
    this.connection._destroyQuery(this);
    if (callback) nextTick(callback);
  }

  // ---- What the machine asks for ----

  /**
   * @param {[string, string][] | undefined} keys
   * @param {string | undefined} extra
   */
  _answer(keys, extra) {
    if (keys) this.results = this._docs(keys);
    if (keys || extra !== undefined) this.extra = parse(extra);
    this._finish(undefined);
  }

  /** @param {import('../cores/events.js').ErrorParts} parts */
  _fail(parts) {
    this._finish(toError(parts));
  }

  /**
   * There will be no answer.
   *
   * @param {any} error
   */
  _giveUp(error) {
    if (this.ready || !(this.callback || this.listenerCount('error'))) return;
    this._finish(error);
  }

  /** @param {any} error */
  _finish(error) {
    const { callback } = this;
    this.callback = undefined;
    if (error || this.action === 'qf') this.connection._forgetQuery(this);
    this.emit('ready');
    this.ready = true;
    if (!error) callback?.(null, this.results, this.extra);
    else if (callback) callback(error);
    else this.emit('error', error);
  }

  /** @param {import('../cores/events.js').DiffItem[]} items */
  _diff(items) {
    const results = (this.results ??= []);
    for (const item of items) {
      if (item[0] === 'insert') {
        const [, index, names] = item;
        const docs = this._docs(names);
        results.splice(index, 0, ...docs);
        this.emit('insert', docs, index);
      } else if (item[0] === 'remove') {
        const [, index, howMany] = item;
        this.emit('remove', results.splice(index, howMany), index);
      } else {
        const [, from, to, howMany] = item;
        const docs = results.splice(from, howMany);
        results.splice(to, 0, ...docs);
        this.emit('move', docs, from, to);
      }
    }
    this.emit('changed', results);
  }

  /** @param {string | undefined} extra */
  _setExtra(extra) {
    this.extra = parse(extra);
    this.emit('extra', this.extra);
  }

  /** @param {[string, string][]} keys */
  _docs(keys) {
    return keys.map(([collection, id]) => this.connection.get(collection, id));
  }
}

/** @param {string | undefined} text */
function parse(text) {
  return text === undefined ? undefined : JSON.parse(text);
}
