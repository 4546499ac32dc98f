/**
 * The worker of the session demo. Any page can end it, as a crash would: all that it knew is gone, and no tab is told.
 */
import { serve } from 'sharedb-proxy/worker';
import { connections } from './session/stream.js';
import { BEGUN, END, workerChannel } from './session/worker-channel.js';

serve({ connections });
const channel = workerChannel();
channel.addEventListener('message', ({ data }) => data === END && self.close());
channel.postMessage(BEGUN);
