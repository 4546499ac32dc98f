/** The race of the two clients, on one page: what it shows is what the server counts. No word about who is faster. */
import assert from 'node:assert/strict';
import { until } from './stage.mjs';

const TABS = 5;

const row = (page, name) =>
  page.evaluate(
    (wanted) =>
      [...document.querySelectorAll(`[data-row="${wanted}"] td`)].map((cell) => cell.textContent),
    name,
  );

async function race(stage) {
  const page = await stage.browser.newTab();
  await page.goto(`${stage.server.url}/race.html`);
  await page.click('#start');
  await until('both sides are on their way', async () =>
    (await row(page, 'ops')).every((ops) => Number(ops) >= 3),
  );
  assert.deepEqual(await row(page, 'sockets'), [String(TABS), '1']);
  for (const name of ['latency', 'worst'])
    for (const figure of await row(page, name)) assert.match(figure, /^[0-9.]+ ms$/);
  const counted = Object.values(await stage.admin('traffic'));
  assert.deepEqual(
    counted.map(({ sockets }) => sockets),
    [TABS, 1],
  );
  // Each of the stock client's tabs is told of an op.
  const [stock, proxy] = (await row(page, 'bytes')).map((bytes) => Number(bytes.replace(',', '')));
  assert.ok(proxy > 0 && stock > proxy, `${stock} and ${proxy} bytes`);
  await page.click('#start');
  assert.equal(await page.text('#start'), 'Start');
  await until('no socket is left', async () => (await stage.sockets()) === 0);
  await page.click('#start');
  await until('another race is on', async () => (await stage.sockets()) === TABS + 1);
  assert.equal(await page.text('#problem'), '');
}

const OWN_HOST = 'its pages are not told where the host is to be';

/** @type {{name: string, skip?: Record<string, string>, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const raceTests = [
  {
    name: 'race: the stock client beside this one',
    skip: { 'elected-tab': OWN_HOST, 'in-page': OWN_HOST },
    run: race,
  },
];
