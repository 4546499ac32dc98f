/** A worker that stores nothing as it is, by a cipher that a page may have, too. */

import { serve } from 'sharedb-proxy/worker';
import { decrypt, encrypt } from './mirror.js';

serve({ durableStore: { encrypt, decrypt } });
