/**
 * ShareDB's Presence, DocPresence and their local presences. The machine decides; these hold the
 * values, call the application and emit the events.
 */

import { EventEmitter } from 'events';

import { toError } from '../platform/shared.js';
import { nextTick } from '../platform/ticks.js';
import { readOnly } from './read-only.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./doc.js').Doc} Doc */
/** @typedef {(error?: any) => void} Callback */

/** Callbacks are called in the next tick; an error that nobody waits for is an event. */
class PresenceEmitter extends EventEmitter {
  /**
   * @param {any} error
   * @param {Callback} [callback]
   */
  _callbackOrEmit(error, callback) {
    if (callback) nextTick(() => callback(error));
    else if (error) this.emit('error', error);
  }
}

export class Presence extends PresenceEmitter {
  /**
   * Made by `connection.getPresence`.
   *
   * @param {Connection} connection
   * @param {string} channel
   */
  constructor(connection, channel) {
    super();
    if (!channel || typeof channel !== 'string') {
      throw new Error('Presence channel must be provided');
    }
    this.connection = connection;
    this.channel = channel;
    /** What others show. @type {Record<string, any>} */
    this.remotePresences = Object.create(null);
    /** @type {Record<string, LocalPresence>} */
    this.localPresences = Object.create(null);
    this._wantsDestroy = false;
    /** What the application asked for last, for the machine that comes after one that crashed. */
    this._wishes = false;
    this._open();
  }

  get wantSubscribe() {
    return this.connection._core.wantsPresence(this.channel);
  }

  get subscribed() {
    return this.connection._core.hasPresence(this.channel);
  }

  /** @param {Callback} [callback] */
  subscribe(callback) {
    this._subscribe(true, callback);
  }

  /** @param {Callback} [callback] */
  unsubscribe(callback) {
    this._subscribe(false, callback);
  }

  /**
   * @param {boolean} want
   * @param {Callback} [callback]
   */
  _subscribe(want, callback) {
    if (this.connection._endsCall(callback, !want)) return;
    this._attach();
    this._wishes = want;
    const { connection, channel } = this;
    const token = callback && connection._keep({ callback, presence: this, want });
    connection._run(() => connection._core.subscribePresence(channel, want, token));
  }

  /**
   * @param {string} [id] a random one if not given
   * @returns {LocalPresence}
   */
  create(id) {
    if (this._wantsDestroy) throw new Error('Presence is being destroyed');
    this._attach();
    const local = this._createLocal(id || randomId());
    this.connection._core.createLocalPresence(this.channel, local.presenceId);
    this.localPresences[local.presenceId] = local;
    return local;
  }

  /** @param {string} id */
  _createLocal(id) {
    return new LocalPresence(this, id);
  }

  /**
   * Unsubscribes, and takes away the local presences that there are now. `getPresence` in the
   * meantime keeps this instance, and what it gets from then on.
   *
   * @param {Callback} [callback]
   */
  destroy(callback) {
    this._wantsDestroy = true;
    const ids = Object.keys(this.localPresences);
    this.unsubscribe((error) => {
      if (error) return this._callbackOrEmit(error, callback);
      const locals = ids.map((id) => this.localPresences[id]).filter(Boolean);
      if (this._wantsDestroy) this._forgetRemotes();
      destroyAll(locals, (failure) => {
        if (this._wantsDestroy) this._close();
        this._callbackOrEmit(failure ?? null, callback);
      });
    });
  }

  _forgetRemotes() {
    for (const id of Object.keys(this.remotePresences)) delete this.remotePresences[id];
    this.connection._core.forgetRemotePresences(this.channel);
  }

  _open() {
    this.connection._core.openPresence(this.channel);
  }

  _close() {
    const { connection, channel } = this;
    if (connection._presences[channel] !== this) return;
    delete connection._presences[channel];
    connection._core.closePresence(channel);
  }

  /** A destroyed Presence that is used again takes its place again. */
  _attach() {
    const { connection, channel } = this;
    if (connection._presences[channel]) return;
    connection._presences[channel] = this;
    this._open();
  }

  /**
   * @param {string} id
   * @param {any} value
   */
  _receive(id, value) {
    if (value === null) delete this.remotePresences[id];
    else this.remotePresences[id] = value;
    this.emit('receive', id, value);
  }
}

readOnly(Presence, ['subscribed', 'wantSubscribe']);

export class DocPresence extends Presence {
  /**
   * Made by `connection.getDocPresence`.
   *
   * @param {Connection} connection
   * @param {string} collection
   * @param {string} id
   */
  constructor(connection, collection, id) {
    super(connection, docChannel(collection, id));
    this.collection = String(collection);
    this.id = String(id);
    connection._hasDocPresence = true;
    this._open();
  }

  _open() {
    // The base class calls this before the document is known.
    if (this.id !== undefined) {
      this.connection._core.openPresence(this.channel, this.collection, this.id);
    }
  }

  /** @param {string} id */
  _createLocal(id) {
    return new LocalDocPresence(this, id);
  }
}

