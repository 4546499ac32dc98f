/** A worker with a second connection for all tabs. */

import { serve } from 'sharedb-proxy/worker';
import { connections } from './hub.js';

serve({ connections });
