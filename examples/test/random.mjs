/** Reproducible random numbers for the tests: the same seed gives the same run (mulberry32). */

/**
 * @param {number} seed
 * @returns {(bound: number) => number} whole numbers from 0 up to, not including, `bound`
 */
export function randomFrom(seed) {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** A random splice of `text` that inserts from `pieces`. */
export function randomSplice(random, text, pieces) {
  const at = random(text.length + 1);
  const remove = random(2) * random(Math.min(6, text.length - at + 1));
  return { at, remove, insert: random(3) > 0 || remove === 0 ? pieces[random(pieces.length)] : '' };
}
