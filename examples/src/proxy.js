/**
 * The connection of the demos: its host runs in a shared worker that is a module of the application's own, which is
 * where further OT types are registered.
 *
 * `?host=page` keeps the host in the page, `?worker=packaged` takes the worker that comes with the package, and
 * `?worker=missing` one that is not there, to see what an application is told.
 */
import { createConnection as connect } from 'sharedb-proxy';

export { types } from 'sharedb-proxy';

const query = new URLSearchParams(location.search);

const worker = () =>
  new SharedWorker(new URL('./worker.js', import.meta.url), {
    type: 'module',
    name: 'sharedb-proxy-demos',
  });

const missingWorker = () => new SharedWorker('/no-such-worker.js', { type: 'module' });

/** @param {string} url address of the ShareDB WebSocket */
export function createConnection(url) {
  if (query.get('host') === 'page') return connect({ url, useSharedWorker: false });
  if (query.get('worker') === 'packaged') return connect(url);
  if (query.get('worker') === 'missing') return connect({ url, worker: missingWorker });
  return connect({ url, worker });
}
