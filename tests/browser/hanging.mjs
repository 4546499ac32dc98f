/**
 * A database that opens, and whose every transaction hangs: the tabs are served from the server, and the host returns to the store
 * when that answers. The worker is in `lab/hanging-worker.js`.
 */
import assert from 'node:assert/strict';
import { countLogged } from './ledger.mjs';
import { until } from './stage.mjs';
import { MODULE } from './host-skips.mjs';

const PAGE = 'lab/tab.html';
const ID = 'hanging';
/** The namespace, and so the worker's name in the lab. */
const NAME = 'hanging';

// ---- In the page ----

async function open({ id, name, worker }) {
  const channel = new BroadcastChannel(`lab ${name}`);
  window.hung = 0;
  channel.onmessage = ({ data }) => (window.hung = data.hung ?? window.hung);
  window.answer = () => channel.postMessage('answer');
  window.it = await window.lab.open({ ids: [id], namespace: name, worker });
  await window.it.opened;
}

const submit = ([id, marker]) =>
  window.lab.submit(window.it.docs[id], marker).then((error) => error?.code ?? 'acknowledged');

const look = (id) => {
  const { data } = window.it.docs[id];
  const { mode, durable, code } = window.it.connection.storage;
  const shown = data ? [...data.list, ...Object.keys(data.keys)] : [];
  return { shown, storage: { mode, durable, code }, hung: window.hung, errors: window.it.errors };
};

/** Keeps an op that the server does not have in the store of the namespace. */
async function leaveAnOp(stage) {
  const page = await stage.visit(PAGE);
  await page.evaluate(open, { id: ID, name: NAME, worker: 'worker' });
  assert.equal(await page.evaluate(submit, [ID, 'online']), 'acknowledged');
  await stage.post('cut');
  await page.evaluate(
    ([id, marker]) => void window.lab.submit(window.it.docs[id], marker),
    [ID, 'offline'],
  );
  assert.equal((await page.evaluate(() => window.lab.flush(window.it))) ?? null, null);
  await page.crash();
  await page.close();
  await stage.post('restore');
}

async function returns(stage) {
  await leaveAnOp(stage);
  const pages = [await stage.visit(PAGE), await stage.visit(PAGE)];
  for (const page of pages)
    await page.evaluate(open, { id: ID, name: NAME, worker: 'hanging-worker' });
  for (const page of pages) {
    const { shown, storage, errors } = await page.evaluate(look, ID);
    assert.deepEqual(shown, ['online'], 'the server has this');
    assert.deepEqual(storage, { mode: 'memory', durable: false, code: 'ERR_STORAGE_TIMEOUT' });
    assert.deepEqual(errors, ['ERR_STORAGE_TIMEOUT']);
  }
  assert.equal(await pages[1].evaluate(submit, [ID, 'meanwhile']), 'acknowledged');
  const { hung } = await pages[0].evaluate(look, ID);
  await until('the store is tried again', async () => {
    return (await pages[0].evaluate(look, ID)).hung > hung;
  });

  await pages[0].evaluate(() => window.answer());
  const expected = ['meanwhile', 'offline', 'online'];
  let seen = [];
  await until(
    'both tabs are on the store again, and what it had is on the server',
    async () => {
      seen = await Promise.all(pages.map((page) => page.evaluate(look, ID)));
      return seen.every(
        ({ shown, storage }) => storage.durable && shown.sort().join() === expected.join(),
      );
    },
    () => seen,
  );
  assert.equal(await pages[1].evaluate(submit, [ID, 'later']), 'acknowledged');
  const counts = await countLogged(stage, [ID]);
  assert.deepEqual(
    [...counts].sort(),
    [...expected, 'later'].sort().map((marker) => [marker, 1]),
  );
  for (const { errors } of seen) assert.deepEqual(errors, ['ERR_STORAGE_TIMEOUT']);
}

/** @type {{name: string, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const hangingTests = [
  {
    name: 'hanging: a store that hangs is done without, and gone on with later',
    skip: MODULE,
    run: returns,
  },
];
