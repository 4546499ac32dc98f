/** The bench page on the stock client. */

import { Connection } from 'sharedb/lib/client';
import { start } from './page.js';

start((url) => new Connection(new WebSocket(url)));
