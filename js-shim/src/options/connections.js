/** The second connection, as an option: of a worker's `serve`, and of a page whose host may be in the page. */

import { isFunction, optionError, refuseUnknown } from './options.js';

/**
 * @param {string} whose for the message
 * @param {any} connections
 */
export function checkConnections(whose, connections) {
  if (connections === undefined) return;
  refuseUnknown(`${whose}.connections`, connections ?? {}, ['signalr']);
  if (isFunction(connections?.signalr)) return;
  const message = `${whose}.connections is not {signalr: a function that makes the connection}`;
  throw optionError('ERR_OPTION_INVALID', message);
}

/**
 * The packaged worker has no such function.
 *
 * @param {any} connections
 */
export function refuseConnections(connections) {
  if (!connections) return;
  const message =
    'connections cannot be sent to a worker: give them to serve({connections}) in a worker of your own, too, or say ' +
    'useSharedWorker: false';
  throw optionError('ERR_OPTION_INVALID', message);
}
