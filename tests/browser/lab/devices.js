/**
 * A page of one of a user's devices, which runs something on one of them.
 *
 *   devices.html?host=shared-worker&name=desk[&ttl=3000]
 */

import { createConnection } from 'sharedb-proxy';
import { TabCoordinator } from 'sharedb-proxy/coordinator';

const query = new URLSearchParams(location.search);
const host = query.get('host') ?? 'shared-worker';
const module = new URL('./worker.js', import.meta.url);

const connection = createConnection(`ws://${location.host}/sharedb`, {
  namespace: 'devices lab',
  useSharedWorker: host === 'shared-worker',
  worker: (name) => new SharedWorker(module, { type: 'module', name }),
  dedicatedWorker: host !== 'in-page' && ((name) => new Worker(module, { type: 'module', name })),
});
const name = query.get('name');
const coordinator = new TabCoordinator({
  connection,
  devices: { collection: 'devices', id: 'ada', name, ttl: 10_000 },
});

const heard = [];
globalThis.lab = { coordinator, connection, heard };
await coordinator.register();
coordinator.devices.receive(({ payload }) => heard.push(payload));

/** The lease that this page holds, or held. */
globalThis.held = undefined;
coordinator.runOnOneDevice((lease) => void (globalThis.held = lease), {
  ttl: Number(query.get('ttl') ?? 3_000),
});
document.body.dataset.ready = '';