export class LocalPresence extends PresenceEmitter {
  /**
   * Made by `presence.create`.
   *
   * @param {Presence} presence
   * @param {string} presenceId
   */
  constructor(presence, presenceId) {
    super();
    if (!presenceId || typeof presenceId !== 'string') {
      throw new Error('LocalPresence presenceId must be a string');
    }
    this.presence = presence;
    this.presenceId = presenceId;
    this.connection = presence.connection;
    /** Messages so far. */
    this.presenceVersion = 0;
    /** What this client shows. @type {any} */
    this.value = null;
  }

  /**
   * @param {any} value `null` shows nothing
   * @param {Callback} [callback]
   */
  submit(value, callback) {
    this.value = value;
    this.send(callback);
  }

  /** @param {Callback} [callback] */
  send(callback) {
    const { connection, presence, presenceId } = this;
    if (connection._endsCall(callback, this.value === null)) return;
    const value = JSON.stringify(this.value) ?? 'null';
    this.presenceVersion++;
    presence._attach();
    const token = callback && connection._keep({ callback, local: this });
    connection._run(() =>
      connection._core.submitPresence(presence.channel, presenceId, value, token),
    );
  }

  /** @param {Callback} [callback] */
  destroy(callback) {
    this.submit(null, (error) => {
      if (error) return this._callbackOrEmit(error, callback);
      const { connection, presence, presenceId } = this;
      delete presence.localPresences[presenceId];
      connection._core.forgetLocalPresence(presence.channel, presenceId);
      callback?.();
    });
  }

  /** The message that stock ShareDB would send; for applications that send their own. */
  _message() {
    return {
      a: 'p',
      ch: this.presence.channel,
      id: this.presenceId,
      p: this.value,
      pv: this.presenceVersion++,
    };
  }
}

class LocalDocPresence extends LocalPresence {
  /**
   * Made by `presence.create` of a DocPresence.
   *
   * @param {DocPresence} presence
   * @param {string} presenceId
   */
  constructor(presence, presenceId) {
    super(presence, presenceId);
    this.collection = presence.collection;
    this.id = presence.id;
    this._doc = this.connection.get(this.collection, this.id);
  }

  /**
   * @param {any} value
   * @param {Callback} [callback]
   */
  submit(value, callback) {
    const refusal = this.connection._core.refusesPresence(this.presence.channel);
    if (!refusal) return super.submit(value, callback);
    // Nothing is shown in a document that is not there, so there is nothing to take away.
    if (value === null) return this._callbackOrEmit(null, callback);
    const [code, message] = refusal;
    this._callbackOrEmit({ code, message }, callback);
  }

  _message() {
    const message = super._message();
    return { ...message, c: this.collection, d: this.id, v: null, t: null };
  }
}

/**
 * The channel of a document.
 *
 * @param {string} collection
 * @param {string} id
 */
export const docChannel = (collection, id) => `${collection}.${id}`;

/**
 * Calls of presence ended. An error that belongs to no call is an event.
 *
 * @param {Connection} connection
 * @param {EventEmitter | undefined} emitter
 * @param {number[]} tokens of the calls
 * @param {import('../cores/events.js').ErrorParts} [parts] of an error
 */
export function answerPresence(connection, emitter, tokens, parts) {
  const error = parts ? toError(parts) : null;
  if (tokens.length === 0 && error) return void emitter?.emit('error', error);
  for (const token of tokens) {
    const call = connection._take(token);
    nextTick(() => call?.callback?.(error));
  }
}

/**
 * An op changed a document's data, and no listener knows of it yet.
 *
 * @param {Doc} doc
 * @param {any} op
 * @param {any} source
 * @param {string | undefined} src
 */
export function movePresence(doc, op, source, src) {
  const { connection, _handle } = doc;
  if (!connection._hasDocPresence) return;
  connection._run(() =>
    connection._core.movePresence(_handle, JSON.stringify(op), source !== false, src),
  );
}

/**
 * A document was created or deleted, and no listener knows of it yet.
 *
 * @param {Doc} doc
 */
export function voidPresence({ connection, _handle }) {
  if (connection._hasDocPresence) connection._run(() => connection._core.voidPresence(_handle));
}

/**
 * A document was loaded, and no listener knows of it yet.
 *
 * @param {Doc} doc
 */
export function reloadPresence({ connection, _handle }) {
  if (connection._hasDocPresence) connection._run(() => connection._core.reloadPresence(_handle));
}

/**
 * A document is about to be destroyed.
 *
 * @param {Doc} doc
 */
export function leaveDoc({ connection, collection, id }) {
  const presence = connection._presences[docChannel(collection, id)];
  for (const local of Object.values(presence?.localPresences ?? {})) {
    if (local instanceof LocalDocPresence) local.destroy();
  }
}

/**
 * @param {LocalPresence[]} locals
 * @param {Callback} callback called once, with the first error
 */
function destroyAll(locals, callback) {
  let left = locals.length;
  if (!left) return callback();
  let called = false;
  for (const local of locals) {
    local.destroy((error) => {
      left--;
      if (called || (!error && left)) return;
      called = true;
      callback(error);
    });
  }
}

/** 128 random bits. */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
