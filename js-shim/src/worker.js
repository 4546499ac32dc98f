/**
 * The entry for a worker: `import { serve } from 'sharedb-proxy/worker'; serve();` The same module serves as a SharedWorker
 * and as a tab's dedicated worker.
 *
 * Nothing here is awaited at the top: the first `connect` may come at once.
 */

import { hostBytes } from '../pkg/host_bytes.js';
import { hostModule } from './cores/host-core.js';
import { Place } from './host/place.js';
import { checkConnections } from './options/connections.js';
import { checkServedStore } from './options/durable-options.js';
import { expectOption, isFunction, refuseUnknown } from './options/options.js';
import { registerSubtype, shared } from './platform/shared.js';

/** @typedef {NonNullable<Parameters<typeof import('./worker.d.ts').serve>[0]>} ServeOptions */

/** @typedef {import('./host/shared-host.js').Served} Served */

/** Why this worker does not take a tab. Not which namespace it serves: that may be a secret. */
const MISMATCH = {
  code: 'ERR_HOST_MISMATCH',
  reason: 'the shared worker serves another namespace: name it as options.worker is told to',
};

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
 *   json0; the subtypes that json0 has, beside text0; what of the durable store cannot come from a page; and a second
 *   connection for what tabs agree on
 */
export function serve(options = {}) {
  const scope = /** @type {any} */ (globalThis);
  const worker = new Worker(isDedicated() ? 'dedicated-worker' : 'shared-worker');
  // First of all: a tab may be waiting already.
  const listen = (/** @type {MessageEvent} */ { ports: [port] }) => port && worker.listen(port);
  if (isDedicated()) scope.onmessage = listen;
  else scope.onconnect = listen;
  worker.start(options);
}

const isDedicated = () => 'DedicatedWorkerGlobalScope' in globalThis;

/** A worker, which is a place of the namespace that its first tab names. */
class Worker {
  /** @param {import('./link/link.d.ts').PlaceKind} kind */
  constructor(kind) {
    this._kind = kind;
    /** What the worker's own module says of the store, once everything is loaded. @type {Promise<Served>} */
    this._ready = /** @type {any} */ (undefined);
    /** The namespace that this worker is for. */
    this._namespace = '';
    /** @type {Promise<Place> | undefined} */
    this._place = undefined;
    /** The ports of tabs that have said it. @type {WeakSet<MessagePort>} */
    this._known = new WeakSet();
  }

  /** @param {ServeOptions} options */
  start(options) {
    this._ready = prepare(options);
    // Each tab is told, also one that comes later.
    this._ready.catch(() => {});
  }

  /** @param {MessagePort} port */
  listen(port) {
    port.onmessage = ({ data }) => this._greeted(port, data);
    port.onmessageerror = () => shared.logger.warn('Ignoring an unreadable message');
    // Where a browser runs a worker again behind a living port, the tab has to say again for whom it is.
    port.postMessage({ who: true });
    // A tab that waits for this worker is told at once that it will not start.
    this._ready?.catch((error) => refuseTab(port, error));
  }

  /**
   * A tab says which namespace it is of.
   *
   * @param {MessagePort} port
   * @param {any} data
   */
  async _greeted(port, data) {
    const namespace = data?.hello?.namespace;
    if (typeof namespace !== 'string')
      return shared.logger.warn('Ignoring an unknown message', data);
    // Said again where this worker asked for it.
    if (this._known.has(port)) return undefined;
    this._known.add(port);
    this._namespace ||= namespace;
    // No page ever sees another namespace's documents.
    if (namespace !== this._namespace) return port.postMessage({ unfit: MISMATCH });
    this._place ??= this._makePlace();
    try {
      const place = await this._place;
      place.addPort(port);
    } catch (error) {
      refuseTab(port, error);
    }
  }

  async _makePlace() {
    const served = await this._ready;
    const { _namespace: namespace, _kind: kind } = this;
    const end = () => globalThis.close();
    const place = new Place({
      namespace,
      kind,
      served,
      // Whoever comes next gets another worker.
      ended: end,
      closed: end,
      failed: (error, ports) => [...ports].forEach((port) => refuseTab(port, error)),
    });
    await place.alive;
    // A dedicated worker stands when its tab says so.
    if (kind === 'shared-worker') place.stand();
    return place;
  }
}

/**
 * @param {ServeOptions} options
 * @returns {Promise<Served>}
 */
async function prepare(options) {
  refuseUnknown('serve', options, ['types', 'subtypes', 'durableStore', 'connections']);
  expectOption('serve', options, 'subtypes', areSubtypes, SUBTYPES);
  checkConnections('serve', options.connections);
  const served = { ...checkServedStore(options.durableStore), connections: options.connections };
  for (const type of options.types ?? []) shared.types.register(type);
  for (const subtype of options.subtypes ?? []) registerSubtype(subtype);
  await hostModule.load();
  return served;
}

hostModule.provide(hostBytes);

/** The ports of tabs that were told. @type {WeakSet<import('./link/roads.js').Port>} */
const refused = new WeakSet();

/**
 * There is no host here, and no later tab is to look for one.
 *
 * @param {import('./link/roads.js').Port} port
 * @param {any} error
 */
function refuseTab(port, error) {
  if (refused.has(port)) return;
  refused.add(port);
  port.postMessage({ failed: String(error?.message ?? error), code: error?.code });
  globalThis.close();
}
