/** Random numbers from a seed (mulberry32): the same seed gives the same numbers, so that a run can be repeated. */

/** Integers from 0 up to, not including, 2 ** 32. */
function integersFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/**
 * @param {number} seed
 * @returns {() => number} numbers from 0 up to, not including, 1
 */
export function fractionsFrom(seed) {
  const next = integersFrom(seed);
  return () => next() / 2 ** 32;
}

/**
 * @param {number} seed
 * @returns {(bound: number) => number} whole numbers from 0 up to, not including, `bound`
 */
export function wholesFrom(seed) {
  const next = integersFrom(seed);
  return (bound) => next() % bound;
}
