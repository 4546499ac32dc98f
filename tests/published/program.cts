/** The same for `require`. */
import proxy = require('sharedb-proxy');
import coordinator = require('sharedb-proxy/coordinator');
import inline = require('sharedb-proxy/inline');
import promises = require('sharedb-proxy/promises');

const connection: proxy.Connection = inline.createConnection('wss://example.com/');
export const doc: Promise<proxy.Doc> = promises.subscribe(connection.get('notes', 'one'));
export const tabs = new coordinator.TabCoordinator({ connection });
