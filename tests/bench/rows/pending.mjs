/** Many submits in one go, and a long pending op that remote ops have to pass; in Node, each client on its own backend. */

import { once } from 'node:events';
import { promisify } from 'node:util';
import Backend from 'sharedb';
import { createConnection } from 'sharedb-proxy';
import { median, takeTurns } from '../bench.mjs';
import { atMost, within } from '../table.mjs';
import { emptyDocument, remoteOps, submits } from '../workload.mjs';

const COMPONENTS = 4000;
const REMOTE_OPS = 100;
/** Where growth is measured; stock would take minutes for much more. */
const [FEW, MANY] = [1000, 8000];

/** A subscribed document of a client on a backend of its own. */
async function openDocument(client) {
  const backend = new Backend();
  const other = backend.connect().get('pending', 'doc');
  await promisify(other.create.bind(other))(emptyDocument());
  const connection = client === 'ours' ? createConnection(backend) : backend.connect();
  if (connection.state !== 'connected') await once(connection, 'connected');
  const doc = connection.get('pending', 'doc');
  await promisify(doc.subscribe.bind(doc))();
  return { doc, other, close: () => connection.close() };
}

/** Milliseconds until the last call returned, and until everything was acknowledged. */
async function submitMany(client, count) {
  const { doc, close } = await openDocument(client);
  const ops = submits(count);
  globalThis.gc?.();
  const begin = performance.now();
  for (const op of ops) doc.submitOp(op);
  const returned = performance.now() - begin;
  await new Promise((resolve) => doc.whenNothingPending(resolve));
  const acknowledged = performance.now() - begin;
  close();
  return { returned, acknowledged };
}

async function manySubmits(bench) {
  for (const client of ['ours', 'stock']) await submitMany(client, FEW);
  const acknowledged = { ours: [], stock: [] };
  const returned = await takeTurns(bench.rounds(5), async (client) => {
    const times = await submitMany(client, COMPONENTS);
    acknowledged[client].push(times.acknowledged);
    return times.returned;
  });
  return [
    returned,
    { ours: median(acknowledged.ours), stock: median(acknowledged.stock) },
    await growth(bench),
  ];
}

/**
 * How many times longer one submit takes among many than among few. The least of the rounds counts, because a busy
 * machine only adds; stock's is far from one, and one round of it takes long enough.
 */
async function growth(bench) {
  const of = async (client, rounds) => {
    const few = [];
    const many = [];
    for (let round = 0; round < rounds; round++) {
      few.push((await submitMany(client, FEW)).returned / FEW);
      many.push((await submitMany(client, MANY)).returned / MANY);
    }
    return Math.min(...many) / Math.min(...few);
  };
  return { ours: await of('ours', bench.rounds(20)), stock: await of('stock', 1) };
}

/**
 * Milliseconds in which a paused document with a long pending op takes in ops of another client. The messages are
 * held back until all are there, so that the server's part is not in the time.
 */
async function receiveOverPending(client) {
  const { doc, other, close } = await openDocument(client);
  doc.pause();
  for (const op of submits(COMPONENTS)) doc.submitOp(op);
  const { socket } = doc.connection;
  const deliver = socket.onmessage;
  const held = [];
  socket.onmessage = (event) => held.push(event);
  for (const op of remoteOps(REMOTE_OPS)) await promisify(other.submitOp.bind(other))(op);
  while (held.length < REMOTE_OPS) await new Promise((resolve) => setTimeout(resolve, 1));
  let seen = 0;
  const all = new Promise((resolve) => {
    doc.on('op batch', () => {
      if (++seen === REMOTE_OPS) resolve();
    });
  });
  globalThis.gc?.();
  const begin = performance.now();
  for (const event of held) deliver.call(socket, event);
  await all;
  const took = performance.now() - begin;
  close();
  return took;
}

async function remoteOverPending(bench) {
  return [await takeTurns(bench.rounds(5), receiveOverPending)];
}

export const groups = [
  {
    figures: [
      {
        figure: '4,000 synchronous json0 submits, last call returned (ms)',
        goal: atMost(1 / 20, 'at most 1/20 × stock'),
      },
      {
        figure: '4,000 synchronous json0 submits, acknowledged (ms)',
        goal: atMost(1 / 20, 'at most 1/20 × stock'),
      },
      {
        figure: 'one of 8,000 submits, times one of 1,000',
        goal: within(1.5, 'linear: at most 1.5'),
      },
    ],
    run: manySubmits,
  },
  {
    figures: [
      {
        figure: '100 remote ops against a 4,000-component pending op (ms)',
        goal: atMost(1 / 10, 'at most 1/10 × stock'),
      },
    ],
    run: remoteOverPending,
  },
];
