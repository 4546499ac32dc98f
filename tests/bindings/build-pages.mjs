/**
 * Bundles the editors' pages, once with our client and once with the stock one.
 *
 * sharedb-ace and sharedb-monaco load `sharedb/lib/client` and `reconnecting-websocket` to make a
 * connection of their own. Both are replaced here, for both clients: the connection is the page's.
 */

import { copyFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const require = createRequire(import.meta.url);

/** The editors, by the names of their pages. */
export const EDITORS = ['ace', 'monaco', 'codemirror'];

/** @param {string} root where the pages go */
export async function buildPages(root) {
  await mkdir(root, { recursive: true });
  for (const name of EDITORS) await copyFile(path('pages/editor.html'), `${root}/${name}.html`);
  for (const client of ['ours', 'stock']) await bundle(root, client);
}

async function bundle(root, client) {
  await build({
    entryPoints: {
      ...Object.fromEntries(EDITORS.map((name) => [name, path(`pages/${name}.js`)])),
      worker: path('pages/worker.js'),
      'editor.worker': require.resolve('monaco-editor/esm/vs/editor/editor.worker.js'),
    },
    outdir: `${root}/${client}`,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    define: { 'process.env.NODE_ENV': '"production"' },
    loader: { '.ttf': 'file' },
    plugins: [substitutions(client)],
    logLevel: 'error',
  });
}

/** By who asks: the page's own stock client is the real one. */
function substitutions(client) {
  return {
    name: 'substitutions',
    setup({ onResolve }) {
      const bindings = /node_modules\/sharedb-(ace|monaco)\/dist/;
      onResolve({ filter: /^#client$/ }, () => ({ path: path(`pages/client-${client}.js`) }));
      onResolve({ filter: /^sharedb\/lib\/client$/ }, ({ importer }) =>
        bindings.test(importer) ? { path: path('pages/bound-client.cjs') } : undefined,
      );
      onResolve({ filter: /^reconnecting-websocket$/ }, () => ({
        path: path('pages/no-socket.cjs'),
      }));
    },
  };
}
