/**
 * Two tabs with the same subscribed queries: each is one query for the server, and for each tab what a
 * stock client of its own would be told, over random scripts of edits. The queries overlap: a document
 * leaves one and stays in another, or comes back; tabs join and leave queries; the server refuses some
 * after a reconnect.
 */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { wholesFrom } from '../random.mjs';
import { Backend, call, connect, settle, stock, Wire } from './clients.mjs';
import { OneHost } from './one-host.mjs';

const require = createRequire(import.meta.url);
/** The queryable memory database of ShareDB's own tests: it filters and sorts. */
const QueryableDB = require('sharedb/test/BasicQueryableMemoryDB');

const SEEDS = 200;
const STEPS = 25;
const QUERIES = [
  { filter: { kind: 'fruit' }, sort: [['rank', 1]] },
  { filter: { ripe: true }, sort: [['rank', -1]] },
  { sort: [['rank', 1]] },
];
const IDS = ['apple', 'bean', 'cherry', 'date', 'elder', 'fig'];

const ACTIONS = [
  ...['create', 'create', 'rank', 'kind', 'kind', 'ripe', 'ripe', 'del', 'note', 'note'],
  ...['join or leave', 'join or leave', 'join or leave', 'cut'],
];

/** The steps of a seed: who does what to which document. */
function scriptOf(seed) {
  const random = wholesFrom(seed);
  return Array.from({ length: STEPS }, () => ({
    who: random(3),
    id: IDS[random(IDS.length)],
    action: ACTIONS[random(ACTIONS.length)],
    number: random(10),
  }));
}

const ids = (docs) => docs?.map(({ id }) => id);
/** An argument of an event or a callback, in words that do not depend on the client. */
function plain(value) {
  if (value instanceof Error) return value.message;
  return Array.isArray(value) ? ids(value) : value;
}

/** Puts what a query says into a list. */
function watch(query, which, entries) {
  for (const event of ['insert', 'remove', 'move', 'changed', 'extra', 'error', 'ready']) {
    query.on(event, (...args) => {
      entries.push([which, event, ...args.map(plain), ids(query.results)]);
    });
  }
}

/** The results as they are when everything has come to rest. */
const resultsOf = (docs) => docs.map(({ id, version, data }) => [id, version, data]);

/** One edit of a script, where it applies to the document as it is. */
async function edit(doc, action, number) {
  await call(doc, 'fetch');
  const toggled = (key, oi) => call(doc, 'submitOp', [{ p: [key], od: doc.data[key], oi }]);
  if (!doc.type) {
    const kind = number % 3 ? 'fruit' : 'leaf';
    if (action === 'create') {
      await call(doc, 'create', { kind, ripe: number > 4, rank: number, note: '' });
    }
  } else if (action === 'rank') await toggled('rank', number);
  else if (action === 'kind') await toggled('kind', doc.data.kind === 'fruit' ? 'leaf' : 'fruit');
  else if (action === 'ripe') await toggled('ripe', !doc.data.ripe);
  else if (action === 'note') await call(doc, 'submitOp', [{ p: ['note', 0], si: String(number) }]);
  else if (action === 'del' && number < 4) await call(doc, 'del');
}

/** Plays a script with a writer and two readers; gives what each reader was told. */
async function play(script, openReaders, backend) {
  /** The query that the server refuses at this moment. */
  let refused;
  backend.use('query', ({ query }, next) => {
    next(JSON.stringify(query) === JSON.stringify(refused) ? new Error('refused') : undefined);
  });
  const { connection: writer } = await connect(stock, backend);
  const { readers, cut } = await openReaders(backend);
  const told = readers.map(() => []);
  const open = readers.map(() => new Map());
  const join = (who, which) => {
    const query = readers[who].createSubscribeQuery('c', QUERIES[which], null, (error, docs) =>
      told[who].push([which, 'callback', ...[error, docs].map(plain)]),
    );
    open[who].set(which, query);
    watch(query, which, told[who]);
    query.on('error', () => open[who].delete(which));
  };
  for (const who of [0, 1]) {
    for (const which of [0, 1]) join(who, which);
  }
  await settle();
  for (const { who, id, action, number } of script) {
    const which = number % QUERIES.length;
    if (action === 'join or leave') {
      const query = open[who % 2].get(which);
      if (query) query.destroy();
      if (query) open[who % 2].delete(which);
      else join(who % 2, which);
    } else if (action === 'cut') {
      refused = number < 6 ? QUERIES[which] : undefined;
      await cut();
      refused = undefined;
    } else {
      await edit((who === 2 ? writer : readers[who]).get('c', id), action, number);
    }
    await settle();
    told.forEach((entries, reader) => {
      for (const [query, { results }] of open[reader]) {
        entries.push(structuredClone([query, 'at rest', resultsOf(results)]));
      }
    });
  }
  // What is told of one query in order: in which order a reconnect sends several of them is not promised.
  return told.map((entries) => QUERIES.map((_, which) => entries.filter(([of]) => of === which)));
}

/** Two stock clients. */
async function openStock(backend) {
  const clients = [await connect(stock, backend), await connect(stock, backend)];
  const cut = async () => {
    for (const { wire } of clients) wire.close('lost');
    await settle();
    for (const client of clients) {
      client.wire = new Wire(backend);
      client.connection.bindToSocket(client.wire.socket);
      client.wire.open();
    }
    await settle();
  };
  return { readers: clients.map(({ connection }) => connection), cut };
}

/** Two tabs of one host. */
const openTabs = (hosts) => async (backend) => {
  const host = new OneHost(backend);
  hosts.push(host);
  const readers = [await host.tab('one'), await host.tab('two')];
  const cut = async () => {
    await host.cut();
    await host.reconnect();
  };
  return { readers, cut };
};

describe('two tabs with the same subscribed queries', () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    it(`are told what two stock clients are told (seed ${seed})`, async () => {
      const script = scriptOf(seed);
      const stockBackend = new Backend({ db: new QueryableDB() });
      const backend = new Backend({ db: new QueryableDB() });
      const hosts = [];
      let most = 0;
      backend.use('reply', (_, next) => {
        const queries = hosts[0]?.wire?.agent?.subscribedQueries ?? {};
        most = Math.max(most, Object.keys(queries).length);
        next();
      });
      const expected = await play(script, openStock, stockBackend);
      const actual = await play(script, openTabs(hosts), backend);
      assert.deepEqual(actual, expected);
      assert.ok(most >= 2 && most <= QUERIES.length, `${most} queries on the wire`);
    });
  }
});
