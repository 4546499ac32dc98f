/**
 * Runs a tab's machine for a connection: calls it, carries out its events (`tab-events.js`), passes the host's messages
 * to it in order, keeps the callbacks and contents of calls that have not ended, and replaces it after a crash
 * (`restart.js`).
 */

import { EventEmitter } from 'events';

import { absentCore } from '../cores/absent-core.js';
import { causeOfDeath, isDead, noteOwner } from '../cores/cores.js';
import { enterNested, leaveNested } from '../cores/stack.js';
import { TabCore } from '../cores/tab-core.js';
import { typesBridge } from '../cores/types-bridge.js';
import { PageLife } from '../link/page-life.js';
import { isOverflow, startAgain } from './restart.js';
import { shared } from '../platform/shared.js';
import { ShortLives } from '../platform/short-lives.js';
import { endOfListener, nextTick } from '../platform/ticks.js';
import { whatTrapped } from '../platform/traps.js';
import { LastEvent } from './tab-events.js';

/**
 * @typedef {import('./connection.js').Connection} Connection
 * @typedef {import('../link/link.d.ts').Link} Link
 *
 * A call of the application that has not ended: its callback, and what it was given.
 *
 * @typedef {object} Call
 * @property {((...results: any[]) => void)} [callback]
 * @property {import('./doc.js').Doc} [doc] whose call it is
 * @property {'fetch' | 'subscribe' | 'unsubscribe'} [read] where it is one of these
 * @property {any} [source] of an op, as the application gave it; `true` where it gave none
 * @property {any} [op] what the application submitted, where its type is not ours
 * @property {any} [data] of a create, which may be more than JSON
 * @property {number} [seq] of the op, once it was sent to the host
 * @property {(() => import('../index.d.cts').Discarded)} [content] of an op that was not sent
 * @property {string} [id] of the document whose snapshot is fetched
 * @property {import('./presence.js').Presence} [presence]
 * @property {boolean} [want] whether presence is to be subscribed
 * @property {any} [local] the local presence whose value is submitted
 */

export const closed = () => new shared.Error('ERR_CONNECTION_CLOSED', 'The connection is closed');

/** The source of another tab's or the server's change. */
const REMOTE = Object.freeze({ source: false });

/** @abstract */
export class MachineOwner extends EventEmitter {
  /** @param {Link} link to the host */
  constructor(link) {
    super();
    this._link = link;
    /** Why there can be no machine. */
    this._failure = link.failure;
    this._machine = link.failure ? absentCore() : new TabCore(typesBridge, link.initialState);
    noteOwner(this._machine, this);
    /** What the machine touched last. It can be read when the machine has trapped. */
    this._touched = this._machine.touched();
    this._event = new LastEvent();
    /** State for the next machine: a machine that crashed cannot be asked. */
    this._known = {
      /** The connection's state, as last announced to the application. */
      state: link.initialState,
      /** The line (history of revisions) that the host named last. @type {number | undefined} */
      line: undefined,
      /** The highest seq of an op that was sent to the host. */
      lastSeq: 0,
      /** The highest document handle. */
      lastHandle: -1,
      /** Machines that have crashed. */
      crashes: 0,
    };
    this._lives = new ShortLives();
    /** Whether a new machine is being set up after a crash. */
    this._isStarting = false;
    /** Whether machines crashed so often that no other one is made. */
    this._isGivenUp = Boolean(link.failure);
    /** Whether the machine still has to register with the host: it began while the connection was closed. */
    this._isUnregistered = false;
    /** Whether the application closed this, and bound no other socket since. */
    this._closed = Boolean(link.failure);
    /**
     * Messages for the host, held back until the registration is through; `null` where none are held back.
     *
     * @type {string[] | null}
     */
    this._held = null;
    /**
     * This tab's part in what tabs agree on.
     *
     * @type {import('../coordinator/coordination.js').Coordination | undefined}
     */
    this._coordination = undefined;
    /** Documents by handle. @type {Map<number, import('./doc.js').Doc>} */
    this._docs = new Map();
    /** Calls that have not ended, by token. @type {Map<number, Call>} */
    this._submissions = new Map();
    this._nextToken = 1;
    /** What to call when this is closed: nothing that is pending then would end by itself. @type {Set<() => void>} */
    this._waits = new Set();
    /** Nesting depth of calls of the machine. */
    this._busy = 0;
    /** Messages of the host that came during a call of the machine. @type {string[]} */
    this._inbox = [];
    const tellUrls = () => this._self._urls?.offer();
    this._page = new PageLife(() => {
      this._flushAll();
      tellUrls();
    }, tellUrls);
  }

