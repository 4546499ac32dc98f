/**
 * Runs the machine of what one user's devices agree on: gives it the document and presence, submits its ops, shows what it
 * shows, and wakes it.
 *
 * What it refuses to do: decide anything.
 */

import { DevicesCore, coordinatorModule } from '../cores/coordinator-core.js';
import { jsonError } from '../platform/json.js';
import { shared } from '../platform/shared.js';
import { endOfListener, timers } from '../platform/ticks.js';
import { now } from './coordination.js';

/** What a new document holds. */
const EMPTY = { known: [], leases: [], messages: [], notices: [] };
/** What changes the data of a document. */
const CHANGES = /** @type {const} */ (['load', 'create', 'op batch', 'del']);
/** Another client has made the document meanwhile. */
const MADE = 'ERR_DOC_ALREADY_CREATED';

export class DeviceDriver {
  /**
   * @param {import('../api/connection.js').Connection} connection
   * @param {{collection: string, id: string}} place of the document
   * @param {{device: string, tab: string, ttl: number, isNew: boolean}} who
   * @param {object} listener
   * @param {(tell: any) => void} listener.told
   * @param {(error: any) => void} listener.failed
   */
  constructor(connection, { collection, id }, { device, tab, ttl, isNew }, listener) {
    this._listener = listener;
    this._core = coordinatorModule.apart(() => new DevicesCore(device, tab, ttl, isNew));
    this._doc = connection.get(collection, id);
    this._presence = connection.getPresence(`devices.${collection}.${id}`);
    this._key = `${device}/${tab}`;
    /** @type {any} */
    this._local = undefined;
    /** The machine does not know the document as it is. */
    this._isBehind = false;
    this._isMaking = false;
    /** Inputs that wait for the one that is being taken. @type {object[]} */
    this._inputs = [];
    this._isRunning = false;
    this._isOver = false;
    /** @type {import('../platform/ticks.js').Timer | undefined} */
    this._timer = undefined;
  }

  begin() {
    for (const event of CHANGES) this._doc.on(event, this._onChange);
    this._doc.on('error', this._onDocError);
    this._presence.on('receive', this._onPresence);
    this._presence.on('error', this._onError);
    this._presence.subscribe((/** @type {any} */ error) => error && this._onError(error));
    this._doc.subscribe((/** @type {any} */ error) => {
      if (error) return this._onError(error);
      if (!this._doc.type) this._make();
      this._onChange();
    });
  }

  /** Another tab of this device goes on, or nobody. */
  end() {
    if (this._isOver) return;
    this._isOver = true;
    timers.stop(this._timer);
    for (const event of CHANGES) this._doc.removeListener(event, this._onChange);
    this._doc.removeListener('error', this._onDocError);
    this._presence.removeListener('receive', this._onPresence);
    this._hide();
  }

  /** @param {object} ask */
  ask(ask) {
    this._take({ ask });
  }

  /** @param {object} own */
  setOwn(own) {
    this._take({ own });
  }

  /** @param {number} number of a claim */
  holds(number) {
    return !this._isOver && this._core.holds(number, now(), Date.now());
  }

  /** @param {string} name of a lease @returns {string | undefined} the device that holds it */
  holder(name) {
    return this._core.holder(name);
  }

  /** Ops that are made on a document that may not come to be would go with it. */
  _make() {
    this._isMaking = true;
    this._doc.create(EMPTY, (/** @type {any} */ error) => {
      this._isMaking = false;
      if (error && error.code !== MADE) return this._onError(error);
      if (error) this._doc.fetch(() => this._onChange());
      this._onChange();
    });
  }

  _onChange = () => {
    if (this._isBehind) return;
    this._isBehind = true;
    // What comes in one go is looked at once.
    endOfListener(() => this._run());
  };

  _onError = (/** @type {any} */ error) => {
    if (!this._isOver) this._listener.failed(error);
  };

  /** A document that two devices make at once is told to be there already. */
  _onDocError = (/** @type {any} */ error) => {
    if (error?.code !== MADE) this._onError(error);
  };

  _onPresence = (/** @type {string} */ key, /** @type {any} */ about) => {
    this._take({ heard: { key, about } });
  };

  // ---- The machine ----

  /** @param {object} input */
  _take(input) {
    this._inputs.push(input);
    this._run();
  }

  /** An application that asks in the middle of something is listened to afterwards. */
  _run() {
    if (this._isRunning || this._isOver) return;
    this._isRunning = true;
    try {
      for (;;) {
        const input = this._isBehind ? this._look() : this._inputs.shift();
        if (!input || this._isOver) break;
        this._handle(input);
      }
    } catch (error) {
      this._die(error);
    } finally {
      this._isRunning = false;
    }
    if (!this._isOver) this._setTimer();
  }

  _look() {
    this._isBehind = false;
    const { type, data } = this._doc;
    return { document: type && !this._isMaking ? data : null };
  }

  /** @param {object} input */
  _handle(input) {
    const outputs = this._core.handle(now(), Date.now(), JSON.stringify(input));
    if (outputs === undefined) shared.logger.warn('Ignoring what is nothing of a device', input);
    for (const output of JSON.parse(outputs ?? '[]')) this._carryOut(output);
  }

  /** @param {any} output */
  _carryOut({ submit, show, hide, tell }) {
    if (submit) return this._submit(submit);
    if (hide) return this._hide();
    if (tell) return this._listener.told(tell);
    this._local ??= this._presence.create(this._key);
    this._local.submit(show, (/** @type {any} */ error) => error && this._onError(error));
  }

  /** @param {{number: number, op: any}} op */
  _submit({ number, op }) {
    this._doc.submitOp(op, (/** @type {any} */ error) =>
      this._take(
        error ? { failed: { op: number, error: jsonError(error) } } : { committed: { op: number } },
      ),
    );
    // The event may be on its way.
    this._isBehind = true;
  }

  _hide() {
    const local = this._local;
    this._local = undefined;
    local?.destroy(() => {});
  }

  _setTimer() {
    timers.stop(this._timer);
    const at = this._core.wakeAt();
    if (at === undefined) return;
    this._timer = timers.start(() => this._take({ tick: {} }), Math.max(0, at - now()) + 1);
    /** @type {any} */ (this._timer).unref?.();
  }

  /** @param {any} cause */
  _die(cause) {
    shared.logger.error('What this device agrees on crashed', cause);
    this.end();
    const message = 'What this device agrees on with others crashed: reload this page';
    this._listener.failed(new shared.Error('ERR_COORDINATOR_CRASHED', message));
  }
}
