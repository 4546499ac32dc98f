/**
 * The entry for Node, as a module and (bundled) for `require`. It loads synchronously.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { hostModule } from './cores/host-core.js';
import { tabModule } from './cores/tab-core.js';
import { PageHost, Place } from './host/page-host.js';
import { providePageHosts } from './link/page-host-loader.js';
import { adopt, shared } from './platform/shared.js';

export * from './client.js';

tabModule.use(readFileSync(new URL('../pkg/tab_node.wasm', import.meta.url)));
hostModule.use(readFileSync(new URL('../pkg/host_node.wasm', import.meta.url)));
providePageHosts({ PageHost, Place });

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
