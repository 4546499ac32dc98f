/**
 * What became of each message of a tab, from a host's trace: when the host took it, had it durably, sent it and heard the
 * server's answer. A row goes by its correlation id: an op by tab, document and the tab's number of it; a request by tab and
 * callback id.
 *
 * All times are the host's: when the machine was called. An output has the time of the input that it follows.
 */

/**
 * @typedef {object} Row
 * @property {string} key the correlation id
 * @property {string} tab
 * @property {string} name of the message
 * @property {string} what it is about
 * @property {{name: string, at: number}[]} steps in milliseconds, oldest first
 * @property {string} [outcome] once there is one
 */

/** Rows that are kept. */
const MAX_ROWS = 300;

/** Messages that are about the console itself, or about nothing that has an end. */
const QUIET = new Set(['host.debug', 'connection.status', 'tab.received']);

/** The step at which a row ends. */
export const ANSWERED = 'answered';

export class Timeline {
  constructor() {
    /** By correlation id, oldest first. @type {Map<string, Row>} */
    this._rows = new Map();
    /** The host that this is of. @type {number | undefined} */
    this.epoch = undefined;
    /** The number of the first entry that was not read yet. */
    this.next = 0;
    this._at = 0;
    /** The last tab that spoke: the only one of a private host. */
    this._tab = '';
  }

  /** Newest first. @returns {Row[]} */
  get rows() {
    return [...this._rows.values()].reverse();
  }

  /**
   * Reads what is new in the last life of a trace.
   *
   * @param {string} trace
   */
  read(trace) {
    const { options, first, entries } = JSON.parse(trace).lives.at(-1);
    if (options.epoch !== this.epoch) {
      this.epoch = options.epoch;
      this.next = first;
      this._rows.clear();
    }
    for (const entry of entries.slice(Math.max(0, this.next - first))) this._readEntry(entry);
    this.next = first + entries.length;
    for (const key of this._rows.keys()) {
      if (this._rows.size <= MAX_ROWS) break;
      this._rows.delete(key);
    }
  }

  /** @param {any[]} entry */
  _readEntry([kind, ...rest]) {
    if (kind === 'in') {
      const [at, name, args] = rest;
      this._at = at;
      if (name === 'handleTab') this._asked(args[0], contentsOf(args[1]));
      if (name === 'socketMessage') this._heard(contentsOf(args[0]));
    } else if (kind === 'out') {
      const [name, args] = rest;
      if (name === 'toTab') this._told(args[0] ?? this._tab, contentsOf(args[1]));
      if (name === 'send') this._sent(contentsOf(args[0]));
    }
  }

  // ---- Tabs ----

  /**
   * @param {string} tab
   * @param {any} message
   */
  _asked(tab, message) {
    this._tab = tab;
    const [[name, content] = []] = Object.entries(message);
    if (!name || QUIET.has(name)) return;
    if (name === 'doc.submitOp') {
      const { collection, id, seq } = content;
      return this._begin(opKey(tab, content, seq), tab, name, `${collection}/${id} #${seq}`);
    }
    for (const request of content?.reads ?? [content]) {
      const { callbackId, action = name } = request ?? {};
      if (callbackId !== undefined)
        this._begin(`${tab} ${callbackId}`, tab, action, subjectOf(request));
    }
  }

  /**
   * @param {string} key
   * @param {string} tab
   * @param {string} name
   * @param {string} what
   */
  _begin(key, tab, name, what) {
    // A resend is one more step.
    const row = this._rows.get(key) ?? { key, tab, name, what, steps: [] };
    row.steps.push({ name: row.steps.length ? 'sent again' : 'taken', at: this._at });
    this._rows.set(key, row);
  }

  /**
   * @param {string} tab
   * @param {any} envelope
   */
  _told(tab, { message }) {
    const { callback, 'doc.event': doc } = message ?? {};
    if (callback) {
      const key = `${tab} ${callback.callbackId}`;
      this._step(key, ANSWERED, callback.error ? outcomeOf(callback.error) : 'answered');
    }
    if (!doc) return;
    const { accepted, rejected, outcome } = doc.event;
    if (accepted) this._step(opKey(tab, doc, accepted.seq), 'accepted');
    if (rejected) this._step(opKey(tab, doc, rejected.seq), ANSWERED, outcomeOf(rejected.error));
    for (const seq of outcome?.seqs ?? []) {
      const failed = outcome.outcome?.failed;
      const how = failed ? outcomeOf(failed) : 'acknowledged';
      this._step(opKey(tab, doc, seq), ANSWERED, how);
    }
  }

  // ---- The server ----

  /** @param {any} message */
  _sent({ a, c, d }) {
    if (a !== 'op') return;
    // What the host has of a document is sent as one op, and the rest when that is acknowledged.
    for (const row of this._opsOf(c, d)) {
      if (hasStep(row, 'accepted') && !hasStep(row, 'sent')) this._step(row.key, 'sent');
    }
  }

  /** @param {any} message */
  _heard({ a, c, d, src, seq }) {
    if (a !== 'op' || src === undefined || seq === undefined) return;
    for (const row of this._opsOf(c, d)) {
      if (hasStep(row, 'sent') && !hasStep(row, 'server')) this._step(row.key, 'server');
    }
  }

  /**
   * @param {string} collection
   * @param {string} id
   */
  _opsOf(collection, id) {
    const prefix = `${collection}/${id} #`;
    const rows = [...this._rows.values()];
    return rows.filter((row) => row.name === 'doc.submitOp' && row.what.startsWith(prefix));
  }

  /**
   * @param {string} key
   * @param {string} name
   * @param {string} [outcome]
   */
  _step(key, name, outcome) {
    const row = this._rows.get(key);
    if (!row || row.outcome) return;
    row.steps.push({ name, at: this._at });
    if (outcome) row.outcome = outcome;
  }
}

/**
 * @param {string} tab
 * @param {{collection: string, id: string}} doc
 * @param {number} seq
 */
const opKey = (tab, { collection, id }, seq) => `${tab} ${collection}/${id} #${seq}`;

/** @param {any} request */
function subjectOf({ collection, id, ids, channel }) {
  if (channel !== undefined) return String(channel);
  if (ids) return `${collection}, ${ids.length} documents`;
  return [collection, id].filter((part) => typeof part === 'string').join('/');
}

/** @param {any} error */
const outcomeOf = ({ code, message }) => String(code ?? message ?? 'failed');

/**
 * @param {Row} row
 * @param {string} name
 */
const hasStep = ({ steps }, name) => steps.some((step) => step.name === name);

/**
 * @param {any} text that may have been redacted or cut
 * @returns {any}
 */
function contentsOf(text) {
  if (typeof text !== 'string') return text ?? {};
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
