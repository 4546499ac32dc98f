/** The stock client. */

import { Connection } from 'sharedb/lib/client';
import { address, show } from './show.js';

show(new Connection(new WebSocket(address)));
