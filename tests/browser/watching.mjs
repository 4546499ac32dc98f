/**
 * The locks by which tabs learn of a worker's death: a tab that is blocked holds up nobody, and a connection that is closed leaves
 * no request behind.
 */
import assert from 'node:assert/strict';
import { COLLECTED, DIALOG } from './engines/skips.mjs';
import { KILLED } from './host-skips.mjs';
import { isDeepStrictEqual } from 'node:util';
import { replaced } from './host-lock.mjs';
import { until } from './stage.mjs';

/** One tab shows an `alert()` while the worker dies: the tab that watches the host behind it has a new host at once. */
async function blockedTab(stage) {
  // The worker lives in the first tab's process, which must not be blocked: nothing could kill the worker then.
  const pages = await stage.tabs(3, 'counter', 'blocked');
  const [, blocked, other] = pages;
  await stage.agreed(pages, 'blocked');
  // A tab would notice the silence at last, too: this is why it need not.
  assert.deepEqual(await other.evaluate(modesOfWatches), ['shared']);
  const shown = blocked.dialog();
  // It ends with the dialog; where the test fails before, with the browser.
  blocked.evaluate(() => window.alert('nobody looks at this')).catch(() => {});
  const dialog = await shown;
  await replaced(other, () => stage.workers.kill());
  await other.evaluate(() => {
    window.ended = false;
    window.demo.doc.submitOp([{ p: ['value'], na: 1 }], (error) => (window.ended = error ?? 'ok'));
  });
  await until('its op is acknowledged', () => other.evaluate(() => window.ended));
  assert.equal(await other.evaluate(() => window.ended), 'ok');
  // This rejects unless the dialog is still open.
  await dialog.accept();
  assert.equal((await stage.agreed(pages, 'blocked')).data.value, 1);
}

const ROUNDS = 100;

/** Connections come and go in a page whose first one stays. */
async function closedConnections(stage) {
  const page = await stage.visit('lab/tab.html?doc=d');
  await page.evaluate(async (rounds) => {
    window.ended = [];
    for (let round = 0; round < rounds; round += 1) {
      const { connection, opened } = await window.lab.open({ ids: ['d'] });
      await opened;
      connection.close();
      window.ended.push(new WeakRef(connection));
    }
  }, ROUNDS);

  let locks;
  await until(
    'only the locks of the first connection are left',
    async () => {
      locks = await page.evaluate(count);
      return isDeepStrictEqual(locks, {
        host: { held: 1, pending: 0 },
        place: { held: 1, pending: 1 },
        store: { held: 1, pending: 0 },
        tab: { held: 1, pending: 1 },
      });
    },
    () => locks,
  );

  const session = await page.cdp();
  let living;
  await until(
    'the closed connections are collected',
    async () => {
      await session.send('HeapProfiler.collectGarbage');
      living = await page.evaluate(() => window.ended.filter((ref) => ref.deref()).length);
      return living === 0;
    },
    () => living,
  );
}

/** In the page: how many requests for each kind of lock there are. */
async function count() {
  const counts = {};
  for (const [state, requests] of Object.entries(await navigator.locks.query())) {
    for (const { name } of requests) {
      const [, kind] = name.split(' ');
      counts[kind] ??= { held: 0, pending: 0 };
      counts[kind][state] += 1;
    }
  }
  return counts;
}

/** In the page: the modes in which the host's place is waited for. */
async function modesOfWatches() {
  const { pending } = await navigator.locks.query();
  const watches = pending.filter(({ name }) => name.split(' ')[1] === 'place');
  return [...new Set(watches.map(({ mode }) => mode))];
}

export const watchingTests = [
  {
    name: 'watching: a tab that is blocked while the worker dies',
    skip: { ...DIALOG, ...KILLED },
    run: blockedTab,
  },
  { name: 'watching: connections that are closed', skip: COLLECTED, run: closedConnections },
];
