/** A cold start on a durable store: how much longer the first document takes where the store has many. */

import { promisify } from 'node:util';
import { middle } from '../bench.mjs';
import { openOnDisk } from '../browser.mjs';
import { atMost } from '../table.mjs';

const COLLECTION = 'restart';
const FEW = 100;
const MANY = 10_000;
/** Documents that are opened at once to fill a store. */
const CHUNK = 500;
/** Nobody listens there: what is read is read from the store. */
const NOWHERE = 'ws://127.0.0.1:9/';

const ids = Array.from({ length: MANY }, (_, i) => `doc-${i}`);

/** Milliseconds from the navigation to the first document, the server being away: many documents beside few. */
async function restart(bench) {
  const server = await bench.server();
  const backend = server.backend.connect();
  for (const id of ids) {
    const doc = backend.get(COLLECTION, id);
    await promisify(doc.create.bind(doc))({ text: `This is ${id}.` });
  }
  backend.close();
  const stores = {};
  const samples = { [FEW]: [], [MANY]: [] };
  try {
    for (const count of [FEW, MANY]) {
      stores[count] = await openOnDisk(`${server.pageUrl('ours')}&durable=${count}`);
      await fill(stores[count], count);
    }
    const rounds = bench.rounds(20);
    for (let round = 0; round < rounds; round++) {
      for (const count of round % 2 ? [MANY, FEW] : [FEW, MANY]) {
        samples[count].push(await reload(stores[count], server, count));
      }
    }
  } finally {
    for (const { close } of Object.values(stores)) await close();
  }
  return [{ ours: middle(samples[MANY]), stock: middle(samples[FEW]) }];
}

/** Stores so many documents. */
async function fill({ tab }, count) {
  for (let at = 0; at < count; at += CHUNK) {
    const chunk = ids.slice(at, Math.min(at + CHUNK, count));
    await tab.evaluate(([c, list]) => globalThis.bench.openAll(c, list), [COLLECTION, chunk]);
  }
  const stored = await tab.evaluate(() => globalThis.bench.flush());
  if (stored !== count) throw new Error(`the store has ${stored} documents, not ${count}`);
}

/** The only tab goes, and with it the worker; comes again, and opens a document in the middle of the store. */
async function reload({ tab }, server, count) {
  const id = ids[count / 2];
  const address = server.pageUrl('ours', NOWHERE);
  await tab.goto('about:blank');
  await tab.goto(`${address}&durable=${count}&first=${COLLECTION}/${id}`);
  await tab.waitForFunction(() => globalThis.bench);
  const { time, data } = await tab.evaluate(() => globalThis.bench.first);
  if (data.text !== `This is ${id}.`) throw new Error(`${id} is not what was stored`);
  return time;
}

export const groups = [
  {
    figures: [
      {
        figure: 'reload of the only tab, first doc of 10,000 durable ones beside 100 (ms)',
        goal: atMost(1.2, 'at most 1.2 × with 100 docs'),
      },
    ],
    run: restart,
  },
];
