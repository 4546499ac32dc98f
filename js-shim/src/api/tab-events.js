/**
 * Carries out the events of a tab's machine: a table with a function for each kind, called with the connection and the
 * event's arguments.
 */

import { CRASHED } from './restart.js';
import { shared, toError } from '../platform/shared.js';
import { noteStorageEvent } from './durable-store.js';
import { answerPresence } from './presence.js';

/**
 * @typedef {import('./connection.js').Connection} Connection
 * @typedef {import('./doc.js').Doc} Doc
 * @typedef {import('../cores/events.js').TabEvents} TabEvents
 */

/**
 * The order is that of the kinds' numbers.
 *
 * @type {{[Name in keyof TabEvents]: (connection: Connection, ...content: Parameters<TabEvents[Name]>) => void}}
 */
const CARRY_OUT = {
  // ---- The connection ----

  toHost: (connection, text) => connection._post(text),
  submitOp(connection, text, seq, tokens) {
    connection._noteSent(seq, tokens);
    if (text !== undefined) connection._post(text);
  },
  state: (connection, state, reason) => connection._announce(state, reason),
  connectionError: (connection, error) =>
    connection.emit('connection error', connection._link.takeSocketError(error)),
  error: (connection, error) => connection.emit('error', toError(error)),
  pong: (connection) => connection.emit('pong'),
  urlWanted: (connection, round) => void connection._urls?.give(round),
  coordination: (connection, say) => connection._coordination?.hear(say),
  status: (connection, token, status) =>
    connection._take(token)?.callback?.(null, JSON.parse(status)),
  debug: (connection, token, answer) => connection._take(token)?.callback?.(null, answer),
  warn: (_, message) => shared.logger.warn(message),
  snapshot: (connection, token, error, snapshot) =>
    connection._snapshots.answer(token, error, snapshot),

  // ---- The durable store ----

  stored: (connection, token, error) =>
    connection._take(token)?.callback?.(error ? toError(error) : null),
  storage: (connection, event) => noteStorageEvent(connection, event),

  // ---- Documents ----

  openDoc: (connection, doc, collection, id) => connection._openDoc(doc, collection, id),
  apply(connection, handle, text, token, src) {
    const doc = connection._docs.get(handle);
    if (!doc) return;
    const { source, op } = connection._submission(token);
    doc._apply(op === undefined ? JSON.parse(text) : op, source, src);
  },
  batchStart: (connection, doc, op, src) =>
    connection._docs.get(doc)?._startBatch(JSON.parse(op), src),
  beforeComponent: (connection, doc, index) => connection._docs.get(doc)?._beforeComponent(index),
  applyComponent: (connection, doc, index, op) =>
    connection._docs.get(doc)?._applyComponent(index, op),
  batchEnd: (connection, doc) => connection._docs.get(doc)?._endBatch(),
  create(connection, doc, type, text, token) {
    const { source, data } = connection._submission(token);
    connection._docs.get(doc)?._create(type, text === undefined ? data : JSON.parse(text), source);
  },
  del: (connection, doc, token) =>
    connection._docs.get(doc)?._del(connection._submission(token).source),
  load: (connection, doc, type, data) => connection._docs.get(doc)?._load(type, data),
  clear: (connection, doc) => connection._docs.get(doc)?._clear(),
  sent: (connection, doc, seq) => connection._docs.get(doc)?._noteSent(seq),
  callback(connection, _, tokens, outcome) {
    const ended = tokens.map((token) => connection._take(token));
    const error = outcome ? withDiscarded(toError(outcome), ended[0]?.doc) : outcome;
    for (const call of ended) call?.callback?.(error);
  },
  noWritePending(connection, handle) {
    const doc = connection._docs.get(handle);
    if (!doc) return;
    doc.emit('no write pending');
    connection._noteRemoved([doc]);
  },
  nothingPending: (connection, doc) => connection._docs.get(doc)?.emit('nothing pending'),
  docError(connection, handle, error) {
    const doc = connection._docs.get(handle);
    doc?.emit('error', withDiscarded(toError(error), doc));
  },
  flushLater(connection, handle) {
    const doc = connection._docs.get(handle);
    if (doc) connection._later(() => connection._flush(doc));
  },
  unsubscribedLater(connection, handle) {
    const doc = connection._docs.get(handle);
    if (doc) connection._later(() => connection._core.finishUnsubscribe(doc._handle));
  },

  // ---- Queries ----

  queryResults: ({ queries }, query, docs, extra) => queries[query]?._answer(docs, extra),
  queryFailed: ({ queries }, query, error) => queries[query]?._fail(error),
  queryError: ({ queries }, query, error) => queries[query]?.emit('error', toError(error)),
  queryDiff: ({ queries }, query, diff) => queries[query]?._diff(diff),
  queryExtra: ({ queries }, query, extra) => queries[query]?._setExtra(extra),

  // ---- Presence ----

  presenceAnswer: (connection, channel, id, tokens, error) =>
    answerPresence(connection, emitterOf(connection, channel, id), tokens, error),
  presenceValue(connection, channel, id, value) {
    const local = connection._presences[channel]?.localPresences[id];
    if (local) local.value = JSON.parse(value);
  },
  presenceReceive: (connection, channel, id, value) =>
    connection._presences[channel]?._receive(id, JSON.parse(value)),
  presenceError: (connection, channel, id, error) =>
    emitterOf(connection, channel, id)?.emit('error', toError(error)),
  presenceLater: (connection, channel, id) =>
    connection._later(() => connection._core.sendPresence(channel, id)),
};

/** By the number of the kind. */
const BY_KIND = /** @type {((connection: Connection, ...content: any[]) => void)[]} */ (
  Object.values(CARRY_OUT)
);

/** The event that a machine gave last, see `TabCore.poll`. */
export class LastEvent {
  constructor() {
    this._kind = 0;
    /** @type {any} */
    this._a = this._b = this._c = this._d = undefined;
  }

  /**
   * @param {number} kind the kind's number
   * @param {any} a the first of its arguments; no event has more than four
   * @param {any} b
   * @param {any} c
   * @param {any} d
   */
  put(kind, a, b, c, d) {
    this._kind = kind;
    this._a = a;
    this._b = b;
    this._c = c;
    this._d = d;
  }

  /** @param {Connection} connection */
  carryOut(connection) {
    const { _kind: kind, _a: a, _b: b, _c: c, _d: d } = this;
    // A text may be long, and carrying the event out may overwrite it.
    this._a = this._b = this._c = this._d = undefined;
    BY_KIND[kind](connection, a, b, c, d);
  }
}

/**
 * The local presence of this id, or else the channel's presence.
 *
 * @param {Connection} connection
 * @param {string} channel
 * @param {string | undefined} id
 */
function emitterOf(connection, channel, id) {
  const presence = connection._presences[channel];
  return (id !== undefined && presence?.localPresences[id]) || presence;
}

/**
 * Where a crash was the end of ops, the error says of which.
 *
 * @param {any} error
 * @param {Doc | undefined} doc
 */
function withDiscarded(error, doc) {
  if (error.code === CRASHED) error.discarded = doc?._discarded ?? [];
  return error;
}
