/**
 * Cleans a trace: makes its texts valid for JSON anywhere, and removes on request all that users wrote.
 *
 * Redaction goes by a list of what may stay: the names and numbers of the protocols. Everything else is replaced by its
 * type and length, so that what a later version adds does not slip through.
 */

/** Texts of these are not JSON: they name a kind, a state or a number. Others of the same input are. */
const PLAIN = /^(open|wipe|read|write|docs|meta|quota|closed|silent|unavailable|fenced|other)$/;

/** Fields whose objects and lists are looked into. */
const STRUCTURE = new Set([
  ...['message', 'callback', 'result', 'event', 'doc.event', 'accepted', 'rejected'],
  ...['outcome', 'version', 'rollback', 'rebuilt', 'load', 'error', 'welcome', 'host.welcome'],
  ...['connection', 'connection.event', 'state', 'storage', 'storage.event', 'query.event'],
  ...['presence.event', 'update', 'tab.register', 'resume', 'tab.received', 'connection.close'],
  ...['connection.ping', 'connection.offerUrls', 'connection.url', 'connection.bulk', 'reads'],
  ...['connection.read', 'connection.status', 'host.debug', 'doc.submitOp', 'doc.ingestSnapshot'],
  ...['query.create', 'query.destroy', 'connection.fetchSnapshot', 'presence.subscribe'],
  ...['presence.unsubscribe', 'presence.submit', 'connection.getBulk', 'connection.putDocs'],
  ...['connection.flushWrites', 'connection.setAutoFlush', 'storage.watch', 'storage.wipe'],
  ...['doc.destroy', 'doc', 'key', 'snapshot', 'read', 'docs', 'ended', 'seqs', 'earlier'],
]);

/** Fields whose texts and numbers stay: which document, which op, which state, by which number. */
const NAMES = new Set([
  ...['epoch', 'callbackId', 'collection', 'id', 'revision', 'next', 'version', 'seq', 'seqs'],
  ...['src', 'tab', 'life', 'line', 'protocol', 'machine', 'count', 'generation', 'state', 'round'],
  ...['code', 'action', 'queryId', 'visible', 'on', 'preventCompose', 'resume', 'from', 'mode'],
  ...['a', 'c', 'd', 'v', 'protocolMinor', 'channel', 'ch', 'pv', 'type', 'live', 'details'],
]);

/**
 * What JSON carries anywhere: half a surrogate pair becomes the character that stands for it in WebAssembly.
 *
 * @param {string} _
 * @param {any} value
 * @returns {any}
 */
export function wellFormed(_, value) {
  if (typeof value === 'string') return repaired(value);
  if (Array.isArray(value)) return value.map((item) => wellFormed(_, item));
  return value;
}

const LONE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/** @param {string} text */
const repaired = (text) => text.replace(LONE, '\uFFFD');

/**
 * The value without users' content.
 *
 * @param {string} name of the input or output
 * @param {any} value
 * @returns {any}
 */
export function redacted(name, value) {
  if (Array.isArray(value)) return value.map((item) => redacted(name, item));
  if (typeof value !== 'string') return value;
  if (name === 'type') return isName(value) ? value : standIn(value);
  if (PLAIN.test(value) || isName(value)) return value;
  try {
    return withoutContents(JSON.parse(value), true);
  } catch {
    return standIn(value);
  }
}

/** Ids of tabs and clients, and names of methods: no spaces, no punctuation of text or addresses. */
const isName = (/** @type {string} */ text) => /^[\w.-]{1,40}$/.test(text);

/**
 * @param {any} value
 * @param {boolean} mayStay
 * @returns {any}
 */
function withoutContents(value, mayStay) {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value !== 'object') return mayStay ? value : standIn(value);
  if (!mayStay) return standIn(value);
  if (Array.isArray(value)) return value.map((item) => withoutContents(item, true));
  const fields = Object.entries(value).map(([key, content]) => {
    const isContainer = typeof content === 'object' && content !== null;
    const mayStay = (isContainer ? STRUCTURE : NAMES).has(key) || isEvent(key, content);
    return [key, withoutContents(content, mayStay)];
  });
  return Object.fromEntries(fields);
}

/**
 * The event of an op, which is named as the op itself is elsewhere.
 *
 * @param {string} key
 * @param {any} content
 */
const isEvent = (key, content) =>
  key === 'op' && typeof content?.revision === 'number' && typeof content.next === 'number';

/** @param {any} value */
function standIn(value) {
  const length = typeof value === 'string' ? value.length : JSON.stringify(value).length;
  return { redacted: Array.isArray(value) ? 'array' : typeof value, length };
}
