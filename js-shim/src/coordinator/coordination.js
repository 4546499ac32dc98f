/**
 * A connection's part in what tabs agree on: runs the machine, carries what it says to the host and back, and keeps the
 * application's calls until they have ended.
 *
 * What it refuses to do: decide anything.
 */

import { CoordinatorCore, coordinatorModule } from '../cores/coordinator-core.js';
import { isDead } from '../cores/cores.js';
import { partsOf, shared, toError } from '../platform/shared.js';
import { newSource } from '../platform/locks.js';
import { timers } from '../platform/ticks.js';

/**
 * @typedef {import('../api/connection.js').Connection} Connection
 * @typedef {import('./page-report.js').Report} Report
 *
 * A call that waits for the host.
 *
 * @typedef {object} Call
 * @property {(result: any) => void} resolve
 * @property {(error: any) => void} reject
 *
 * What an application is granted, until it is given back or lost.
 *
 * @typedef {object} Grant
 * @property {string} name
 * @property {number} number of the request
 * @property {number} token
 * @property {number} [expires] in milliseconds
 *
 * What happens, for the coordinator.
 *
 * @typedef {object} Listener
 * @property {(welcome: any) => void} welcome the tab is one of the tabs, for the first time or again
 * @property {(event: string, tab: any) => void} tab
 * @property {(leading: any) => void} leading
 * @property {(broadcast: any) => void} broadcast
 * @property {(bundle: any, part: 'config' | 'snapshot') => void} state
 * @property {(task: {from: string, number: number, task: string, payload: any}) => void} task
 * @property {(session: {epoch?: number, id?: string}, strangers: string[]) => void} session
 * @property {() => void} logout the tab is to stop
 * @property {() => void} wipe this tab is to delete everything
 * @property {(session: {epoch?: number}) => void} loggedOut
 * @property {(idle: any) => void} idle
 * @property {(told: any) => void} realtime how far the second connection is
 * @property {(received: {number: number, message: any}) => void} received it brought something
 * @property {(round: number) => void} tokenWanted the host needs another token for it
 * @property {() => void} ended the store was wiped, and the connection has ended with it
 * @property {(error: any) => void} over this tab is none of the tabs any more, whoever ended that: the error says why
 * @property {(error: any) => void} failed
 */

/** What a claim is answered by where it is granted: other answers are results. */
export class Granted {
  /**
   * @param {Grant} grant
   * @param {AbortSignal} signal aborted when it is lost
   */
  constructor({ name, token }, signal) {
    this.name = name;
    this.token = token;
    this.signal = signal;
  }
}

export const now = () => Math.floor(performance.now());

export class Coordination {
  /**
   * @param {Connection} connection
   * @param {{rotation: number, report: Report, listener: Listener}} options
   */
  constructor(connection, { rotation, report, listener }) {
    if (connection._coordination) {
      const message = 'This connection has a TabCoordinator already: a tab is one of the tabs once';
      throw new shared.Error('ERR_COORDINATOR_EXISTS', message);
    }
    /** This page's id among the tabs. Each page load has another one, also in a duplicated browser tab. */
    this.id = newSource();
    this._connection = connection;
    this._listener = listener;
    this._core = coordinatorModule.apart(
      () => new CoordinatorCore(this.id, rotation, JSON.stringify(report)),
    );
    this._next = 1;
    /** By the number of their requests. @type {Map<number, Call>} */
    this._calls = new Map();
    /** What is held, and what is told when it is lost. By token. @type {Map<number, AbortController>} */
    this._held = new Map();
    /** Whether this page has left. */
    this._isOver = false;
    connection._coordination = this;
  }

  /** A host that has taken this tab is told of it; another one when it does. */
  begin() {
    this._connection._run(() => this._connection._core.coordinate());
  }

  /** The token by which this tab leads. */
  get term() {
    return isDead(this._core) ? undefined : this._core.term();
  }

  // ---- The machine ----

  /**
   * The host says something; nothing where it has just taken this tab.
   *
   * @param {string} [say] JSON
   */
  hear(say) {
    if (this._isOver) return;
    const isKnown = this._handle(say === undefined ? '{"welcomed":{}}' : `{"heard":${say}}`);
    if (!isKnown) shared.logger.warn('Ignoring an unknown message', say);
  }

  /**
   * @param {string} input
   * @returns {boolean} whether it is an input
   */
  _handle(input) {
    let outputs;
    try {
      outputs = this._core.handle(now(), input);
    } catch (error) {
      this._die(error);
      return true;
    }
    for (const output of JSON.parse(outputs ?? '[]')) this._carryOut(output);
    return outputs !== undefined;
  }

  /** @param {any} output */
  _carryOut({ post, tell, granted }) {
    const connection = this._connection;
    if (post) connection._run(() => connection._core.tellCoordination(JSON.stringify(post)));
    else if (granted) this._beGranted(granted);
    else this._beTold(tell);
  }

