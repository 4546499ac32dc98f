/** The package by `require`, and its types. */
import proxy = require('sharedb-proxy');
import coordination = require('sharedb-proxy/coordinator');

const connection: proxy.Connection = proxy.createConnection('wss://example.org/');
const doc: proxy.Doc<{ count: number }> = connection.get('counters', 'first');
doc.submitOp([{ p: ['count'], na: doc.data.count }]);
export const tabs = new coordination.TabCoordinator({ connection });
export const isOurs: boolean = connection instanceof proxy.Connection;
