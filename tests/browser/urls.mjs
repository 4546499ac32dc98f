/** A `url` that is a function of the application's: one tab is asked for each socket of all tabs. */
import assert from 'node:assert/strict';
import { until } from './stage.mjs';

const PAGE = 'lab/tab.html?doc=urls&urls=asked';

const callsIn = (pages) =>
  Promise.all(pages.map((page) => page.evaluate(() => globalThis.urlCalls)));

/** Runs with the host in a worker, or in one of the pages. */
const asking = (query) => async (stage) => {
  const pages = [];
  while (pages.length < 3) pages.push(await stage.visit(PAGE + query));
  await stage.agreed(pages, 'urls');
  assert.deepEqual(await callsIn(pages), [1, 0, 0], 'one socket');
  await stage.cut(pages);
  await stage.post('restore');
  await stage.agreed(pages, 'urls');
  const [again, ...others] = await callsIn(pages);
  assert.ok(again > 1, 'another socket, another url');
  assert.deepEqual(others, [0, 0]);

  // The one that was asked goes, and its host with it.
  await pages.shift().close();
  await stage.post('restart');
  await until('another tab is asked', async () =>
    (await callsIn(pages)).some((calls) => calls > 0),
  );
  await stage.agreed(pages, 'urls');
  assert.equal(await stage.sockets(), 1);
};

export const urlTests = [
  { name: 'urls: one tab is asked for all', run: asking('') },
  { name: 'urls: one tab is asked for all, the host in a page', run: asking('&host=in-page') },
];
