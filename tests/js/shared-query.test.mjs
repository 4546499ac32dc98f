/**
 * Two tabs with the same subscribed query: one query for the server, and for each tab what a
 * stock client of its own would be told, over random scripts of edits.
 */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { createSharedHost } from '../../js-shim/src/testing.js';
import { Backend, call, connect, settle, stock, Wire } from './clients.mjs';

const require = createRequire(import.meta.url);
/** The queryable memory database of ShareDB's own tests: it filters and sorts. */
const QueryableDB = require('sharedb/test/BasicQueryableMemoryDB');

const SEEDS = 40;
const STEPS = 25;
const QUERY = { filter: { kind: 'fruit' }, sort: [['rank', 1]] };
const IDS = ['apple', 'bean', 'cherry', 'date', 'elder', 'fig'];

/** Numbers from a seed (mulberry32). */
function randomOf(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** The steps of a seed: who does what to which document. */
function scriptOf(seed) {
  const random = randomOf(seed);
  const actions = ['create', 'create', 'rank', 'rank', 'kind', 'del', 'note', 'late', 'leave'];
  return Array.from({ length: STEPS }, () => ({
    who: random(3),
    id: IDS[random(IDS.length)],
    action: actions[random(actions.length)],
    number: random(10),
  }));
}

const ids = (docs) => docs?.map(({ id }) => id);

/** Puts what a query says into a list. */
function watch(query, entries) {
  for (const event of ['insert', 'remove', 'move', 'changed', 'extra', 'error', 'ready']) {
    query.on(event, (...args) => {
      const plain = args.map((arg) => (Array.isArray(arg) ? ids(arg) : arg));
      entries.push([event, ...plain, ids(query.results)]);
    });
  }
}

/** The results as they are when everything has come to rest. */
const resultsOf = (query) => query.results.map(({ id, version, data }) => [id, version, data]);

/** Plays a script with a writer and two readers; gives what each reader was told. */
async function play(script, openReaders, backend) {
  const { connection: writer } = await connect(stock, backend);
  const readers = await openReaders();
  const told = readers.map(() => []);
  const open = (index) => {
    const query = readers[index].createSubscribeQuery('c', QUERY, null, (error, docs) =>
      told[index].push(['callback', error, ids(docs)]),
    );
    watch(query, told[index]);
    return query;
  };
  const queries = [open(0), open(1)];
  await settle();
  for (const { who, id, action, number } of script) {
    const doc = (who === 2 ? writer : readers[who]).get('c', id);
    await call(doc, 'fetch');
    const exists = doc.type !== null;
    if (action === 'create' && !exists) {
      await call(doc, 'create', { kind: number % 3 ? 'fruit' : 'leaf', rank: number, note: '' });
    } else if (action === 'rank' && exists) {
      await call(doc, 'submitOp', [{ p: ['rank'], od: doc.data.rank, oi: number }]);
    } else if (action === 'kind' && exists) {
      const oi = doc.data.kind === 'fruit' ? 'leaf' : 'fruit';
      await call(doc, 'submitOp', [{ p: ['kind'], od: doc.data.kind, oi }]);
    } else if (action === 'note' && exists) {
      await call(doc, 'submitOp', [{ p: ['note', 0], si: String(number) }]);
    } else if (action === 'del' && exists && number < 4) {
      await call(doc, 'del');
    } else if (action === 'leave' && who < 2) {
      queries[who].destroy();
      queries[who] = open(who);
    }
    await settle();
    queries.forEach((query, index) => {
      told[index].push(structuredClone(['at rest', resultsOf(query)]));
    });
  }
  return told;
}

const openStock = (backend) => async () => [
  (await connect(stock, backend)).connection,
  (await connect(stock, backend)).connection,
];

/** Two tabs of one host. */
const openTabs = (backend, wires) => async () => {
  const wire = new Wire(backend);
  wires.push(wire);
  const host = createSharedHost(wire.socket);
  const tabs = [host.connect(), host.connect()];
  wire.open();
  await settle();
  return tabs;
};

describe('two tabs with the same subscribed query', () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    it(`are told what two stock clients are told (seed ${seed})`, async () => {
      const script = scriptOf(seed);
      const stockBackend = new Backend({ db: new QueryableDB() });
      const backend = new Backend({ db: new QueryableDB() });
      const wires = [];
      let most = 0;
      backend.use('reply', (_, next) => {
        const [wire] = wires;
        most = Math.max(most, Object.keys(wire?.agent?.subscribedQueries ?? {}).length);
        next();
      });
      const expected = await play(script, openStock(stockBackend), stockBackend);
      const actual = await play(script, openTabs(backend, wires), backend);
      assert.deepEqual(actual, expected);
      assert.equal(most, 1);
    });
  }
});
