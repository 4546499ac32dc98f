/**
 * The worker of the session demo. Any page can end it, as a crash would: all that it knew is gone, and no tab is told.
 */
import { serve } from 'sharedb-proxy/worker';
import { KILL_CHANNEL } from './session/kill-channel.js';

serve();
new BroadcastChannel(KILL_CHANNEL).addEventListener('message', () => self.close());
