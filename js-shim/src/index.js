/**
 * The entry for browsers and bundlers. The tab's WebAssembly is in a script and compiled when it is first needed, so that an
 * import waits for nothing and never fails. The host's is loaded by the worker, and here only when the host comes to live in
 * the page.
 */

import { tabBytes } from '../pkg/tab_bytes.js';
import { tabModule } from './cores/tab-core.js';
import { importElsewhere } from './link/import-elsewhere.js';
import { loadPageHostsBy } from './link/page-host-loader.js';
import { shared } from './platform/shared.js';

export * from './client.js';

const { types, logger, Error: ShareDBError } = shared;
export { ShareDBError as Error, logger, types };

tabModule.provide(tabBytes);
loadPageHostsBy(async () => {
  const loading = import('./host/browser-page-host.js');
  const { PageHost, Place, hostModule } = await loading.catch(importElsewhere);
  await hostModule.load();
  return { PageHost, Place };
});
