/** What a browser downloads: the bundled shim with its worker and all it imports, and the wasm module. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { within } from '../table.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const LIMIT_KB = 150;

const gzipped = (bytes) => gzipSync(bytes, { level: 9 }).length / 1000;

/** The files of a minified bundle; what several entries share is in it once. */
async function bundle(entryPoints) {
  const { outputFiles } = await build({
    entryPoints,
    bundle: true,
    splitting: true,
    format: 'esm',
    minify: true,
    target: 'es2022',
    write: false,
    outdir: 'out',
    logLevel: 'warning',
  });
  return outputFiles.reduce((sum, file) => sum + gzipped(file.contents), 0);
}

/** Prints what our package takes, and returns it in kB. */
export async function measure() {
  const shim = path('../../../js-shim');
  const js = await bundle([`${shim}/src/index.js`, `${shim}/src/worker-entry.js`]);
  const wasm = gzipped(readFileSync(`${shim}/pkg/sharedb_proxy_bg.wasm`));
  const parts = `JS ${js.toFixed(1)} kB, wasm ${wasm.toFixed(1)} kB`;
  console.log(`  gzip: ${parts}, together ${(js + wasm).toFixed(1)} kB`);
  return js + wasm;
}

async function size() {
  return [{ ours: await measure(), stock: await bundle([path('../page/stock-client.js')]) }];
}

export const groups = [
  {
    figures: [
      { figure: 'wasm and JS, gzip (kB)', goal: within(LIMIT_KB, `at most ${LIMIT_KB} kB`) },
    ],
    run: size,
  },
];
