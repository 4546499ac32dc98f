/** The worker of the session demo. Any page can end it. */
import { serve } from 'sharedb-proxy/worker';
import { connections } from './session/stream.js';
import { endWhenTold } from './worker-channel.js';
import { WORKER } from './session/worker-name.js';

serve({ connections });
endWhenTold(WORKER);
