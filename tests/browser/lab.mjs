/**
 * Builds the lab: one page that tests let work in ways no demo needs, and its workers. What they import of the package is what
 * an application imports.
 */
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const SCRIPTS = [
  ...[
    'coordinator.js',
    'devices.js',
    'tab.js',
    'worker.js',
    'sealed-worker.js',
    'failing-worker.js',
  ],
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
  await buildOne(`${pages}/lab`);
  const later = path('../../js-shim/later/pkg');
  if (existsSync(`${later}/tab_bytes.js`)) await buildOne(`${pages}/later`, [modulesOf(later)]);
}

async function buildOne(root, plugins = []) {
  await mkdir(root, { recursive: true });
  for (const page of ['tab', 'coordinator', 'devices'])
    await cp(path(`lab/${page}.html`), `${root}/${page}.html`);
  await build({
    entryPoints: SCRIPTS.map((name) => path(`lab/${name}`)),
    outdir: `${root}/src`,
    bundle: true,
    // A page is to load the host's code when it has the host.
    splitting: true,
    plugins,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
}

/** The modules of tab and host are those of another build. That of coordination speaks no protocol. */
function modulesOf(folder) {
  return {
    name: 'modules',
    setup({ onLoad }) {
      onLoad({ filter: /\/(tab|host)_bytes\.js$/ }, ({ path: asked }) => ({
        contents: readFileSync(`${folder}/${basename(asked)}`, 'utf8'),
      }));
    },
  };
}
