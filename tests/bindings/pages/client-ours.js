/** The page's client: ours, its host in a shared worker of the page's own, which knows json1. */

import { createConnection } from 'sharedb-proxy';

export { types } from 'sharedb-proxy';

const worker = () =>
  new SharedWorker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'bindings' });

export const connect = () => createConnection('/sharedb', { worker });
