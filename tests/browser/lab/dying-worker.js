/** A worker that dies when it is told so over the BroadcastChannel of its name. */

import { serve } from 'sharedb-proxy/worker';

new BroadcastChannel(self.name).onmessage = () => self.close();
serve();
