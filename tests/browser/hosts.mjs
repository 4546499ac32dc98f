/** Where the host is when it cannot be where it should: what is kept then, and from whom. */
import assert from 'node:assert/strict';
import { INSECURE } from './engines/skips.mjs';
import { countLogged } from './ledger.mjs';
import { until } from './stage.mjs';
import { stored } from './stored.mjs';
import { MODULE, OF_SHARED } from './host-skips.mjs';

const PAGE = 'lab/tab.html';
const SECRET = 'the secret of the valley';

/** Opens a connection in the page as `demo`, and waits until its documents are there. */
const open = (page, options) =>
  page.evaluate(
    async ({ mirrored, own, ...given }) => {
      if (mirrored) given.store = { ...window.lab.mirror };
      if (own) given.store = { storage: new window.lab.IndexedDbStorage({ namespace: own }) };
      window.demo = await window.lab.open(given);
      await window.demo.opened;
    },
    { ids: ['d'], ...options },
  );

const host = (page) => page.evaluate(() => window.demo.connection.host);
const errors = (page) => page.evaluate(() => window.demo.errors);

/** Appends one edit, and waits until the host has kept it; gives why it has not. */
const keep = (page, marker, id = 'd') =>
  page.evaluate(
    async ([doc, li]) => {
      window.demo.docs[doc].submitOp([{ p: ['list', 0], li }]);
      return (await window.lab.flush(window.demo))?.message;
    },
    [id, marker],
  );

/** What is in the databases of the origin, as text, by their names. */
async function texts(page) {
  const databases = Object.entries(await stored(page));
  const all = (values) => values.map(({ text }) => text).join('\n');
  return Object.fromEntries(databases.map(([name, values]) => [name, all(values)]));
}

const list = (page, id = 'd') => page.evaluate((doc) => window.demo.docs[doc].data.list, id);

// ---- No Web Locks ----

/** Pages that cannot know of each other do not write the same database: none of them does. */
async function insecure(stage) {
  const pages = [];
  for (let count = 0; count < 2; count += 1) pages.push(await stage.visit(PAGE, { secure: false }));
  for (const page of pages) {
    await open(page, {});
    assert.deepEqual(await page.evaluate(() => [isSecureContext, 'locks' in navigator]), [
      false,
      false,
    ]);
    assert.equal((await host(page)).kind, 'in-page');
  }
  await stage.cut(pages);
  for (const page of pages) {
    const { mode, durable, reason } = await stage.storage(page);
    assert.deepEqual({ mode, durable }, { mode: 'memory', durable: false });
    assert.match(reason, /no Web Locks/);
    assert.match(await keep(page, 'offline'), /no Web Locks/, 'nothing is said to be kept');
    assert.deepEqual(await texts(page), {});
  }
  await stage.post('restore');
  await stage.agreed(pages, 'd');
  assert.equal((await list(pages[0])).length, 2, 'and nothing is lost while the pages live');
  const own = await stage.visit(PAGE, { secure: false });
  await open(own, { own: 'own' });
  const { mode, reason } = await stage.storage(own);
  assert.equal(mode, 'memory');
  assert.match(reason, /no Web Locks/);
  assert.deepEqual(await texts(own), {});
}

// ---- Encryption ----

/** A worker that does not start would perhaps have encrypted: a page that does not know does not store. */
async function notKnowing(stage) {
  const page = await stage.visit(PAGE);
  await open(page, { worker: 'missing', store: true });
  const { kind, place, code } = await host(page);
  assert.deepEqual([kind, place, code], ['elected-tab', 'page', 'ERR_HOST_FAILED']);
  const { mode, durable, reason } = await stage.storage(page);
  assert.deepEqual([mode, durable], ['memory', false]);
  assert.match(reason, /encrypt: false/);
  assert.match(await keep(page, SECRET), /encrypt: false/);
  assert.deepEqual(await texts(page), {});
  await stage.agreed([page], 'd');
  // The same where the application decides, or the browser.
  await open(page, { elected: true, store: true });
  assert.match((await stage.storage(page)).reason, /encrypt: false/);
  assert.deepEqual(await texts(page), {});
}

