/**
 * The entry for browsers and bundlers. The tab's WebAssembly is ready when the import resolves; the host's is loaded by
 * the worker, and here only when the host comes to live in the page.
 */

import { tabModule } from './cores/tab-core.js';
import { loadPageHostsBy } from './link/page-host-loader.js';
import { builtin } from './platform/node-builtins.js';
import { shared } from './platform/shared.js';

export * from './client.js';

const { types, logger, Error } = shared;
export { Error, logger, types };

const hostUrl = new URL('../pkg/host_bg.wasm', import.meta.url);
loadPageHostsBy(async () => {
  const { PageHost, Place, hostModule } = await import('./host/page-host.js');
  await hostModule.load(sourceAt(hostUrl));
  return { PageHost, Place };
});

await tabModule.load(sourceAt(new URL('../pkg/tab_bg.wasm', import.meta.url)));

/**
 * The address, or the file there where this runs in Node: `fetch` reads no `file:` address.
 *
 * @param {URL} url
 */
function sourceAt(url) {
  if (url.protocol !== 'file:') return url;
  return builtin('node:fs')?.readFileSync(builtin('node:url').fileURLToPath(url.href)) ?? url;
}
