/**
 * Pages that the browser keeps for the user's return: they leave their host before, so that nothing throws them out, and come
 * back to the host of that time. The same for pages that are frozen.
 */
import assert from 'node:assert/strict';
import { chromiumOnly } from './engines/skips.mjs';
import { countLogged } from './ledger.mjs';
import { until } from './stage.mjs';

const ID = 'kept';
const KEPT = chromiumOnly('only Chromium says why a page was not kept');
const path = (host) => `lab/tab.html?doc=${ID}&host=${host}&namespace=kept`;

/** Appends, and waits for no callback. */
const append = (page, marker) =>
  page.evaluate((li) => {
    const { doc } = window.demo;
    window.outcomes ??= [];
    doc.submitOp([{ p: ['list', doc.data.list.length], li }], (error) =>
      window.outcomes.push([li, error?.code]),
    );
  }, marker);

const shows = (page, marker) =>
  until(`a tab shows ${marker}`, () =>
    page.evaluate((li) => window.demo.doc.data?.list.includes(li), marker),
  );

/** Goes to another page of the origin, in which there is no connection. */
async function leave(stage, page) {
  await page.evaluate(() => {
    window.kept = true;
  });
  await page.goto(`${stage.server.url}/lab/src/worker.js`);
}

/** Comes back; gives why the browser has not kept the page. */
async function comeBack(page) {
  const isBack = () => page.evaluate(() => Boolean(window.demo)).catch(() => false);
  // The page may be gone before it says that it goes.
  await page.evaluate(() => history.back()).catch(() => {});
  const why = () => {
    const [{ notRestoredReasons }] = performance.getEntriesByType('navigation');
    return { reasons: window.kept ? undefined : (notRestoredReasons?.reasons ?? ['no reason']) };
  };
  // It may be shown as it was, and then be loaded anew.
  return until('the page is back', async () => {
    const isThere = await isBack();
    return isThere && page.evaluate(why).catch(() => undefined);
  }).then(({ reasons }) => reasons);
}

/**
 * Sockets of a tab's worker, the host's and that of these tests, are closed with the worker, in another thread: where the browser
 * looks before that, it does not keep the page. Nothing else keeps it from that.
 */
function assertKept(host, reasons = []) {
  const isOfWorker = ({ reason }) => host === 'elected-tab' && reason === 'websocket';
  const others = reasons.filter((why) => !isOfWorker(why));
  assert.deepEqual(others, []);
}

/** Other tabs edit while a page is away. It has nothing of its own under way: it is kept, and catches up. */
const isKept = (host) => async (stage) => {
  const first = await stage.visit(path(host));
  const page = await stage.visit(path(host));
  const others = [first, await stage.visit(path(host))];
  for (let round = 0; round < 3; round += 1) {
    await append(page, `own.${round}`);
    await stage.agreed([page, ...others], ID);
    await leave(stage, page);
    for (const [at, other] of others.entries()) await append(other, `other.${round}.${at}`);
    await stage.agreed(others, ID);
    await stage.reports(others[0], { tabs: 2, sockets: 1 });
    assertKept(host, await comeBack(page));
    await shows(page, `other.${round}.1`);
    await append(others[0], `later.${round}`);
    await shows(page, `later.${round}`);
    await stage.reports(page, { tabs: 3, sockets: 1 });
  }
  await stage.agreed([page, ...others], ID);
  const counts = await countLogged(stage, [ID]);
  assert.equal(counts.size, 12);
  assert.ok([...counts.values()].every((count) => count === 1));
};

/**
 * The tab that has the host leaves: another one has it next.
 */
const hostLeaves = (host) => async (stage) => {
  const page = await stage.visit(path(host));
  const other = await stage.visit(path(host));
  await append(page, 'before');
  await stage.agreed([page, other], ID);
  assert.ok(await page.evaluate(() => window.lab.hasHost(window.demo)));
  await leave(stage, page);
  await append(other, 'meanwhile');
  await stage.agreed([other], ID);
  assert.ok(await other.evaluate(() => window.lab.hasHost(window.demo)));
  assertKept(host, await comeBack(page));
  await shows(page, 'meanwhile');
  await append(page, 'after');
  await stage.agreed([page, other], ID);
  const counts = await countLogged(stage, [ID]);
  assert.deepEqual(Object.fromEntries(counts), { before: 1, meanwhile: 1, after: 1 });
};

/** A page that leaves with ops that the server has not: whether it is kept or not, each reaches the server once. */
const withPending = (host) => async (stage) => {
  const page = await stage.visit(path(host));
  const other = await stage.visit(path(host));
  await stage.agreed([page, other], ID);
  await stage.cut([page, other]);
  await append(page, 'offline');
  await shows(other, 'offline');
  await leave(stage, page);
  await append(other, 'meanwhile');
  await comeBack(page);
  await shows(page, 'meanwhile');
  await stage.post('restore');
  await stage.agreed([page, other], ID);
  const counts = await countLogged(stage, [ID]);
  assert.deepEqual(Object.fromEntries(counts), { offline: 1, meanwhile: 1 });
};

/** The application saves in its own listener of `pagehide`, and the page is kept. */
const lastEdit = (host) => async (stage) => {
  const page = await stage.visit(path(host));
  const other = await stage.visit(path(host));
  await stage.agreed([page, other], ID);
  await page.evaluate(() => {
    const { doc } = window.demo;
    window.outcomes = [];
    addEventListener('pagehide', () =>
      doc.submitOp([{ p: ['list', 0], li: 'last' }], (error) =>
        window.outcomes.push(['last', error?.code]),
      ),
    );
  });
  await leave(stage, page);
  await shows(other, 'last');
  const isLost = await comeBack(page);
  await stage.agreed([page, other], ID);
  if (!isLost) assert.deepEqual(await page.evaluate(() => window.outcomes.length), 1);
  assert.deepEqual(Object.fromEntries(await countLogged(stage, [ID])), { last: 1 });
};

const ELECTED = ['elected-tab', 'in-page'];
const KINDS = ['shared-worker', ...ELECTED];

/** The tests name the kind of host themselves. */
export const keptTests = KINDS.flatMap((host) => [
  { name: `kept: a page comes back, ${host}`, skip: KEPT, run: isKept(host) },
  { name: `kept: a page with pending ops, ${host}`, skip: KEPT, run: withPending(host) },
  { name: `kept: what is saved in pagehide, ${host}`, skip: KEPT, run: lastEdit(host) },
  ...(ELECTED.includes(host)
    ? [
        {
          name: `kept: the tab that has the host leaves, ${host}`,
          skip: KEPT,
          run: hostLeaves(host),
        },
      ]
    : []),
]);
