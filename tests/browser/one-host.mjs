/** A namespace has one host, whatever its tabs have in common: builds, workers that start, workers at all. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { DIALOG, ROUTED } from './engines/skips.mjs';
import { countLogged } from './ledger.mjs';
import { until } from './stage.mjs';
import { BLOCKED, OF_SHARED } from './host-skips.mjs';

const PAGE = 'lab/tab.html';
const ID = 'd';
/** How long a host may stand still before others notice, where none of them asks it anything. */
const UNASKED_MS = 30_000;

/** Opens the document in a new tab. */
async function open(stage, options = {}) {
  const page = await stage.visit(PAGE);
  await page.evaluate(
    async (given) => {
      window.demo = await window.lab.open({ namespace: 'one', named: true, ...given });
      window.demo.kinds = [];
      window.demo.connection.on('host', ({ kind }) => window.demo.kinds.push(kind));
      window.outcomes = [];
      window.failed = [];
    },
    { ids: [ID], ...options },
  );
  await page.evaluate(() => window.demo.opened);
  return page;
}

const host = (page) => page.evaluate(() => window.demo.connection.host);
const list = (page) => page.evaluate(() => window.demo.docs.d.data?.list);

/** Appends, and waits for no callback: they are noted. */
const append = (page, ...markers) =>
  page.evaluate((all) => {
    const { d } = window.demo.docs;
    for (const li of all)
      d.submitOp([{ p: ['list', d.data.list.length], li }], (error) => {
        window.outcomes.push(li);
        if (error) window.failed.push([li, error.code]);
      });
  }, markers);

const shows = (page, marker) =>
  until(
    `a tab shows ${marker}`,
    async () => (await list(page)).includes(marker),
    () => list(page),
  );

const isKept = async (page) =>
  assert.ok(!(await page.evaluate(() => window.lab.flush(window.demo))));

/** The server has each of these once, and nothing else. */
async function assertOnce(stage, markers) {
  const counts = await countLogged(stage, [ID]);
  assert.deepEqual(
    Object.fromEntries([...counts].toSorted()),
    Object.fromEntries(markers.toSorted().map((marker) => [marker, 1])),
  );
}

/**
 * The same. Where the store stood still with the page that has it open, the next host is one without it, and an edit that the page
 * made meanwhile may end with a code.
 */
async function assertOnceOrTold(stage, pages, markers) {
  const failed = [];
  for (const page of pages) failed.push(...(await page.evaluate(() => window.failed)));
  const isBlocked = stage.said.some((text) => /has not ended/.test(text));
  for (const [marker, code] of failed)
    assert.ok(isBlocked && code === 'ERR_HOST_LOST', `${marker}: ${code}`);
  await assertOnce(
    stage,
    markers.filter((marker) => !failed.some(([of]) => of === marker)),
  );
}

/**
 * A deploy: tabs of a new build, whose worker has another address, come while those of the old one are there. They share
 * the old one's host, and their own has it when the old tabs are gone.
 */
async function deploy(stage) {
  const old = [await open(stage, { script: '?v=1' }), await open(stage, { script: '?v=1' })];
  await stage.cut(old);
  await append(old[0], 'old.0');
  await shows(old[1], 'old.0');
  const young = [await open(stage, { script: '?v=2' }), await open(stage, { script: '?v=2' })];
  assert.equal((await host(young[0])).kind, 'shared-worker');
  assert.equal((await stage.storage(young[0])).mode, 'indexeddb');
  await shows(young[1], 'old.0');
  await append(young[0], 'young.0');
  await append(old[1], 'old.1');
  for (const page of [...old, ...young]) {
    await shows(page, 'young.0');
    await shows(page, 'old.1');
  }
  for (const page of old) await page.close();
  await append(young[1], 'young.1');
  await shows(young[0], 'young.1');
  await stage.post('restore');
  await stage.agreed(young, ID);
  await assertOnce(stage, ['old.0', 'old.1', 'young.0', 'young.1']);
  await stage.reports(young[0], { tabs: 2, sockets: 1 });
  assert.deepEqual(await young[1].evaluate(() => [window.outcomes, window.failed]), [
    ['young.1'],
    [],
  ]);
}

/** A worker that is slow to load: a page has the host meanwhile, and hands it over. */
async function slow(stage) {
  const waiting = [];
  let isHere = false;
  const gate = createServer((_, response) => {
    response.setHeader('access-control-allow-origin', '*');
    if (isHere) response.end();
    else waiting.push(response);
  });
  gate.listen(0, '127.0.0.1');
  await once(gate, 'listening');
  const script = `?until=${encodeURIComponent(`http://127.0.0.1:${gate.address().port}/`)}`;
  const options = { worker: 'slow-worker', script };
  const pages = [await open(stage, options), await open(stage, options)];
  for (const page of pages) assert.equal((await host(page)).kind, 'elected-tab');
  assert.equal((await stage.storage(pages[1])).mode, 'indexeddb');
  await append(pages[0], 'before');
  await shows(pages[1], 'before');
  await stage.cut(pages);
  await append(pages[1], 'offline');
  await shows(pages[0], 'offline');
  isHere = true;
  for (const response of waiting) response.end();
  for (const page of pages)
    await until('the worker has the host', async () => (await host(page)).kind === 'shared-worker');
  await append(pages[0], 'after');
  await shows(pages[1], 'after');
  await stage.post('restore');
  await stage.agreed(pages, ID);
  await assertOnce(stage, ['before', 'offline', 'after']);
  await stage.reports(pages[0], { tabs: 2, sockets: 1 });
  assert.deepEqual(await pages[0].evaluate(() => window.demo.kinds.at(-1)), 'shared-worker');
  gate.close();
}

