/**
 * Runs a tab's machine for a connection: calls it and carries out what follows, passes the host's messages on in their order,
 * and remembers what belongs to calls that have no end yet. What the events do is in `tab-events.js`; what becomes of a crash
 * in `restart.js`.
 */

import { EventEmitter } from 'events';

import { causeOfDeath, isDead, noteOwner } from '../cores/cores.js';
import { enterNested, leaveNested } from '../cores/stack.js';
import { TabCore } from '../cores/tab-core.js';
import { typesBridge } from '../cores/types-bridge.js';
import { PageLife } from '../link/page-life.js';
import { isOverflow, startAgain } from '../link/restart.js';
import { shared } from '../platform/shared.js';
import { ShortLives } from '../platform/short-lives.js';
import { endOfListener, nextTick } from '../platform/ticks.js';
import { carryOut } from './tab-events.js';

/**
 * @typedef {import('./connection.js').Connection} Connection
 * @typedef {import('../link/link.js').Link} Link
 *
 * What belongs to a call without an end: whom to tell, and what the application handed in.
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

/** Where a change is not this tab's. */
const REMOTE = Object.freeze({ source: false });

/** @abstract */
export class MachineOwner extends EventEmitter {
  /** @param {Link} link to the host */
  constructor(link) {
    super();
    this._link = link;
    this._machine = new TabCore(typesBridge, link.initialState);
    noteOwner(this._machine, this);
    /** What is known beside the machine, for the one that comes after it when it has crashed. */
    this._known = {
      /** The state, as the application was told last. */
      state: link.initialState,
      /** The history that the host named last. @type {number | undefined} */
      line: undefined,
      /** The number of the last op that was sent. */
      lastSeq: 0,
      /** The highest number of a document. */
      lastHandle: -1,
      /** Machines that have crashed. */
      crashes: 0,
    };
    this._lives = new ShortLives();
    /** A machine takes the place of one that crashed. */
    this._isStarting = false;
    /** Machines crashed too often: no other one is made. */
    this._isGivenUp = false;
    /** The host does not know the machine yet: the connection was closed when it began. */
    this._isUnregistered = false;
    /** Whether the application closed this, and bound no other socket since. */
    this._closed = false;
    /** Messages for the host that have to wait for the registration. @type {string[] | null} */
    this._held = null;
    /** Documents by the machine's number. @type {Map<number, import('./doc.js').Doc>} */
    this._docs = new Map();
    /** Calls without an end, by the token that the machine knows them by. @type {Map<number, Call>} */
    this._submissions = new Map();
    this._nextToken = 1;
    /** What to call when this is closed: nothing that is pending then would end by itself. @type {Set<() => void>} */
    this._waits = new Set();
    /** How deep we are in calls of the machine. */
    this._busy = 0;
    /** Messages that came while we were. @type {string[]} */
    this._inbox = [];
    this._page = new PageLife(() => this._flushAll());
  }

  /** As the modules know it that this is made of. */
  get _self() {
    return /** @type {Connection} */ (/** @type {unknown} */ (this));
  }

  /** The machine. One that crashed is replaced as soon as nothing of it is on the stack. */
  get _core() {
    if (isDead(this._machine) && !this._busy && !this._isStarting && !this._isGivenUp)
      startAgain(this._self);
    return this._machine;
  }

  /** The machine has died; another one is made now, if none was called for. */
  coreDied() {
    if (!this._closed) void this._core;
  }

  // ---- Calling it ----

  /**
   * Calls the machine, then runs all that follows from it.
   *
   * @param {() => void} call
   */
  _run(call) {
    const { _core: core } = this;
    enterNested();
    this._busy++;
    try {
      const mark = core.depth();
      call();
      this._drain(core, mark);
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
    let failure;
    for (let event = core.poll(mark); event; event = isDead(core) ? undefined : core.poll(mark)) {
      try {
        carryOut(this._self, event);
      } catch (error) {
        // What is left then is not the application's, and is done before the exception goes on.
        if (isDead(core) || !core.threw(mark, error)) failure ??= { error };
      }
    }
    if (failure) throw failure.error;
  }

  /**
   * The machine crashed in a call, or had crashed before. What was called has an end all the same: the next machine gives
   * it one. Where the stack ended the application is told, as by the stock client, and so it is of its own exceptions.
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

  /** The page may be about to go: what was submitted is for the host, which may outlive the page. */
  _flushAll() {
    // What is to be done last is pushed first.
    const handles = [...this._docs.keys()].reverse();
    this._run(() => handles.forEach((handle) => this._core.flush(handle)));
  }

  /**
   * Something to do in the next tick, and what came meanwhile. A page that goes away has no next tick.
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
   * A message of the host. While the machine runs it has to wait, unless the connection itself
   * changed: that is so before the call returns that caused it.
   *
   * @param {string} text
   * @param {boolean} urgent
   */
  _receive(text, urgent) {
    // Of a host that was told nothing by the machine that is here now.
    if (this._isUnregistered) return;
    if (urgent) return this._run(() => this._core.handleMessage(text));
    this._inbox.push(text);
    if (this._busy) nextTick(() => this._readInbox());
    else this._readInbox();
  }

  _readInbox() {
    while (!this._busy && this._inbox.length) {
      const text = /** @type {string} */ (this._inbox.shift());
      try {
        this._run(() => this._core.handleMessage(text));
      } catch (error) {
        nextTick(() => this.emit('error', error));
      }
    }
  }

  /**
   * The host is somewhere else than it was meant to be, and has not been heard of yet.
   *
   * @param {Link} link
   */
  _useLink(link) {
    this._link = link;
    link.attach(this._self);
  }

  /**
   * The host died, and the link has reached another one; or the connection was closed and is opened again.
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
   * Posts what follows from the calls when all are through: a host in this page answers at once.
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

  // ---- Calls without an end ----

  /**
   * Keeps what belongs to a call until its end is known.
   *
   * @param {Call} call
   * @returns {number} its token
   */
  _keep(call) {
    const token = this._nextToken++;
    this._submissions.set(token, call);
    return token;
  }

  /**
   * An op goes to the host, which from now on knows how it ends.
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
   * The submission that a change of a document comes from.
   *
   * @param {import('../cores/events.js').Source} token
   * @returns {Call}
   */
  _submission(token) {
    return (token !== false && this._submissions.get(token)) || REMOTE;
  }

  /**
   * The call ends.
   *
   * @param {number} token
   */
  _take(token) {
    const call = this._submissions.get(token);
    this._submissions.delete(token);
    return call;
  }

  /**
   * Says that nothing comes of a call.
   *
   * @param {((...results: any[]) => void) | undefined} callback
   * @param {any} [error]
   */
  _refuse(callback, error = closed()) {
    if (callback) nextTick(() => callback(error));
    else shared.logger.warn(error.message);
  }

  /**
   * Calls back if this is closed, now or later, unless `_waits` forgets it before.
   *
   * @param {() => void} callback
   */
  _whenClosed(callback) {
    this._waits.add(callback);
    if (this._closed) this._endWaits();
  }

  _endWaits() {
    // Closing ends some of what is pending, a tick later; the rest stays as it is then.
    const end = () => {
      if (this._closed) for (const callback of [...this._waits]) callback();
    };
    nextTick(() => nextTick(end));
  }
}
