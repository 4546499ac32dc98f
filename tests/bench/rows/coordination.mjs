/** What tabs know of each other; in Chromium. The stock client has nothing of it. */

import { quantile } from '../bench.mjs';
import { delivered, within } from '../table.mjs';

const TABS = 5;
const KILLS = 20;

/**
 * From the command that kills a tab's process, in milliseconds: until `connectedTabs` of each other tab is right, and until the
 * browser has freed the tab's Web Lock, by which anybody can notice it.
 */
async function crashes(bench) {
  const server = await bench.server();
  const browser = await bench.browser();
  const { context, tabs, close } = await browser.open(server, 'coordinator', TABS);
  const times = [];
  const browsers = [];
  try {
    for (let round = 0; round < bench.rounds(KILLS); round++) {
      await knowEachOther(tabs);
      for (const tab of tabs) await tab.evaluate(() => globalThis.bench.watch());
      const [dead] = tabs.splice(round % tabs.length, 1);
      const id = await dead.evaluate(() => globalThis.bench.id);
      const session = await context.newCDPSession(dead);
      const crashed = dead.waitForEvent('crash');
      const at = Date.now();
      session.send('Page.crash').catch(() => {});
      await crashed;
      for (const tab of tabs) {
        await tab.waitForFunction(
          (id) => globalThis.bench.gone[id] && globalThis.bench.freed[id],
          id,
        );
        const [gone, freed] = await tab.evaluate(
          (id) => [globalThis.bench.gone[id], globalThis.bench.freed[id]],
          id,
        );
        times.push(gone - at);
        browsers.push(freed - at);
      }
      await dead.close();
      tabs.push(...(await browser.more(context, server, 'coordinator', 1)));
    }
  } finally {
    await close();
  }
  return [...middleAndMost(times), ...middleAndMost(browsers)];
}

function middleAndMost(times) {
  return [0.5, 1].map((part) => ({ ours: quantile(times, part), stock: null }));
}

const knowEachOther = (tabs) =>
  Promise.all(
    tabs.map((tab) =>
      tab.waitForFunction((count) => globalThis.bench.count() === count, tabs.length),
    ),
  );

export const groups = [
  {
    figures: [
      { figure: "a tab's crash → connectedTabs of the others, 5 tabs, p50 (ms)", goal: delivered },
      {
        figure: "a tab's crash → connectedTabs of the others, 5 tabs, max (ms)",
        goal: within(100, 'at most 100 ms'),
      },
      { figure: "a tab's crash → the browser has freed its Web Lock, p50 (ms)", goal: delivered },
      { figure: "a tab's crash → the browser has freed its Web Lock, max (ms)", goal: delivered },
    ],
    run: crashes,
  },
];
