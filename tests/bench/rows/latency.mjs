/** How long an op takes to its callback, to the other tab, and a document to open; in Chromium. */

import { middle, quantiles, samples, takeTurns } from '../bench.mjs';
import { echo, pingPong } from '../ping-pong.mjs';
import { atMost, delivered } from '../table.mjs';
import { counters } from '../workload.mjs';

const COLLECTION = 'latency';
/** Each direction of "20 ms away" and "100 ms away". */
const NEAR_MS = 10;
const FAR_MS = 50;

/** The middle of each client's samples, and what one in a hundred of them exceeds. */
const middleAndTail = (times) => [
  { ours: middle(times.ours), stock: middle(times.stock) },
  quantiles(times, 0.99),
];

/** Opens tabs of both clients on a document each, lets `measure` use them, and closes them. */
async function withTabs(bench, count, name, measure) {
  const server = await bench.server();
  const browser = await bench.browser();
  const opened = {};
  for (const client of ['ours', 'stock']) {
    const id = `${name}-${client}`;
    await server.create(COLLECTION, { [id]: counters() });
    const { tabs, close } = await browser.open(server, client, count);
    for (const tab of tabs) {
      await tab.evaluate(([c, d]) => globalThis.bench.openAll(c, [d]), [COLLECTION, id]);
    }
    opened[client] = { tabs, close, id };
  }
  try {
    return await measure(opened, server);
  } finally {
    server.proxy.restore();
    server.proxy.delayMs = 0;
    for (const { close } of Object.values(opened)) await close();
  }
}

function submitAndWait(bench) {
  return withTabs(bench, 1, 'callback', async (opened, { proxy }) => {
    proxy.delayMs = NEAR_MS;
    const submit = (client, count) => {
      const { tabs, id } = opened[client];
      return tabs[0].evaluate(
        ([c, d, n]) => globalThis.bench.submit(c, d, n),
        [COLLECTION, id, count],
      );
    };
    for (const client of ['ours', 'stock']) await submit(client, 10);
    return middleAndTail(await samples(bench.rounds(12), (client) => submit(client, 10)));
  });
}

function betweenTabs(bench) {
  return withTabs(bench, 2, 'tabs', async (opened, { proxy }) => {
    for (const { tabs, id } of Object.values(opened)) {
      await echo(tabs[1], COLLECTION, id);
    }
    const trips = (client, count) => {
      const { tabs, id } = opened[client];
      return pingPong(tabs[0], COLLECTION, id, count);
    };
    for (const client of ['ours', 'stock']) await trips(client, 20);
    const loopback = await samples(bench.rounds(12), (client) => trips(client, 20));
    proxy.delayMs = FAR_MS;
    const far = await takeTurns(bench.rounds(8), (client) => trips(client, 4));
    proxy.delayMs = 0;
    proxy.cut();
    await opened.ours.tabs[0].waitForFunction(() => !globalThis.bench.isConnected());
    const gone = await takeTurns(1, (client) => (client === 'ours' ? trips(client, 20) : []));
    return [...middleAndTail(loopback), far, { ours: gone.ours, stock: null }];
  });
}

async function openDocument(bench) {
  const perRound = 20;
  const rounds = bench.rounds(8);
  const ids = Array.from({ length: (rounds + 1) * perRound }, (_, i) => `open-${i}`);
  const server = await bench.server();
  await server.create(COLLECTION, Object.fromEntries(ids.map((id) => [id, counters()])));
  return withTabs(bench, 2, 'opening', async (opened) => {
    const open = (client, round) => {
      const some = ids.slice(round * perRound, (round + 1) * perRound);
      return opened[client].tabs[1].evaluate(
        ([c, list]) => globalThis.bench.open(c, list),
        [COLLECTION, some],
      );
    };
    for (const client of ['ours', 'stock']) {
      await opened[client].tabs[0].evaluate(
        ([c, list]) => globalThis.bench.openAll(c, list),
        [COLLECTION, ids],
      );
      await open(client, rounds);
    }
    return middleAndTail(await samples(rounds, open));
  });
}

export const groups = [
  {
    figures: [
      { figure: 'submitOp → callback, server 20 ms away (ms)', goal: atMost(1.05) },
      { figure: 'submitOp → callback, server 20 ms away, p99 (ms)', goal: delivered },
    ],
    run: submitAndWait,
  },
  {
    figures: [
      { figure: 'submitOp in tab A → op in tab B, loopback (ms)', goal: atMost(0.5) },
      { figure: 'submitOp in tab A → op in tab B, loopback, p99 (ms)', goal: delivered },
      { figure: 'submitOp in tab A → op in tab B, server 100 ms away (ms)', goal: atMost(0.5) },
      { figure: 'submitOp in tab A → op in tab B, server gone (ms)', goal: delivered },
    ],
    run: betweenTabs,
  },
  {
    figures: [
      { figure: 'open a doc that another tab has open (ms)', goal: atMost(0.5) },
      { figure: 'open a doc that another tab has open, p99 (ms)', goal: delivered },
    ],
    run: openDocument,
  },
];
