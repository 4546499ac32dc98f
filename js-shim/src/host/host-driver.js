/**
 * Drives a host's machine: calls it, carries out its outputs, and notices its death. The hosts of pages, of workers and
 * of tests share this; they differ in how they reach tabs and server, which are their `Surroundings`.
 */

import { isDead } from '../cores/cores.js';
import { HOST_OUTPUTS } from '../cores/events.js';
import { typesBridge } from '../cores/types-bridge.js';
import { newSource } from '../platform/locks.js';
import { shared } from '../platform/shared.js';
import { nextTick, timers } from '../platform/ticks.js';
import { whatTrapped } from '../platform/traps.js';
import { answerDebug } from './debug.js';
import { Quarantine } from './quarantine.js';
import { RecordedCore, Recorder } from './recorder.js';
import { SecondConnection } from './second-connection.js';

/**
 * @typedef {import('../cores/events.js').HostOutputs} HostOutputs
 * @typedef {import('./quarantine.js').Trapped} Trapped
 * @typedef {import('../storage/host-storage.js').HostStorage} HostStorage
 *
 * @typedef {object} MachineOptions
 * @property {number} epoch a number for this life that no other life has
 * @property {boolean} isPrivate one tab owns the host
 * @property {boolean} opensSockets the machine asks for its sockets
 * @property {boolean} [hasUrl] `false`: the machine asks tabs where a socket leads to
 * @property {'durable' | 'session'} [retention] how long ops are logged; without it nothing is stored
 * @property {HostStorage} [storage]
 * @property {string} [src] the client id to begin with, where the storage has none; unlike any other
 * @property {import('../index.d.cts').Connections} [connections] that tabs share
 * @property {Recorder} [earlier] of the life before in this place
 * @property {false | import('../index.d.cts').RecorderBounds} [recorder] what is recorded of this one
 * @property {any} [types] the registry of OT types, where it is not that of this process
 *
 * @typedef {object} Ends
 * @property {(error: any, trapped?: Trapped) => void} died the machine crashed, and was at this
 * @property {() => void} [ended] everything was deleted, and the tabs know
 *
 * @typedef {'startTimer' | 'startAlarm' | 'realtime' | 'askStorage' | 'resigned' | 'deposed' | 'debug' | 'warn'} Defaulted
 * @typedef {import('./recorder.js').TimedCore} HostCore
 *
 * What surrounds a host: its tabs, its socket, and the reaction to its end. Outputs in `Defaulted` have a default here.
 *
 * @typedef {Omit<HostOutputs, Defaulted> & Partial<Pick<HostOutputs, Defaulted>> & Ends} Surroundings
 */

/** The longest wait of `setTimeout`, in milliseconds. The machine asks again for the rest of a longer one. */
const LONGEST_DELAY = 2 ** 31 - 1;

/** One life of a host's machine. */
export class HostDriver {
  /**
   * @param {MachineOptions} options
   * @param {Surroundings} surroundings
   */
  constructor(options, surroundings) {
    const { epoch, isPrivate, opensSockets, hasUrl, retention, storage } = options;
    const { types = typesBridge, src = retention && newSource() } = options;
    this.recorder = new Recorder(options.earlier, options.recorder);
    const made = /** @type {const} */ ([epoch, isPrivate, opensSockets, retention, src, hasUrl]);
    /** @type {HostCore} */
    this.core = /** @type {any} */ (new RecordedCore(this.recorder, types, ...made));
    this.storage = storage;
    this._surroundings = surroundings;
    /** The input that the machine began last. It can be read when the machine has trapped. */
    this._doing = this.core.doing();
    this._quarantine = new Quarantine();
    /** @type {SecondConnection | undefined} */
    this._second = undefined;
    /** @type {import('../platform/ticks.js').Timer | undefined} */
    this._timer = undefined;
    /** @type {import('../platform/ticks.js').Timer | undefined} */
    this._alarm = undefined;
    /** Outputs that are not carried out yet, oldest first: the kind's number, then the arguments. @type {any[][]} */
    this._outputs = [];
    /** Whether the life has ended: the machine is not called any more. */
    this._isOver = false;
    /** Resolves when this host has resigned and others can have its storage. @type {Promise<void> | undefined} */
    this._resignation = undefined;
    storage?.attach(this.core, (call) => this.run(call));
    const signalr = options.connections?.signalr;
    if (!signalr) return;
    this._second = new SecondConnection(signalr, (report) =>
      this.run((core) => core.handleRealtime(JSON.stringify(report))),
    );
    this.core.serveRealtime();
  }

