/**
 * Many submits in one go, and a long pending op that remote ops have to pass: in Chromium, and in Node, where nothing
 * but the client is in the time.
 */

import { once } from 'node:events';
import { promisify } from 'node:util';
import Backend from 'sharedb';
import { createConnection } from 'sharedb-proxy';
import { least, takeTurns } from '../bench.mjs';
import { atMost, within } from '../table.mjs';
import { emptyDocument, remoteOps, submits } from '../workload.mjs';

const COMPONENTS = 4000;
const REMOTE_OPS = 100;
/** Where growth is measured; stock would take minutes for much more. */
const [FEW, MANY] = [1000, 8000];

/** Milliseconds of processor time of this process: in Node nothing but the measured client runs, and others cost nothing. */
function spent() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

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

/** Processor time until the last call returned, and until everything was acknowledged. */
async function submitMany(client, count) {
  const { doc, close } = await openDocument(client);
  const ops = submits(count);
  globalThis.gc?.();
  const begin = spent();
  for (const op of ops) doc.submitOp(op);
  const returned = spent() - begin;
  await new Promise((resolve) => doc.whenNothingPending(resolve));
  const acknowledged = spent() - begin;
  close();
  return { returned, acknowledged };
}

async function manySubmits(bench) {
  for (const client of ['ours', 'stock']) await submitMany(client, FEW);
  const acknowledged = { ours: [], stock: [] };
  const returned = await takeTurns(
    bench.rounds(3),
    async (client) => {
      const times = await submitMany(client, COMPONENTS);
      acknowledged[client].push(times.acknowledged);
      return times.returned;
    },
    least,
  );
  return [
    returned,
    { ours: least(acknowledged.ours), stock: least(acknowledged.stock) },
    await growth(bench),
  ];
}

/**
 * How many times longer one submit takes among many than among few. The least of the rounds counts, because a busy
 * machine only adds. Stock's is far from one; a round of it takes half a minute, and `--quick` leaves it out.
 */
async function growth(bench) {
  const of = async (client, rounds) => {
    const few = [];
    const many = [];
    for (let round = 0; round < rounds; round++) {
      few.push((await submitMany(client, FEW)).returned / FEW);
      many.push((await submitMany(client, MANY)).returned / MANY);
    }
    return least(many) / least(few);
  };
  return {
    ours: await of('ours', bench.rounds(20)),
    stock: bench.quick ? null : await of('stock', 1),
  };
}

/**
 * Processor time in which a paused document with a long pending op takes in ops of another client. The messages are
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
  const begin = spent();
  for (const event of held) deliver.call(socket, event);
  await all;
  const took = spent() - begin;
  close();
  return took;
}

async function remoteOverPending(bench) {
  return [await takeTurns(bench.rounds(5), receiveOverPending, least)];
}

const COLLECTION = 'pending';

/** Opens a tab of a client on a document of its own. */
async function openTab(bench, client, id) {
  const server = await bench.server();
  await server.create(COLLECTION, { [id]: emptyDocument() });
  const { tabs, close } = await (await bench.browser()).open(server, client, 1);
  await tabs[0].evaluate(([c, d]) => globalThis.bench.openAll(c, [d]), [COLLECTION, id]);
  return { tab: tabs[0], server, close };
}

async function manySubmitsInTab(bench) {
  const acknowledged = { ours: [], stock: [] };
  const returned = await takeTurns(
    bench.rounds(3),
    async (client, round) => {
      const id = `many-${client}-${round}`;
      const { tab, close } = await openTab(bench, client, id);
      const times = await tab.evaluate(
        ([c, d, n]) => globalThis.bench.submitMany(c, d, n),
        [COLLECTION, id, COMPONENTS],
      );
      await close();
      acknowledged[client].push(times.acknowledged);
      return times.returned;
    },
    least,
  );
  return [returned, { ours: least(acknowledged.ours), stock: least(acknowledged.stock) }];
}

async function remoteOverPendingInTab(bench) {
  const browser = await bench.browser();
  const measure = async (client, round) => {
    const id = `remote-${client}-${round}`;
    const { tab, server, close } = await openTab(bench, client, id);
    await tab.evaluate(
      ([c, d, n]) => globalThis.bench.keepPending(c, d, n),
      [COLLECTION, id, COMPONENTS],
    );
    server.proxy.hold();
    const reached = tab.evaluate(
      ([c, d, v]) => globalThis.bench.reach(c, d, v),
      [COLLECTION, id, 1 + REMOTE_OPS],
    );
    await server.submit(COLLECTION, id, remoteOps(REMOTE_OPS));
    const begin = browser.processorTime();
    server.proxy.release();
    await reached;
    const result = browser.processorTime() - begin;
    await close();
    return result;
  };
  return [await takeTurns(bench.rounds(5), measure, least)];
}

const TWENTIETH = atMost(1 / 20, 'at most 1/20 × stock');
const TENTH = atMost(1 / 10, 'at most 1/10 × stock');

export const groups = [
  {
    figures: [
      { figure: '4,000 synchronous json0 submits, last call returned (ms)', goal: TWENTIETH },
      { figure: '4,000 synchronous json0 submits, acknowledged (ms)', goal: TWENTIETH },
    ],
    run: manySubmitsInTab,
  },
  {
    figures: [
      {
        figure: '4,000 synchronous json0 submits in Node, last call returned (CPU ms)',
        goal: TWENTIETH,
      },
      { figure: '4,000 synchronous json0 submits in Node, acknowledged (CPU ms)', goal: TWENTIETH },
      {
        figure: 'one of 8,000 submits in Node, times one of 1,000',
        goal: within(1.5, 'linear: at most 1.5'),
      },
    ],
    run: manySubmits,
  },
  {
    figures: [
      { figure: '100 remote ops against a 4,000-component pending op (CPU ms)', goal: TENTH },
    ],
    run: remoteOverPendingInTab,
  },
  {
    figures: [
      {
        figure: '100 remote ops against a 4,000-component pending op, in Node (CPU ms)',
        goal: TENTH,
      },
    ],
    run: remoteOverPending,
  },
];
