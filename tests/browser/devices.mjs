/** What one user's devices agree on: two browsers with profiles of their own, three tabs each, one server. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KEPT_ON_DISK } from './engines/skips.mjs';
import { until } from './stage.mjs';

const TABS = 3;
/** How often the holder is killed, if nothing else is said. */
const ROUNDS = 10;

/** A second browser beside the stage's, at the same server. */
async function secondBrowser(stage, use) {
  const profile = await mkdtemp(join(tmpdir(), 'sharedb-proxy-browser-'));
  const other = Object.assign(Object.create(stage), { profile });
  await other.launch();
  try {
    return await use(other);
  } finally {
    await other.browser?.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

const visit = (browser, name) => browser.visit(`lab/devices.html?name=${name}`);

async function open(browser, name) {
  const pages = [];
  while (pages.length < TABS) pages.push(await visit(browser, name));
  return pages;
}

/** What each page says of itself. */
const all = (pages, fn, argument) => Promise.all(pages.map((page) => page.evaluate(fn, argument)));

/** Waits until a page holds the lease. Gives its place among the pages, and the token. */
async function holderOf(pages) {
  let holding;
  await until('a page holds the lease', async () => {
    holding = await all(pages, () => (globalThis.held?.isHeld() ? globalThis.held.token : 0));
    return holding.some(Boolean);
  });
  // A page may have lost it since the page before it was asked.
  const tokens = holding.filter(Boolean);
  assert.equal(new Set(tokens).size, tokens.length, `each token is held once: ${holding}`);
  const token = Math.max(...tokens);
  return { at: holding.indexOf(token), token };
}

async function killHolders(stage, { rounds = ROUNDS }) {
  await secondBrowser(stage, async (other) => {
    const browsers = [stage, other];
    const devices = [
      ...(await open(stage, 'desk')).map((page) => ({ page, device: 0 })),
      ...(await open(other, 'phone')).map((page) => ({ page, device: 1 })),
    ];
    const pagesOf = () => devices.map(({ page }) => page);
    await until('all pages see both devices', async () =>
      (await all(pagesOf(), () => globalThis.lab.coordinator.devices.list.length)).every(
        (count) => count === 2,
      ),
    );
    assert.equal(await stage.sockets(), 2, 'each browser has one socket');
    let last = 0;
    for (let round = 0; round < Number(rounds); round++) {
      const { at, token } = await holderOf(pagesOf());
      assert.ok(token > last, `round ${round}: token ${token} after ${last}`);
      last = token;
      const [{ page, device }] = devices.splice(at, 1);
      await page.crash();
      const name = ['desk', 'phone'][device];
      devices.push({ page: await visit(browsers[device], name), device });
      // Now and then the whole device goes, and the other one has to notice it.
      if (round % 10 !== 9) continue;
      const gone = (await holderOf(pagesOf())).at;
      const dying = devices[gone].device;
      const rest = devices.filter((one) => one.device !== dying);
      await browsers[dying].killBrowser();
      const { token: next } = await holderOf(rest.map((one) => one.page));
      assert.ok(next > last, `round ${round}: token ${next} after ${last}`);
      last = next - 1;
      await browsers[dying].launch();
      const again = await open(browsers[dying], ['desk', 'phone'][dying]);
      devices.splice(0, devices.length, ...rest);
      devices.push(...again.map((page) => ({ page, device: dying })));
    }
    assert.equal(await stage.sockets(), 2, 'each browser has one socket');
  });
}

async function tellEachOther(stage) {
  await secondBrowser(stage, async (other) => {
    const desk = await open(stage, 'desk');
    const phone = await open(other, 'phone');
    const pages = [...desk, ...phone];
    await until('all pages know both devices', async () =>
      (await all(pages, () => globalThis.lab.coordinator.devices.known.length)).every(
        (count) => count === 2,
      ),
    );
    const ids = await all(pages, () => globalThis.lab.coordinator.devices.id);
    assert.equal(new Set(ids).size, 2, 'all tabs of a profile are one device');
    const by = await desk[2].evaluate(() => globalThis.lab.coordinator.devices.send('hello'));
    assert.deepEqual(by, [ids[TABS]]);
    const heard = await all(pages, () => globalThis.lab.heard.length);
    assert.deepEqual(
      [heard.slice(0, TABS), heard.slice(TABS).sort()],
      [
        [0, 0, 0],
        [0, 0, 1],
      ],
    );
    const id = await phone[1].evaluate(() => globalThis.lab.coordinator.devices.notify('news'));
    const readOn = (id) => {
      const { notifications } = globalThis.lab.coordinator.devices;
      const found = notifications.find((notification) => notification.id === id);
      return found ? String(found.readOn) : '';
    };
    await until('all pages show it', async () =>
      (await all(pages, readOn, id)).every((read) => read === 'null'),
    );
    await desk[0].evaluate((id) => globalThis.lab.coordinator.devices.markRead(id), id);
    await until('it is read on all pages', async () =>
      (await all(pages, readOn, id)).every((read) => read === ids[0]),
    );
    await other.endBrowser();
    await until('the other device is gone', async () =>
      (await all(desk, () => globalThis.lab.coordinator.devices.list.length)).every(
        (count) => count === 1,
      ),
    );
    // The phone is back with its profile, and hears what it missed.
    const late = await desk[1].evaluate(() =>
      globalThis.lab.coordinator.devices
        .send('late', { timeout: 100 })
        .catch((error) => [error.code, error.devices]),
    );
    assert.deepEqual(late, ['ERR_DEVICE_UNREACHED', [ids[TABS]]]);
    await other.launch();
    const back = await visit(other, 'phone');
    await until('it has heard what it missed', () =>
      back.evaluate(() => globalThis.lab.heard.includes('late')),
    );
    assert.equal(await back.evaluate(() => globalThis.lab.coordinator.devices.id), ids[TABS]);
  });
}

export const devicesTests = [
  {
    name: 'devices: the holder of a lease is killed again and again',
    run: killHolders,
    limitMs: 900_000,
  },
  {
    name: 'devices: two browsers tell each other things',
    skip: KEPT_ON_DISK,
    run: tellEachOther,
    limitMs: 120_000,
  },
];
