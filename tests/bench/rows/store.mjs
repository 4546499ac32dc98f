/**
 * What the durable store costs as it grows, in Node, where nothing but the client is in the time. Stock has no store: each
 * row is one size beside another.
 */

import { once } from 'node:events';
import { promisify } from 'node:util';
import json0 from 'ot-json0';
import Backend from 'sharedb';
import { InMemoryStorage, createConnection, types } from 'sharedb-proxy';
import { least } from '../bench.mjs';
import { within } from '../table.mjs';

const COLLECTION = 'store';
/** Ops that are refused. */
const [FEW_REFUSED, MANY_REFUSED] = [200, 2000];
/** Documents that are loaded at once, and let go at once. */
const [FEW_LOADED, MANY_LOADED] = [1000, 10_000];
/** Documents that one write may have: see the store's `WriteLimits`. */
const MOST_DOCS = 512;
const LINEAR = within(1.5, 'linear: at most 1.5');

/** json0, of which nothing can be taken back. */
const FORWARD = { ...json0.type, name: 'bench0', uri: 'http://example.com/types/bench0' };
delete FORWARD.invert;

/** Knows what was written, and keeps who reads a document waiting. */
class Storage extends InMemoryStorage {
  /** Bytes of dead letters, and the most documents in one write. */
  written = { letters: 0, docs: 0 };
  /** The id of a document whose read is kept waiting, and that read. */
  slow = undefined;
  answer = undefined;

  writeRecords(records, callback) {
    const { written } = this;
    const { docs = [], meta = [] } = records;
    written.docs = Math.max(written.docs, docs.length);
    const letters = meta.filter(({ id }) => id.startsWith('letter'));
    for (const { payload } of letters) written.letters += payload.length;
    super.writeRecords(records, callback);
  }

  readRecordsBulk(store, ids, callback) {
    const read = () => super.readRecordsBulk(store, ids, callback);
    if (this.slow && ids.includes(this.slow)) this.answer = read;
    else read();
  }
}

/** Milliseconds of processor time of this process. */
function spent() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const call = (target, method, ...args) => promisify(target[method]).apply(target, args);

/** A connection on a storage and a backend, new ones where none are given, connected. */
async function open({ backend = new Backend(), storage = new Storage(), ...options } = {}) {
  const connection = createConnection(backend, { ...options, durableStore: { storage } });
  if (connection.state !== 'connected') await once(connection, 'connected');
  return { backend, storage, connection };
}

/** Refuses every edit. */
function refuse(backend) {
  backend.use('submit', ({ op }, next) => next(op.op && new Error('refused')));
}

/** Processor time for each of so many ops of a type without inverse that are refused one after the other. */
async function refusals(count) {
  for (const registry of [types, Backend.types]) registry.register(FORWARD);
  const { backend, connection } = await open({ keepPendingOnReject: true });
  const doc = connection.get(COLLECTION, 'refused');
  await call(doc, 'create', { list: [] }, FORWARD.uri);
  await call(doc, 'subscribe');
  refuse(backend);
  doc.preventCompose = true;
  doc.pause();
  let ended = 0;
  const all = new Promise((resolve) => {
    const end = () => ++ended === count && resolve();
    for (let i = 0; i < count; i++) doc.submitOp([{ p: ['list', 0], li: i }], end);
  });
  await call(connection, 'flushWrites');
  globalThis.gc?.();
  const begin = spent();
  doc.resume();
  await all;
  const took = spent() - begin;
  connection.close();
  return took / count;
}

/** Bytes of dead letters that are written for each of so many refused ops. */
async function letterBytes(count) {
  const { backend, storage, connection } = await open();
  const doc = connection.get(COLLECTION, 'letters');
  await call(doc, 'create', { list: [] });
  refuse(backend);
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => doc.submitOp([{ p: ['list', 0], li: i }], resolve));
  }
  await call(connection, 'flushWrites');
  connection.close();
  return storage.written.letters / count;
}

/**
 * A tab loads so many documents, asks for one more that the storage is slow to read, and behind that lets go of the others.
 * Processor time for each from the storage's answer to the tab's, and the most documents in one write.
 */
async function letGo(count) {
  const { backend, storage, connection: before } = await open();
  const writer = backend.connect();
  await call(writer.get(COLLECTION, 'slow'), 'create', { text: 'slow' });
  // What the store is known to lack is not read.
  await call(before.get(COLLECTION, 'slow'), 'fetch');
  await call(before, 'flushWrites');
  before.close();
  const { connection } = await open({ backend, storage });
  const ids = Array.from({ length: count }, (_, i) => `doc-${i}`);
  for (const id of ids) await call(writer.get(COLLECTION, id), 'create', { text: id });
  const docs = ids.map((id) => connection.get(COLLECTION, id));
  connection.startBulk();
  const fetched = docs.map((doc) => call(doc, 'fetch'));
  connection.endBulk();
  await Promise.all(fetched);
  const slow = connection.get(COLLECTION, 'slow');
  storage.slow = `${COLLECTION}/slow`;
  const read = call(slow, 'fetch');
  for (const doc of docs) doc.destroy();
  while (!storage.answer) await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc?.();
  const begin = spent();
  storage.slow = undefined;
  storage.answer();
  await read;
  await call(connection, 'hostStatus');
  const took = spent() - begin;
  await call(connection, 'flushWrites');
  writer.close();
  connection.close();
  return { each: took / count, docs: storage.written.docs };
}

/** The least of some rounds of both sizes, which take turns. */
async function both(rounds, few, many, measure) {
  const samples = { few: [], many: [] };
  for (let round = 0; round < rounds; round++) {
    samples.few.push(await measure(few));
    samples.many.push(await measure(many));
  }
  return { few: least(samples.few), many: least(samples.many) };
}

const growth = ({ few, many }) => ({ ours: many / few });

async function measureRefusals(bench) {
  return [growth(await both(bench.rounds(3), FEW_REFUSED, MANY_REFUSED, refusals))];
}

async function measureLetters() {
  return [growth(await both(1, FEW_REFUSED, MANY_REFUSED, letterBytes))];
}

async function measureLetGo(bench) {
  let docs = 0;
  const times = await both(bench.rounds(3), FEW_LOADED, MANY_LOADED, async (count) => {
    const result = await letGo(count);
    docs = Math.max(docs, result.docs);
    return result.each;
  });
  return [growth(times), { ours: docs }];
}

export const groups = [
  {
    figures: [
      {
        figure: 'one of 10,000 loaded docs let go while another is read, times one of 1,000',
        goal: LINEAR,
      },
      {
        figure: 'most docs in one write of the store when 10,000 docs are loaded at once',
        goal: within(MOST_DOCS),
      },
    ],
    run: measureLetGo,
  },
  {
    figures: [
      { figure: 'one of 2,000 refusals with keepPendingOnReject, times one of 200', goal: LINEAR },
    ],
    run: measureRefusals,
  },
  {
    figures: [
      { figure: 'bytes of dead letters for one of 2,000 refusals, times one of 200', goal: LINEAR },
    ],
    run: measureLetters,
  },
];
