/** The session demo in three tabs: they agree, also after the worker was killed and two of them stood in each other's way. */
import assert from 'node:assert/strict';
import { until } from './stage.mjs';

const PAGE = 'session.html';
const CHECKS = 6;
/** How long the checks may take where tabs do not agree: they are asked again and again. In milliseconds. */
const CHECKING_MS = 40_000;

async function open(stage, count = 3) {
  const pages = [];
  while (pages.length < count) pages.push(await stage.visit(PAGE));
  await until('all tabs know each other', async () => {
    const known = await Promise.all(pages.map((page) => page.count('#tabs tr')));
    return known.every((rows) => rows === count);
  });
  return pages;
}

/** What the list of checks shows on a page. */
const results = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('#checks li')].map(({ className, textContent }) => ({
      className,
      textContent,
    })),
  );

/** Presses the button, and waits until the verdict is there. */
async function check(page) {
  await page.click('#check');
  await until(
    'all checks have run',
    async () => !(await page.text('#verdict')).startsWith('running'),
    () => results(page),
    CHECKING_MS,
  );
  return results(page);
}

async function runChecks(page) {
  const list = await check(page);
  assert.equal(await page.text('#verdict'), 'All passed', JSON.stringify(list));
  assert.equal(list.length, CHECKS);
}

/** Waits until each page shows one leader, and the same one. */
async function oneLeader(pages) {
  await until('all pages show one leader', async () => {
    const leaders = await Promise.all(
      pages.map((page) =>
        page.evaluate(() =>
          [...document.querySelectorAll('#tabs tr')]
            .filter(({ cells }) => cells[1].textContent === 'leader')
            .map(({ cells }) => cells[0].textContent),
        ),
      ),
    );
    return leaders.every(([id, ...more]) => id && more.length === 0 && id === leaders[0][0]);
  });
}

async function checksPass(stage) {
  const pages = await open(stage);
  await oneLeader(pages);
  await runChecks(pages[1]);
  assert.equal(await stage.sockets(), 0, 'no socket is opened');
}

/** In a page: a tab that does as it likes. */
function disagree() {
  const { tabs } = globalThis.demo;
  tabs.refresh = (fn) => fn({});
  tabs.showOnce = (_, fn) => fn({});
  tabs.lock = (_, fn) => fn({ token: 1 });
  Object.defineProperties(tabs, {
    isLeader: { value: true },
    bundle: { value: { snapshot: 'mine' } },
    idleLeft: { value: 1 },
  });
}

async function checksFail(stage) {
  const pages = await open(stage);
  await oneLeader(pages);
  const isLeader = await Promise.all(
    pages.map((page) => page.evaluate(() => globalThis.demo.tabs.isLeader)),
  );
  const followers = pages.filter((_, i) => !isLeader[i]);
  await followers[0].evaluate(disagree);
  const list = await check(followers[1]);
  assert.deepEqual(
    list.map(({ className }) => className),
    Array(CHECKS).fill('failed'),
    JSON.stringify(list),
  );
}

/** A tab is closed by its own button, and another one resigns: there is one leader each time. */
async function loseLeaders(stage) {
  const pages = await open(stage);
  const leaderAt = async () => {
    await oneLeader(pages);
    const leading = await Promise.all(
      pages.map((page) => page.evaluate(() => globalThis.demo.tabs.isLeader)),
    );
    return leading.indexOf(true);
  };
  const before = await leaderAt();
  await pages[before].click('#resign');
  await until('another tab leads', async () => (await leaderAt()) !== before);
  const at = await leaderAt();
  const [gone] = pages.splice(at, 1);
  // The page may be gone before the driver has answered.
  await gone.click('#close').catch(({ message }) => assert.match(message, /no such frame/));
  await until('the others know that it is gone', async () => {
    const known = await Promise.all(pages.map((page) => page.count('#tabs tr')));
    return known.every((rows) => rows === pages.length);
  });
  await leaderAt();
  await runChecks(pages[0]);
}

/** The locks as a page shows them. */
const locksOn = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('#locks tr')].map(({ cells }) =>
      [...cells].map(({ textContent }) => textContent),
    ),
  );

async function holdAndWait(stage) {
  const pages = await open(stage);
  const ids = await Promise.all(pages.map((page) => page.text('[data-cell="id"]')));
  await pages[0].click('#hold');
  await pages[1].click('#hold');
  let shown;
  await until(
    'all pages show the holder and the queue',
    async () => {
      shown = await Promise.all(pages.map(locksOn));
      const isRight = ([lock]) => lock[1] === ids[0] && Number(lock[2]) > 0 && lock[3] === ids[1];
      return shown.every(isRight);
    },
    () => shown,
  );
}