  /** @param {any} say */
  _beTold(say) {
    const [[name, content]] = Object.entries(say);
    switch (name) {
      case 'welcome':
        return this._listener.welcome(content);
      case 'answer':
        return this._end(content);
      case 'tab':
        return this._listener.tab(content.event, content.tab);
      case 'leading':
        return this._listener.leading(content);
      case 'broadcast':
        return this._listener.broadcast(content);
      case 'lost':
        return this._lose(content.token);
      case 'state':
        return this._listener.state(content.bundle, content.part);
      case 'task':
        return this._listener.task(content);
      case 'session':
        return this._listener.session(content.session, content.strangers);
      case 'logout':
        return this._listener.logout();
      case 'wipe':
        return this._listener.wipe();
      case 'loggedOut':
        return this._listener.loggedOut(content);
      case 'idle':
        return this._listener.idle(content);
      case 'realtime':
        return this._listener.realtime(content);
      case 'received':
        return this._listener.received(content);
      case 'tokenWanted':
        return this._listener.tokenWanted(content.round);
      // Another tab is to lead: who does is told when it has begun.
      case 'resign':
        return this._listener.leading({ term: 0 });
    }
  }

  /** @param {{number: number, error?: any, result?: any}} answer */
  _end({ number, error, result }) {
    const call = this._calls.get(number);
    this._calls.delete(number);
    if (error) call?.reject(correlated(toError(partsOf(error)), this.id, number, error.data));
    else call?.resolve(result);
  }

  /**
   * The machine has crashed: what it knew of this tab is not to be trusted. The host takes the tab for gone when its page is.
   *
   * @param {any} cause
   */
  _die(cause) {
    shared.logger.error("The tab's coordination crashed", cause);
    const message = "The tab's coordination crashed: reload this page";
    const error = new shared.Error('ERR_COORDINATOR_CRASHED', message);
    this._finish(error);
    this._listener.failed(error);
  }

  /** @param {any} error of what has not ended */
  _finish(error) {
    this._isOver = true;
    const calls = [...this._calls.values()];
    this._calls.clear();
    for (const { reject } of calls) reject(error);
    for (const lost of this._held.values()) lost.abort(error);
    this._held.clear();
    this._connection._coordination = undefined;
    this._listener.over(error);
  }

  // ---- Calls ----

  /**
   * Says something that needs no answer.
   *
   * @param {object} ask
   */
  tell(ask) {
    if (!this._isOver) this._handle(JSON.stringify({ ask }));
  }

  /**
   * Asks something.
   *
   * @param {string} name
   * @param {object} content
   * @param {AbortSignal} [signal] gives the request up
   * @returns {Promise<any>}
   */
  ask(name, content, signal) {
    if (this._isOver) return Promise.reject(over());
    if (signal?.aborted) return Promise.reject(signal.reason);
    const number = this._next++;
    const promise = new Promise((resolve, reject) => this._calls.set(number, { resolve, reject }));
    const cancel = () => this.tell({ cancel: { number } });
    signal?.addEventListener('abort', cancel, { once: true });
    const isKnown = this._handle(JSON.stringify({ ask: { [name]: { number, ...content } } }));
    if (!isKnown) {
      const message = `Not a request of a tab: ${name}`;
      this._end({ number, error: { code: 'ERR_MESSAGE_BADLY_FORMED', message } });
    }
    return promise.finally(() => signal?.removeEventListener('abort', cancel));
  }

  // ---- What is held ----

  /** @param {Grant} grant */
  _beGranted(grant) {
    const lost = new AbortController();
    this._held.set(grant.token, lost);
    // The machine knows when it is over. It is asked then.
    if (grant.expires !== undefined) {
      timers.start(() => !this._isOver && this._handle('{"tick":{}}'), grant.expires + 1);
    }
    const call = this._calls.get(grant.number);
    this._calls.delete(grant.number);
    call?.resolve(new Granted(grant, lost.signal));
  }

  /** @param {number} token */
  _lose(token) {
    const lost = this._held.get(token);
    this._held.delete(token);
    const message = 'This tab does not hold it any more: it expired, or the page was frozen';
    lost?.abort(new shared.Error('ERR_LOCK_LOST', message));
    // It was the token of a leader.
    if (!lost) this._listener.leading({ term: 0 });
  }

  /**
   * Whether it is held at this moment.
   *
   * @param {number} token
   */
  holds(token) {
    return !this._isOver && this._core.holds(token, now());
  }

  /**
   * Gives back what was granted. Resolves when others can have it, or the outcome of a shared run.
   *
   * @param {number} token
   * @param {object} [outcome]
   */
  async release(token, outcome) {
    if (!this._held.delete(token) && !outcome) return;
    await this.ask('release', { token, outcome });
  }

  // ---- The page ----

  /** The page is about to be frozen. */
  goAway() {
    this.tell({ away: {} });
  }

  /** Everything was deleted, and the connection has ended. */
  end() {
    if (this._isOver) return;
    const message = 'The session has ended, and everything was deleted: make another coordinator';
    this._finish(new shared.Error('ERR_SESSION_ENDED', message));
    this._listener.ended();
  }

  /** This tab is none of the tabs any more. */
  leave() {
    if (this._isOver) return;
    this.tell({ leave: {} });
    this._finish(over());
  }
}

const over = () =>
  new shared.Error(
    'ERR_COORDINATOR_CLOSED',
    'The coordinator was unregistered, or its connection closed',
  );

/**
 * An error with what identifies the request in all logs, and with what the host added.
 *
 * @param {any} error
 * @param {string} id
 * @param {number} number
 * @param {any} data
 */
function correlated(error, id, number, data) {
  return Object.assign(error, {
    correlationId: `${id}:${number}`,
    ...(data !== undefined && { holder: data }),
  });
}