/** A page that says that nothing is encrypted keeps everything. */
async function inClear(stage) {
  const page = await stage.visit(PAGE);
  await open(page, { worker: 'missing', namespace: 'clear' });
  assert.equal((await stage.storage(page)).mode, 'indexeddb');
  assert.equal(await keep(page, SECRET), undefined);
  assert.match((await texts(page))['sharedb-proxy clear'], new RegExp(SECRET));
}

/** Page and worker have the same functions: what one has written the other one reads, and nothing is in clear. */
async function inBoth(stage) {
  const options = { mirrored: true, namespace: 'both' };
  const first = await stage.visit(PAGE);
  await open(first, { ...options, worker: 'mirror-worker' });
  assert.equal((await host(first)).kind, 'shared-worker');
  await stage.cut([first]);
  assert.equal(await keep(first, SECRET), undefined);
  await first.close();
  const second = await stage.visit(PAGE);
  await open(second, { ...options, worker: 'missing' });
  assert.equal((await host(second)).kind, 'elected-tab');
  assert.deepEqual(await list(second), [SECRET]);
  assert.equal(await keep(second, `${SECRET} again`), undefined);
  const text = (await texts(second))['sharedb-proxy both'];
  assert.doesNotMatch(text, new RegExp(SECRET));
  assert.match(text, new RegExp([...SECRET].reverse().join('')));
  await second.close();
  await stage.post('restore');
  const third = await stage.visit(PAGE);
  await open(third, { ...options, worker: 'mirror-worker' });
  await stage.agreed([third], 'd');
  const counts = await countLogged(stage, ['d']);
  assert.deepEqual([counts.get(SECRET), counts.get(`${SECRET} again`)], [1, 1]);
}

/** Where page and worker do not agree the worker gets nothing. */
async function disagree(stage) {
  for (const [namespace, options] of Object.entries({
    lacks: { worker: 'worker', mirrored: true },
    encrypts: { worker: 'mirror-worker', store: { encrypt: false } },
    stores: { worker: 'worker', own: 'own' },
  })) {
    const page = await stage.visit(PAGE);
    await open(page, { ids: [namespace], namespace, ...options });
    const { kind, code, reason } = await host(page);
    assert.deepEqual([kind, code], ['in-page', 'ERR_STORE_MISMATCH'], reason);
    assert.match(reason, /host/);
    assert.deepEqual(await errors(page), ['ERR_STORE_MISMATCH']);
    assert.equal(await keep(page, SECRET, namespace), undefined);
    const all = Object.values(await texts(page)).join('\n');
    if (options.mirrored) assert.doesNotMatch(all, new RegExp(SECRET));
    await stage.agreed([page], namespace);
    await page.close();
  }
}

// ---- Another user ----

/** One worker for two users: the second one does not get it, and sees nothing of the first. */
async function anotherUser(stage) {
  const [ada, bob] = [await stage.visit(PAGE), await stage.visit(PAGE)];
  const worker = { worker: 'worker', name: 'one for all' };
  await open(ada, { ...worker, ids: ['secret'], namespace: 'ada' });
  assert.equal(await keep(ada, SECRET, 'secret'), undefined);
  await open(bob, { ...worker, ids: [], namespace: 'bob' });
  await stage.inState(bob, 'connected');
  const { kind, code, reason } = await host(bob);
  assert.deepEqual([kind, code], ['elected-tab', 'ERR_HOST_MISMATCH']);
  assert.match(reason, /another namespace/);
  assert.doesNotMatch(reason, /ada/);
  assert.deepEqual(await errors(bob), ['ERR_HOST_MISMATCH']);
  assert.equal((await stage.storage(bob)).mode, 'indexeddb');
  assert.deepEqual(await read(bob, 'secret'), { known: false });
  assert.deepEqual(await read(ada, 'secret'), { known: true, list: [SECRET] });
  await stage.reports(ada, { tabs: 1 });
  await open(bob, { ...worker, ids: [], namespace: 'ada', path: '/other' });
  await until('it is refused', async () => (await errors(bob)).length);
  assert.match((await host(bob)).reason, /another url/);
  // A token may change.
  await open(bob, { ...worker, ids: ['secret'], namespace: 'ada', path: '/sharedb?token=7' });
  assert.equal((await host(bob)).kind, 'shared-worker');
  assert.deepEqual(await list(bob, 'secret'), [SECRET]);
}

