/** The bench page on our client, its host in a shared worker. */

import { createConnection } from 'sharedb-proxy';
import { start } from './page.js';

/** Names the durable store; without it there is none. */
const durable = new URLSearchParams(location.search).get('durable');

start((url) => {
  const name = durable ?? url;
  return createConnection(url, {
    namespace: name,
    durableStore: Boolean(durable),
    worker: () =>
      new SharedWorker(new URL('./worker.js', import.meta.url), { type: 'module', name }),
  });
});
