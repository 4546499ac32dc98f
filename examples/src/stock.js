/**
 * The stock ShareDB client under the names that `sharedb-proxy` uses, for comparison: open a page with
 * `?client=stock` and every tab has a socket and a copy of the document of its own.
 */
import { Connection, types } from 'sharedb/lib/client';

export { types };

/** There is no worker. */
export const killWorker = null;

/** Wait before the first attempt to connect again, in milliseconds; doubled up to the longest. */
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 4000;

/**
 * A stock connection that opens a new socket when one is lost.
 * @param {string} url address of the ShareDB WebSocket
 */
export function createConnection(url) {
  let retryMs = FIRST_RETRY_MS;
  const connection = new Connection(new WebSocket(url));
  connection.on('connected', () => {
    retryMs = FIRST_RETRY_MS;
  });
  connection.on('disconnected', () => {
    setTimeout(() => connection.bindToSocket(new WebSocket(url)), retryMs);
    retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
  });
  connection.host = { kind: 'in-page', reason: 'the stock client, for comparison' };
  connection.hostStatus = (callback) => {
    callback(null, {
      tabs: 1,
      sockets: connection.canSend ? 1 : 0,
      pendingOps: countPendingOps(connection),
    });
  };
  return connection;
}

function countPendingOps(connection) {
  const docs = Object.values(connection.collections).flatMap((byId) => Object.values(byId));
  return docs.reduce((sum, doc) => sum + doc.pendingOps.length + (doc.inflightOp ? 1 : 0), 0);
}
