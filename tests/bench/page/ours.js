/** The bench page on our client, its host in a shared worker, or with `host=elected` in a worker of one of the tabs. */

import { createConnection } from 'sharedb-proxy';
import { start } from './page.js';

const query = new URLSearchParams(location.search);
/** Names the durable store; without it there is none. */
const durable = query.get('durable');

start((url) => {
  const name = durable ?? url;
  return createConnection(url, {
    namespace: name,
    durableStore: Boolean(durable),
    useSharedWorker: query.get('host') !== 'elected',
    worker: () =>
      new SharedWorker(new URL('./worker.js', import.meta.url), { type: 'module', name }),
    dedicatedWorker: () =>
      new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name }),
  });
});
