/** What documents and queries leave behind when they are destroyed: nothing, in tab and host. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import v8 from 'node:v8';
import vm from 'node:vm';
import { hostModule } from '../../js-shim/src/cores/host-core.js';
import { tabModule } from '../../js-shim/src/cores/tab-core.js';
import { Backend, call, connect, ours, settle, Wire } from './clients.mjs';
import { createHopConnectionClass } from './one-thread.mjs';
import { OneHost } from './one-host.mjs';

const require = createRequire(import.meta.url);
const MemoryDB = require('sharedb/lib/db/memory');

/** Rounds before the first measure: buffers and tables have their size by then. */
const WARM_UP = 2_000;
const ROUNDS = 10_000;
/** Rounds of what the server remembers, in each tab. */
const WRITES = 1_000;
/** Documents that are open at a time. */
const AT_ONCE = 20;
/** What the heap may grow by, in bytes a round: less than the two smallest objects forgotten. */
const HEAP_NOISE = 30;
/** Milliseconds for the rounds: two seconds of work, on a machine that may have ten times as much to do. */
const ROUNDS_LIMIT = 38_000;

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
  return new Backend({ db, presence: true });
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
    snapshots: connection._snapshots.asks.length,
    waits: connection._waits.size,
    presences: Object.keys(connection._presences).length,
    inbox: connection._inbox.length,
  }));
  return {
    host: await hostStatus(connections[0]),
    sizes,
    wasm: tabModule.memoryBytes + hostModule.memoryBytes,
  };
}

async function useDoc(connection, id) {
  const doc = connection.get('c', id);
  await call(doc, 'subscribe');
  await call(doc, 'destroy');
}

/** Shows a value, and takes it back. */
async function usePresence(connection, channel) {
  const presence = connection.getPresence(channel);
  await call(presence, 'subscribe');
  await call(presence.create(), 'submit', { index: 0 });
  await call(presence, 'destroy');
}

/** Writes to a document that nobody had, and leaves it with the op still on its way. */
async function writeDoc(connection, id) {
  const doc = connection.get('written', id);
  doc.create({ n: 0 });
  doc.submitOp([{ p: ['n'], na: 1 }]);
  await call(doc, 'destroy');
}

/** Both tabs open and leave each document; now and then they look for some. */
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
  it('stays flat over documents and queries that two tabs of a host open and leave', async function () {
    this.timeout(ROUNDS_LIMIT);
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
    assert.ok(grown < HEAP_NOISE * ROUNDS, `the heap grew by ${grown} bytes`);
  });

  // The server keeps the documents, and something of each presence, so the heap says nothing here.
  for (const [what, use] of Object.entries({ writeDoc, usePresence })) {
    it(`stays flat over what two tabs leave behind: ${what}`, async () => {
      const host = new OneHost(queryable());
      const connections = [await host.tab('a'), await host.tab('b')];
      const round = async (i) => {
        await Promise.all(connections.map((connection, tab) => use(connection, `${i} ${tab}`)));
      };
      for (let i = 0; i < WRITES; i++) await round(i);
      await settle();
      const before = await held(connections);
      for (let i = WRITES; i < 2 * WRITES; i++) await round(i);
      await settle();
      assert.deepEqual(await held(connections), before);
      assert.deepEqual(before.host, { tabs: 2, sockets: 1, docs: 0, pendingOps: 0 });
    });
  }
});

/** Where the host may be, and how the network goes and comes there. */
const SETTINGS = {
  'over one host': async () => {
    const host = new OneHost(new Backend());
    const connection = await host.tab('a');
    return { connection, cut: () => host.cut(), reconnect: () => host.reconnect() };
  },
  'over a socket of the application': () => overSocket(ours),
  'over a hop': () => overSocket({ ...ours, Connection: createHopConnectionClass() }),
};

async function overSocket(client) {
  const backend = new Backend();
  const { connection, wire } = await connect(client, backend);
  return {
    connection,
    cut: async () => {
      wire.close('lost');
      await settle();
    },
    reconnect: async () => {
      const next = new Wire(backend);
      connection.bindToSocket(next.socket);
      next.open();
      await settle();
    },
  };
}

for (const [where, open] of Object.entries(SETTINGS)) {
  describe(`destroy with a pending op, ${where}`, () => {
    let setting, doc, calls;

    beforeEach(async () => {
      setting = await open();
      doc = setting.connection.get('c', 'doc');
      calls = [];
      await call(doc, 'subscribe');
      await call(doc, 'create', { n: 0 });
    });

    const destroyWithPending = async () => {
      await setting.cut();
      doc.submitOp([{ p: ['n'], na: 1 }], (error) => calls.push(['op', error?.code]));
      doc.destroy((error) => calls.push(['destroy', error?.code]));
      await settle();
    };
    const isThere = () => setting.connection.getExisting('c', 'doc') === doc;

    it('calls back once the op is acknowledged, after the reconnect', async () => {
      await destroyWithPending();
      assert.deepEqual(calls, []);
      assert.ok(isThere());
      await setting.reconnect();
      const expected = [
        ['op', undefined],
        ['destroy', undefined],
      ];
      assert.deepEqual(calls, expected);
      assert.ok(!isThere());
      assert.equal(setting.connection._waits.size, 0);
      setting.connection.close();
      await settle();
      assert.deepEqual(calls, expected, 'closing later changes nothing');
    });

    it('calls back with an error when the connection is closed instead', async () => {
      await destroyWithPending();
      setting.connection.close();
      await settle();
      assert.deepEqual(calls, [['destroy', 'ERR_CONNECTION_CLOSED']]);
      doc.destroy((error) => calls.push(['again', error?.code]));
      await settle();
      assert.deepEqual(calls[1], ['again', 'ERR_CONNECTION_CLOSED']);
      assert.equal(setting.connection._waits.size, 0);
    });

    it('calls back without an error when nothing is pending at the close', async () => {
      doc.destroy((error) => calls.push(['destroy', error?.code]));
      setting.connection.close();
      await settle();
      assert.deepEqual(calls, [['destroy', undefined]]);
      assert.ok(!isThere());
    });

    // Only an application with a socket of its own can bind another.
    if (where === 'over one host') return;
    it('leaves after all when another socket brings the op through', async () => {
      await destroyWithPending();
      setting.connection.close();
      await settle();
      await setting.reconnect();
      assert.deepEqual(calls, [
        ['destroy', 'ERR_CONNECTION_CLOSED'],
        ['op', undefined],
      ]);
      assert.ok(!isThere());
    });
  });
}
