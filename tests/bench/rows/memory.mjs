/** The memory of the whole browser with the same documents open in several tabs. */

import { middle, CLIENTS } from '../bench.mjs';
import { Browser } from '../browser.mjs';
import { atMost } from '../table.mjs';
import { largeDocument } from '../workload.mjs';

const COLLECTION = 'memory';
const TABS = 10;
const DOCS = 200;
const ids = Array.from({ length: DOCS }, (_, i) => `doc-${i}`);

/** Megabytes of both states: opened, and each document read by each tab. */
async function memory(bench) {
  const server = await bench.server();
  await server.create(
    COLLECTION,
    Object.fromEntries(ids.map((id, index) => [id, largeDocument(index)])),
  );
  const samples = { ours: [], stock: [] };
  for (let round = 0; round < bench.rounds(3); round++) {
    for (const client of CLIENTS) samples[client].push(await measure(server, client));
  }
  return [0, 1].map((state) => ({
    ours: middle(samples.ours.map((states) => states[state])),
    stock: middle(samples.stock.map((states) => states[state])),
  }));
}

/** A browser of its own, so that nothing of the other client is left in its processes. */
async function measure(server, client) {
  const browser = await Browser.launch();
  try {
    const { context, tabs } = await browser.open(server, client, TABS);
    for (const tab of tabs) {
      await tab.evaluate(([c, list]) => globalThis.bench.openAll(c, list), [COLLECTION, ids]);
    }
    const opened = await settled(browser, context, tabs);
    for (const tab of tabs) {
      await tab.evaluate(([c, list]) => globalThis.bench.readAll(c, list), [COLLECTION, ids]);
    }
    return [opened, await settled(browser, context, tabs)];
  } finally {
    await browser.close();
  }
}

async function settled(browser, context, tabs) {
  await browser.collectGarbage(context, tabs);
  return browser.memory() / 2 ** 20;
}

export const groups = [
  {
    figures: [
      { figure: 'browser memory, 10 tabs × 200 docs of 20 kB, opened (MB)', goal: atMost(1) },
      { figure: 'browser memory, 10 tabs × 200 docs of 20 kB, all read (MB)', goal: atMost(1) },
    ],
    run: memory,
  },
];
