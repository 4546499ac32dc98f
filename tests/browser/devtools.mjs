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
import { until } from '../until.mjs';

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

/** In the page: what the panel says of the button that was pressed last. */
const notice = () =>
  document.querySelector('sharedb-proxy-devtools').shadowRoot.querySelector('.notice')?.textContent;

/** In the page: the same, and how the connection is, for a failure. */
const panelIs = () => {
  const { shadowRoot } = document.querySelector('sharedb-proxy-devtools');
  const buttons = [...shadowRoot.querySelectorAll('.actions button')];
  const names = buttons.map(({ textContent }) => textContent);
  const { state, host } = window.demo.connection;
  return { notice: shadowRoot.querySelector('.notice')?.textContent, names, state, host };
};

async function says(page, pattern) {
  await until(
    `the panel says ${pattern}`,
    async () => pattern.test((await page.evaluate(notice)) ?? ''),
    () => page.evaluate(panelIs),
  );
}

/** In the page: presses the button as its user does, once the panel has it. */
const pressWhenThere = (page, name) =>
  until(`the button ${name} is there`, () =>
    page.evaluate((wanted) => {
      const { shadowRoot } = document.querySelector('sharedb-proxy-devtools') ?? {};
      const all = [...(shadowRoot?.querySelectorAll('button') ?? [])];
      const button = all.find(({ textContent }) => textContent.startsWith(wanted));
      button?.click();
      return Boolean(button);
    }, name),
  );

/** In the page: the databases that are there. */
const databases = async () => (await indexedDB.databases()).map(({ name }) => name);

/** Each button does what it says: to this tab, to the other one, and to the store. */
async function buttons(stage) {
  const kept = '&store=kept&namespace=pressed';
  const page = await stage.tab('counter', 'pressed', `${kept}&devtools`);
  const other = await stage.tab('counter', 'pressed', kept);
  const pages = [page, other];
  await pressWhenThere(page, 'sharedb-proxy');

  await pressWhenThere(page, 'Freeze this tab');
  await says(page, /has left its host/);
  await stage.reports(other, { tabs: 1 });
  await other.click('[data-add="10"]');
  await until('the other tab has counted', async () => (await other.text('#value')) === '10');
  assert.equal(await page.text('#value'), '0');
  await pressWhenThere(page, 'Thaw this tab');
  await says(page, /is back/);
  await stage.agreed(pages, 'pressed');
  assert.equal(await page.text('#value'), '10');

  await pressWhenThere(page, 'Flush');
  await says(page, /^Flush: done$/);
  const stored = () => window.demo.connection.durableStore.inventory.collections;
  assert.ok('pressed' in (await other.evaluate(stored)).demo);

  await page.evaluate(() => {
    const { createObjectURL } = URL;
    window.exported = [];
    URL.createObjectURL = (blob) => {
      window.exported.push(blob);
      return createObjectURL.call(URL, blob);
    };
  });
  const exported = (at) => page.evaluate((index) => window.exported[index]?.text(), at);
  await pressWhenThere(page, 'Export trace');
  await says(page, /^The trace has \d+ characters/);
  const { format, redacted, lives } = JSON.parse(await exported(0));
  assert.deepEqual([format, redacted], ['sharedb-proxy trace', false]);
  assert.ok(lives.at(-1).entries.length > 10);
  await page.evaluate(() => {
    const { shadowRoot } = document.querySelector('sharedb-proxy-devtools');
    shadowRoot.querySelector('[data-key="redact"]').click();
  });
  await pressWhenThere(page, 'Export trace');
  await until('another trace is there', () => exported(1));
  assert.equal(JSON.parse(await exported(1)).redacted, true);

  // It asks before.
  const name = 'sharedb-proxy pressed';
  await pressWhenThere(page, 'Wipe');
  assert.ok((await other.evaluate(databases)).includes(name));
  await pressWhenThere(page, 'Wipe: sure?');
  await says(page, /^Wipe: done$/);
  await until(
    'nothing is stored any more',
    async () => !(await other.evaluate(databases)).includes(name),
  );
  for (const one of pages)
    assert.equal(await one.evaluate(() => window.demo.connection.state), 'closed');
}

export const devtoolsTests = [
  { name: 'trace: a killed worker, replayed', skip: KILLED, limitMs: 240_000, run: killedWorker },
  { name: 'devtools: in a page and by itself', run: consoles },
  { name: 'devtools: every button', limitMs: 120_000, run: buttons },
];
