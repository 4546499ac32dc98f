/**
 * The entry for a SharedWorker: `import { serve } from 'sharedb-proxy/worker'; serve();`
 *
 * Nothing here is awaited at the top: the first `connect` may come at once.
 */

import { hostModule } from './cores/host-core.js';
import { WorkerHost, refuseTabs } from './host/worker-host.js';
import { checkServedStore } from './options/durable-options.js';
import { expectOption, isFunction, refuseUnknown } from './options/options.js';
import { registerSubtype, shared } from './platform/shared.js';

/** @typedef {NonNullable<Parameters<typeof import('./worker.d.ts').serve>[0]>} ServeOptions */

/** What `serve`'s subtypes have to be, for who gives others: a module in place of its type, say. */
const SUBTYPES = 'a list of OT types with name, apply, transform and compose';

/** @param {any} value */
const areSubtypes = (value) =>
  Array.isArray(value) &&
  value.every(
    (subtype) =>
      typeof subtype?.name === 'string' &&
      [subtype.apply, subtype.transform, subtype.compose].every(isFunction),
  );

/**
 * Serves the tabs of this worker. Where that cannot be, because of the options or because the browser lacks something,
 * the tabs are told why.
 *
 * @param {ServeOptions} [options] the OT types that documents may have, beside
 *   json0; the subtypes that json0 has, beside text0; and what of the durable store cannot come from a page
 */
export function serve(options = {}) {
  const scope = /** @type {any} */ (globalThis);
  // First of all: a tab may be waiting already.
  scope.onconnect = (/** @type {MessageEvent} */ event) => listen(event.ports[0], ready);
  const ready = start(options);
  // Each tab is told, also one that comes later.
  ready.catch(() => {});
}

/**
 * @param {ServeOptions} options
 * @returns {Promise<WorkerHost>}
 */
async function start(options) {
  refuseUnknown('serve', options, ['types', 'subtypes', 'durableStore']);
  expectOption('serve', options, 'subtypes', areSubtypes, SUBTYPES);
  const served = checkServedStore(options.durableStore);
  for (const type of options.types ?? []) shared.types.register(type);
  for (const subtype of options.subtypes ?? []) registerSubtype(subtype);
  await hostModule.load(new URL('../pkg/host_bg.wasm', import.meta.url));
  const host = new WorkerHost(served);
  await host.alive;
  return host;
}

/**
 * @param {MessagePort} port
 * @param {Promise<WorkerHost>} ready
 */
function listen(port, ready) {
  let tab = '';
  ready.then(
    // Said to every port: where a browser runs a worker again behind a living port, the tab learns of it.
    (host) => host.greet(port),
    (error) => refuseTabs(error, [port]),
  );
  // Each message waits for the same promise, so they stay in order.
  port.onmessage = async ({ data }) => {
    const host = await ready.catch(() => undefined);
    if (!host) return;
    if (typeof data === 'string') return host.receive(tab, data);
    if (data?.left) return host.leave(tab, port);
    // One for each life of the host.
    if (!isIntroduction(data) || (tab && tab !== data.connect.tab))
      return shared.logger.warn('Ignoring an unknown message', data);
    tab = data.connect.tab;
    host.meet(tab, port, data.connect);
  };
  port.onmessageerror = () => shared.logger.warn('Ignoring an unreadable message');
}

/** @param {any} data */
function isIntroduction(data) {
  const { tab, life, url, id, namespace, durableStore, parts, trapped } = data?.connect ?? {};
  return (
    Array.isArray(trapped ?? []) &&
    tab &&
    typeof tab === 'string' &&
    typeof life === 'number' &&
    typeof url === 'string' &&
    typeof namespace === 'string' &&
    typeof (durableStore ?? {}) === 'object' &&
    typeof (parts ?? {}) === 'object' &&
    typeof (id ?? '') === 'string'
  );
}
