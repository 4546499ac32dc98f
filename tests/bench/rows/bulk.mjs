/** A keystroke in one tab while another one loads many documents; in Chromium. */

import { CLIENTS, middle, quantile } from '../bench.mjs';
import { atMost, delivered, within } from '../table.mjs';
import { counters } from '../workload.mjs';

const COLLECTION = 'bulk';
const COUNT = 2000;
/** Characters of each document: 40 MB are loaded. */
const LENGTH = 20_000;
/** An op that takes longer is not coming. */
const LIMIT_MS = 60_000;

const ids = Array.from({ length: COUNT }, (_, i) => `bulk-${i}`);

let created;

/** Once for all rows. */
function createAll(server) {
  const text = 'A line of a long document. '.repeat(LENGTH / 27);
  created ??= server.create(COLLECTION, Object.fromEntries(ids.map((id) => [id, { text }])));
  return created;
}

/**
 * Lets tab A write to tab B, one op after the other, while `load` runs.
 *
 * @returns {Promise<{passed: number[], acknowledged: number[], loaded: number}>} milliseconds from A to B, to A's callback, and
 *   of the whole load
 */
async function typeWhile([a, b], id, load) {
  const docs = [COLLECTION, id];
  for (const tab of [a, b]) await tab.evaluate(([c, d]) => globalThis.bench.openAll(c, [d]), docs);
  await b.evaluate(([c, d]) => globalThis.bench.echo(c, d), docs);
  await a.evaluate(
    ([c, d, limit]) => globalThis.bench.pingPong(c, d, 20, limit),
    [...docs, LIMIT_MS],
  );
  const typed = a.evaluate(
    ([c, d, limit]) => globalThis.bench.type(c, d, limit),
    [...docs, LIMIT_MS],
  );
  const begin = performance.now();
  await load();
  const loaded = performance.now() - begin;
  await a.evaluate(() => globalThis.bench.stopTyping());
  return { ...(await typed), loaded };
}

/** The figures of many rounds: passed, the longest of them, acknowledged, the longest of these, loaded. */
function figuresOf(rounds) {
  const all = (name) => rounds.flatMap((round) => round[name]);
  return [
    middle(all('passed')),
    quantile(all('passed'), 0.99),
    middle(all('acknowledged')),
    quantile(all('acknowledged'), 0.99),
    middle(all('loaded')),
  ];
}

async function fromServer(bench) {
  const server = await bench.server();
  const browser = await bench.browser();
  await createAll(server);
  const measured = { ours: [], stock: [] };
  for (let round = 0; round < bench.rounds(4); round++) {
    for (const client of round % 2 ? CLIENTS.toReversed() : CLIENTS) {
      const id = `typed-${client}-${round}`;
      await server.create(COLLECTION, { [id]: counters() });
      const { tabs, close } = await browser.open(server, client, 3);
      const load = () =>
        tabs[2].evaluate(([c, list]) => globalThis.bench.openAll(c, list), [COLLECTION, ids]);
      measured[client].push(await typeWhile(tabs, id, load));
      await close();
    }
  }
  const [ours, stock] = CLIENTS.map((client) => figuresOf(measured[client]));
  return ours.map((figure, index) => ({ ours: figure, stock: stock[index] }));
}

/** The stock client has no store: another tab has opened all of it before, and is gone. */
async function fromStore(bench) {
  const server = await bench.server();
  const browser = await bench.browser();
  await createAll(server);
  const rounds = [];
  for (let round = 0; round < bench.rounds(4); round++) {
    const id = `typed-stored-${round}`;
    await server.create(COLLECTION, { [id]: counters() });
    const { tabs, close } = await browser.open(server, 'ours', 4, `&durable=bulk-${round}`);
    const [a, b, c, before] = tabs;
    await before.evaluate(([of, list]) => globalThis.bench.openAll(of, list), [COLLECTION, ids]);
    await before.evaluate(() => globalThis.bench.flush());
    await before.close();
    const load = () =>
      c.evaluate(([of, list]) => globalThis.bench.loadStored(of, list), [COLLECTION, ids]);
    rounds.push(await typeWhile([a, b], id, load));
    await close();
  }
  return figuresOf(rounds).map((ours) => ({ ours, stock: null }));
}

export const groups = [
  {
    figures: [
      {
        figure: 'A → B while C loads 40 MB in 2,000 docs (ms)',
        goal: within(16, 'at most a frame, 16 ms'),
      },
      { figure: 'A → B while C loads 40 MB in 2,000 docs, p99 (ms)', goal: atMost(1) },
      {
        figure: 'submitOp → callback in A while C loads 40 MB (ms)',
        goal: within(100, 'at most 100 ms'),
      },
      { figure: 'submitOp → callback in A while C loads 40 MB, p99 (ms)', goal: atMost(1) },
      { figure: '2,000 docs of 20 kB subscribed while others type (ms)', goal: delivered },
    ],
    run: fromServer,
  },
  {
    figures: [
      {
        figure: 'A → B while C loads 40 MB of its store (ms)',
        goal: within(16, 'at most a frame, 16 ms'),
      },
      {
        figure: 'A → B while C loads 40 MB of its store, p99 (ms)',
        goal: within(100, 'at most 100 ms'),
      },
      {
        figure: 'submitOp → callback in A while C loads 40 MB of its store (ms)',
        goal: within(100, 'at most 100 ms'),
      },
      {
        figure: 'submitOp → callback in A while C loads 40 MB of its store, p99 (ms)',
        goal: delivered,
      },
      { figure: '2,000 docs of 20 kB from the store while others type (ms)', goal: delivered },
    ],
    run: fromStore,
  },
];
