/**
 * What the ops of a connection cost, for the tools that an application has already: `performance.measure` entries in the browser's
 * own timeline, and spans of a tracer such as OpenTelemetry's. An op is measured in the tab, from the message that carries it to
 * the host until the tab hears of its end.
 *
 * It is a module of its own: who does not import it downloads nothing of it, and a connection that is not traced does not
 * look at its messages a second time.
 */

import { refuseUnknown } from './options/options.js';

/**
 * @typedef {import('./tracing.d.ts').Tracer} Tracer
 * @typedef {import('./tracing.d.ts').Span} Span
 *
 * @typedef {object} Op
 * @property {string} name
 * @property {number} began by `performance.now()`
 * @property {number} [accepted]
 * @property {Span} [span]
 */

/** By connection, where there are any. @type {WeakMap<any, Set<Tracing>>} */
const tracingsOf = new WeakMap();

/** In Node of an application that has replaced it there may be no `measure`. */
const canMeasure = () => typeof performance !== 'undefined' && 'measure' in performance;

/**
 * Traces the ops of a connection from now on.
 *
 * @param {any} connection
 * @param {{tracer?: Tracer, measure?: boolean}} [options]
 * @returns {() => void} ends it; ops without an outcome are not measured any more
 */
export function traceOps(connection, options = {}) {
  refuseUnknown('traceOps', options, ['tracer', 'measure']);
  const { tracer, measure = !tracer } = options;
  const tracing = new Tracing(tracer, measure && canMeasure());
  const tracings = tracingsOf.get(connection) ?? watch(connection);
  tracings.add(tracing);
  return () => {
    if (!tracings.delete(tracing)) return;
    tracing.end();
    if (!tracings.size) unwatch(connection);
  };
}

/**
 * Looks at the messages of a connection from now on.
 *
 * @param {any} connection
 */
function watch(connection) {
  /** @type {Set<Tracing>} */
  const tracings = new Set();
  const { _post: post, _receive: receive } = connection;
  connection._post = function tracedPost(/** @type {string} */ text) {
    for (const tracing of tracings) tracing.sent(text);
    return post.call(this, text);
  };
  connection._receive = function tracedReceive(
    /** @type {string} */ text,
    /** @type {boolean} */ urgent,
  ) {
    for (const tracing of tracings) tracing.received(text);
    return receive.call(this, text, urgent);
  };
  tracingsOf.set(connection, tracings);
  return tracings;
}

/** @param {any} connection */
function unwatch(connection) {
  tracingsOf.delete(connection);
  // Those of the class are found again.
  delete connection._post;
  delete connection._receive;
}

class Tracing {
  /**
   * @param {Tracer | undefined} tracer
   * @param {boolean} measures
   */
  constructor(tracer, measures) {
    this._tracer = tracer;
    this._measures = measures;
    /** Without an outcome, by document and number. @type {Map<string, Op>} */
    this._ops = new Map();
  }

  /** @param {string} text to the host */
  sent(text) {
    if (!text.startsWith('{"doc.submitOp"')) return;
    const { collection, id, seq } = JSON.parse(text)['doc.submitOp'];
    const key = keyOf(collection, id, seq);
    // One that is sent to the next host began with the first.
    if (this._ops.has(key)) return;
    const name = `sharedb op ${collection}/${id} #${seq}`;
    const attributes = { 'sharedb.collection': collection, 'sharedb.id': id, 'sharedb.seq': seq };
    const span = this._tracer?.startSpan('sharedb.op', { attributes });
    this._ops.set(key, { name, began: performance.now(), span });
  }

  /** @param {string} text of the host */
  received(text) {
    if (!this._ops.size || !text.includes('"doc.event"')) return;
    const { collection, id, event } = JSON.parse(text).message?.['doc.event'] ?? {};
    const { accepted, rejected, outcome } = event ?? {};
    if (accepted) this._accept(keyOf(collection, id, accepted.seq));
    if (rejected) this._finish(keyOf(collection, id, rejected.seq), rejected.error);
    for (const seq of outcome?.seqs ?? [])
      this._finish(keyOf(collection, id, seq), outcome.outcome?.failed);
  }

  /** @param {string} key */
  _accept(key) {
    const op = this._ops.get(key);
    if (!op || op.accepted !== undefined) return;
    op.accepted = performance.now();
    op.span?.addEvent?.('accepted');
    this._measure(op, 'accepted', op.began, op.accepted);
  }

  /**
   * @param {string} key
   * @param {any} [error]
   */
  _finish(key, error) {
    const op = this._ops.get(key);
    if (!op) return;
    this._ops.delete(key);
    const { began, accepted = began, span } = op;
    this._measure(op, error ? 'rejected' : 'acknowledged', accepted, performance.now());
    if (error) {
      // 2 is `ERROR` of OpenTelemetry's status codes.
      span?.setStatus?.({ code: 2, message: error.message });
      span?.setAttribute?.('sharedb.error', String(error.code ?? error.message));
    }
    span?.end();
  }

  /**
   * @param {Op} op
   * @param {string} step
   * @param {number} start
   * @param {number} end
   */
  _measure({ name }, step, start, end) {
    if (this._measures) performance.measure(`${name} ${step}`, { start, end });
  }

  end() {
    for (const { span } of this._ops.values()) span?.end();
    this._ops.clear();
  }
}

/**
 * @param {string} collection
 * @param {string} id
 * @param {number} seq
 */
const keyOf = (collection, id, seq) => JSON.stringify([collection, id, seq]);
