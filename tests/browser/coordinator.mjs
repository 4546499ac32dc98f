/** What tabs agree on, in real pages: who leads, who holds a lock, one refresh for all, and the end of the session. */
import assert from 'node:assert/strict';
import { chromiumOnly } from './engines/skips.mjs';
import { stored } from './stored.mjs';
import { until } from './stage.mjs';

const PAGE = 'lab/coordinator.html';
const TABS = 5;
/** How often the leader is killed, if nothing else is said. */
const ROUNDS = 10;

async function open(stage, count = TABS, query = '') {
  const pages = [];
  while (pages.length < count) pages.push(await stage.visit(`${PAGE}?${query}`));
  return pages;
}

/** What each page says of itself. */
const all = (pages, fn, argument) => Promise.all(pages.map((page) => page.evaluate(fn, argument)));

const isLeader = () => globalThis.lab.coordinator.isLeader;
const tabId = () => globalThis.lab.coordinator.tabId;

/** Waits until one page leads and all others know it. Gives its index. */
async function leaderOf(pages) {
  let found;
  await until('one page leads, and all know it', async () => {
    const states = await all(pages, () => {
      const { isLeader, leader, tabId } = globalThis.lab.coordinator;
      return { isLeader, leader, tabId };
    });
    found = states.findIndex(({ isLeader }) => isLeader);
    return found >= 0 && states.every(({ leader }) => leader === states[found].tabId);
  });
  const leading = await all(pages, isLeader);
  assert.ok(leading.filter(Boolean).length <= 1, 'no two lead');
  return found;
}

async function killLeaders(stage, { rounds = ROUNDS }) {
  const pages = await open(stage);
  for (let round = 0; round < Number(rounds); round++) {
    const at = await leaderOf(pages);
    const [dead] = pages.splice(at, 1);
    await dead.crash();
    await until('the others know that it is gone', async () => {
      const known = await all(pages, () => globalThis.lab.coordinator.connectedTabs.size);
      return known.every((size) => size === pages.length);
    });
    pages.push(await stage.visit(PAGE));
  }
  await leaderOf(pages);
  assert.equal(await stage.sockets(), 0, 'no socket is opened');
}

async function killHolders(stage) {
  const pages = await open(stage);
  const hold = () => {
    const { coordinator } = globalThis.lab;
    return new Promise((resolve) => {
      void coordinator.lock('lab', ({ token }) => {
        globalThis.token = token;
        resolve(token);
        return new Promise(() => {});
      });
    });
  };
  const wait = () =>
    void globalThis.lab.coordinator.lock('lab', ({ token }) => {
      globalThis.token = token;
      return new Promise(() => {});
    });
  const tokens = [await pages[0].evaluate(hold)];
  for (const page of pages.slice(1)) await page.evaluate(wait);
  while (pages.length > 1) {
    const [holder] = pages.splice(0, 1);
    await holder.crash();
    let held;
    await until('the next page holds the lock', async () => {
      held = (await all(pages, () => globalThis.token ?? 0)).filter(Boolean);
      return held.length > 0;
    });
    assert.equal(held.length, 1, 'one page holds it');
    assert.ok(held[0] > tokens.at(-1), 'a later holder has a higher token');
    tokens.push(held[0]);
    const at = (await all(pages, () => Boolean(globalThis.token))).indexOf(true);
    pages.unshift(...pages.splice(at, 1));
  }
}

async function refreshOnce(stage) {
  const pages = await open(stage);
  // A driver may have one page at a time do something: nobody is answered before all have asked.
  await all(pages, () => void (globalThis.token = globalThis.lab.refresh()));
  await all(pages, () => globalThis.lab.answer());
  const tokens = await all(pages, () => globalThis.token);
  assert.equal(new Set(tokens).size, 1, 'all have the same token');
  const requests = await all(pages, () => globalThis.requests ?? 0);
  assert.equal(
    requests.reduce((sum, count) => sum + count),
    1,
    'it was asked for once',
  );
}

async function logOut(stage) {
  const pages = await open(stage, TABS, 'store=durable');
  const leader = await leaderOf(pages);
  await pages[leader].evaluate(() => globalThis.lab.coordinator.setState({ user: 'top secret' }));
  const late = await stage.visit(`${PAGE}?store=durable`);
  assert.deepEqual(await late.evaluate(() => globalThis.firstPaint), { user: 'top secret' });
  pages.push(late);
  assert.ok(JSON.stringify(await stored(late)).includes('top secret'));
  await pages[1].evaluate(() => globalThis.lab.coordinator.logout());
  await until('all pages are logged out', async () => {
    const heard = await all(pages, () => globalThis.lab.heard.includes('logged out'));
    return heard.every(Boolean);
  });
  const left = await all(pages, () => globalThis.lab.coordinator.bundle ?? null);
  assert.deepEqual(left, Array(pages.length).fill(null));
  assert.ok(!JSON.stringify(await stored(late)).includes('top secret'), 'the store is empty');
}

