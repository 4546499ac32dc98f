/** Counts marked edits: what tabs said of each, and how often it is in the server's log. */
import assert from 'node:assert/strict';

/** The markers in one op of the log. */
const markersIn = ({ op = [] }) =>
  op.flatMap(({ p, li, oi }) => {
    if (li !== undefined) return [li];
    return oi === undefined ? [] : [p[1]];
  });

/** What is known of one edit. */
const nothing = () => ({
  ...{ submitted: 0, acknowledged: 0, failed: 0, seen: 0, takenBack: 0 },
  errors: [],
});

export class Ledger {
  /** By marker. @type {Map<string, ReturnType<typeof nothing>>} */
  edits = new Map();
  /** Reports that came. */
  count = 0;
  /** Errors of connections. */
  errors = [];

  /** Takes the reports of all pages of a stage, also of those that are loaded later. */
  listen(stage) {
    stage.onReport = (kind, marker, detail) => this.take(kind, marker, detail);
  }

  take(kind, marker, detail) {
    this.count += 1;
    if (kind === 'error') return void this.errors.push(detail);
    if (!this.edits.has(marker)) this.edits.set(marker, nothing());
    const edit = this.edits.get(marker);
    edit[kind] += 1;
    if (detail) edit.errors.push(detail);
  }

  /** The edits of a page that called them `name.0` and so on. */
  of(name) {
    return [...this.edits].filter(([marker]) => marker.startsWith(`${name}.`));
  }

  /** Whether every callback of the page's edits came. */
  areAnswered(name) {
    return this.of(name).every(([, { acknowledged, failed }]) => acknowledged + failed > 0);
  }

  markers() {
    return [...this.edits.keys()];
  }
}

/**
 * How often each marker is in the server's logs of these documents. No two ops there have one name.
 *
 * @param {import('./stage.mjs').Stage} stage
 * @param {string[]} ids
 * @returns {Promise<Map<string, number>>}
 */
export async function countLogged(stage, ids) {
  const counts = new Map();
  for (const id of ids) {
    const log = await stage.admin(`ops?d=${id}`);
    const names = log.map(({ src, seq }) => `${src} ${seq}`);
    assert.equal(new Set(names).size, names.length, 'no (src, seq) is used twice');
    for (const marker of log.flatMap(markersIn)) counts.set(marker, (counts.get(marker) ?? 0) + 1);
  }
  return counts;
}

/** The markers in the server's log of a document, in its order. */
export async function logged(stage, id) {
  return (await stage.admin(`ops?d=${id}`)).flatMap(markersIn);
}
