/**
 * A page that coordinates with others, and opens no document.
 *
 *   coordinator.html?host=shared-worker[&store=durable][&signalr]
 */

import { TabCoordinator } from 'sharedb-proxy/coordinator';
import { connections } from './hub.js';

const query = new URLSearchParams(location.search);
const host = query.get('host') ?? 'shared-worker';
const hasHub = query.has('signalr');
const module = new URL(hasHub ? './signalr-worker.js' : './worker.js', import.meta.url);

const coordinator = new TabCoordinator({
  namespace: hasHub ? 'hub lab' : 'coordinator lab',
  durableStore: query.get('store') === 'durable' && { encrypt: false },
  useSharedWorker: host === 'shared-worker',
  worker: (name) => new SharedWorker(module, { type: 'module', name }),
  ...(hasHub && { connections, refresh: () => `token ${crypto.randomUUID()}` }),
  dedicatedWorker: host !== 'in-page' && ((name) => new Worker(module, { type: 'module', name })),
});

const heard = [];
const news = [];
coordinator.on('signalr_message', ({ payload }) => news.push(payload.arguments[0]));
coordinator.on('logged out', () => heard.push('logged out'));
coordinator.on('idle-warning', () => heard.push('idle-warning'));
coordinator.on('idle-timeout', () => heard.push('idle-timeout'));

let answer;
/** Resolves when the server is to answer. */
const answered = new Promise((resolve) => (answer = resolve));

/** Asks for a token in the name of all tabs, as an application asks its server. */
const refresh = () =>
  coordinator.refresh(async () => {
    await answered;
    globalThis.requests = (globalThis.requests ?? 0) + 1;
    return `token of ${coordinator.tabId}`;
  });

globalThis.lab = { coordinator, heard, news, refresh, answer };

await coordinator.register();
/** What the page shows first: the session's state is there. */
globalThis.firstPaint = coordinator.bundle?.snapshot ?? null;
document.body.dataset.ready = '';
