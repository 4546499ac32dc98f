/** Hosts that are elsewhere, that die, and that have much to do; in Chromium. */

import { CLIENTS, middle, quantile, takeTurns } from '../bench.mjs';
import { echo, pingPong } from '../ping-pong.mjs';
import { atMost, delivered, within } from '../table.mjs';
import { counters } from '../workload.mjs';

const COLLECTION = 'hosts';
/** The page's address where there is no SharedWorker: one of the tabs has the host. */
const ELECTED = '&host=elected';
/** Each direction of "100 ms away". */
const FAR_MS = 50;
/** Milliseconds of edits around the death of a host. */
const AROUND_MS = 1500;

// ---- The channel ----

/** From tab to tab, both of which reach the host by a channel: a third tab has it. */
async function overTheChannel(bench) {
  const server = await bench.server();
  const browser = await bench.browser();
  const opened = {};
  try {
    for (const client of CLIENTS) {
      const id = `channel-${client}`;
      await server.create(COLLECTION, { [id]: counters() });
      const { tabs, close } = await browser.open(server, client, 3, ELECTED);
      opened[client] = { tabs: tabs.slice(1), close, id };
      for (const tab of opened[client].tabs)
        await tab.evaluate(([c, d]) => globalThis.bench.openAll(c, [d]), [COLLECTION, id]);
      await echo(tabs[2], COLLECTION, id);
    }
    const trips = (client, count) => {
      const { tabs, id } = opened[client];
      return pingPong(tabs[0], COLLECTION, id, count);
    };
    for (const client of CLIENTS) await trips(client, 20);
    const loopback = await takeTurns(bench.rounds(12), (client) => trips(client, 20));
    server.proxy.delayMs = FAR_MS;
    const far = await takeTurns(bench.rounds(8), (client) => trips(client, 4));
    return [loopback, far];
  } finally {
    server.proxy.delayMs = 0;
    for (const { close } of Object.values(opened)) await close();
  }
}

/** Sockets of many tabs, one of which has the host. */
async function withoutSharedWorkers(bench) {
  const figure = {};
  for (const client of CLIENTS) {
    const server = await bench.server();
    const browser = await bench.browser();
    const ids = Array.from({ length: 50 }, (_, i) => `elected-${client}-${i}`);
    await server.create(COLLECTION, Object.fromEntries(ids.map((id) => [id, counters()])));
    server.proxy.reset();
    const { tabs, close } = await browser.open(server, client, 20, ELECTED);
    for (const tab of tabs)
      await tab.evaluate(([c, list]) => globalThis.bench.openAll(c, list), [COLLECTION, ids]);
    figure[client] = server.proxy.connections;
    await close();
  }
  return [figure];
}

// ---- Deaths ----

/**
 * Milliseconds without an acknowledged op where the host dies, as a tab that edits all the time sees it: the longest pause
 * in each round.
 *
 * @param {any} bench
 * @param {string} query
 * @param {(context: any, tabs: any[]) => Promise<void>} kill
 */
async function deaths(bench, query, kill) {
  const server = await bench.server();
  const browser = await bench.browser();
  const id = `deaths${query}`;
  await server.create(COLLECTION, { [id]: counters() });
  const pauses = [];
  for (let round = 0; round < bench.rounds(60); round++) {
    const { context, tabs, close } = await browser.open(server, 'ours', 3, query);
    for (const tab of tabs.slice(1))
      await tab.evaluate(([c, d]) => globalThis.bench.openAll(c, [d]), [COLLECTION, id]);
    const pause = tabs[1].evaluate(
      ([c, d, ms]) => globalThis.bench.longestPause(c, d, ms),
      [COLLECTION, id, AROUND_MS],
    );
    await tabs[2].waitForTimeout((AROUND_MS / 8) * (1 + Math.random()));
    await kill(context, tabs);
    pauses.push(await pause);
    await close();
  }
  return [0.5, 0.99].map((part) => ({ ours: quantile(pauses, part), stock: null }));
}

