/** What crosses between tabs and hosts is JSON: values and errors as such, and what cannot be. */

import { shared } from './shared.js';

/**
 * The text of a value.
 *
 * @param {any} value
 * @param {string} what for the message
 * @returns {string}
 * @throws where it is not JSON
 */
export function textOf(value, what) {
  let text;
  let reason = 'it has no JSON';
  try {
    text = JSON.stringify(value);
  } catch (/** @type {any} */ error) {
    reason = error?.message ?? String(error);
  }
  if (text !== undefined) return text;
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
