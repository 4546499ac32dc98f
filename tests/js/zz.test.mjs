/** What documents and queries leave behind when they are destroyed: nothing, in tab and host. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import v8 from 'node:v8';
import vm from 'node:vm';
import { initSync } from '../../js-shim/pkg/sharedb_proxy.js';
import { Backend, call, connect, ours, settle } from './clients.mjs';
import { createHopConnectionClass } from '../../js-shim/src/testing.js';
import { OneHost } from './one-host.mjs';

const require = createRequire(import.meta.url);
const MemoryDB = require('sharedb/lib/db/memory');

/** Rounds before the first measure: buffers and tables have their size by then. */
const WARM_UP = 2_000;
const ROUNDS = 60_000;
/** Documents that are open at a time. */
const AT_ONCE = 20;
/** What the heap may grow by, in bytes a round: a forgotten object is at least ten times that. */
const HEAP_NOISE = 10;

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc');

const query = (connection, method) =>
  new Promise((resolve, reject) => {
    const made = connection[method]('c', {}, null, (error) => {
      if (error) reject(error);
      else made.destroy(resolve);
    });
  });

/** A backend with queries: ShareDB's own memory database refuses them. */
function queryable() {
  const db = new MemoryDB();
  db.query = (collection, asked, fields, options, callback) => callback(null, []);
  db.queryPoll = (collection, asked, options, callback) => callback(null, []);
  db.canPollDoc = () => false;
  return new Backend({ db });
}

const hostStatus = (connection) =>
  new Promise((resolve, reject) => {
    connection.hostStatus((error, status) => (error ? reject(error) : resolve(status)));
  });

/** All that grows when something is forgotten, by name. */
async function held(connections) {
  const sizes = connections.map((connection) => ({
    collections: Object.keys(connection.collections).length,
    queries: Object.keys(connection.queries).length,
    docs: connection._docs.size,
    submissions: connection._submissions.size,
    snapshots: connection._snapshotRequests.size,
    waits: connection._waits.size,
    inbox: connection._inbox.length,
  }));
  return {
    host: await hostStatus(connections[0]),
    sizes,
    wasm: initSync().memory.buffer.byteLength,
  };
}

async function useDoc(connection, id) {
  const doc = connection.get('c', id);
  await call(doc, 'subscribe');
  await call(doc, 'destroy');
}

/** Both tabs open and leave each document; every tenth time they also look for some. */
async function rounds(connections, first, count) {
  for (let round = first; round < first + count; round += AT_ONCE) {
    const work = [];
    for (let i = round; i < round + AT_ONCE; i++) {
      for (const connection of connections) work.push(useDoc(connection, `doc ${i}`));
    }
    for (const method of ['createFetchQuery', 'createSubscribeQuery']) {
      for (const connection of connections) work.push(query(connection, method));
    }
    await Promise.all(work);
  }
  await settle();
}

describe('memory', () => {
  it('stays flat over documents and queries that two tabs of a host open and leave', async () => {
    const host = new OneHost(queryable());
    const connections = [await host.tab('a'), await host.tab('b')];
    await rounds(connections, 0, WARM_UP);
    const before = await held(connections);
    collectGarbage();
    const heap = process.memoryUsage().heapUsed;
    await rounds(connections, WARM_UP, ROUNDS);
    assert.deepEqual(await held(connections), before);
    assert.deepEqual(before.host, { tabs: 2, sockets: 1, docs: 0, pendingOps: 0 });
    collectGarbage();
    const grown = process.memoryUsage().heapUsed - heap;
    assert.ok(grown < 0, `the heap grew by ${grown} bytes`);
  });
});
