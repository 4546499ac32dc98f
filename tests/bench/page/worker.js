/** The shared worker of the bench page. */

import { serve } from 'sharedb-proxy/worker';

serve();
