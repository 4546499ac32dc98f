/**
 * The entry for browsers and bundlers. The WebAssembly is ready when the import resolves.
 */

import { loadModule } from './cores.js';
import { builtin } from './node-builtins.js';
import { shared } from './shared.js';

export * from './client.js';

const { types, logger, Error } = shared;
export { Error, logger, types };

const url = new URL('../pkg/sharedb_proxy_bg.wasm', import.meta.url);
await loadModule(readFile(url) ?? url);

/**
 * The file at a `file:` address, where this runs in Node: `fetch` does not read these.
 *
 * @param {URL} url
 */
function readFile({ href, protocol }) {
  if (protocol !== 'file:') return undefined;
  return builtin('node:fs')?.readFileSync(builtin('node:url').fileURLToPath(href));
}
