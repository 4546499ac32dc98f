/** The session demo in three tabs: they agree, also after the worker was killed and two of them stood in each other's way. */
import assert from 'node:assert/strict';
import { until } from './stage.mjs';

const PAGE = 'session.html';
const CHECKS = 6;

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

async function runChecks(page) {
  await page.click('#check');
  await until(
    'all checks have run',
    async () => !(await page.text('#verdict')).startsWith('running'),
    () => results(page),
  );
  const list = await results(page);
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

async function killTheWorker(stage) {
  const pages = await open(stage);
  await pages[0].click('#add');
  const counts = (count) =>
    until(`all pages show the count ${count}`, async () => {
      const shown = await Promise.all(pages.map((page) => page.text('#count')));
      return shown.every((text) => text === count);
    });
  await counts('1');
  await pages[2].click('#kill');
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
    name: 'session: the worker is killed, and the tabs go on from what it wrote',
    run: killTheWorker,
    skip: {
      'elected-tab': 'the button ends the workers of all tabs at once',
      'in-page': 'a page cannot be killed by another one',
    },
  },
  { name: 'session: a deadlock is found, and one tab gives way', run: deadlock },
  { name: 'session: a question is on one page, and all have the answer', run: askOnce },
  { name: 'session: all tabs are logged out, and in again', run: logOutAndIn },
];
