/** A program without the types of a browser or of Node. */
import { createConnection, logger, types } from 'sharedb-proxy';
import { TabCoordinator } from 'sharedb-proxy/coordinator';
import * as inline from 'sharedb-proxy/inline';
import { subscribe } from 'sharedb-proxy/promises';
import { serve } from 'sharedb-proxy/worker';

const connection = createConnection('wss://example.com/', { namespace: 'ada' });
createConnection({ href: 'wss://example.com/' });
inline.createConnection(async () => '/sharedb', { namespace: 'ada' });
logger.setMethods({ warn: (...parts: unknown[]) => parts.length });
const tabs = new TabCoordinator({ connection });
await tabs.lock('invoice', {}, ({ signal }) => signal.aborted);
await subscribe(connection.get('tasks', 'one'));
serve({ types: [types.defaultType] });
