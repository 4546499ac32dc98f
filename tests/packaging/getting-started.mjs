/**
 * `docs/getting-started.md`, word for word, as a stranger follows it: in an empty folder, with its own commands and files. What is
 * replaced is the package's name in `npm install`, by the tarball, and the server's port, by a free one.
 */

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../until.mjs';
import { freePort, run, start, stop } from './project.mjs';

export const GUIDE = 'getting-started';
const PORT = /\b8080\b/g;
/** Where Vite says that its server is. */
const ADDRESS = /http:\/\/localhost:\d+\//;

/** The blocks of the guide: `{kind, code, name}`, the name being that of the file in its first lines. */
async function blocks(port) {
  const page = new URL(`../../docs/${GUIDE}.md`, import.meta.url);
  const text = (await readFile(page, 'utf8')).replace(PORT, String(port));
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, kind, code]) => {
    const [, name] = code.match(/^(?:\/\/|<!--) ([\w-]+\.\w+)/m) ?? [];
    return { kind, code, name };
  });
}

/**
 * @param {import('playwright-core').Browser} browser
 * @param {string} tarball
 */
export async function followGuide(browser, tarball) {
  const folder = await mkdtemp(join(tmpdir(), 'sharedb-proxy-guide-'));
  const started = [];
  try {
    const all = await blocks(await freePort());
    const commands = all.filter(({ kind }) => kind === 'sh').map(({ code }) => code);
    assert.equal(commands.length, 2, 'one block installs, and one starts');
    const install = commands[0].replace(/ sharedb-proxy\b/, ` ${tarball}`);
    await run('sh', ['-ec', install], { cwd: folder });
    for (const { kind, code, name } of all) {
      if (kind === 'sh') continue;
      assert.ok(name, `a block names its file: ${code}`);
      await writeFile(join(folder, name), code);
    }
    const [server, pages] = commands[1]
      .trim()
      .split('\n')
      .map((line) => start('sh', ['-c', line.replace(/ &$/, '')], { cwd: folder }));
    started.push(server, pages);
    const [url] = await until(
      'the pages are served',
      () => pages.said.match(ADDRESS),
      () => [server.said, pages.said],
    );
    await click(browser, url, server);
  } finally {
    for (const child of started) stop(child);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** What the guide says that one sees. */
async function click(browser, url, server) {
  const context = await browser.newContext();
  try {
    const tabs = [await context.newPage(), await context.newPage()];
    for (const tab of tabs) await tab.goto(url);
    const shows = (clicks) =>
      Promise.all(
        tabs.map((tab) =>
          until(
            `a tab shows ${clicks} clicks`,
            async () => (await tab.textContent('#add')) === `${clicks} clicks`,
            () => tab.textContent('#add'),
          ),
        ),
      );
    await shows(0);
    await tabs[0].click('#add');
    await tabs[1].click('#add');
    await shows(2);
    stop(server);
    await tabs[0].click('#add');
    await tabs[1].click('#add');
    await shows(4);
  } finally {
    await context.close();
  }
}