/** Without SharedWorker: a second tab keeps what it does offline over a reload, and the tabs see each other. */
async function withoutWorkers(stage) {
  const first = await open(stage, { elected: true });
  const second = await open(stage, { elected: true });
  for (const page of [first, second]) {
    assert.equal((await host(page)).kind, 'elected-tab');
    assert.equal((await stage.storage(page)).mode, 'indexeddb');
  }
  assert.equal(await stage.sockets(), 1);
  await stage.cut([first, second]);
  await append(second, 'second.0');
  await shows(first, 'second.0');
  await isKept(second);
  await second.close();
  const third = await open(stage, { elected: true });
  assert.ok((await list(third)).includes('second.0'));
  await append(third, 'third.0');
  await shows(first, 'third.0');
  await stage.post('restore');
  await stage.agreed([first, third], ID);
  await assertOnce(stage, ['second.0', 'third.0']);
  await stage.reports(first, { tabs: 2, sockets: 1 });
}

/** The tab that has the host closes its connection, goes, crashes: another one has the host, and nothing is lost. */
async function electedTabEnds(stage) {
  const ends = [
    (page) => page.evaluate(() => window.demo.connection.close()),
    (page) => page.close(),
    (page) => page.crash(),
    (page) => page.goto('about:blank'),
  ];
  const stays = await open(stage, { elected: true, ids: [ID] });
  const markers = [];
  // The tab that came first has the host; the one that stays shall have it last.
  let hosting = stays;
  for (const [at, end] of ends.entries()) {
    const next = await open(stage, { elected: true });
    // It gives the host to the next one in the queue.
    if (hosting === stays) await stays.evaluate(() => window.demo.connection.close());
    await stage.inState(next, 'connected');
    if (hosting === stays) await stays.evaluate(() => window.demo.connection.reconnect());
    await stage.inState(stays, 'connected');
    hosting = next;
    await stage.cut([stays, next]);
    await append(stays, `stays.${at}`);
    await append(next, `next.${at}`);
    await shows(stays, `next.${at}`);
    markers.push(`stays.${at}`, `next.${at}`);
    await end(next);
    await append(stays, `later.${at}`);
    markers.push(`later.${at}`);
    await isKept(stays);
    assert.equal((await stage.storage(stays)).mode, 'indexeddb');
    await stage.post('restore');
    await stage.agreed([stays], ID);
    hosting = stays;
  }
  await assertOnce(stage, markers);
  assert.equal(await stays.evaluate(() => window.outcomes.length), 2 * ends.length);
  assert.deepEqual(await stays.evaluate(() => window.failed), []);
  const moves = await stays.evaluate(() => window.demo.kinds.length);
  assert.ok(moves >= ends.length, `${moves} host events`);
  assert.equal(await stage.sockets(), 1);
}

/**
 * The process of the tab that has the host stands still: the others do not wait for it, and it does no harm later.
 *
 * A process that is stopped in the middle of a write keeps its transaction open, and the browser lets nobody else write.
 * The next host then goes on in memory and cannot know what became of ops that were posted: those may end as
 * `ERR_HOST_LOST`, and are not at the server.
 */
async function frozen(stage) {
  const holder = await open(stage, { elected: true });
  const others = [await open(stage, { elected: true }), await open(stage, { elected: true })];
  await append(others[0], 'before');
  await stage.agreed([holder, ...others], ID);
  const renderer = await stage.browser.processOf(holder);
  await append(holder, 'on its way');
  process.kill(renderer, 'SIGSTOP');
  try {
    await append(others[0], 'during');
    await append(others[1], 'too');
    // Where it was stopped in the middle of a write, the next host first waits for the store in vain.
    await until('another tab has the host', async () => {
      const have = others.map((page) => page.evaluate(() => window.lab.hasHost(window.demo)));
      return (await Promise.all(have)).includes(true);
    });
    await stage.agreed(others, ID);
    await until('all are told', async () => {
      const told = await Promise.all(others.map((page) => page.evaluate(() => window.outcomes)));
      return told.flat().length === 3;
    });
  } finally {
    process.kill(renderer, 'SIGCONT');
  }
  await append(holder, 'after');
  await stage.agreed([holder, ...others], ID);
  assert.deepEqual(await holder.evaluate(() => window.outcomes), ['on its way', 'after']);
  const markers = ['before', 'on its way', 'during', 'too', 'after'];
  await assertOnceOrTold(stage, [holder, ...others], markers);
  await until('one socket is left', async () => (await stage.sockets()) === 1);
}

