/** The shared worker of the demos: one host, one socket, for all tabs. */
import { serve } from 'sharedb-proxy/worker';

serve();
