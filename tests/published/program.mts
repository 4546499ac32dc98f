/** Every entry's types, as a program finds them in `node_modules`. */
import { createConnection, type Doc } from 'sharedb-proxy';
import { TabCoordinator } from 'sharedb-proxy/coordinator';
import { Connection } from 'sharedb-proxy/inline';
import { subscribe } from 'sharedb-proxy/promises';
import { signalR } from 'sharedb-proxy/signalr';
import { serve } from 'sharedb-proxy/worker';

const connection: Connection = createConnection('wss://example.com/');
const doc: Doc<{ text: string }> = await subscribe(connection.get('notes', 'one'));
export const text: string = doc.data.text;
export const tabs = new TabCoordinator({ connection });
serve();
export const isFunction: boolean = typeof signalR === 'function';
