/** What crosses between tabs and hosts is JSON: values and errors as such, and what cannot be. */

import { shared } from './shared.js';

/**
 * A value as it is on the other side: a copy of what JSON can say of it, `null` where there is none.
 *
 * @param {any} value
 * @param {string} what for the message
 * @returns {any}
 * @throws where it is not JSON
 */
export function copyOf(value, what) {
  let text;
  let reason = 'it has no JSON';
  try {
    text = JSON.stringify(value ?? null);
  } catch (/** @type {any} */ error) {
    reason = error?.message ?? String(error);
  }
  if (text !== undefined) return JSON.parse(text);
  throw new shared.Error('ERR_PAYLOAD_INVALID', `${what} cannot be sent to other tabs: ${reason}`);
}

/**
 * What of an exception others are told.
 *
 * @param {any} thrown
 * @param {string} [otherwise] its code, where it has none
 * @returns {{code?: string, message: string}}
 */
export function jsonError(thrown, otherwise) {
  const { code: given, message = String(thrown) } = thrown ?? {};
  const code = typeof given === 'string' ? given : otherwise;
  return { message: String(message), ...(code && { code }) };
}