/** What the store has of a document. */
const read = (page, id) =>
  page.evaluate(async (name) => {
    const store = window.demo.connection.durableStore;
    if (!store.ready) await new Promise((resolve) => store.once('ready', resolve));
    const known = store.isDocInInventory('demo', name);
    const document = await new Promise((resolve) =>
      store.getDoc('demo', name, (_, found) => resolve(found)),
    );
    return { known, ...(document && { list: document.data.list }) };
  }, id);

/** By the name that the application is given each user has a worker. */
async function namedWorkers(stage) {
  const pages = [];
  for (const [at, namespace] of ['ada', 'bob', 'ada'].entries()) {
    pages[at] = await stage.visit(PAGE);
    await open(pages[at], { ids: [namespace], namespace, named: true });
    assert.equal((await host(pages[at])).kind, 'shared-worker');
  }
  assert.equal((await stage.workers.urls()).length, 2);
  await stage.reports(pages[0], { tabs: 2 });
  await stage.reports(pages[1], { tabs: 1 });
}

// ---- Workers that do not start ----

const BROKEN = {
  half: [/need each other/, 'ERR_OPTION_INVALID'],
  storage: [/the storage has no readRecord, writeRecords/, 'ERR_OPTION_INVALID'],
  unknown: [/no option encryption/, 'ERR_OPTION_UNKNOWN'],
  pages: [/no option maxOpBytes: it is for the pages to say/, 'ERR_OPTION_UNKNOWN'],
  types: [/not iterable|not a function/, 'ERR_HOST_FAILED'],
  starts: [/this is scripted/, 'ERR_HOST_FAILED'],
};

async function broken(stage) {
  for (const [how, [pattern, wanted]] of Object.entries(BROKEN)) {
    const page = await stage.visit(PAGE);
    await open(page, { namespace: how, worker: 'broken-worker', script: `?how=${how}` });
    const { kind, reason, code } = await host(page);
    assert.deepEqual([kind, code], ['elected-tab', wanted]);
    assert.match(reason, pattern);
    assert.equal(await keep(page, how), undefined);
    await stage.agreed([page], 'd');
    // It has ended: who comes next does not meet it again.
    await until('no worker is left', async () => !(await stage.workers.urls()).length);
    await page.close();
  }
}

/** The page hears nothing at all: it does not wait for ever. */
async function silent(stage) {
  const page = await stage.visit(PAGE);
  const opening = open(page, { worker: 'broken-worker', script: '?how=throws' });
  await until('the worker threw', () => stage.problems.some((text) => /scripted/.test(text)));
  await opening;
  const { kind, reason, code } = await host(page);
  assert.deepEqual([kind, code], ['elected-tab', 'ERR_HOST_FAILED']);
  assert.match(reason, /says nothing/);
  assert.equal((await stage.storage(page)).mode, 'indexeddb');
  await stage.agreed([page], 'd');
  // Only what the test wanted broke.
  assert.ok(stage.problems.splice(0).every((text) => /scripted/.test(text)));
}

/** In the page: from now on no worker can be made. */
const forbidWorkers = () => {
  window.SharedWorker = class {
    constructor() {
      throw new DOMException('it is blocked', 'SecurityError');
    }
  };
};

