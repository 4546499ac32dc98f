/** The least that an application does with the stock client. */

import { Connection } from 'sharedb/lib/client';

new Connection(new WebSocket('/')).get('c', 'd').subscribe();
