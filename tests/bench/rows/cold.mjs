/**
 * How long it takes from the navigation to the first document where nothing is cached, and in a second tab, where all is. The
 * application is what Vite makes of `cold`, packed by gzip, and its scripts are kept for ever by whoever has loaded them.
 */

import { readFile, readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import Backend from 'sharedb';
import { build } from 'vite';
import { WebSocketServer } from 'ws';
import { WebSocketStream } from '../../../examples/ws-stream.mjs';
import { middle } from '../bench.mjs';
import { SlowLine } from '../slow-line.mjs';
import { atMost } from '../table.mjs';
import { counters } from '../workload.mjs';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const PAGES = ['ours', 'look', 'stock'];
const LINE = { bitsPerSecond: 1_600_000, roundTripMs: 150 };
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' };

/** Builds the pages, and gives what a server has of them: `{type, body, isPage}` by path. */
async function buildPages() {
  const outDir = path('../../../target/bench/cold');
  await build({
    root: path('../cold'),
    configFile: false,
    logLevel: 'error',
    build: {
      outDir,
      emptyOutDir: true,
      modulePreload: { polyfill: false },
      rollupOptions: { input: PAGES.map((name) => path(`../cold/${name}.html`)) },
    },
  });
  const files = new Map();
  for (const entry of await readdir(outDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    const body = gzipSync(await readFile(file), { level: 9 });
    files.set(`/${relative(outDir, file)}`, { type, body, isPage: extname(file) === '.html' });
  }
  return files;
}

/** A stock server with the pages. */
async function serve(files) {
  const backend = new Backend();
  const http = createServer((request, response) => {
    const file = files.get(new URL(request.url, 'http://localhost').pathname);
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, {
      'content-type': file.type,
      'content-encoding': 'gzip',
      'cache-control': file.isPage ? 'no-cache' : 'public, max-age=31536000, immutable',
    });
    response.end(file.body);
  });
  new WebSocketServer({ server: http }).on('connection', (socket, request) => {
    backend.listen(new WebSocketStream(socket), request);
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address();
  const close = async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  };
  return { backend, port, close };
}

function create({ backend }, id) {
  const connection = backend.connect();
  return new Promise((resolve, reject) => {
    connection.get('cold', id).create(counters(), (error) => {
      connection.close();
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Milliseconds from the navigation to the first document: in a browser that has nothing of the page, and in a second tab. */
async function visit(browser, port, page, id) {
  const context = await browser.chromium.newContext();
  const open = async () => {
    const tab = await context.newPage();
    tab.on('pageerror', (error) => console.error(`${page}:`, error));
    await tab.goto(`http://127.0.0.1:${port}/${page}.html?doc=${id}`, { waitUntil: 'commit' });
    await tab.waitForFunction(() => globalThis.first);
    const { time, data, error } = await tab.evaluate(() => globalThis.first);
    if (error || data?.count === undefined) throw new Error(`${page} shows ${error ?? data}`);
    await tab.waitForFunction(() => globalThis.settled());
    return time;
  };
  try {
    return { first: await open(), second: await open() };
  } finally {
    await context.close();
  }
}

/** What is measured of each page: cold with a first look and without, and in a second tab. */
const FIGURES = [
  ['look', 'first'],
  ['ours', 'first'],
  ['ours', 'second'],
];

/** @type {Promise<Map<string, any>> | undefined} */
let built;

/** @param {number} rounds @param {typeof LINE} [between] what is between browser and server, if anything */
const cold = (rounds, between) => async (bench) => {
  const browser = await bench.browser();
  const server = await serve(await (built ??= buildPages()));
  const line = between && (await SlowLine.start(server.port, between));
  const samples = Object.fromEntries(PAGES.map((page) => [page, { first: [], second: [] }]));
  try {
    for (let round = 0; round < bench.rounds(rounds); round++) {
      for (const page of round % 2 ? [...PAGES].reverse() : PAGES) {
        const id = `${page}-${round}`;
        await create(server, id);
        const { first, second } = await visit(browser, (line ?? server).port, page, id);
        samples[page].first.push(first);
        samples[page].second.push(second);
      }
    }
  } finally {
    await line?.close();
    await server.close();
  }
  const of = (page, tab) => middle(samples[page][tab]);
  return FIGURES.map(([page, tab]) => ({ ours: of(page, tab), stock: of('stock', tab) }));
};

const figures = (where, factor) => [
  { figure: `first data on a cold page with firstLook, ${where} (ms)`, goal: atMost(factor) },
  { figure: `first data on a cold page, ${where} (ms)`, goal: atMost(factor) },
  { figure: `first data in a second tab, ${where} (ms)`, goal: atMost(1) },
];

export const groups = [
  { figures: figures('loopback', 1.3), run: cold(16) },
  { figures: figures('1.6 Mbit/s and 150 ms', 1.5), run: cold(6, LINE) },
];
