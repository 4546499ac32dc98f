/**
 * What only Firefox does: a port that is made soon after its worker's death leads to the dead worker, and no browser says so.
 */
import assert from 'node:assert/strict';
import { until } from './stage.mjs';

/** How often the worker dies. */
const ROUNDS = 8;
const NAMESPACE = 'dying';

/** In the page. */
async function open(namespace) {
  window.demo = await window.lab.open({ ids: ['d'], namespace, worker: 'dying-worker' });
  await window.demo.opened;
}

const killWorker = (namespace) => {
  window.lost = window.demo.connection._link._life;
  new BroadcastChannel(`lab ${namespace}`).postMessage('die');
};

/** The epoch of the host, or what it is instead of one in a worker. */
const hostOf = () => {
  const { host, _link: link } = window.demo.connection;
  if (host.kind !== 'shared-worker') return host.kind;
  return link._waiting || link._life === window.lost ? null : link._life;
};

const edit = async (marker) => {
  const error = await window.lab.submit(window.demo.docs.d, marker);
  return error?.message ?? 'ok';
};

/** The worker is replaced by another one each time, in all tabs, and the host never moves into a page. */
async function deadWorker(stage) {
  const pages = [await stage.visit('lab/tab.html'), await stage.visit('lab/tab.html')];
  for (const page of pages) await page.evaluate(open, NAMESPACE);
  for (let round = 0; round < ROUNDS; round += 1) {
    const [killer, other] = round % 2 ? pages : pages.toReversed();
    await other.evaluate(() => void (window.lost = window.demo.connection._link._life));
    await killer.evaluate(killWorker, NAMESPACE);
    const hosts = [];
    for (const page of pages) {
      hosts.push(
        await until(
          `the host is another one (round ${round})`,
          () => page.evaluate(hostOf),
          () => page.evaluate(() => window.demo.connection.host),
        ),
      );
    }
    assert.ok(Number.isInteger(hosts[0]), `round ${round}: the host is ${hosts[0]}`);
    assert.equal(hosts[0], hosts[1], `round ${round}: both tabs have the same host`);
    assert.equal(await other.evaluate(edit, `round ${round}`), 'ok');
  }
}

export const firefoxTests = [
  { name: 'firefox: a worker that died is replaced', limitMs: 120_000, run: deadWorker },
];