  /** This, as the type that other modules take: the only class that extends this one. */
  get _self() {
    return /** @type {Connection} */ (/** @type {unknown} */ (this));
  }

  /** The machine. One that crashed is replaced as soon as nothing of it is on the stack. */
  get _core() {
    if (isDead(this._machine) && !this._busy && !this._isStarting && !this._isGivenUp)
      startAgain(this._self);
    return this._machine;
  }

  /** The machine has crashed. Replaces it now, unless a call already did. */
  coreDied() {
    if (!this._closed) void this._core;
  }

  // ---- Calling it ----

  /**
   * Calls the machine, then carries out its events until there are none above the mark.
   *
   * @param {() => boolean | void} call `false` where no event follows from it
   */
  _run(call) {
    const { _core: core } = this;
    enterNested();
    this._busy++;
    try {
      // Only a call within another one finds something left to do.
      const mark = this._busy > 1 ? core.depth() : 0;
      if (call() !== false) this._drain(core, mark);
    } catch (error) {
      if (!isDead(core)) throw error;
      this._noticeCrash(core, error);
    } finally {
      this._busy--;
      leaveNested();
    }
  }

  /**
   * @param {TabCore} core
   * @param {number} mark
   */
  _drain(core, mark) {
    const event = this._event;
    let failure;
    let mayFollow = core.poll(mark, event);
    while (mayFollow !== undefined) {
      try {
        event.carryOut(this._self);
      } catch (error) {
        mayFollow = true;
        // The events that are left then are internal, and are carried out before the exception propagates.
        if (isDead(core) || !core.threw(mark, error)) failure ??= { error };
      }
      mayFollow = mayFollow && !isDead(core) ? core.poll(mark, event) : undefined;
    }
    if (failure) throw failure.error;
  }

  /**
   * The machine crashed in this call, or had crashed before. The crash itself is not thrown: the next machine ends the
   * call. A stack overflow is thrown, as by the stock client, and so is an exception of the application's own.
   *
   * @param {TabCore} core
   * @param {any} error
   */
  _noticeCrash(core, error) {
    if (this._isGivenUp) throw error;
    const cause = causeOfDeath(core);
    const isOwn = error === cause || error?.code === 'ERR_CORE_DEAD';
    if (!isOwn || isOverflow(error)) throw error;
  }

  /** The page may be about to end: sends all that was submitted to the host, which may outlive the page. */
  _flushAll() {
    // The machine's tasks are a stack: the document to be flushed first is pushed last.
    const handles = [...this._docs.keys()].reverse();
    this._run(() => handles.forEach((handle) => this._core.sendAhead(handle)));
  }

  /** @param {import('./doc.js').Doc} doc */
  _flush({ _handle: handle }) {
    // What is pending behind an op that the host has not accepted would wait for a later task.
    if (this._page.isGoing) this._core.sendAhead(handle);
    else this._core.flush(handle);
  }

  /**
   * Calls the machine in the next tick; at the end of the running listener where the page is being hidden, which may
   * have no next tick.
   *
   * @param {() => void} call
   */
  _later(call) {
    const wait = this._page.isHiding ? endOfListener : nextTick;
    wait(() => {
      this._run(call);
      this._readInbox();
    });
  }

  // ---- The host's messages ----

  /**
   * A message of the host. It waits while the machine runs, unless it is urgent: a change of the connection's state has
   * to be visible before the call returns that caused it.
   *
   * @param {string} text
   * @param {boolean} urgent
   */
  _receive(text, urgent) {
    // The host does not know this machine: the message is for the one that crashed.
    if (this._isUnregistered) return;
    if (urgent) return this._run(() => this._core.handleMessage(text));
    this._inbox.push(text);
    if (this._busy) nextTick(() => this._readInbox());
    else this._readInbox();
  }

