/** The messages that tabs send each other: their types, and what a message has to be. */

import { shared } from '../platform/shared.js';

/** What a message is about. @type {typeof import('../coordinator.d.ts').WorkerMessageType} */
export const WorkerMessageType = /** @type {any} */ (
  Object.freeze({
    CONNECT: 'connect',
    DISCONNECT: 'disconnect',
    STATE_UPDATE: 'state_update',
    SIGNALR_MESSAGE: 'signalr_message',
    SESSION_REFRESH: 'session_refresh',
    ERROR: 'error',
  })
);

const TYPES = /** @type {string[]} */ (Object.values(WorkerMessageType));
/** What a tab that was away hears first. */
const URGENT = ['session_refresh', 'error'];

/** @param {string} type */
export const isUrgent = (type) => URGENT.includes(type);

/**
 * @param {any} type
 * @throws where there is no such type
 */
export function checkType(type) {
  if (TYPES.includes(type)) return;
  const message = `There is no message of the type ${String(type)}: there are ${TYPES.join(', ')}`;
  throw new shared.Error('ERR_MESSAGE_TYPE_UNKNOWN', message);
}

/**
 * @param {any} broadcast
 * @returns {import('../coordinator.d.ts').SharedWorkerMessage}
 */
export function messageOf({ from, request, message: { type, payload, timestamp } }) {
  return { type, payload, tabId: from, timestamp, correlationId: `${from}:${request}` };
}
