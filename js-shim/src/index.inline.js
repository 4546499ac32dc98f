/**
 * The entry for bundles that cannot wait at the top level, such as those of CommonJS packages that
 * require ShareDB's client: the WebAssembly is in the script, and ready at once. Built into one file.
 */

import hostBytes from '../pkg/host_bg.wasm';
import tabBytes from '../pkg/tab_bg.wasm';
import { hostModule } from './cores/host-core.js';
import { tabModule } from './cores/tab-core.js';
import { PageHost, Place } from './host/page-host.js';
import { providePageHosts } from './link/page-host-loader.js';
import { shared } from './platform/shared.js';

export * from './client.js';

tabModule.use(/** @type {any} */ (tabBytes));
hostModule.use(/** @type {any} */ (hostBytes));
providePageHosts({ PageHost, Place });

const { types, logger, Error } = shared;
export { Error, logger, types };
