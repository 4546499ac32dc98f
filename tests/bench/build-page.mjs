/**
 * Bundles the bench page into `target/bench/page`: the same page for both clients. What is measured is a copy, so a
 * build that runs at the same time changes nothing.
 */

import { cp, mkdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

/** @returns {Promise<string>} the directory of the page */
export async function buildPage() {
  const root = path('../../target/bench/page');
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  await cp(path('page/index.html'), `${root}/index.html`);
  await build({
    entryPoints: ['ours.js', 'stock.js', 'coordinator.js', 'worker.js'].map((name) =>
      path(`page/${name}`),
    ),
    outdir: `${root}/src`,
    bundle: true,
    splitting: true,
    format: 'esm',
    minify: true,
    keepNames: true,
    sourcemap: true,
    target: 'es2022',
    logLevel: 'warning',
  });
  return root;
}
