/**
 * The guides' applications, as their pages say: the files are written, built by Vite with the guide's own words, served, and opened
 * in two tabs, with the server of "Getting started".
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { compile as compileSvelte } from 'svelte/compiler';
import { build } from 'vite';
import { compileScript, parse } from 'vue/compiler-sfc';
import { until } from './stage.mjs';

const ROOT = new URL('../../', import.meta.url);
/** Where the guide's server listens, in its own words. */
const PORT = '8080';
/** The page of React has two. */
const BUTTON = 'button:first-of-type';
const MIME = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };

/** The files of a guide: its blocks, whose first lines name them. */
async function filesOf(guide) {
  const text = await readFile(new URL(`docs/${guide}.md`, ROOT), 'utf8');
  const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, kind]) => kind !== 'sh');
  const files = new Map();
  for (const [, , code] of blocks) {
    const [, name] = code.match(/^(?:\/\/|<!--) ([\w-]+\.\w+)/m) ?? [];
    assert.ok(name && !files.has(name), `a block of ${guide} names its file: ${code}`);
    files.set(name, code);
  }
  return files;
}

/** What the plugins of Vue and Svelte do, as far as the guides need it. */
const components = {
  name: 'components',
  transform(code, id) {
    if (id.endsWith('.svelte')) return compileSvelte(code, { filename: id }).js;
    if (!id.endsWith('.vue')) return null;
    const { descriptor } = parse(code, { filename: id });
    return { code: compileScript(descriptor, { id, inlineTemplate: true }).content, map: null };
  },
};

/** A guide's application at work; `close` ends it. */
async function startApp(stage, guide) {
  // Within the workspace, where the packages are found that the guide installs.
  const folder = await mkdtemp(join(fileURLToPath(new URL('../', import.meta.url)), '.guide-'));
  const ends = [() => rm(folder, { recursive: true, force: true })];
  const close = async () => {
    for (const end of ends.reverse()) await end();
  };
  try {
    const port = await freePort();
    const files = new Map([...(await filesOf('getting-started')), ...(await filesOf(guide))]);
    for (const [name, code] of files) {
      await writeFile(join(folder, name), code.replaceAll(PORT, String(port)));
    }
    // As a developer sees it: only there React's StrictMode mounts everything twice.
    const define = { 'process.env.NODE_ENV': '"development"' };
    const plugins = [components];
    await build({ root: folder, configFile: false, logLevel: 'error', plugins, define });
    await stage.wire.instrument(join(folder, 'dist'));
    const server = spawn(process.execPath, ['server.js'], { cwd: folder, stdio: 'inherit' });
    ends.push(async () => {
      if (server.exitCode !== null) return;
      server.kill();
      await once(server, 'exit');
    });
    await until('the server of the guide listens', () => isOpen(port));
    const pages = createServer((request, response) =>
      serve(join(folder, 'dist'), request, response),
    );
    pages.listen(0, '127.0.0.1');
    await once(pages, 'listening');
    ends.push(() => {
      pages.closeAllConnections();
      return new Promise((resolve) => pages.close(resolve));
    });
    return { url: `http://127.0.0.1:${pages.address().port}/`, port, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function serve(folder, { url }, response) {
  const path = url === '/' ? '/index.html' : new URL(url, 'http://localhost').pathname;
  const body = await readFile(join(folder, path)).catch(() => undefined);
  response.writeHead(body ? 200 : 404, { 'content-type': MIME[extname(path)] ?? 'text/plain' });
  response.end(body);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function isOpen(port) {
  return new Promise((resolve) => {
    const socket = connect(port, 'localhost');
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('close', () => socket.destroy());
  });
}

/** What the button says; nothing before it can be clicked. */
const label = (tab) =>
  tab.evaluate((selector) => {
    const button = document.querySelector(selector);
    return button && !button.disabled ? button.textContent : '';
  }, BUTTON);

/** Opens the application in two tabs and counts in both, until both show it. */
async function countInTwoTabs(stage, url) {
  const tabs = [await stage.browser.newTab(), await stage.browser.newTab()];
  for (const tab of tabs) await tab.goto(url);
  // The guides that have no such button create the document by themselves.
  const [first] = tabs;
  await until('it is loaded', async () => /create|clicks/.test(await label(first)));
  if ((await label(first)) === 'create') await first.click(BUTTON);
  const shows = (tab, text) => async () => (await label(tab)) === text;
  for (const tab of tabs) await until('the document is there', shows(tab, '0 clicks'));
  for (const tab of tabs) await tab.click(BUTTON);
  for (const tab of tabs) await until('both clicks count', shows(tab, '2 clicks'));
  return tabs;
}

const guideTest = (guide, check = async () => {}) => ({
  name: `guide: ${guide}, in two tabs`,
  skip: {
    'elected-tab': 'a guide says nothing of the place of the host',
    'in-page': 'a guide says nothing of the place of the host',
  },
  limitMs: 90_000,
  async run(stage) {
    const app = await startApp(stage, guide);
    try {
      await check(stage, await countInTwoTabs(stage, app.url));
    } finally {
      await app.close();
    }
  },
});

/** Each page made two connections, one after the other; there are two tabs, and nobody waits for the lock of another one. */
async function leavesOneTabEach(stage, tabs) {
  let seen;
  const isRight = async () => {
    seen = await tabs[0].evaluate(async () => {
      const { held, pending } = await navigator.locks.query();
      const ofTabs = (locks) =>
        locks.map(({ name }) => name).filter((name) => name.startsWith('sharedb-proxy tab '));
      return { held: ofTabs(held), waitedFor: [...new Set(ofTabs(pending))] };
    });
    return seen.held.length === 2 && isDeepStrictEqual(seen.held.sort(), seen.waitedFor.sort());
  };
  await until('each tab holds the lock of one connection', isRight, () => seen);
  assert.equal((await stage.workers.urls()).length, 1);
}

export const guideTests = [
  guideTest('getting-started'),
  guideTest('react', leavesOneTabEach),
  guideTest('vue'),
  guideTest('svelte'),
];
