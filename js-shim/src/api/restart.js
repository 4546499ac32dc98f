/**
 * Replaces a connection's machine after a crash. The new machine registers with the same host as if the tab had just
 * opened. Nothing is read from the machine that crashed; what is known is which calls have not ended, and which ops
 * were sent.
 *
 * - Ops that were sent: the host tells their outcome, each once.
 * - Ops that were not sent are given up with `ERR_CLIENT_CRASHED`: the machine alone knew them as they had become. The
 *   error has them as they were submitted.
 * - Documents load anew; reads, queries, snapshots and presence are asked for again.
 * - A document on which machines crashed more than once is given up with `ERR_INPUT_QUARANTINED`: it, and its calls.
 * - Other calls get `ERR_CLIENT_CRASHED`: whether the host has done them is not known.
 *
 * The document machine decides the outcome of ops; this hands it the list.
 */

import { causeOfDeath, isDead, noteOwner } from '../cores/cores.js';
import { demandStack } from '../cores/stack.js';
import { TabCore, tabModule } from '../cores/tab-core.js';
import { typesBridge } from '../cores/types-bridge.js';
import { shared } from '../platform/shared.js';
import { nextTick } from '../platform/ticks.js';
import { TRAPS } from '../platform/traps.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./doc.js').Doc} Doc */
/** @typedef {import('./presence.js').Presence} Presence */
/** @typedef {import('./machine-owner.js').Call} Call */

/** The code of what a crash has ended. */
export const CRASHED = 'ERR_CLIENT_CRASHED';

/**
 * Whether this is what an engine throws where the stack ends.
 *
 * @param {any} error
 */
export function isOverflow(error) {
  return (
    error?.name === 'InternalError' || (error instanceof RangeError && /stack/.test(error.message))
  );
}

/**
 * Replaces the machine. Call it when no call of the crashed machine is on the stack.
 *
 * @param {Connection} connection
 * @throws a RangeError where too little stack is left; nothing is done then
 */
export function startAgain(connection) {
  demandStack();
  const cause = causeOfDeath(connection._machine);
  const isHopeless = connection._lives.died() && !connection._closed;
  const failures = /** @type {any[]} */ ([]);
  connection._isStarting = true;
  try {
    if (isHopeless) connection._endForCrashes(hopeless(connection));
    connection._machine = nextMachine(connection);
    connection._lives.began();
    shared.logger.error('The client crashed, and is started again', cause);
    connection._holding(() => new Restart(connection, failures).run(isHopeless));
  } catch (error) {
    if (!isDead(connection._machine)) throw error;
    // The new machine crashed, too, and is replaced at the next call. A closed connection's machine that crashes is
    // given up.
    connection._isGivenUp = isHopeless;
  } finally {
    connection._isStarting = false;
  }
  for (const error of failures) nextTick(() => connection.emit('error', error));
}

/** @param {Connection} connection */
function nextMachine(connection) {
  const { _known: known, _maxOpBytes: maxOpBytes, _closed: closed, bulk } = connection;
  known.crashes += 1;
  // In an instance of its own: if it crashes again, no other connection's machine dies with it.
  tabModule.separate();
  const machine = new TabCore(typesBridge, closed ? 'closed' : known.state);
  tabModule.separate();
  noteOwner(machine, connection);
  connection._touched = machine.touched();
  machine.succeed(known.crashes, known.lastSeq + 1, known.lastHandle + 1, known.line);
  if (maxOpBytes) machine.limitOps(maxOpBytes);
  if (bulk) machine.startBulk();
  if (connection._coordination) machine.coordinate();
  return machine;
}

class Restart {
  /**
   * @param {Connection} connection
   * @param {any[]} failures what listeners throw
   */
  constructor(connection, failures) {
    this._connection = connection;
    this._failures = failures;
    /** Calls of documents without an end, oldest first. @type {Map<Doc, [token: number, call: Call][]>} */
    this._ofDocs = new Map();
  }

  /** @param {boolean} isHopeless machines crash whatever is done */
  run(isHopeless) {
    const connection = this._connection;
    if (isHopeless) this._refuseAll();
    else this._refuseOthers();
    for (const call of connection._submissions) {
      const { doc } = call[1];
      if (!doc) continue;
      const calls = this._ofDocs.get(doc);
      if (calls) calls.push(call);
      else this._ofDocs.set(doc, [call]);
    }
    this._renumber();
    for (const doc of connection._docs.values()) this._recover(doc);
    connection._urls?.offer();
    if (!connection._closed) this._register();
    else connection._isUnregistered = true;
    if (isHopeless) connection._link.close();
  }

  /**
   * Calls the machine. A listener's exception must not break off what is to be done.
   *
   * @param {() => void} call
   */
  _attempt(call) {
    const connection = this._connection;
    const { _machine: machine } = connection;
    try {
      connection._run(call);
    } catch (error) {
      if (!isDead(machine)) this._failures.push(error);
    }
    if (isDead(machine)) throw causeOfDeath(machine);
  }

  /** @param {(call: Call) => boolean} isChosen */
  _callsWhere(isChosen) {
    return [...this._connection._submissions].filter(([, submission]) => isChosen(submission));
  }

  // ---- Calls ----

  /** Ends calls that belong to no document, presence or snapshot: whether the host carried them out is unknown. */
  _refuseOthers() {
    const message =
      'The client crashed before the answer: whether the call was carried out is not known';
    this._refuse(
      ({ doc, presence, local, id }) => !(doc || presence || local || id),
      () => new shared.Error(CRASHED, message),
    );
  }

