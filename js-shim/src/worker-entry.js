/**
 * The packaged worker, for applications whose documents are all json0.
 */

import { serve } from './worker.js';

serve();
