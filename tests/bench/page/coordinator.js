/** The bench page that coordinates with other tabs, and opens no document. It notes when tabs were known to be gone. */

import { TabCoordinator } from 'sharedb-proxy/coordinator';

const module = new URL('./worker.js', import.meta.url);

const tabs = new TabCoordinator({
  namespace: 'bench coordination',
  worker: (name) => new SharedWorker(module, { type: 'module', name }),
  dedicatedWorker: (name) => new Worker(module, { type: 'module', name }),
});

/** By the id of a tab, when `connectedTabs` was right without it: milliseconds since 1970. */
const gone = {};
tabs.on('leave', ({ id }) => (gone[id] ??= Date.now()));
await tabs.register();

globalThis.bench = {
  isConnected: () => true,
  id: tabs.tabId,
  gone,
  count: () => tabs.connectedTabs.size,
};
