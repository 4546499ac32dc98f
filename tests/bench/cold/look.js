/** Our client with a first look at the document, before its host is there. */

import { createConnection } from 'sharedb-proxy';
import { address, show } from './show.js';

show(createConnection(address, { firstLook: true }));
