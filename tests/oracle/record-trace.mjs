/**
 * Records the traces in `tests/traces`: what went into hosts and came out, which `tests/tests/replay.rs` replays. To be run
 * where their format or the outputs of hosts change: `node tests/oracle/record-trace.mjs`.
 */

import { writeFileSync } from 'node:fs';
import richText from 'rich-text';
import { InMemoryStorage } from 'sharedb-proxy';
import { Backend, Wire, call, ours, settle, stock } from '../js/clients.mjs';
import { OneHost } from '../js/one-host.mjs';

ours.types.register(richText.type);
stock.types.register(richText.type);

const write = (name, trace) =>
  writeFileSync(new URL(`../traces/${name}.json`, import.meta.url), `${trace}\n`);

/** Two tabs of one host, and a document of each kind that both edit. */
async function twoTabs() {
  const host = new OneHost(new Backend());
  const tabs = [await host.tab('one'), await host.tab('two')];
  const docsOf = (id) => tabs.map((tab) => tab.get('letters', id));
  const [plain, rich] = [docsOf('plain'), docsOf('rich')];
  await call(plain[0], 'create', { text: 'Dear 😀' });
  await call(rich[0], 'create', [{ insert: 'Dear' }], richText.type.uri);
  for (const doc of [...plain, ...rich]) await call(doc, 'subscribe');
  for (const doc of plain) doc.submitOp([{ p: ['text', 4], si: ' Ada' }]);
  for (const doc of rich) doc.submitOp([{ retain: 4 }, { insert: ' Ada' }]);
  await settle();
  await host.cut();
  for (const doc of rich) doc.submitOp([{ insert: 'My ' }]);
  await settle();
  await host.reconnect();
  await settle();
  tabs[1].close();
  await settle();
  write('two-tabs', await tabs[0].exportTrace());
}

/** One tab with a store in its page, and another client of the server that edits at the same time. */
async function pageHost() {
  const backend = new Backend();
  const wires = [new Wire(backend, { gated: true }), new Wire(backend)];
  const connection = new ours.Connection(wires[0].socket, {
    durableStore: { storage: new InMemoryStorage(), encrypt: false },
  });
  const other = new stock.Connection(wires[1].socket);
  for (const wire of wires) wire.open();
  await wires[0].exchange();
  const [here, there] = [connection, other].map((client) => client.get('letters', 'd'));
  await call(there, 'create', [{ insert: 'Dear' }], richText.type.uri);
  here.subscribe();
  await wires[0].exchange();
  here.submitOp([{ retain: 4 }, { insert: ' Ada' }]);
  there.submitOp([{ delete: 4 }]);
  await settle();
  here.submitOp([{ retain: 4 }, { insert: ' and Bob' }]);
  await wires[0].exchange();
  connection.getPresence('cursors').create('p').submit({ at: 3 });
  await wires[0].exchange();
  write('page-host', await connection.exportTrace());
  connection.close();
}

await twoTabs();
await pageHost();
process.exit(0);
