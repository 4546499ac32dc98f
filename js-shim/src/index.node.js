/**
 * The entry for Node, as a module and (bundled) for `require`. It reads no file, so that a server's bundler may move it, and
 * compiles nothing before a connection is made.
 */

import { createRequire } from 'node:module';

import hostBytes from '../pkg/host_node.cjs';
import tabBytes from '../pkg/tab_node.cjs';
import { hostModule } from './cores/host-core.js';
import { tabModule } from './cores/tab-core.js';
import { PageHost, Place } from './host/page-host.js';
import { providePageHosts } from './link/page-host-loader.js';
import { adopt, shared } from './platform/shared.js';

export * from './client.js';

tabModule.provide(tabBytes);
hostModule.provide(hostBytes);
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

const { types, logger, Error: ShareDBError } = shared;
export { ShareDBError as Error, logger, types };