  _refuseAll() {
    const connection = this._connection;
    const error = hopeless(connection);
    this._refuse(
      () => true,
      () => error,
    );
    connection._snapshots.clear();
    for (const query of Object.values(connection.queries)) query._giveUp(error);
  }

  /**
   * @param {(call: Call) => boolean} isChosen
   * @param {() => any} makeError
   */
  _refuse(isChosen, makeError) {
    const connection = this._connection;
    for (const [token, { callback }] of this._callsWhere(isChosen)) {
      connection._submissions.delete(token);
      if (callback) nextTick(() => callback(makeError()));
    }
  }

  // ---- Documents ----

  /** Gives all documents handles of the new machine first, so that none is lost if that crashes, too. */
  _renumber() {
    const connection = this._connection;
    const docs = new Map();
    for (const doc of connection._docs.values())
      docs.set(connection._handleOf(doc.collection, doc.id), doc);
    for (const [handle, doc] of docs) doc._handle = handle;
    connection._docs = docs;
  }

  /** @param {Doc} doc */
  _recover(doc) {
    const { _machine: machine } = this._connection;
    const calls = this._ofDocs.get(doc) ?? [];
    if (doc._crashes >= TRAPS) return this._giveUp(doc, calls);
    const ops = calls.filter(([, { read }]) => !read);
    const hears = (/** @type {Call} */ { callback }) => (callback ? 1 : 0);
    const sent = ops.filter(([, { seq }]) => seq !== undefined);
    const lost = ops.filter(([, { seq }]) => seq === undefined);
    if (lost.length)
      doc._discarded = lost.map(([, { content }]) =>
        /** @type {NonNullable<Call['content']>} */ (content)(),
      );
    if (doc.type || ops.length) doc._isLost = true;
    if (doc._isLost) {
      doc._batch = doc._ingesting = null;
      doc._clear();
      const ofSent = sent.flatMap(([token, of]) => [of.seq, token, hears(of)]);
      const ofLost = lost.flatMap(([token, of]) => [token, hears(of)]);
      const numbers = /** @type {const} */ ([Float64Array.from(ofSent), Float64Array.from(ofLost)]);
      this._attempt(() => machine.recover(doc._handle, ...numbers));
    }
    const { subscribe, paused, preventCompose, submitSource } = doc._wishes;
    if (preventCompose) machine.setPreventCompose(doc._handle, true);
    if (submitSource) machine.setSubmitSource(doc._handle, true);
    if (paused) machine.pause(doc._handle);
    for (const [token, { read }] of calls.filter(([, { read }]) => read))
      this._attempt(() => machine[/** @type {'fetch'} */ (read)](doc._handle, token));
    const asked = calls.findLast(([, { read }]) => read && read !== 'fetch')?.[1].read;
    const wish = subscribe ? 'subscribe' : 'unsubscribe';
    // An unsubscribe is needed only to revoke a subscribe that was asked for.
    if (asked ? asked !== wish : subscribe)
      this._attempt(() => machine[wish](doc._handle, undefined));
  }

  /**
   * @param {Doc} doc
   * @param {[token: number, call: Call][]} calls
   */
  _giveUp(doc, calls) {
    const { _machine: machine, _submissions: submissions } = this._connection;
    machine.quarantine(doc._handle);
    const isNew = !doc._quarantined;
    doc._quarantined ??= quarantined(doc);
    doc._batch = doc._ingesting = null;
    doc._clear();
    for (const [token, { callback, content }] of calls) {
      submissions.delete(token);
      const discarded = content ? [content()] : [];
      if (callback) nextTick(() => callback(Object.assign(quarantined(doc), { discarded })));
    }
    if (isNew) nextTick(() => doc.emit('error', doc._quarantined));
  }

  // ---- The host ----

  _register() {
    const connection = this._connection;
    const { _machine: machine } = connection;
    connection._inbox.length = 0;
    this._attempt(() => machine.register());
    this._attempt(() => machine.hostLost());
    for (const query of Object.values(connection.queries)) this._attempt(() => query.send());
    for (const ask of connection._snapshots.asks) this._attempt(ask);
    for (const presence of Object.values(connection._presences)) this._recoverPresence(presence);
    if (connection.durableStore) this._attempt(() => machine.watchStorage());
  }

  /** @param {Presence} presence */
  _recoverPresence(presence) {
    const { _machine: machine } = this._connection;
    const { channel, _wishes: wishes } = presence;
    this._attempt(() => presence._open());
    // Remote presences are cleared; those that are still there are sent again.
    for (const id of Object.keys(presence.remotePresences))
      this._attempt(() => presence._receive(id, null));
    for (const [token, { want }] of this._callsWhere((of) => of.presence === presence))
      this._attempt(() => machine.subscribePresence(channel, Boolean(want), token));
    this._attempt(() => machine.subscribePresence(channel, wishes, undefined));
    for (const local of Object.values(presence.localPresences)) {
      const { presenceId, value } = local;
      machine.createLocalPresence(channel, presenceId);
      const waiting = this._callsWhere((of) => of.local === local).map(([token]) => token);
      const tokens = waiting.length || value === null ? waiting : [undefined];
      const text = JSON.stringify(value) ?? 'null';
      for (const token of tokens)
        this._attempt(() => machine.submitPresence(channel, presenceId, text, token));
    }
  }
}

/** @param {Doc} doc */
function quarantined({ collection, id }) {
  const message = `The client crashed on the document ${collection}.${id}, more than once: it is left alone until the page is loaded again`;
  return new shared.Error('ERR_INPUT_QUARANTINED', message);
}

/** @param {Connection} connection */
function hopeless({ _lives: { count } }) {
  const message = `The client crashed ${count} times in a row: the connection is closed`;
  return new shared.Error('ERR_CORE_DEAD', message);
}
