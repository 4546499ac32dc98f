/** The shared worker of the pages: the host has to know the types that documents have. */

import { type as json1 } from 'ot-json1';
import { serve } from 'sharedb-proxy/worker';

serve({ types: [json1] });
