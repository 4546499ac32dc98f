/**
 * The demos on a cluster, in Chromium: two browsers come to two servers; one of the servers is killed by the button on the page, and
 * both browsers go on.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { LIMIT_MS, until } from './browser.mjs';

const DEMO = fileURLToPath(new URL('../../examples/cluster/demo.mjs', import.meta.url));
const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'];

/** What a page says of the servers, by their names: `up`, and `here` where this browser is on it. */
const serversOf = (page) =>
  page.$$eval('.cluster li', (items) =>
    Object.fromEntries(
      items.map(({ dataset }) => [
        dataset.server,
        { up: dataset.up === 'true', here: dataset.here === 'true' },
      ]),
    ),
  );

const hereOf = async (page) =>
  Object.entries(await serversOf(page)).find(([, { here }]) => here)?.[0];

/**
 * @param {string} [shots] a folder for screenshots, to be looked at
 */
export async function demoOnTwoServers(shots) {
  const demo = spawn(process.execPath, [DEMO, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const browser = await chromium.launch({
    executablePath: PROGRAM,
    args: ARGS,
    timeout: LIMIT_MS,
  });
  const shoot = async (page, name) => {
    if (shots) await page.screenshot({ path: join(shots, `${name}.png`) });
  };
  try {
    const [line] = await once(createInterface({ input: demo.stdout }), 'line');
    const [, url] = /listening on ([^, ]+)/.exec(line);
    const open = async (width) => {
      const context = await browser.newContext({ viewport: { width, height: 800 } });
      const page = await context.newPage();
      page.setDefaultTimeout(LIMIT_MS);
      await page.goto(`${url}/counter`);
      await page.waitForSelector('body[data-ready]');
      await until('the page says which server it is on', () => hereOf(page));
      return page;
    };
    const pages = [await open(1280), await open(400)];
    const before = await Promise.all(pages.map(hereOf));
    assert.notEqual(before[0], before[1], 'two browsers are on two servers');
    for (const [i, page] of pages.entries()) await shoot(page, `before-${i}`);
    await pages[0].click(`[data-server="${before[0]}"] button`);
    await pages[0].click('[data-add="1"]');
    await pages[1].click('[data-add="10"]');
    await until(
      'the first browser went on with the other server',
      async () => (await hereOf(pages[0])) === before[1],
    );
    const values = () => Promise.all(pages.map((page) => page.textContent('#value')));
    await until('both show both additions', async () => (await values()).every((v) => v === '11'));
    assert.match(await pages[0].textContent('.cluster p'), /was gone: this browser went on with/);
    for (const [i, page] of pages.entries()) await shoot(page, `after-${i}`);
    await until('the server is back', async () =>
      Object.values(await serversOf(pages[0])).every(({ up }) => up),
    );
    assert.equal(await pages[0].evaluate(() => window.demo.problem), undefined);
  } finally {
    await browser.close();
    demo.kill('SIGTERM');
    if (demo.exitCode === null) await once(demo, 'exit');
  }
}
