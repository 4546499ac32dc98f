/**
 * The entry for bundles that cannot wait at the top level, such as those of CommonJS packages that
 * require ShareDB's client: the WebAssembly is in the script, and ready at once. Built into one file.
 */

import bytes from '../pkg/sharedb_proxy_bg.wasm';
import { useModule } from './cores.js';
import { shared } from './shared.js';

export * from './client.js';

useModule(/** @type {any} */ (bytes));

const { types, logger, Error } = shared;
export { Error, logger, types };
