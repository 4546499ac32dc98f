/**
 * A worker whose machine traps while it is at something:
 *
 *   trapping-worker.js?cause=0&mark=text
 *   trapping-worker.js?always
 *
 * See `trapping.js`. The BroadcastChannel of the worker's name tells of each `worker` that is started and of each `life` of a host
 * in it.
 */

import { serve } from 'sharedb-proxy/worker';
import { installTraps } from './trapping.js';

const query = new URLSearchParams(location.search);
const channel = new BroadcastChannel(self.name);
installTraps(
  {
    cause: Number(query.get('cause')),
    mark: query.get('mark') ?? undefined,
    always: query.has('always'),
  },
  () => channel.postMessage('life'),
);
channel.postMessage('worker');
serve();
