/** The durable store, end to end: what was edited outlives the tab, the browser, and the absence of the server. */
import assert from 'node:assert/strict';
import { KEPT_ON_DISK, KEY } from './engines/skips.mjs';
import { countLogged, logged } from './ledger.mjs';
import { until } from './stage.mjs';
import { stored } from './stored.mjs';
import { MODULE } from './host-skips.mjs';

const lab = (id, query = '') => `lab/tab.html?doc=${id}${query}`;

/** Appends to the list, one op for each marker, without waiting for any. */
const append = (page, markers) =>
  page.evaluate((all) => {
    const { doc } = window.demo;
    for (const li of all) doc.submitOp([{ p: ['list', doc.data.list.length], li }]);
  }, markers);

const list = (page) => page.evaluate(() => window.demo.doc.data.list);

/** Waits until the host keeps the edit: what it does not keep it shows to nobody, so another connection is asked. */
async function isKept(page, marker, options = {}) {
  await page.evaluate(async (given) => {
    if (window.witness) return;
    const ids = [window.demo.doc.id];
    window.witness = await window.lab.open({ ids, ...given });
    await window.witness.opened;
  }, options);
  await until(`${marker} is kept`, () =>
    page.evaluate((wanted) => {
      const [doc] = Object.values(window.witness.docs);
      return doc.data?.list.includes(wanted);
    }, marker),
  );
}

const range = (name, count) => Array.from({ length: count }, (_, n) => `${name}.${n}`);

/** The server's log has these markers, in this order and no others. */
async function assertLogged(stage, id, markers) {
  assert.deepEqual(await logged(stage, id), markers);
  const counts = await countLogged(stage, [id]);
  assert.equal(counts.size, markers.length);
}

/** Offline edits, a crash, a browser that ends by `end`, and a start without the server. */
async function survives(stage, id, end) {
  const page = await stage.visit(lab(id));
  await append(page, range('online', 2));
  await stage.agreed([page], id);
  await stage.cut([page]);
  const offline = range('offline', 5);
  await append(page, offline);
  await isKept(page, offline.at(-1));
  assert.deepEqual(await logged(stage, id), range('online', 2), 'the server knows nothing of it');
  await end(page);
  await stage.launch();
  assert.equal((await stage.admin('status')).offline, true);
  const again = await stage.visit(lab(id));
  const all = [...range('online', 2), ...offline];
  assert.deepEqual(await list(again), all);
  assert.equal(await stage.sockets(), 0);
  await stage.post('restore');
  await until('the log has them', async () => (await logged(stage, id)).length === all.length);
  await stage.agreed([again], id);
  await append(again, ['after']);
  await stage.agreed([again], id);
  await assertLogged(stage, id, [...all, 'after']);
}

const afterTheBrowsersEnd = (stage) =>
  survives(stage, 'closed', async (page) => {
    await page.crash();
    await stage.endBrowser();
  });

const afterTheBrowsersDeath = (stage) => survives(stage, 'killed', () => stage.killBrowser());

/** The demo, as an application is built: written by hand in two tabs, which both crash. */
async function letter(stage) {
  const id = 'letter';
  const pages = await stage.tabs(2, 'text', id, '&store=durable');
  const { data } = await stage.agreed(pages, id);
  await stage.cut(pages);
  const [a, b] = pages;
  const shown = (page) => page.value('#letter');
  await a.press('Control+End', '#letter');
  await a.type('Written offline.');
  await until('B shows it', async () => (await shown(b)).endsWith('Written offline.'));
  await b.crash();
  await a.crash();
  await stage.endBrowser();
  await stage.launch();
  const again = await stage.tab('text', id, '&store=durable');
  const whole = `${data.text}Written offline.`;
  assert.equal(await shown(again), whole);
  await stage.post('restore');
  await until('the server has it', async () => (await stage.snapshot(id)).data.text === whole);
  await stage.agreed([again], id);
  assert.equal(await shown(again), whole);
}

/** Edits, a reload offline, edits again, a reload, then the server. */
async function reloadedOffline(stage) {
  const id = 'reloaded';
  const page = await stage.visit(lab(id));
  await append(page, range('first', 3));
  await stage.agreed([page], id);
  await stage.cut([page]);
  const all = range('first', 3);
  for (const name of ['second', 'third', 'fourth']) {
    const markers = range(name, 4);
    await append(page, markers);
    assert.ok(!(await page.evaluate(() => window.lab.flush(window.demo))));
    all.push(...markers);
    await stage.reload(page);
    assert.deepEqual(await list(page), all);
  }
  assert.equal((await logged(stage, id)).length, 3, 'the server knows nothing of it');
  await stage.post('restore');
  await until('the log has them', async () => (await logged(stage, id)).length === all.length);
  await stage.agreed([page], id);
  await assertLogged(stage, id, all);
  await stage.reports(page, { tabs: 1, pendingOps: 0 });
}

/** Ops of a document that nobody opens again reach the server all the same. */
async function nobodyOpens(stage) {
  const page = await stage.visit(lab('left'));
  await stage.agreed([page], 'left');
  await stage.cut([page]);
  await append(page, range('left', 3));
  await isKept(page, 'left.2');
  await page.close();
  const other = await stage.visit('lab/tab.html');
  await stage.post('restore');
  await other.evaluate(() => window.lab.open({ ids: [] }).then(() => {}));
  await until('the log has them', async () => (await logged(stage, 'left')).length === 3);
  await assertLogged(stage, 'left', range('left', 3));
}

