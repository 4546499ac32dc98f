/** The bench page on our client, its host in a shared worker. */

import { createConnection } from 'sharedb-proxy';
import { start } from './page.js';

start((url) =>
  createConnection(url, {
    worker: () =>
      new SharedWorker(new URL('./worker.js', import.meta.url), { type: 'module', name: url }),
  }),
);
