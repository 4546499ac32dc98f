/**
 * `doc.inflightOp` and `doc.pendingOps`: the ops of a document that the server has not acknowledged, as the stock
 * client has them. The machine holds them; these are copies.
 */

import { pick } from '../options/options.js';
import { asError, shared } from '../platform/shared.js';

/** @typedef {import('./doc.js').Doc} Doc */

/** @param {Doc} doc */
export function inflightOp(doc) {
  const [first] = unfinished(doc);
  return isInflight(doc, first) ? first.op : null;
}

/**
 * A copy, but for `push`: applications hand in so what they kept offline, an op whose change `doc.data` holds already,
 * and call `flush()`.
 *
 * @param {Doc} doc
 */
export function pendingOps(doc) {
  const ops = unfinished(doc);
  const pending = ops.slice(isInflight(doc, ops[0]) ? 1 : 0).map(({ op }) => op);
  const push = (/** @type {any[]} */ ...kept) => {
    for (const op of kept) handIn(doc, op);
    return Array.prototype.push.apply(pending, kept);
  };
  return Object.defineProperty(pending, 'push', { value: push });
}

/**
 * Offline nothing is on its way, although the host may have the op already.
 *
 * @param {Doc} doc
 * @param {{sent: boolean} | undefined} first
 */
function isInflight(doc, first) {
  return Boolean(first?.sent) && doc.connection.canSend;
}

/**
 * Oldest first.
 *
 * @param {Doc} doc
 */
function unfinished(doc) {
  const { _core, _submissions } = doc.connection;
  return _core.unfinished(doc._handle).map(([kind, text, type, seq, src, sent, tokens]) => {
    const content = text === undefined ? undefined : JSON.parse(text);
    const calls = tokens.map((/** @type {number} */ token) => _submissions.get(token));
    return {
      sent,
      op: {
        ...(kind === 'op' && { op: content }),
        ...(kind === 'create' && { create: { type, data: content } }),
        ...(kind === 'del' && { del: true }),
        type: kind === 'create' ? null : (shared.types.map[type] ?? null),
        source: calls[0]?.source,
        callbacks: calls.map((/** @type {any} */ call) => call?.callback),
        ...(doc._sent?.seq === seq && pick(doc._sent, ['sentAt', 'retries'])),
        src,
        seq,
      },
    };
  });
}

/**
 * @param {Doc} doc
 * @param {any} op as in ShareDB: `{op | create | del, src, seq, callbacks}`
 */
function handIn(doc, { op, create, del, src, seq, callbacks = [] }) {
  if (!doc._attach()) throw doc._outOfPlace();
  const { connection } = doc;
  const isHeard = callbacks.some(Boolean);
  const callback = (/** @type {any} */ error) => {
    for (const each of callbacks) each?.(error);
  };
  const change = JSON.stringify({ op, create, del: Boolean(del) });
  const content = () => ({
    ...(op !== undefined && { op }),
    ...(create && { create }),
    ...(del && { del: true }),
  });
  const call = { callback: isHeard ? callback : undefined, source: true, doc, content };
  const token = connection._keep(call);
  try {
    connection._core.restoreOp(doc._handle, change, src, seq, token, isHeard);
  } catch (error) {
    throw asError(error);
  }
}
