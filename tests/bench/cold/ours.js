/** Our client, its host in the packaged SharedWorker. */

import { createConnection } from 'sharedb-proxy';
import { address, show } from './show.js';

show(createConnection(address));