  _readInbox() {
    while (!this._busy && this._inbox.length) {
      const text = /** @type {string} */ (this._inbox.shift());
      const { _core: core, _touched: touched } = this;
      try {
        this._run(() => core.handleMessage(text));
      } catch (error) {
        nextTick(() => this.emit('error', error));
      }
      if (isDead(core)) this._blame(core, touched);
    }
  }

  /**
   * The machine crashed on a message of the host. That is counted for the document it was at: `restart.js` gives that up
   * where it comes to this again.
   *
   * @param {TabCore} core
   * @param {import('../../pkg/tab.js').TabTouched} touched
   */
  _blame(core, touched) {
    if (isOverflow(causeOfDeath(core))) return;
    const doc = this._docs.get(whatTrapped(touched) ?? -1);
    if (doc) doc._crashes += 1;
  }

  /**
   * Replaces the link: the host moved into this page, and nothing was received from another one.
   *
   * @param {Link} link
   */
  _useLink(link) {
    this._link = link;
    link.attach(this._self);
  }

  /**
   * Registers with another host after the last one died (`hostLost`), or with a host after `close()` (`reconnect`).
   *
   * @param {'hostLost' | 'reconnect'} [why]
   */
  _changeHost(why = 'hostLost') {
    this._holding(() => {
      this._inbox.length = 0;
      this._run(() => this._core.register());
      this._run(() => this._core[why]());
      this._self._askAgain();
    });
  }

  /**
   * Holds messages back until all calls are through: a host in this page would answer in the middle of them.
   *
   * @param {() => void} calls
   */
  _holding(calls) {
    if (this._held) return calls();
    const held = (this._held = /** @type {string[]} */ ([]));
    try {
      calls();
    } finally {
      this._held = null;
      for (const text of held) this._post(text);
    }
  }

  /** @param {string} text */
  _post(text) {
    if (this._held) this._held.push(text);
    else this._link.post(text);
  }

  // ---- Calls that have not ended ----

  /**
   * Remembers a call until it ends.
   *
   * @param {Call} call
   * @returns {number} its token
   */
  _keep(call) {
    const token = this._nextToken++;
    if (this._failure) this._refuse(call.callback);
    else this._submissions.set(token, call);
    return token;
  }

  /**
   * An op is sent to the host: the host knows its outcome from now on, so its content need not be kept here.
   *
   * @param {number} seq
   * @param {number[]} tokens
   */
  _noteSent(seq, tokens) {
    this._known.lastSeq = Math.max(this._known.lastSeq, seq);
    for (const token of tokens) {
      const submission = this._submissions.get(token);
      if (!submission) continue;
      submission.seq = seq;
      submission.content = undefined;
    }
  }

  /**
   * The call that submitted a change.
   *
   * @param {import('../cores/events.js').Source} token
   * @returns {Call}
   */
  _submission(token) {
    return (token !== false && this._submissions.get(token)) || REMOTE;
  }

  /**
   * Forgets a call that ends, and returns it.
   *
   * @param {number} token
   */
  _take(token) {
    const call = this._submissions.get(token);
    this._submissions.delete(token);
    return call;
  }

  /**
   * Ends a call with an error, in the next tick; without a callback the error is logged.
   *
   * @param {((...results: any[]) => void) | undefined} callback
   * @param {any} [error]
   */
  _refuse(callback, error = this._failure ?? closed()) {
    if (callback) nextTick(() => callback(error));
    else shared.logger.warn(error.message);
  }

  /**
   * Calls back when the connection is closed, or soon if it is. Removing the callback from `_waits` cancels it.
   *
   * @param {() => void} callback
   */
  _whenClosed(callback) {
    this._waits.add(callback);
    if (this._closed) this._endWaits();
  }

  _endWaits() {
    // Closing ends some pending calls a tick later. Those that are left then would never end.
    const end = () => {
      if (this._closed) for (const callback of [...this._waits]) callback();
    };
    nextTick(() => nextTick(end));
  }
}
