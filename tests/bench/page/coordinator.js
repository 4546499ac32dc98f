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

/** By the id of a tab, when the browser had freed its Web Lock. */
const freed = {};
const lockOf = (id) => `bench tab ${id}`;
await new Promise((held) => {
  void navigator.locks.request(lockOf(tabs.tabId), () => {
    held();
    return new Promise(() => {});
  });
});

/** Waits for the locks of all other tabs. */
const watch = () => {
  for (const id of tabs.connectedTabs) {
    if (id === tabs.tabId || id in freed) continue;
    freed[id] = undefined;
    void navigator.locks.request(lockOf(id), { mode: 'shared' }, () => (freed[id] = Date.now()));
  }
};

globalThis.bench = {
  isConnected: () => true,
  id: tabs.tabId,
  gone,
  freed,
  watch,
  count: () => tabs.connectedTabs.size,
};
