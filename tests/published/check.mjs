/**
 * Runs in a fresh project that has installed the packed package, beside some `sharedb` or none: every entry that Node
 * can load, and a document, a query and presence over that `sharedb`'s server.
 */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import * as client from 'sharedb-proxy';
import * as coordinator from 'sharedb-proxy/coordinator';
import * as inline from 'sharedb-proxy/inline';
import * as promises from 'sharedb-proxy/promises';

const require = createRequire(import.meta.url);
const version = process.argv[2];

const required = require('sharedb-proxy');
for (const name of Object.keys(client)) assert.ok(required[name], `require gives ${name}`);
for (const name of Object.keys(client)) assert.ok(inline[name], `the inline entry gives ${name}`);
assert.deepEqual(Object.keys(require('sharedb-proxy/promises')), Object.keys(promises));
const requiredTabs = require('sharedb-proxy/coordinator');
assert.deepEqual(Object.keys(requiredTabs).sort(), Object.keys(coordinator).sort());

if (version) await besideServer(client, coordinator, 'import');
if (version) await besideServer(required, requiredTabs, 'require');
console.log(`ok beside ${version ? `sharedb ${version}` : 'no sharedb'}`);

/** Ours and the stock client of this `sharedb`, on its server. */
async function besideServer({ createConnection, types }, { TabCoordinator }, id) {
  const Backend = require('sharedb');
  assert.equal(require('sharedb/package.json').version.split('.')[0], version);
  assert.equal(types, Backend.types, 'one registry of types');
  const backend = new Backend({ presence: true });
  const ours = createConnection(backend);
  const stock = backend.connect();

  const doc = ours.get('notes', id);
  await promises.subscribe(doc);
  await promises.create(doc, { text: '' });
  const theirs = stock.get('notes', id);
  await promises.subscribe(theirs);
  await promises.submitOp(doc, [{ p: ['text', 0], si: 'ours ' }]);
  await promises.submitOp(theirs, [{ p: ['text', 0], si: 'theirs ' }]);
  await promises.fetch(doc);
  assert.deepEqual(doc.data, { text: 'theirs ours ' });
  assert.deepEqual(theirs.data, doc.data);

  const query = await promises.createFetchQuery(ours, 'notes', {});
  assert.deepEqual(query.results, [doc]);
  assert.equal((await promises.fetchSnapshot(ours, 'notes', id, 1)).data.text, '');

  const seen = new Promise((resolve) => {
    const presence = ours.getPresence('cursors');
    presence.on('receive', (from, value) => resolve([from, value]));
    presence.subscribe(() => stock.getPresence('cursors').create('them').submit({ at: 3 }));
  });
  assert.deepEqual(await seen, ['them', { at: 3 }]);

  const tabs = new TabCoordinator({ connection: ours });
  await tabs.register();
  assert.ok(await tabs.lock('invoice', ({ token }) => token));
  await tabs.unregister();
  ours.close();
  stock.close();
}
