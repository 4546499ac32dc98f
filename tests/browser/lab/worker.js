/** A worker of the lab, as an application would write it. */

import { serve } from 'sharedb-proxy/worker';

serve();
