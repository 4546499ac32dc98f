/**
 * The connection of the demos: its host runs in a shared worker that is a module of the application's own, which is
 * where further OT types are registered.
 *
 * Documents and unsent changes are kept in the browser, also when all tabs are closed: a page opens and takes changes without
 * a server. `?store=session` has them deleted with the last tab.
 *
 * `?namespace=n` shares the host with the pages of that namespace only.
 *
 * `?host=elected-tab` has the host in a worker of one of the tabs, `?host=in-page` in the page of one. `?worker=packaged` takes the worker that comes with the package, and
 * `?worker=missing` one that is not there, to see what an application is told.
 */
import { createConnection as connect } from 'sharedb-proxy';
import { END, workerChannel } from './worker-channel.js';

export { types } from 'sharedb-proxy';

const query = new URLSearchParams(location.search);
// Nothing here is encrypted, in the worker neither: so a host in the page may store the same.
const durableStore = query.get('store') !== 'session' && { encrypt: false };

// The demos have one user. An application gives the user's id.
const namespace = query.get('namespace') ?? (durableStore ? 'sharedb-proxy-demos' : undefined);

// A worker's host is durable for all of its tabs or for none.
const name = ['sharedb-proxy-demos', durableStore && 'durable', namespace]
  .filter(Boolean)
  .join(' ');

const worker = () =>
  new SharedWorker(new URL('./worker.js', import.meta.url), { type: 'module', name });

/** The same for where one of the tabs has the host. */
const dedicatedWorker = () =>
  new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name });

const MISSING = '/no-such-worker.js';
const missing = {
  worker: () => new SharedWorker(MISSING, { type: 'module' }),
  dedicatedWorker: () => new Worker(MISSING, { type: 'module' }),
};

/** Ends the worker that has the host, as a crash would; `null` where the worker is not the demos' own. */
export const killWorker = query.has('worker')
  ? null
  : () => {
      // Open for no longer than it takes: a page that listens to a channel is not kept for the way back.
      const channel = workerChannel(name);
      channel.postMessage(END);
      channel.close();
    };

/** @param {string} url address of the ShareDB WebSocket */
export function createConnection(url) {
  const host = query.get('host') ?? 'shared-worker';
  const options = { url, durableStore, namespace, useSharedWorker: host === 'shared-worker' };
  if (host === 'in-page') options.dedicatedWorker = false;
  if (query.get('worker') === 'packaged') return connect(options);
  options.dedicatedWorker ??= dedicatedWorker;
  if (query.get('worker') === 'missing') return connect({ ...options, ...missing });
  return connect({ ...options, worker });
}
