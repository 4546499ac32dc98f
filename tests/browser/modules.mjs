/** Whether a page downloads the host's code, in the demos as Vite builds them. */
import assert from 'node:assert/strict';
import { ROUTED } from './engines/skips.mjs';
import { until } from './stage.mjs';
import { MODULE } from './host-skips.mjs';

/** The script that a page loads where it has the host; the tab's is in that of the application. */
const HOST = 'browser-page-host';

const hasLoaded = (page) =>
  page.evaluate(
    (name) => performance.getEntriesByType('resource').some((entry) => entry.name.includes(name)),
    HOST,
  );

async function follow(stage, query, expected) {
  const page = await stage.tab('counter', 'modules', query);
  await until('the document is there', () => page.evaluate(() => window.demo.doc?.version > 0));
  assert.equal(await hasLoaded(page), expected);
  return page;
}

async function inWorker(stage) {
  await follow(stage, '', false);
  await follow(stage, '&worker=packaged', false);
}

const inPage = (stage) => follow(stage, '&host=in-page', true);
const movedIn = (stage) => follow(stage, '&worker=missing', true);

/** The page cannot load the host's code at first: the application is told, and nothing is lost. */
async function lateModule(stage) {
  const page = await stage.visit('lab/tab.html');
  let fails = true;
  await page.page.route(`**/${HOST}*.js`, (route) => (fails ? route.abort() : route.continue()));
  await page.evaluate(async () => {
    window.demo = await window.lab.open({ ids: [], durable: false, host: 'in-page' });
    const doc = window.demo.connection.get('demo', 'late');
    window.made = new Promise((resolve) => doc.create({ n: 1 }, (error) => resolve(error?.code)));
  });
  const errors = () => page.evaluate(() => window.demo.errors);
  await until('it is told', async () => (await errors()).length);
  assert.deepEqual(await errors(), ['ERR_HOST_FAILED']);
  fails = false;
  assert.equal(await page.evaluate(() => window.made), undefined);
  const { data } = await stage.snapshot('late');
  assert.deepEqual(data, { n: 1 });
}

export const moduleTests = [
  {
    name: 'modules: a page whose host is in a worker does not download it',
    skip: MODULE,
    run: inWorker,
  },
  { name: 'modules: a page that is the host downloads it', run: inPage },
  { name: 'modules: so does a page whose worker cannot be made', run: movedIn },
  {
    name: "modules: a host's code that cannot be loaded at first",
    skip: ROUTED,
    run: lateModule,
  },
];
