/**
 * Large payloads, in Node: documents and ops of many megabytes, on their way to the server and from it. Processor time, with
 * the server's part in both clients' times.
 */

import { once } from 'node:events';
import { promisify } from 'node:util';
import Backend from 'sharedb';
import { createConnection } from 'sharedb-proxy';
import { least, takeTurns } from '../bench.mjs';
import { atMost } from '../table.mjs';

const item = (id) => ({
  id: `item-${id}`,
  title: `Title of item ${id}`,
  done: false,
  count: id,
  tags: ['red', 'green'],
});
const ITEM_BYTES = JSON.stringify(item(100_000)).length;
const LINE = 'The quick brown fox "jumps" over the lazy dog.\n';

const items = (megabytes) =>
  Array.from({ length: Math.round((megabytes * 1e6) / ITEM_BYTES) }, (_, id) => item(id));
const text = (megabytes) => LINE.repeat((megabytes * 1e6) / LINE.length);
const numbers = () => Array.from({ length: 1_000_000 }, (_, n) => n);

/** Milliseconds of processor time of this process. */
function spent() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function connect(client, backend) {
  const connection = client === 'ours' ? createConnection(backend) : backend.connect();
  if (connection.state !== 'connected') await once(connection, 'connected');
  return connection;
}

/** Processor time until `method` of the document was acknowledged. */
async function timed(doc, method, ...given) {
  globalThis.gc?.();
  const begin = spent();
  await promisify(doc[method].bind(doc))(...given);
  return spent() - begin;
}

/** A document is created with the data, and opened by another connection. */
async function createAndOpen(client, data) {
  const backend = new Backend();
  const writer = await connect(client, backend);
  const created = await timed(writer.get('large', 'doc'), 'create', data);
  writer.close();
  const reader = await connect(client, backend);
  const opened = await timed(reader.get('large', 'doc'), 'subscribe');
  reader.close();
  return { created, opened };
}

async function submit(client, payload) {
  const backend = new Backend();
  const connection = await connect(client, backend);
  const doc = connection.get('large', 'doc');
  await promisify(doc.create.bind(doc))({});
  const took = await timed(doc, 'submitOp', [{ p: ['payload'], oi: payload }]);
  connection.close();
  return took;
}

async function creating(bench, make) {
  const opened = { ours: [], stock: [] };
  const created = await takeTurns(
    bench.rounds(5),
    async (client) => {
      const times = await createAndOpen(client, make());
      opened[client].push(times.opened);
      return times.created;
    },
    least,
  );
  return [created, { ours: least(opened.ours), stock: least(opened.stock) }];
}

const submitting = async (bench, make) => [
  await takeTurns(bench.rounds(5), (client) => submit(client, make()), least),
];

const figures = (...names) =>
  names.map((name) => ({ figure: `${name}, in Node (CPU ms)`, goal: atMost(1) }));

export const groups = [
  {
    figures: figures('create of 20 MB in objects', 'open a doc of 20 MB in objects'),
    run: (bench) => creating(bench, () => ({ items: items(20) })),
  },
  {
    figures: figures('create of 20 MB of text', 'open a doc of 20 MB of text'),
    run: (bench) => creating(bench, () => ({ text: text(20) })),
  },
  {
    figures: figures('create of a million numbers', 'open a doc of a million numbers'),
    run: (bench) => creating(bench, () => ({ numbers: numbers() })),
  },
  {
    figures: figures('an op of 10 MB in objects'),
    run: (bench) => submitting(bench, () => items(10)),
  },
  { figures: figures('an op of 10 MB of text'), run: (bench) => submitting(bench, () => text(10)) },
];