async function forbidden(stage) {
  const page = await stage.visit(PAGE);
  await page.evaluate(forbidWorkers);
  await open(page, {});
  const { kind, place, reason, code } = await host(page);
  assert.deepEqual([kind, place, code], ['elected-tab', 'dedicated-worker', 'ERR_HOST_FAILED']);
  assert.match(reason, /it is blocked/);
  assert.equal((await stage.storage(page)).mode, 'indexeddb');
  assert.equal(await keep(page, 'kept'), undefined);
  await stage.agreed([page], 'd');
}

/** The worker dies with ops that it kept, and no other one can be made: the page takes over, and nothing is sent twice. */
async function forbiddenLater(stage) {
  const page = await stage.visit(PAGE);
  await open(page, {});
  assert.equal(await keep(page, 'online'), undefined);
  await stage.agreed([page], 'd');
  await stage.cut([page]);
  assert.equal(await keep(page, 'kept'), undefined);
  await page.evaluate(() => {
    window.ended = [];
    window.demo.docs.d.submitOp([{ p: ['list', 0], li: 'last' }], (error) =>
      window.ended.push(error?.code ?? 'acknowledged'),
    );
  });
  assert.ok(!(await page.evaluate(() => window.lab.flush(window.demo))));
  await page.evaluate(forbidWorkers);
  await stage.workers.kill();
  await until('the host is here', async () => (await host(page)).kind === 'elected-tab');
  assert.equal((await stage.storage(page)).mode, 'indexeddb');
  assert.equal(await keep(page, 'here'), undefined);
  await stage.post('restore');
  await stage.agreed([page], 'd');
  const counts = await countLogged(stage, ['d']);
  assert.deepEqual(Object.fromEntries([...counts].toSorted()), {
    here: 1,
    kept: 1,
    last: 1,
    online: 1,
  });
  assert.deepEqual(await page.evaluate(() => window.ended), ['acknowledged']);
}

/** A connection that is closed leaves no listener behind. */
async function closed(stage) {
  const page = await stage.visit(PAGE);
  await page.evaluate(() => {
    window.listeners = new Set();
    const { addEventListener, removeEventListener } = window;
    window.addEventListener = (name, listener, ...more) => {
      if (name === 'pagehide') window.listeners.add(listener);
      addEventListener(name, listener, ...more);
    };
    window.removeEventListener = (name, listener) => {
      window.listeners.delete(listener);
      removeEventListener(name, listener);
    };
  });
  await open(page, {});
  assert.notEqual(await page.evaluate(() => window.listeners.size), 0);
  await page.evaluate(() => window.demo.connection.close());
  assert.equal(await page.evaluate(() => window.listeners.size), 0);
}

const SILENT_MS = 60_000;

/** @type {{name: string, limitMs?: number, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const hostTests = [
  { name: 'hosts: an origin that is not secure', skip: INSECURE, run: insecure },
  { name: 'hosts: a page that does not know whether to encrypt', skip: MODULE, run: notKnowing },
  { name: 'hosts: a page that knows that nothing is encrypted', run: inClear },
  { name: 'hosts: page and worker have the same cipher', skip: OF_SHARED, run: inBoth },
  { name: 'hosts: page and worker do not agree', skip: MODULE, run: disagree },
  { name: 'hosts: one worker and two users', skip: OF_SHARED, run: anotherUser },
  { name: 'hosts: a worker for each user', skip: OF_SHARED, run: namedWorkers },
  { name: 'hosts: workers that cannot serve', skip: MODULE, limitMs: SILENT_MS, run: broken },
  { name: 'hosts: a worker that says nothing', skip: OF_SHARED, limitMs: SILENT_MS, run: silent },
  { name: 'hosts: workers are forbidden', skip: OF_SHARED, run: forbidden },
  { name: 'hosts: workers are forbidden when one has died', skip: OF_SHARED, run: forbiddenLater },
  { name: 'hosts: a closed connection', run: closed },
];