  /**
   * Calls the machine, then carries out all its outputs. An exception from carrying one out does not stop the others;
   * the first one is thrown when all are done. Does nothing after the machine's life.
   *
   * @param {(core: HostCore) => void} call
   */
  run(call) {
    if (this._isOver) return;
    const { core } = this;
    let failure;
    let mayFollow;
    try {
      call(core);
      do {
        mayFollow = core.poll(this);
        for (let output = this._outputs.shift(); output; output = this._outputs.shift()) {
          try {
            // This may call the machine again at once: that call then carries out the outputs behind this one, in order.
            this._carryOut(output);
          } catch (error) {
            failure ??= { error };
          }
        }
      } while (mayFollow && !this._isOver);
      if (!this._isOver) this.storage?.stir();
      if (!this._isOver && mayFollow === undefined) this._surroundings.ended?.();
    } catch (error) {
      if (!isDead(core)) throw error;
      this._die(error);
    }
    if (failure) throw failure.error;
  }

  /**
   * The machine gives an output.
   *
   * @param {...any} output the kind's number, then the arguments; no output has more than four
   */
  put(...output) {
    this._outputs.push(output);
    this.recorder.output(output);
  }

  /** @param {any[]} output */
  _carryOut(output) {
    const name = HOST_OUTPUTS[output[0]];
    const surroundings = /** @type {any} */ (this._surroundings);
    const carrier = surroundings[name] ? surroundings : /** @type {any} */ (this);
    carrier[name](output[1], output[2], output[3], output[4]);
  }

  /** @param {Trapped[]} trapped what machines before this one died on */
  quarantine(trapped) {
    this.run((core) => this._quarantine.apply(core, trapped));
  }

  /** The network changed, or the machine slept. */
  wake() {
    this.run((core) => core.wake(Math.random()));
  }

  /** Ends the life: later calls do nothing. */
  leave() {
    this._isOver = true;
    this._outputs = [];
    timers.stop(this._timer);
    timers.stop(this._alarm);
    this._second?.close();
  }

  /** Whether the host can resign now without losing anything. */
  get mayResign() {
    return !this._isOver && (isDead(this.core) || this.core.mayResign);
  }

  /**
   * Ends the host so that another one can take its place: it takes nothing more from tabs or server, writes what it has
   * taken, and tells the tabs what is written. A host whose life has ended otherwise has nothing to release.
   *
   * @returns {Promise<void>} resolves when others can have the storage, also where the machine crashes meanwhile
   */
  resign() {
    if (this._resignation) return this._resignation;
    if (this._isOver) return Promise.resolve();
    this._second?.close();
    this._resignation = new Promise((resolve) => (this._released = resolve));
    this.run((core) => core.resign());
    return this._resignation;
  }

  /** Ends the storage requests of the dead machine, so that none is carried out after those of the next host. */
  async _abandonStorage() {
    await this.storage?.detach();
    await this._releaseStorage();
  }

  async _releaseStorage() {
    await this.storage?.release();
    this._released?.();
  }

  /** @param {any} error */
  _die(error) {
    // A nested call may have noticed the death first.
    if (this._isOver) return;
    this.recorder.end(error);
    this.leave();
    if (this._resignation) {
      shared.logger.error('The host crashed while it resigned', error);
      return void this._abandonStorage();
    }
    this._surroundings.died(error, /** @type {any} */ (whatTrapped(this._doing)));
  }

  // ---- Outputs with a default ----

  /** @param {number} delay in milliseconds */
  startTimer(delay) {
    timers.stop(this._timer);
    this._timer = timers.start(() => this.run((core) => core.handleTimer(Math.random())), delay);
  }

  /** @param {number} delay in milliseconds */
  startAlarm(delay) {
    timers.stop(this._alarm);
    this._alarm = timers.start(
      () => this.run((core) => core.handleAlarm()),
      Math.min(delay, LONGEST_DELAY),
    );
  }

  /** @param {string} act */
  realtime(act) {
    this._second?.act(JSON.parse(act));
  }

  /** @type {import('../cores/events.js').HostOutputs['askStorage']} */
  askStorage(number, request, records, deletes) {
    void this.storage?.carryOut(number, request, records, deletes);
  }

  resigned() {
    this.leave();
    void this._releaseStorage();
  }

  /** A place that knows no better way to the other host treats this as a crash: the next life asks for the storage. */
  deposed() {
    this.leave();
    void this._releaseStorage();
    this._surroundings.died(new Error('another host has taken the storage'));
  }

  /** @type {import('../cores/events.js').HostOutputs['debug']} */
  debug(tab, request, before, after) {
    const { answer, then } = answerDebug(this, request);
    this._surroundings.toTab(tab, before + answer + after, false);
    // In a page the tab reads the answer when the call has ended that it asked by.
    if (then) nextTick(() => this._isOver || then());
  }

  /** A debug console cuts the socket: the machine hears that it has closed. */
  cutSocket() {
    this._surroundings.closeSocket();
  }

  /** A debug console ends this life, as a crash does. */
  kill() {
    const error = new Error('A debug console ended the host');
    this.recorder.end(error);
    this.leave();
    this._surroundings.died(error);
  }

  /** @param {string} message */
  warn(message) {
    shared.logger.warn(message);
  }
}