// ---- Encryption ----

const SEALED = '&worker=sealed-worker';
const SECRET = 'the secret of the valley';

/** A page whose store is encrypted and keeps what the server does not have yet. */
async function sealedOffline(stage, id) {
  const page = await stage.visit(lab(id, SEALED));
  await append(page, [SECRET]);
  await stage.agreed([page], id);
  await stage.cut([page]);
  await append(page, ['offline']);
  await isKept(page, 'offline', { worker: 'sealed-worker' });
  return page;
}

async function sealed(stage) {
  const id = 'sealed';
  const page = await sealedOffline(stage, id);
  await page.evaluate(() => window.lab.flush(window.demo));
  const databases = Object.entries(await stored(page));
  // The worker has its key in a database of its own.
  const values = databases.filter(([name]) => name !== 'lab key').flatMap(([, all]) => all);
  assert.deepEqual([...new Set(values.map(({ store }) => store))].sort(), ['docs', 'meta']);
  assert.ok(
    values.every(({ bytes }) => bytes),
    'nothing is stored as it is',
  );
  for (const { text } of values)
    assert.doesNotMatch(text, /secret|offline|list|sealed|revision|json0/i, 'no text in clear');
  assert.equal(await page.evaluate(readKey), 'InvalidAccessError');
  await stage.endBrowser();
  await stage.launch();
  const again = await stage.visit(lab(id, SEALED));
  assert.deepEqual(await list(again), [SECRET, 'offline']);
  await stage.post('restore');
  await stage.agreed([again], id);
  await assertLogged(stage, id, [SECRET, 'offline']);
}

/** In the page: what becomes of an attempt to read the key. */
async function readKey() {
  const done = (request) =>
    new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const database = await done(indexedDB.open('lab key', 1));
  const key = await done(database.transaction('keys').objectStore('keys').get('key'));
  database.close();
  return crypto.subtle.exportKey('raw', key).then(
    () => 'it can be read',
    ({ name }) => name,
  );
}

/** Without the key nothing can be read, and nothing of it is lost: the next one with the key finds everything. */
async function withoutTheKey(stage) {
  const id = 'keyless';
  const page = await sealedOffline(stage, id);
  await page.close();
  await stage.post('restore');
  const stranger = await stage.visit(lab(id));
  const { mode, durable, reason } = await stage.storage(stranger);
  assert.deepEqual({ mode, durable }, { mode: 'memory', durable: false });
  assert.ok(reason);
  await append(stranger, ['stranger']);
  await stage.agreed([stranger], id);
  await stranger.close();
  const again = await stage.visit(lab(id, SEALED));
  await until('the log has it', async () => (await logged(stage, id)).includes('offline'));
  const { data } = await stage.agreed([again], id);
  assert.deepEqual([...data.list].sort(), ['offline', 'stranger', SECRET].sort());
  await countLogged(stage, [id]);
}

// ---- No worker, one store ----

const IN_PAGE = '&host=in-page';

/** Two tabs without a worker: one of them has the host, and what both edit offline is kept. */
async function oneStore(stage) {
  const id = 'two';
  const first = await stage.visit(lab(id, IN_PAGE));
  const second = await stage.visit(lab(id, IN_PAGE));
  assert.equal((await stage.storage(first)).mode, 'indexeddb');
  assert.equal((await stage.storage(second)).mode, 'indexeddb');
  await append(first, range('first', 3));
  await append(second, range('second', 3));
  await stage.agreed([first, second], id);
  await stage.cut([first, second]);
  await append(first, ['kept']);
  await append(second, ['kept, too']);
  for (const page of [first, second])
    assert.ok(!(await page.evaluate(() => window.lab.flush(window.demo))));
  await first.close();
  await second.close();
  const again = await stage.visit(lab(id, IN_PAGE));
  assert.equal((await stage.storage(again)).mode, 'indexeddb');
  for (const marker of ['kept', 'kept, too']) assert.ok((await list(again)).includes(marker));
  await stage.post('restore');
  await stage.agreed([again], id);
  const counts = await countLogged(stage, [id]);
  const all = [...range('first', 3), ...range('second', 3), 'kept', 'kept, too'].sort();
  assert.deepEqual([...counts.keys()].sort(), all);
  assert.ok([...counts.values()].every((count) => count === 1));
}

/** @type {{name: string, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const durableTests = [
  {
    name: 'durable: offline edits, a crash, and the browser starts again',
    skip: KEPT_ON_DISK,
    run: afterTheBrowsersEnd,
  },
  {
    name: 'durable: offline edits, and the browser is killed',
    skip: KEPT_ON_DISK,
    run: afterTheBrowsersDeath,
  },
  {
    name: 'durable: a letter written offline in two tabs that crash',
    skip: KEPT_ON_DISK,
    run: letter,
  },
  { name: 'durable: edits and reloads offline, again and again', run: reloadedOffline },
  { name: 'durable: ops of a document that nobody opens again', run: nobodyOpens },
  {
    name: 'durable: encrypted with a key that nobody can read',
    skip: { ...KEPT_ON_DISK, ...MODULE },
    run: sealed,
  },
  { name: 'durable: a store without its key', skip: { ...KEY, ...MODULE }, run: withoutTheKey },
  { name: 'durable: two tabs without a worker', run: oneStore },
];
