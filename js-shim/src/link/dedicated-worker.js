/**
 * A tab's own worker, which has the tab's place: where no SharedWorker has the host, that place is one of those among which
 * the host lock elects. The worker goes on while its page is blocked by an `alert()` or a busy loop, and its timers are not
 * throttled with those of a hidden page. It ends with its page.
 *
 * Its script is a SharedWorker's, too: `serve` tells the two apart.
 */

import { pick } from '../options/options.js';
import { packagedDedicatedWorker } from '../packaged-worker.js';
import { givenSubtypes, shared } from '../platform/shared.js';

/** @typedef {import('./roads.js').Port} Port */

/** Options of the durable store that a packaged worker cannot have. */
const FUNCTIONS = ['storage', 'encrypt', 'decrypt'];

/**
 * The reason why a tab makes no worker of its own, or `undefined` if it does.
 *
 * @param {import('./link.d.ts').Wanted} wanted
 * @param {import('../index.d.cts').DurableStoreOptions | undefined} store as `checkDurableStore` gives it
 * @returns {string | undefined}
 */
export function whyNoDedicated({ worker, dedicatedWorker, connections }, store) {
  if (dedicatedWorker === false) return 'dedicatedWorker is false';
  if (typeof globalThis.Worker === 'undefined') return 'there is no Worker here';
  if (dedicatedWorker) return undefined;
  // The packaged worker lacks the types and the store that the application's worker module registers.
  if (worker) return 'options.worker is given, and options.dedicatedWorker is not';
  const [own] = Object.keys(pick(store, FUNCTIONS)).filter(
    (name) => /** @type {any} */ (store)[name],
  );
  if (own) return `durableStore.${own} cannot be sent to a worker`;
  if (connections) return 'connections cannot be sent to a worker';
  const { defaultType, map } = shared.types;
  const type = Object.values(map).find((known) => known !== defaultType);
  if (type) return `the packaged worker does not know the type ${type.name ?? type.uri}`;
  const [subtype] = givenSubtypes;
  return subtype && `the packaged worker does not know the subtype ${subtype} of json0`;
}

export class DedicatedWorker {
  /**
   * @param {import('./link.d.ts').Wanted} wanted
   * @param {string} name
   * @param {(port: Port, data: any) => void} receive called with what the worker says
   * @param {(message?: string) => void} failed its script could not be loaded, or threw
   * @throws where no worker can be made
   */
  constructor({ dedicatedWorker: make, workerUrl }, name, receive, failed) {
    const made = make ? make(name) : packagedDedicatedWorker(name, workerUrl);
    const worker = (this._worker = checkWorker(made));
    const { port1, port2 } = new MessageChannel();
    /** @type {Port} */
    this.port = port1;
    /** Whether it was heard of: its place takes messages from then on. */
    this._isHere = false;
    port1.onmessage = ({ data }) => {
      this._isHere ||= Boolean(data?.greeting);
      receive(port1, data);
    };
    worker.onerror = ({ message }) => failed(message);
    worker.postMessage({ tab: true }, [port2]);
  }

  /** Ignores the worker's messages from now on. The worker ends after its host has resigned. */
  leave() {
    if (!this._isHere) return this.end();
    this.port.postMessage({ withdraw: true });
    this._hush();
  }

  /** Ends it at once, as a crash would. */
  end() {
    this._hush();
    this.port.close();
    this._worker.terminate();
  }

  _hush() {
    this._worker.onerror = null;
    this.port.onmessage = null;
  }
}

/**
 * @param {any} worker as the application made it
 * @returns {Worker}
 */
function checkWorker(worker) {
  if (typeof worker?.terminate !== 'function')
    throw new TypeError('options.dedicatedWorker gave no Worker');
  return worker;
}
