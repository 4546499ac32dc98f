import { serve } from 'sharedb-proxy/worker';

serve();
