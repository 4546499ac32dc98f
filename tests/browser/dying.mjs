/**
 * A worker that dies again and again. In Firefox a port that is made soon after its worker's death leads to the dead worker, and no
 * browser says so.
 */
import assert from 'node:assert/strict';
import { replaced } from './host-lock.mjs';
import { until } from '../until.mjs';
import { KILLED } from './host-skips.mjs';

/** How often the worker dies. */
const ROUNDS = 8;
const NAMESPACE = 'dying';

/** In the page. */
async function open(namespace) {
  window.demo = await window.lab.open({ ids: ['d'], namespace, worker: 'dying-worker' });
  await window.demo.opened;
}

const killWorker = (namespace) => void new BroadcastChannel(`lab ${namespace}`).postMessage('die');

/** Who holds the host lock, where it is a worker and not the one that died; else nothing. */
const hostOf = async ([namespace, lost]) => {
  const { host } = window.demo.connection;
  if (host.kind !== 'shared-worker') return host.kind;
  const { held } = await navigator.locks.query();
  const holder = held.find(({ name }) => name === `sharedb-proxy host ${namespace}`)?.clientId;
  return holder === lost ? null : holder;
};

const edit = async (marker) => {
  const error = await window.lab.submit(window.demo.docs.d, marker);
  return error?.message ?? 'ok';
};

/** The worker is replaced by another one each time, in all tabs, and the host never moves into a page. */
async function deadWorker(stage) {
  const pages = [await stage.visit('lab/tab.html'), await stage.visit('lab/tab.html')];
  for (const page of pages) await page.evaluate(open, NAMESPACE);
  let lost;
  for (let round = 0; round < ROUNDS; round += 1) {
    const [killer, other] = round % 2 ? pages : pages.toReversed();
    lost = await killer.evaluate(hostOf, [NAMESPACE]);
    await killer.evaluate(killWorker, NAMESPACE);
    const hosts = [];
    for (const page of pages) {
      hosts.push(
        await until(
          `the host is another one (round ${round})`,
          () => page.evaluate(hostOf, [NAMESPACE, lost]),
          () => page.evaluate(() => window.demo.connection.host),
        ),
      );
    }
    assert.notEqual(hosts[0], 'elected-tab', `round ${round}: the host is in a page`);
    assert.equal(hosts[0], hosts[1], `round ${round}: both tabs have the same host`);
    assert.equal(await other.evaluate(edit, `round ${round}`), 'ok');
  }
}

/** Workers of so many pages die while they write, this often in each: one that saw more dying soon would wait before the next. */
const PAGES = 10;
const DEATHS = 4;

/** In the page: writes without end; notes each callback that has an error. */
async function openAndWrite(namespace) {
  window.demo = await window.lab.open({ ids: ['d'], namespace });
  await window.demo.opened;
  window.failed = [];
  const write = async (at) => {
    const error = await window.lab.submit(window.demo.docs.d, `${namespace}.${at}`);
    if (error) window.failed.push(error.code);
    await write(at + 1);
  };
  write(0);
}

/** Whatever a worker was writing, the next one can use the store. */
async function midWrite(stage) {
  for (let number = 0; number < PAGES; number += 1) {
    const page = await stage.visit('lab/tab.html');
    await page.evaluate(openAndWrite, `writes ${number}`);
    const version = () => page.evaluate(() => window.demo.docs.d.version);
    for (let death = 0; death < DEATHS; death += 1) {
      const before = await version();
      await replaced(page, () => stage.workers.kill());
      await until('edits go on', async () => (await version()) > before + 2);
      assert.equal((await stage.storage(page)).mode, 'indexeddb');
    }
    assert.deepEqual(await page.evaluate(() => [window.failed, window.demo.errors]), [[], []]);
    await page.close();
  }
}

export const dyingTests = [
  {
    name: 'dying: a worker that died is replaced',
    skip: KILLED,
    limitMs: 120_000,
    run: deadWorker,
  },
  {
    name: 'dying: a worker in the middle of a write',
    skip: KILLED,
    limitMs: 240_000,
    run: midWrite,
  },
];
