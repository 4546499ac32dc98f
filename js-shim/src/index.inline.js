/**
 * The entry for bundles of one file: the page's host is in it, too, and there at once. What CommonJS packages require in a
 * browser is made of it.
 */

import { tabBytes } from '../pkg/tab_bytes.js';
import { tabModule } from './cores/tab-core.js';
import { PageHost, Place } from './host/browser-page-host.js';
import { providePageHosts } from './link/page-host-loader.js';
import { shared } from './platform/shared.js';

export * from './client.js';

tabModule.provide(tabBytes);
providePageHosts({ PageHost, Place });

const { types, logger, Error: ShareDBError } = shared;
export { ShareDBError as Error, logger, types };