async function beIdle(stage) {
  const pages = await open(stage);
  const times = { warnAfter: 1_500, timeoutAfter: 3_000 };
  await pages[0].evaluate((times) => globalThis.lab.coordinator.idle(times), times);
  await until('all pages count down', async () =>
    (await all(pages, () => globalThis.lab.coordinator.idleLeft > 0)).every(Boolean),
  );
  // What remains depends on when it is looked at: the moment of the end does not.
  const ends = await all(pages, () => globalThis.lab.coordinator.idleLeft + Date.now());
  assert.ok(Math.max(...ends) - Math.min(...ends) <= 50, `the countdowns agree: ${ends}`);
  for (const name of ['idle-warning', 'idle-timeout']) {
    await until(`all pages hear ${name}`, async () => {
      const heard = await all(pages, (name) => globalThis.lab.heard.includes(name), name);
      return heard.every(Boolean);
    });
  }
}

async function sleepIdle(stage) {
  const pages = await open(stage);
  const times = { warnAfter: 2_000, timeoutAfter: 4_000 };
  await pages[0].evaluate((times) => globalThis.lab.coordinator.idle(times), times);
  const goOn = await stage.browser.pause();
  // How long the machine sleeps: longer than the user may be away.
  await new Promise((resolve) => setTimeout(resolve, times.timeoutAfter + 1_000));
  goOn();
  await until('all pages hear that the time is over', async () =>
    (await all(pages, () => globalThis.lab.heard.includes('idle-timeout'))).every(Boolean),
  );
  assert.deepEqual(
    await all(pages, () => globalThis.lab.coordinator.idleLeft),
    Array(TABS).fill(0),
  );
}

/** The leader's page is kept for the user's return: another one leads, and the page hears what it missed. */
async function keepLeader(stage) {
  const pages = await open(stage, 3);
  const at = await leaderOf(pages);
  const [kept] = pages.splice(at, 1);
  const id = await kept.evaluate(tabId);
  await kept.evaluate(() => {
    globalThis.kept = true;
    globalThis.missed = [];
    globalThis.lab.coordinator.on('state_update', ({ payload }) => globalThis.missed.push(payload));
  });
  await kept.goto(`${stage.server.url}/lab/src/worker.js`);
  await leaderOf(pages);
  const states = await all(
    pages,
    (id) => {
      const { coordinator } = globalThis.lab;
      return {
        tab: coordinator.tabs.find((tab) => tab.id === id),
        size: coordinator.connectedTabs.size,
      };
    },
    id,
  );
  for (const { tab, size } of states) assert.deepEqual([tab?.frozen, size], [true, 2]);
  for (const n of [1, 2]) {
    await pages[0].evaluate((n) => globalThis.lab.coordinator.sendMessage('state_update', n), n);
  }
  await kept.evaluate(() => history.back()).catch(() => {});
  await until('the page is back as it was', () =>
    kept.evaluate(() => globalThis.kept === true).catch(() => false),
  );
  await until('the page has heard what it missed', () =>
    kept.evaluate(() => globalThis.missed.join() === '1,2'),
  );
  await until('all know three tabs', async () =>
    (await all([...pages, kept], () => globalThis.lab.coordinator.connectedTabs.size)).every(
      (size) => size === 3,
    ),
  );
  await leaderOf([...pages, kept]);
}

async function showOnce(stage) {
  const pages = await open(stage);
  const ids = await all(pages, tabId);
  for (const page of pages) {
    await page.evaluate(() => {
      globalThis.result = globalThis.lab.coordinator.showOnce('terms', () => {
        document.body.append(document.createElement('dialog'));
        return new Promise((resolve) => (globalThis.accept = resolve));
      });
      globalThis.result.then((value) => (globalThis.accepted = value));
    });
  }
  const dialogs = () => all(pages, () => document.querySelectorAll('dialog').length);
  const shown = () => until('a page shows it', async () => (await dialogs()).includes(1));
  await shown();
  const first = (await dialogs()).indexOf(1);
  const [dead] = pages.splice(first, 1);
  ids.splice(first, 1);
  await dead.crash();
  await shown();
  const counts = await dialogs();
  assert.equal(
    counts.reduce((sum, count) => sum + count),
    1,
    'one page shows it',
  );
  await pages[counts.indexOf(1)].evaluate(() => globalThis.accept('yes'));
  await until('all pages have the result', async () =>
    (await all(pages, () => globalThis.accepted ?? null)).every((value) => value === 'yes'),
  );
}

export const coordinatorTests = [
  {
    name: 'coordinator: the leader is killed again and again',
    run: killLeaders,
    limitMs: 240_000,
  },
  { name: 'coordinator: the holder of a lock is killed', run: killHolders },
  { name: 'coordinator: a refresh asked by five pages makes one request', run: refreshOnce },
  { name: 'coordinator: a logout empties all pages and the store', run: logOut },
  { name: 'coordinator: the idle countdown agrees in all pages', run: beIdle, limitMs: 60_000 },
  {
    name: 'coordinator: the page of the leader is kept for the user, and comes back',
    run: keepLeader,
    skip: {
      ...chromiumOnly('only Chromium says whether a page was kept'),
      'in-page':
        'the host goes with the page before it hears that: the others take the tab for gone',
      'elected-tab': 'sockets of the tests in a tab’s worker keep the page from being kept',
    },
  },
  {
    name: 'coordinator: the idle timer is right where the browser stood still',
    run: sleepIdle,
    skip: chromiumOnly('only Chromium names its processes'),
  },
  { name: 'coordinator: a dialog is on one page, and moves when that dies', run: showOnce },
];
