/** What many tabs on the same documents cost the server: sockets, and bytes that it sends. */

import { CLIENTS } from '../bench.mjs';
import { atMost, within } from '../table.mjs';
import { counters } from '../workload.mjs';

const COLLECTION = 'traffic';
const TABS = 20;
const DOCS = 50;
/** Ops of another client on each document, once all tabs have it open. */
const OPS = 4;

async function traffic(bench) {
  const figures = [{}, {}];
  for (const client of CLIENTS) {
    const { sockets, bytes } = await measure(bench, client);
    figures[0][client] = sockets;
    figures[1][client] = bytes;
  }
  return figures;
}

async function measure(bench, client) {
  const server = await bench.server();
  const browser = await bench.browser();
  const ids = Array.from({ length: DOCS }, (_, i) => `${client}-${i}`);
  await server.create(COLLECTION, Object.fromEntries(ids.map((id) => [id, counters()])));
  server.proxy.reset();
  const { tabs, close } = await browser.open(server, client, TABS);
  for (const tab of tabs) {
    await tab.evaluate(([c, list]) => globalThis.bench.openAll(c, list), [COLLECTION, ids]);
  }
  const reached = tabs.map((tab) =>
    tab.evaluate(
      ([c, list, v]) =>
        Promise.all(list.map((id) => globalThis.bench.reach(c, id, v))).then(() => {}),
      [COLLECTION, ids, 1 + OPS],
    ),
  );
  const ops = Array.from({ length: OPS }, () => [{ p: ['count'], na: 1 }]);
  for (const id of ids) await server.submit(COLLECTION, id, ops);
  await Promise.all(reached);
  const { connections: sockets, bytes } = server.proxy;
  await close();
  return { sockets, bytes };
}

export const groups = [
  {
    figures: [
      { figure: '20 tabs × 50 docs, sockets', goal: within(1, 'exactly 1') },
      {
        figure: '20 tabs × 50 docs, bytes from the server',
        goal: atMost(1 / 18, 'at most 1/18 × stock'),
      },
    ],
    run: traffic,
  },
];
