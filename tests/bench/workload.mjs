/** The documents and ops of the measurements; the json0 rows have their own, in `tests/oracle/bench-json0.mjs`. */

/** A document for `submits`. */
export const emptyDocument = () => ({ items: [], fields: {}, count: 0 });

/**
 * So many ops of one component, of the kinds that applications send. No two of them can be merged into one
 * component, so a pending op composed of them is as long as they are many.
 */
export function submits(count) {
  const ops = [];
  for (let i = 0; i < count; i++) {
    const at = i >> 1;
    if (i % 2) ops.push([{ p: ['fields', `field-${at}`], oi: { x: at, label: `Label ${at}` } }]);
    else ops.push([{ p: ['items', at], li: { id: at, title: `Item ${at}`, done: false } }]);
  }
  return ops;
}

/** So many ops of another client on the same document; they meet the pending op of `submits`. */
export function remoteOps(count) {
  const ops = [];
  for (let i = 0; i < count; i++) {
    if (i % 2) ops.push([{ p: ['count'], na: 1 }]);
    else ops.push([{ p: ['items', 0], li: `remote ${i}` }]);
  }
  return ops;
}

/** A document that counts. */
export const counters = () => ({ count: 0, there: 0, back: 0 });

/** A document of about 20 kB in JSON. */
export function largeDocument(seed) {
  const items = [];
  for (let i = 0; i < 195; i++) {
    items.push({
      id: `item-${seed}-${i}`,
      title: `Title of item ${i} of ${seed}`,
      done: i % 3 === 0,
      count: i,
      tags: ['red', 'green'],
    });
  }
  return { seed, items };
}
