/**
 * What a browser downloads of an application that only opens a document, as Vite builds it: by the page, and by the
 * SharedWorker that the page makes. Stock has no worker.
 */

import { brotliCompressSync, gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { within } from '../table.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

/** Goals in kB, packed by gzip. */
const PAGE_LIMIT = 150;
const WORKER_LIMIT = 200;

const PACKERS = {
  gzip: (bytes) => gzipSync(bytes, { level: 9 }),
  brotli: (bytes) => brotliCompressSync(bytes),
};

/** The files of a build, by their names. */
async function bundle(client) {
  const { output } = await build({
    root: path('../size'),
    configFile: false,
    logLevel: 'error',
    worker: { format: 'es' },
    build: { write: false, rollupOptions: { input: path(`../size/${client}.html`) } },
  });
  return new Map(output.map((file) => [file.fileName, file]));
}

/** The chunk that the page begins with, and what it imports before it runs. */
function chunksOf(files) {
  const [entry] = [...files.values()].filter(({ isEntry }) => isEntry);
  const chunks = new Set();
  const add = (chunk) => {
    if (chunks.has(chunk)) return;
    chunks.add(chunk);
    for (const name of chunk.imports) add(files.get(name));
  };
  add(entry);
  return [...chunks].map(({ code }) => code);
}

/** The one asset whose name begins so. */
function asset(files, begin) {
  const found = [...files.values()].filter(({ fileName }) =>
    fileName.split('/').at(-1).startsWith(begin),
  );
  if (found.length !== 1) throw new Error(`${found.length} assets are named ${begin}`);
  return found[0].source ?? found[0].code;
}

/** Kilobytes of the files, each packed by itself as a server sends it. */
function packed(files, pack) {
  return files.reduce((sum, file) => sum + PACKERS[pack](file).length, 0) / 1000;
}

/** Kilobytes by packer: `{page, worker}` of ours, and stock's page. */
export async function measure() {
  const [ours, stock] = [await bundle('ours'), await bundle('stock')];
  const page = chunksOf(ours);
  const worker = [asset(ours, 'sharedb-proxy-worker')];
  const of = (pack) => ({
    page: packed(page, pack),
    worker: packed(worker, pack),
    stock: packed(chunksOf(stock), pack),
  });
  return { gzip: of('gzip'), brotli: of('brotli') };
}

/** Prints what our package takes. */
export async function print() {
  for (const [pack, { page, worker }] of Object.entries(await measure())) {
    console.log(`  ${pack}: page ${page.toFixed(1)} kB, worker ${worker.toFixed(1)} kB`);
  }
}

async function size() {
  const { gzip, brotli } = await measure();
  return [gzip, brotli].flatMap(({ page, worker, stock }) => [
    { ours: page, stock },
    { ours: worker, stock },
  ]);
}

/** Shown for those whose server packs so. */
const NONE = { text: 'none', met: () => true };

export const groups = [
  {
    figures: [
      { figure: 'page, gzip (kB)', goal: within(PAGE_LIMIT, `at most ${PAGE_LIMIT} kB`) },
      { figure: 'worker, gzip (kB)', goal: within(WORKER_LIMIT, `at most ${WORKER_LIMIT} kB`) },
      { figure: 'page, brotli (kB)', goal: NONE },
      { figure: 'worker, brotli (kB)', goal: NONE },
    ],
    run: size,
  },
];
