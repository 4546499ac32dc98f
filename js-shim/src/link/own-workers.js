/**
 * The workers that a tab makes: the SharedWorker of its build, and a dedicated one of its own. Each has a place for the host.
 *
 * The link's machine decides when; this makes them, and reports what becomes of them.
 */

import { advice, packagedWorker } from '../packaged-worker.js';
import { DedicatedWorker } from './dedicated-worker.js';

/** @typedef {import('./roads.js').Port} Port */

/** @typedef {'shared' | 'dedicated'} Kind */

export class OwnWorkers {
  /**
   * @param {object} options
   * @param {import('./link.d.ts').Wanted} options.wanted
   * @param {string} options.name of both workers
   * @param {string} options.namespace
   * @param {(road: 'port' | 'dedicated', port: Port, data: any) => void} options.receive what a worker says
   * @param {(input: object) => void} options.tell the link's machine
   */
  constructor({ wanted, name, namespace, receive, tell }) {
    this._wanted = wanted;
    this._name = name;
    this._receive = receive;
    this._tell = tell;
    /** The first message to a worker, sent again if it asks. */
    this.hello = { hello: { namespace } };
    /** @type {SharedWorker | undefined} */
    this.shared = undefined;
    /** Whether the SharedWorker was made before the machine asked for it. */
    this._isEarly = false;
    /** @type {DedicatedWorker | undefined} */
    this.dedicated = undefined;
  }

  /** Makes the SharedWorker before the machine is there to ask for it: its script is loaded while the tab's module compiles. */
  makeEarly() {
    try {
      this._makeShared();
      this._isEarly = true;
    } catch {
      // The machine asks for it, and is told why there is none.
    }
  }

  /**
   * Makes a worker, in place of the one before; of a SharedWorker perhaps another port only.
   *
   * @param {Kind} kind
   */
  make(kind) {
    try {
      if (kind === 'shared') this._makeShared();
      else this._makeDedicated();
    } catch (/** @type {any} */ error) {
      // Blocked cookies, an invalid address.
      const reason = `the ${kind} worker could not be made: ${error?.message ?? error}`;
      this.forbidden(kind, { reason, code: 'ERR_HOST_FAILED' });
    }
  }

  _makeShared() {
    const { _isEarly: isEarly, _wanted: wanted, _name: name } = this;
    this._isEarly = false;
    if (isEarly) return;
    this.dropShared();
    const made = wanted.worker ? wanted.worker(name) : packagedWorker(name, wanted.workerUrl);
    const worker = checkWorker(made);
    this.shared = worker;
    const { port } = worker;
    worker.onerror = (/** @type {any} */ { message }) => this.failed('shared', message);
    port.onmessage = (/** @type {MessageEvent} */ { data }) => this._receive('port', port, data);
    port.postMessage(this.hello);
  }

  _makeDedicated() {
    this.endDedicated();
    this.dedicated = new DedicatedWorker(
      this._wanted,
      this._name,
      (port, data) => this._receive('dedicated', port, data),
      (message) => this.failed('dedicated', message),
    );
    this.dedicated.port.postMessage(this.hello);
  }

  /**
   * @param {Kind} worker
   * @param {string} [message]
   * @param {string} [code]
   */
  failed(worker, message = this._whyNoScript(worker), code = 'ERR_HOST_FAILED') {
    const reason = `the ${worker} worker did not start: ${message}`;
    this._tell({ workerFailed: { worker, why: { reason, code } } });
  }

  /** @param {Kind} kind */
  _whyNoScript(kind) {
    const { worker, dedicatedWorker, workerUrl } = this._wanted;
    const isOwn = kind === 'shared' ? worker : dedicatedWorker;
    return `its script could not be loaded${isOwn ? '' : `: ${advice(workerUrl)}`}`;
  }

  /**
   * @param {Kind} worker
   * @param {{reason: string, code?: string}} why
   */
  forbidden(worker, why) {
    this._tell({ workerForbidden: { worker, why } });
  }

  /** @param {Kind} kind */
  portOf(kind) {
    const worker = kind === 'shared' ? this.shared : this.dedicated;
    return /** @type {SharedWorker | DedicatedWorker} */ (worker).port;
  }

  /**
   * Has a worker's place queue for the host lock.
   *
   * @param {Kind} kind
   * @param {boolean} steal the host does not answer
   */
  stand(kind, steal) {
    const worker = kind === 'shared' ? this.shared : this.dedicated;
    worker?.port.postMessage({ stand: { steal } });
  }

  /**
   * The dedicated worker's place is not to have the host any more.
   *
   * @param {boolean} urgent the page is about to be frozen: the worker is ended
   */
  withdraw(urgent) {
    if (urgent) this.endDedicated();
    else this.dedicated?.port.postMessage({ withdraw: true });
  }

  /** Tells the SharedWorker's place that the tab leaves: a port does not report that its other end is gone. */
  leaveShared() {
    this.shared?.port.postMessage({ left: true });
    this.dropShared();
  }

  dropShared() {
    const { shared: worker } = this;
    if (!worker) return;
    worker.onerror = null;
    worker.port.onmessage = null;
    worker.port.close();
    this.shared = undefined;
  }

  endDedicated() {
    this.dedicated?.end();
    this.dedicated = undefined;
  }

  /** The tab needs no worker any more. */
  leave() {
    this.dropShared();
    // It resigns first.
    this.dedicated?.leave();
    this.dedicated = undefined;
  }
}

/**
 * @param {any} worker as the application made it
 * @returns {SharedWorker}
 */
function checkWorker(worker) {
  if (!worker?.port) throw new TypeError('options.worker gave no SharedWorker');
  return worker;
}
