/** Traces of real hosts, and the debug console. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { replaced } from './host-lock.mjs';
import { KILLED } from './host-skips.mjs';
import { until } from './until.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Says what a native host makes of a trace. */
async function replay(trace) {
  const folder = await mkdtemp(join(tmpdir(), 'sharedb-proxy-trace-'));
  const file = join(folder, 'trace.json');
  try {
    await writeFile(file, trace);
    const run = [
      'run',
      '--quiet',
      '--package',
      'sharedb-proxy-tests',
      '--bin',
      'replay',
      '--',
      file,
    ];
    const { stdout } = await promisify(execFile)('cargo', run, { cwd: ROOT });
    return stdout;
  } catch (error) {
    return error.stdout || String(error);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** In the page: edits without end; notes each callback that has an error. */
async function openAndEdit(name) {
  window.demo = await window.lab.open({ ids: ['d'], namespace: 'traced' });
  await window.demo.opened;
  window.failed = [];
  const edit = async (at) => {
    const error = await window.lab.submit(window.demo.docs.d, `${name}.${at}`);
    if (error) window.failed.push(error.code);
    if (!window.rests) await edit(at + 1);
  };
  edit(0);
}

/** A worker is killed in the middle of the edits of two tabs; what the next one did is done again natively, twice. */
async function killedWorker(stage) {
  const pages = [await stage.visit('lab/tab.html'), await stage.visit('lab/tab.html')];
  for (const [at, page] of pages.entries()) await page.evaluate(openAndEdit, `tab ${at}`);
  const version = () => pages[0].evaluate(() => window.demo.docs.d.version);
  await until('both edit', async () => (await version()) > 10);
  await replaced(pages[0], () => stage.workers.kill());
  const before = await version();
  await until('edits go on', async () => (await version()) > before + 10);
  for (const page of pages) await page.evaluate(() => void (window.rests = true));
  const trace = await pages[1].evaluate(() => window.demo.connection.exportTrace());
  const { lives } = JSON.parse(trace);
  const inputs = lives[0].entries.filter(([kind]) => kind === 'in').map(([, , name]) => name);
  for (const name of ['handleTab', 'socketMessage', 'storageDone', 'tabsFound'])
    assert.ok(inputs.includes(name), name);
  const first = await replay(trace);
  assert.match(first, /^\d+ inputs, \d+ outputs: the same\n$/);
  assert.equal(await replay(trace), first);
  for (const page of pages)
    assert.deepEqual(await page.evaluate(() => [window.failed, window.demo.errors]), [[], []]);
}

/** In the page: what the panel shows. */
const shown = () =>
  document.querySelector('sharedb-proxy-devtools')?.shadowRoot.querySelector('main')?.innerText ??
  '';

const press = (name) => {
  const root = document.querySelector('sharedb-proxy-devtools').shadowRoot;
  const isIt = ({ textContent }) => textContent.startsWith(name);
  const button = [...root.querySelectorAll('button')].find(isIt);
  button.click();
};

async function shows(page, view, pattern) {
  await page.evaluate(press, view);
  return until(
    `${view} shows ${pattern}`,
    async () => pattern.test(await page.evaluate(shown)),
    () => page.evaluate(shown),
  );
}

/** The panel in a page, and the page of its own, which is one more tab. */
async function consoles(stage) {
  const page = await stage.tab('counter', 'watched', '&devtools');
  await until('the panel is there', () =>
    page.evaluate(() => document.querySelector('sharedb-proxy-devtools') !== null),
  );
  await page.evaluate(press, 'sharedb-proxy');
  await shows(page, 'Documents', /demo\/watched/);
  const own = await stage.visit('devtools.html?store=session');
  await shows(own, 'Overview', /Tabs[\s\S]*\(here\)/i);
  await shows(own, 'Documents', /watched/);
  await page.evaluate(() => document.querySelector('[data-add="1"]').click());
  await shows(own, 'Timeline', /doc\.submitOp[\s\S]*acknowledged/);
  await shows(own, 'Storage', /Journal/);
  // A host that is ended is followed by another one.
  const epoch = () =>
    own.evaluate(
      async () => JSON.parse(await window.demo.connection.exportTrace()).lives.at(-1).options.epoch,
    );
  const before = await epoch();
  await own.evaluate(press, 'Kill the host');
  await own.evaluate(press, 'Kill the host');
  await until('another host is there', async () => (await epoch().catch(() => before)) !== before);
  await own.evaluate(press, 'Cut the socket');
  await until('it is connected again', () =>
    own.evaluate(() => window.demo.connection.state === 'connected'),
  );
  await shows(own, 'Overview', /connected/);
}

export const devtoolsTests = [
  { name: 'trace: a killed worker, replayed', skip: KILLED, limitMs: 240_000, run: killedWorker },
  { name: 'devtools: in a page and by itself', run: consoles },
];
