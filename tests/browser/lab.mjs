/**
 * Builds the lab: one page that tests let work in ways no demo needs, and its workers. What they import of the package is what
 * an application imports.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const MODULES = ['pkg/tab_bg.wasm', 'pkg/host_bg.wasm'];
const SCRIPTS = [
  ...['coordinator.js', 'tab.js', 'worker.js', 'sealed-worker.js', 'failing-worker.js'],
  ...['broken-worker.js', 'mirror-worker.js', 'trapping-worker.js', 'subtype-worker.js'],
  ...['signalr-worker.js', 'dying-worker.js', 'hanging-worker.js', 'slow-worker.js'],
];

/**
 * The lab, and `later`: the same of a build that speaks the next protocol, where `cargo xtask build --later` has made its
 * modules.
 *
 * @param {string} pages the directory of the built pages; each gets one of its own there
 */
export async function buildLab(pages) {
  await buildOne(`${pages}/lab`, '../../js-shim');
  const later = '../../js-shim/later';
  if (existsSync(path(`${later}/${MODULES[0]}`))) await buildOne(`${pages}/later`, later);
}

async function buildOne(root, of) {
  await mkdir(`${root}/pkg`, { recursive: true });
  // The shim finds its modules beside the directory of its own file.
  for (const name of MODULES) await cp(path(`${of}/${name}`), `${root}/${name}`);
  for (const page of ['tab', 'coordinator'])
    await cp(path(`lab/${page}.html`), `${root}/${page}.html`);
  // There is one build of it: it speaks no protocol.
  const own = 'pkg/coordinator_bg.wasm';
  await cp(path(`../../js-shim/${own}`), `${root}/${own}`);
  await build({
    entryPoints: SCRIPTS.map((name) => path(`lab/${name}`)),
    outdir: `${root}/src`,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
}
