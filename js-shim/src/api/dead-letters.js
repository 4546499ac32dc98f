/**
 * Dead letters: ops that the server rejected, and pending ops that were given up with them. The host keeps them; this
 * turns the machine's mirror of them into `connection.deadLetters`, and never removes one.
 */

import { partsOf, shared, toError } from '../platform/shared.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('../index.d.cts').DeadLetter} DeadLetter */

/**
 * All letters, oldest first. There may be many: those that were read before are not read again.
 *
 * @param {any} core
 * @param {DeadLetter[]} [known]
 * @returns {DeadLetter[]}
 */
export function readLetters(core, known = []) {
  const numbers = new Set(core.deadLetterNumbers());
  const last = known.at(-1)?.number ?? 0;
  return [
    ...known.filter(({ number }) => numbers.has(number)),
    ...JSON.parse(core.deadLettersAfter(last)).map(asLetter),
  ];
}

/** @param {any} letter as the machine writes it */
function asLetter({ number, doc: { collection, id }, change, error, version }) {
  const { op, create, del, type } = change;
  return {
    number,
    collection,
    id,
    ...(op !== undefined && { op, type }),
    ...(create && { create }),
    ...(del && { del }),
    error: toError(partsOf(error)),
    version: version ?? null,
  };
}

/**
 * Tells the application of letters that have come. Those that were there when this tab came are not new; they are not
 * passed over in silence either.
 *
 * @param {Connection} connection
 * @param {DeadLetter[] | null} before `null` where this is the first word of the host
 * @param {DeadLetter[]} letters
 */
export function announceLetters(connection, before, letters) {
  if (!before) return announceOld(letters.length);
  const known = new Set(before.map(({ number }) => number));
  const news = letters.filter(({ number }) => !known.has(number));
  const { opErrorCallback } = connection.durableStore?._options ?? {};
  const calls = news.flatMap((letter) => [
    () => opErrorCallback?.(letter.error, letter),
    () => announce(connection, letter),
  ]);
  callAll(calls);
}

/**
 * @param {Connection} connection
 * @param {DeadLetter} letter
 */
function announce(connection, letter) {
  if (connection.emit('dead letter', letter)) return;
  const { collection, id, error } = letter;
  shared.logger.warn(`An op on ${collection}/${id} was given up: ${error.message}`, letter);
}

/**
 * Calls all; what the first threw that did is thrown when the last has been called.
 *
 * @param {(() => void)[]} calls
 */
function callAll(calls) {
  let failure;
  for (const call of calls) {
    try {
      call();
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure) throw failure.error;
}

/** @param {number} count */
function announceOld(count) {
  if (count) shared.logger.warn(`connection.deadLetters has ${count} ops that were given up`);
}
