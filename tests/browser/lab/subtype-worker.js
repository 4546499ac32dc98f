/** A worker whose json0 has the subtype that npm `ot-text` is. */

import otText from 'ot-text';
import { serve } from 'sharedb-proxy/worker';

serve({ subtypes: [otText.type] });
