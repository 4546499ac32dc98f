/** Tabs come, go, crash and close; hosts live in a worker or in the page. */
import assert from 'node:assert/strict';
import { CRASHED } from './engines/skips.mjs';
import { replaced } from './host-lock.mjs';
import { until } from './stage.mjs';
import { KILLED } from './host-skips.mjs';

const add = (page, amount) =>
  page.evaluate((na) => window.demo.doc.submitOp([{ p: ['value'], na }]), amount);

const noSocket = (stage) =>
  until(
    'the server has no socket left',
    async () => (await stage.sockets()) === 0,
    () => stage.sockets(),
  );

/** The worker lives in the process of the tab that made it, the first. It dies with it; the others start another. */
async function crashedMaker(stage) {
  const pages = await stage.tabs(3, 'counter', 'maker');
  const [maker, b, c] = pages;
  await add(b, 5);
  await stage.agreed(pages, 'maker');
  await recovered([b, c], 5, () => maker.crash());
  await stage.reports(b, { tabs: 2, sockets: 1 });
  await add(b, 10);
  await add(c, 100);
  assert.equal((await stage.agreed([b, c], 'maker')).data.value, 115);
  assert.equal(await stage.sockets(), 1);
}

/** Here another tab crashes than the one that made the worker. */
async function crashedTab(stage) {
  const pages = await stage.tabs(3, 'counter', 'crash');
  const [a, crashing, c] = pages;
  await add(crashing, 5);
  await stage.agreed(pages, 'crash');
  const { hs } = await stage.admin('received');
  await crashing.crash();
  await add(a, 10);
  await add(c, 100);
  await stage.reports(a, { tabs: 2, sockets: 1 });
  assert.equal((await stage.agreed([a, c], 'crash')).data.value, 115);
  assert.equal((await stage.admin('received')).hs, hs, 'the host did not connect again');
}

/** Runs `blow`, which ends the host, and waits until the pages have another one, and their document again. */
async function recovered(pages, value, blow) {
  await replaced(pages[0], blow);
  for (const page of pages) {
    // The data stays to be looked at; the version says that it is the new host's.
    await until('the document is back', () =>
      page.evaluate(
        (wanted) => window.demo.doc.version !== null && window.demo.doc.data.value === wanted,
        value,
      ),
    );
  }
}

async function killedWorker(stage) {
  const pages = await stage.tabs(3, 'counter', 'killed');
  for (let kills = 1; kills <= 4; kills += 1) {
    await recovered(pages, 3 * (kills - 1), () => stage.workers.kill());
    await Promise.all(pages.map((page) => add(page, 1)));
    await stage.reports(pages[0], { tabs: 3, sockets: 1 });
    assert.equal((await stage.agreed(pages, 'killed')).data.value, 3 * kills);
  }
  assert.equal((await stage.workers.urls()).length, 1);
}

async function closingTabs(stage) {
  const pages = await stage.tabs(3, 'counter', 'closing');
  const [a, b, c] = pages;
  await stage.reports(a, { tabs: 3 });
  await b.close();
  await stage.reports(a, { tabs: 2, sockets: 1 });
  await add(c, 1);
  await stage.agreed([a, c], 'closing');
  await a.close();
  await stage.reports(c, { tabs: 1, sockets: 1 });
  await add(c, 1);
  assert.equal((await stage.agreed([c], 'closing')).data.value, 2);
  await c.close();
  await noSocket(stage);
}

/** Every change that was acknowledged is there after a reload: by a fresh worker, from the server. */
async function reloads(stage) {
  const page = await stage.tab('counter', 'reload');
  for (let sum = 1; sum <= 5; sum += 1) {
    await add(page, 1);
    await stage.agreed([page], 'reload');
    await stage.reload(page);
    assert.equal((await stage.agreed([page], 'reload')).data.value, sum);
    await stage.reports(page, { tabs: 1, sockets: 1 });
  }
  await until('one socket is left', async () => (await stage.sockets()) === 1);
}

/** Walking through the pages of the application in one tab beside another: no tab is counted twice. */
async function walks(stage) {
  const stays = await stage.tab('counter', 'walk');
  const walker = await stage.tab('text', 'walk-text');
  for (const demo of ['board', 'counter', 'text', 'counter']) {
    await walker.goto(`${stage.server.url}/${demo}.html?doc=walk-${demo}&store=session`);
    await stage.ready(walker);
    await stage.reports(stays, { tabs: 2, sockets: 1 });
  }
  await add(walker, 3);
  await stage.agreed([walker], 'walk-counter');
  await stage.reports(stays, { docs: 2, pendingOps: 0 });
}

async function closedConnection(stage) {
  const pages = await stage.tabs(3, 'counter', 'closed');
  const [a, b, c] = pages;
  await b.evaluate(() => window.demo.connection.close());
  assert.equal(await b.evaluate(() => window.demo.connection.state), 'closed');
  await stage.reports(a, { tabs: 2, sockets: 1 });
  await add(a, 2);
  await add(c, 3);
  assert.equal((await stage.agreed([a, c], 'closed')).data.value, 5);
  assert.equal(await b.evaluate(() => window.demo.doc.data.value), 0);
  assert.equal(await stage.sockets(), 1);
}

async function inPage(stage) {
  const pages = await stage.tabs(2, 'counter', 'page', '&host=in-page');
  const host = await pages[0].evaluate(() => window.demo.connection.host);
  assert.deepEqual(host, {
    kind: 'elected-tab',
    place: 'page',
    reason: 'useSharedWorker is false; dedicatedWorker is false',
  });
  assert.equal(await stage.sockets(), 1);
  assert.deepEqual(await stage.workers.urls(), []);
  await Promise.all(pages.map((page) => page.click('#burst')));
  assert.equal((await stage.agreed(pages, 'page')).data.value, 200);
  await stage.post('restart');
  await Promise.all(pages.map((page) => page.click('#burst')));
  assert.equal((await stage.agreed(pages, 'page')).data.value, 400);
  await stage.reports(pages[0], { tabs: 2, sockets: 1 });
}

/** @type {{name: string, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const lifeTests = [
  { name: 'life: a crashed tab disturbs nobody', run: crashedTab },
  { name: 'life: the crash of the tab that made the worker', skip: CRASHED, run: crashedMaker },
  { name: 'life: the worker is killed, again and again', skip: KILLED, run: killedWorker },
  { name: 'life: closed tabs are forgotten, the last takes the socket along', run: closingTabs },
  { name: 'life: the only tab reloads', run: reloads },
  { name: 'life: a tab walks from page to page beside another', run: walks },
  { name: 'life: connection.close() in one tab leaves the others', run: closedConnection },
  { name: 'life: the host in a page, for two tabs', run: inPage },
];