/**
 * The same, and the others only look on: what another user writes reaches them, although none of them has asked the host that
 * stands still for anything.
 */
async function frozenUnasked(stage) {
  const holder = await open(stage, { elected: true });
  const watcher = await open(stage, { elected: true });
  const user = await open(stage, { namespace: 'of another user' });
  await append(user, 'before');
  await stage.agreed([holder, watcher, user], ID);
  const renderer = await stage.browser.processOf(holder);
  process.kill(renderer, 'SIGSTOP');
  try {
    await append(user, 'meanwhile');
    // Behind a store that stands still, too, the document is loaded anew.
    const sees = async () => Boolean((await list(watcher))?.includes('meanwhile'));
    await until('the watcher sees it', sees, () => list(watcher), UNASKED_MS);
  } finally {
    process.kill(renderer, 'SIGCONT');
  }
  await append(holder, 'after');
  await stage.agreed([holder, watcher, user], ID);
  await assertOnceOrTold(stage, [holder, watcher, user], ['before', 'meanwhile', 'after']);
}

/**
 * The page of the tab that has the host is blocked by an `alert()`. The host is in the tab's worker, which goes on: no other
 * tab notices anything, and the host stays where it is.
 */
async function blocked(stage) {
  const holder = await open(stage, { elected: true });
  const others = [await open(stage, { elected: true }), await open(stage, { elected: true })];
  const pages = [holder, ...others];
  for (const page of pages)
    assert.deepEqual(
      [(await host(page)).kind, (await host(page)).place],
      ['elected-tab', 'dedicated-worker'],
    );
  assert.ok(await holder.evaluate(() => window.lab.hasHost(window.demo)));
  await append(holder, 'before');
  await stage.agreed([holder, ...others], ID);
  const moves = () =>
    Promise.all(pages.map((page) => page.evaluate(() => window.demo.kinds.length)));
  const before = await moves();
  const opened = holder.dialog();
  await holder.evaluate(() => void setTimeout(() => alert('it is blocked')));
  const dialog = await opened;
  await append(others[0], 'during');
  await shows(others[1], 'during');
  await append(others[1], 'too');
  await stage.agreed(others, ID);
  const late = await open(stage, { elected: true });
  await append(late, 'late');
  await stage.agreed([...others, late], ID);
  await dialog.accept();
  await append(holder, 'after');
  await stage.agreed([holder, ...others, late], ID);
  assert.ok(await holder.evaluate(() => window.lab.hasHost(window.demo)), 'the host has not moved');
  assert.deepEqual(await moves(), before);
  for (const page of pages) assert.deepEqual(await page.evaluate(() => window.failed), []);
  await assertOnce(stage, ['before', 'during', 'too', 'late', 'after']);
  assert.equal(await stage.sockets(), 1);
}

/** The page's content security policy forbids workers of any kind: the tabs share a host in one of their pages. */
async function withoutAnyWorker(stage) {
  await stage.browser.context.route('**/lab/tab.html*', async (route) => {
    const response = await route.fetch();
    const headers = { ...response.headers(), 'content-security-policy': "worker-src 'none'" };
    await route.fulfill({ response, headers });
  });
  const pages = [await open(stage), await open(stage)];
  for (const page of pages) {
    const { kind, code } = await host(page);
    assert.deepEqual([kind, code], ['elected-tab', 'ERR_HOST_FAILED']);
  }
  const { place, reason } = await host(pages[0]);
  assert.equal(place, 'page');
  assert.match(reason, /shared worker.*dedicated worker/);
  assert.equal((await stage.storage(pages[1])).mode, 'indexeddb');
  await append(pages[1], 'one');
  await shows(pages[0], 'one');
  await stage.agreed(pages, ID);
  await pages[0].close();
  await append(pages[1], 'two');
  await stage.agreed([pages[1]], ID);
  await assertOnce(stage, ['one', 'two']);
}

export const oneHostTests = [
  { name: 'one host: a deploy', skip: OF_SHARED, run: deploy },
  { name: 'one host: a worker that is slow', skip: OF_SHARED, run: slow },
  { name: 'one host: no worker', run: withoutWorkers },
  {
    name: 'one host: the page of the tab that has it is blocked',
    skip: { ...DIALOG, ...BLOCKED },
    run: blocked,
  },
  {
    name: 'one host: workers are forbidden by the policy',
    skip: { ...ROUTED, ...OF_SHARED },
    run: withoutAnyWorker,
  },
  { name: 'one host: the tab that has it ends', limitMs: 90_000, run: electedTabEnds },
  { name: 'one host: the tab that has it is frozen', limitMs: 90_000, run: frozen },
  { name: 'one host: it is frozen, and nobody asks it', limitMs: 90_000, run: frozenUnasked },
];
