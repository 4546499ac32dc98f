/**
 * The coordinator of this tab. It needs no ShareDB server and opens no socket: its namespace says which tabs belong together.
 *
 * `?host=elected-tab` has the host in a worker of one of the tabs, `?host=in-page` in the page of one.
 */
import { TabCoordinator } from 'sharedb-proxy/coordinator';
import { connections, newToken } from './stream.js';

/** When all tabs are warned, and when the time is over, in milliseconds without the user. */
export const IDLE = { warnAfter: 20_000, timeoutAfter: 30_000 };

const host = new URLSearchParams(location.search).get('host') ?? 'shared-worker';

const worker = (name) =>
  new SharedWorker(new URL('../session-worker.js', import.meta.url), { type: 'module', name });

/** The same for where one of the tabs has the host. */
const dedicatedWorker = (name) =>
  new Worker(new URL('../session-worker.js', import.meta.url), { type: 'module', name });

export const tabs = new TabCoordinator({
  // An application names its user here.
  namespace: 'sharedb-proxy-demos session',
  useSharedWorker: host === 'shared-worker',
  worker,
  dedicatedWorker: host !== 'in-page' && dedicatedWorker,
  // The worker has them, too: this is for a host in the page.
  connections,
  refresh: newToken,
});
