/**
 * The entry for browsers and bundlers. The WebAssembly is ready when the import resolves.
 */

import init from '../pkg/sharedb_proxy.js';
import { shared } from './shared.js';

export * from './client.js';

const { types, logger, Error } = shared;
export { Error, logger, types };

await init({ module_or_path: new URL('../pkg/sharedb_proxy_bg.wasm', import.meta.url) });