async function killTheWorker(stage) {
  const pages = await open(stage);
  await pages[0].click('#add');
  const counts = (count) =>
    until(`all pages show the count ${count}`, async () => {
      const shown = await Promise.all(pages.map((page) => page.text('#count')));
      return shown.every((text) => text === count);
    });
  await counts('1');
  const begun = async () => {
    const logs = await Promise.all(pages.map(logOf));
    return logs.map((lines) => lines.filter((line) => line === 'began').length);
  };
  const before = await begun();
  await pages[2].click('#kill');
  await until('all pages hear that another worker began', async () =>
    (await begun()).every((count, i) => count > before[i]),
  );
  await pages[1].click('#add');
  await counts('2');
  await oneLeader(pages);
  await runChecks(pages[0]);
}

/** What a page's log says, newest first. */
const logOf = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('#log .what')].map(({ textContent }) => textContent),
  );

async function deadlock(stage) {
  const pages = await open(stage, 2);
  await pages[0].click('#cross');
  let logs;
  await until(
    'one tab gives way, and the other one has both locks',
    async () => {
      logs = (await Promise.all(pages.map(logOf))).flat();
      const has = (part) => logs.filter((line) => line.includes(part)).length;
      return has('ERR_DEADLOCK') === 1 && has(' and ') === 1;
    },
    () => logs,
  );
}

async function askOnce(stage) {
  const pages = await open(stage);
  await pages[0].click('#ask');
  const dialogs = () =>
    Promise.all(pages.map((page) => page.evaluate(() => document.querySelector('#terms').open)));
  await until('a page shows the dialog', async () => (await dialogs()).includes(true));
  const shown = await dialogs();
  assert.equal(shown.filter(Boolean).length, 1);
  await pages[shown.indexOf(true)].click('#terms [value="yes"]');
  await until('all pages have the answer', async () => {
    const logs = await Promise.all(pages.map(logOf));
    return logs.every((lines) => lines.includes('was answered: yes'));
  });
}

async function breakTheStream(stage) {
  const pages = await open(stage);
  const flows = (since) =>
    until('all pages show ticks', async () => {
      const ticks = await Promise.all(pages.map((page) => page.text('#tick')));
      return ticks.every((tick) => Number(tick) > since);
    });
  await flows(0);
  await pages[1].click('#say');
  await until('all pages hear it', async () => {
    const logs = await Promise.all(pages.map(logOf));
    return logs.every((lines) => lines.some((line) => line.startsWith('says “Hello from')));
  });
  assert.equal((await stage.admin('hub')).clients, 1);
  await pages[0].click('#cut');
  await until('it is made again', async () => (await stage.admin('hub')).tokens.length > 1);
  await flows(Number(await pages[0].text('#tick')));
}

async function logOutAndIn(stage) {
  const pages = await open(stage, 2);
  const users = (user) =>
    until(`all pages show ${user}`, async () => {
      const shown = await Promise.all(pages.map((page) => page.text('[data-cell="user"]')));
      return shown.every((text) => text === user);
    });
  await users('ada');
  await pages[0].click('#add');
  await pages[1].click('#logout');
  await users('logged out');
  assert.equal(await pages[0].text('#count'), '0');
  await pages[0].click('#login');
  await users('ada');
  await runChecks(pages[1]);
}

export const sessionTests = [
  { name: 'session: all checks pass in three tabs, and one leads', run: checksPass },
  {
    name: 'session: the checks find a tab that does as it likes',
    run: checksFail,
    limitMs: 90_000,
  },
  { name: 'session: a leader resigns, and the next one closes its tab', run: loseLeaders },
  { name: 'session: all pages show who holds a lock and who waits', run: holdAndWait },
  {
    name: 'session: the worker is killed, and the tabs go on from what it wrote',
    run: killTheWorker,
    skip: { 'in-page': 'a page cannot be killed by another one' },
  },
  { name: 'session: a deadlock is found, and one tab gives way', run: deadlock },
  { name: 'session: a question is on one page, and all have the answer', run: askOnce },
  { name: 'session: the stream breaks, and goes on in all pages', run: breakTheStream },
  { name: 'session: all tabs are logged out, and in again', run: logOutAndIn },
];
