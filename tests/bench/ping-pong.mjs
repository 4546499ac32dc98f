/** What the page's `echo` and `pingPong` do, asked of a tab of whichever browser. */

/** A round trip that takes longer is not coming back, in milliseconds. */
const LIMIT_MS = 5000;

/** The tab answers each op of another tab on this document. */
export const echo = (tab, collection, id) =>
  tab.evaluate(([c, d]) => globalThis.bench.echo(c, d), [collection, id]);

/**
 * @param {any} tab one of two that have the document open; the other one echoes
 * @param {string} collection
 * @param {string} id
 * @param {number} count
 * @returns {Promise<number[]>} milliseconds of half of each of so many round trips
 */
export const pingPong = (tab, collection, id, count) =>
  tab.evaluate(
    ([c, d, n, limit]) => globalThis.bench.pingPong(c, d, n, limit),
    [collection, id, count, LIMIT_MS],
  );
