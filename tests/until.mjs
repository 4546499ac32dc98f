import { setTimeout as pause } from 'node:timers/promises';

/** How long a condition may take, in milliseconds: far more than a loaded machine needs, and less than the runners give a test. */
export const LIMIT_MS = 15_000;
/** How often a condition is looked at, in milliseconds. */
const LOOK_MS = 10;

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
      throw new Error(`waited ${limitMs} ms in vain until ${what} ${last}`);
    }
    await pause(LOOK_MS);
  }
}

/** The same for a condition whose source says what it is. */
export const untilTrue = (condition) => until(String(condition), condition);
