/** How long a condition may take, in milliseconds; a loaded machine needs far less. */
export const LIMIT_MS = 15_000;
/** How often a condition is looked at, in milliseconds. */
const LOOK_MS = 15;

/**
 * Waits until `condition` gives something true, and returns that.
 *
 * @template T
 * @param {string} what the condition in words, for the failure
 * @param {() => T | Promise<T>} condition
 * @param {() => any} [seen] what to show in the failure
 * @param {number} [limitMs] how long it may take
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, condition, seen = () => undefined, limitMs = LIMIT_MS) {
  const end = Date.now() + limitMs;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > end) {
      const last = JSON.stringify(await seen())?.slice(0, 2000) ?? '';
      throw new Error(`waited ${limitMs / 1000} s in vain until ${what} ${last}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
