/**
 * A worker that dies again and again. In Firefox a port that is made soon after its worker's death leads to the dead worker, and no
 * browser says so.
 */
import assert from 'node:assert/strict';
import { until } from './until.mjs';

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

export const dyingTests = [
  { name: 'dying: a worker that died is replaced', limitMs: 120_000, run: deadWorker },
];
