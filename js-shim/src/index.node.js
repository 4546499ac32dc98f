/**
 * The entry for Node, as a module and (bundled) for `require`. It loads synchronously.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { useModule } from './cores.js';
import { adopt, shared } from './shared.js';

export * from './client.js';

useModule(readFileSync(new URL('../pkg/sharedb_proxy_bg.wasm', import.meta.url)));

const require = createRequire(import.meta.url);
try {
  adopt({
    types: require('sharedb/lib/types'),
    Error: require('sharedb/lib/error'),
    logger: require('sharedb/lib/logger'),
  });
} catch (error) {
  // An application without a server of its own has no `sharedb`.
  if (/** @type {any} */ (error).code !== 'MODULE_NOT_FOUND') throw error;
}

const { types, logger, Error } = shared;
export { Error, logger, types };
