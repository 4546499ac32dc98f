/** The second connection of all tabs, in real pages, by the real SignalR client. */
import assert from 'node:assert/strict';
import { KILLED } from './host-skips.mjs';
import { until } from './stage.mjs';

const PAGE = 'lab/coordinator.html?signalr';

const all = (pages, fn, argument) => Promise.all(pages.map((page) => page.evaluate(fn, argument)));

const hub = (stage) => stage.admin('hub');

async function open(stage) {
  const pages = [];
  while (pages.length < 3) pages.push(await stage.visit(PAGE));
  await connected(stage, pages);
  return pages;
}

/** All pages say that the connection is there, and the server has one. */
async function connected(stage, pages) {
  let seen;
  await until(
    'all pages have one connection',
    async () => {
      const states = await all(pages, () => globalThis.lab.coordinator.state.signalRConnection);
      seen = { states, ...(await hub(stage)) };
      return seen.clients === 1 && states.every((status) => status?.state === 'connected');
    },
    () => seen,
  );
}

async function heardBy(stage, pages, text) {
  await stage.post('hub-say', text);
  await until(`all pages hear ${text}`, async () =>
    (await all(pages, () => globalThis.lab.news.at(-1))).every((last) => last === text),
  );
}

async function share(stage) {
  const pages = await open(stage);
  await heardBy(stage, pages, 'one');
  const add = (n) => globalThis.lab.coordinator.sendSignalR({ target: 'add', arguments: [n, 1] });
  assert.deepEqual(
    await Promise.all(pages.slice(0, 2).map((page, i) => page.evaluate(add, i))),
    [1, 2],
  );
  assert.equal((await hub(stage)).tokens.length, 1);
  await stage.post('hub-close');
  await until('it is made again', async () => (await hub(stage)).tokens.length === 2);
  await connected(stage, pages);
  const { tokens } = await hub(stage);
  assert.notEqual(tokens[0], tokens[1], 'by a fresh token');
  await heardBy(stage, pages, 'two');
  assert.deepEqual(await all(pages, () => globalThis.lab.news), Array(3).fill(['one', 'two']));
  await pages[2].evaluate(() => globalThis.lab.coordinator.logout());
  await until('the server has none', async () => (await hub(stage)).clients === 0);
}

async function killHost(stage) {
  const pages = await open(stage);
  await stage.workers.kill();
  await until('it is made again', async () => (await hub(stage)).tokens.length > 1);
  await connected(stage, pages);
  await heardBy(stage, pages, 'after');
}

export const signalrTests = [
  { name: 'signalr: three pages share one connection', run: share, limitMs: 60_000 },
  { name: 'signalr: the host is killed, and the next one connects', run: killHost, skip: KILLED },
];
