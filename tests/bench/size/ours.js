/** The least that an application does with our client. */

import { createConnection } from 'sharedb-proxy';

createConnection('/').get('c', 'd').subscribe();