async function killWorkers(context) {
  const session = await context.browser().newBrowserCDPSession();
  const { targetInfos } = await session.send('Target.getTargets', { filter: [{}] });
  for (const { targetId } of targetInfos.filter(({ type }) => type === 'shared_worker'))
    await session.send('Target.closeTarget', { targetId });
  await session.detach();
}

/** The tab that came first has the host. */
async function crashFirst(_, [tab]) {
  const crashed = tab.waitForEvent('crash');
  // The navigation never ends: the tab is dead.
  tab.goto('chrome://crash').catch(() => {});
  await crashed;
}

// ---- Many ----

async function manyTabs(bench) {
  const figures = [{}, {}];
  for (const client of CLIENTS) {
    const server = await bench.server();
    const browser = await bench.browser();
    const id = `many-${client}`;
    await server.create(COLLECTION, { [id]: counters() });
    const begin = performance.now();
    const { tabs, close } = await browser.open(server, client, bench.rounds(100));
    for (const tab of tabs)
      await tab.evaluate(([c, d]) => globalThis.bench.openAll(c, [d]), [COLLECTION, id]);
    figures[0][client] = (performance.now() - begin) / tabs.length;
    await echo(tabs.at(-1), COLLECTION, id);
    figures[1][client] = middle(await pingPong(tabs[0], COLLECTION, id, 20));
    await close();
  }
  return figures;
}

async function manyDocuments(bench) {
  const server = await bench.server();
  const browser = await bench.browser();
  const ids = Array.from({ length: 10_000 }, (_, i) => `of-many-${i}`);
  await server.create(COLLECTION, Object.fromEntries(ids.map((id) => [id, counters()])));
  const figures = [{}, {}];
  for (const client of CLIENTS) {
    const { tabs, close } = await browser.open(server, client, 2);
    const begin = performance.now();
    await tabs[0].evaluate(([c, list]) => globalThis.bench.openAll(c, list), [COLLECTION, ids]);
    figures[0][client] = performance.now() - begin;
    const times = await tabs[0].evaluate(
      ([c, d]) => globalThis.bench.submit(c, d, 20),
      [COLLECTION, ids[5000]],
    );
    figures[1][client] = middle(times);
    await close();
  }
  return figures;
}

export const groups = [
  {
    figures: [
      {
        figure: 'submitOp in tab A → op in tab B, by a channel, loopback (ms)',
        goal: atMost(1),
      },
      {
        figure: 'submitOp in tab A → op in tab B, by a channel, server 100 ms away (ms)',
        goal: atMost(0.5),
      },
    ],
    run: overTheChannel,
  },
  {
    figures: [
      { figure: '20 tabs × 50 docs without SharedWorker, sockets', goal: within(1, 'exactly 1') },
    ],
    run: withoutSharedWorkers,
  },
  {
    figures: [
      { figure: "a shared worker's death → the next acknowledged op, p50 (ms)", goal: delivered },
      {
        figure: "a shared worker's death → the next acknowledged op, p99 (ms)",
        goal: within(200, 'at most 200 ms'),
      },
    ],
    run: (bench) => deaths(bench, '', killWorkers),
  },
  {
    figures: [
      { figure: "an elected tab's death → the next acknowledged op, p50 (ms)", goal: delivered },
      {
        figure: "an elected tab's death → the next acknowledged op, p99 (ms)",
        goal: within(1000, 'at most 1 s'),
      },
    ],
    run: (bench) => deaths(bench, ELECTED, crashFirst),
  },
  {
    figures: [
      { figure: '100 tabs, to open each on the same doc (ms)', goal: delivered },
      { figure: '100 tabs, submitOp in the first → op in the last (ms)', goal: delivered },
    ],
    run: manyTabs,
  },
  {
    figures: [
      { figure: '10,000 docs in one tab, subscribed (ms)', goal: delivered },
      {
        figure: '10,000 docs in one tab, submitOp → callback of one (ms)',
        goal: delivered,
      },
    ],
    run: manyDocuments,
  },
];
