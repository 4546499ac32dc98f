/**
 * Lives of an application on one storage, against a real ShareDB backend in this process. A life ends as a page does
 * that crashes: nothing that it still wants to write or to send is heard.
 */

import assert from 'node:assert/strict';
import { InMemoryStorage } from 'sharedb-proxy';
import * as promises from 'sharedb-proxy/promises';
import { Wire, call, ours, settle, until } from './clients.mjs';

/** A storage that can be taken away: from then on nothing reaches it, and it answers nothing. */
export class Leash {
  constructor(storage) {
    this.storage = storage;
    this.deletesInWrite = storage.deletesInWrite;
    this.cut = false;
    for (const method of [
      'initialize',
      'readRecord',
      'readRecordsBulk',
      'writeRecords',
      'clearAll',
      'claim',
    ]) {
      if (storage[method]) this[method] = (...args) => this.ask(method, ...args);
    }
  }

  ask(method, ...args) {
    const callback = args.pop();
    if (this.cut) return;
    this.storage[method](...args, (...answer) => {
      if (!this.cut) callback(...answer);
    });
  }
}

/** One life: a connection with its host in this process, on `storage`. */
export class Life {
  /**
   * @param backend the server
   * @param storage what outlives this life
   * @param [options] of the durable store; `gated` and `keepPendingOnReject` beside them
   */
  constructor(backend, storage, { gated, keepPendingOnReject, ...options } = {}) {
    this.backend = backend;
    this.leash = new Leash(storage);
    this.wire = new Wire(backend, { gated });
    this.connection = new ours.Connection(this.wire.socket, {
      durableStore: { storage: this.leash, ...options },
      keepPendingOnReject,
    });
    this.store = this.connection.durableStore;
  }

  doc(id) {
    return this.connection.get('c', id);
  }

  /** The server is there, or there again. */
  async online() {
    if (this.wire.socket.readyState !== 0) {
      this.wire = new Wire(this.backend, { gated: this.wire.gated });
      this.connection.bindToSocket(this.wire.socket);
    }
    const connected = happens(this.connection, 'connected');
    this.wire.open();
    await connected;
  }

  offline() {
    this.wire.close('lost');
  }

  /** Nothing of this life is heard any more, and it hears nothing. */
  crash() {
    this.leash.cut = true;
    const { socket, stream } = this.wire;
    socket.onmessage = socket.onclose = null;
    socket.send = () => {};
    socket.readyState = 3;
    stream.push(null);
  }

  /** Everything that was submitted is on the server, or was refused; and what the server said is known. */
  async drained() {
    await idle(this.connection);
    await settle();
  }
}

/** An event, once. */
export function happens(emitter, event) {
  return new Promise((resolve) => emitter.once(event, resolve));
}

/** Ends when the store has no op any more that the server has not acknowledged. */
export async function idle(connection) {
  const { durableStore } = connection;
  if (!durableStore.ready) await happens(durableStore, 'ready');
  await new Promise((resolve) => connection.whenNothingPending(resolve));
  await until('the store has no pending op', () => !connection.hasPendingOfflineDocs());
}

/** Appends a word to the list in a document. */
export function append(doc, word, callback) {
  doc.submitOp([{ p: ['list', doc.data.list.length], li: word }], callback);
}

/** Ops of a document that the server committed. */
export function committed(backend, id) {
  return new Promise((resolve, reject) => {
    backend.db.getOps('c', id, 0, null, {}, (error, ops) => (error ? reject(error) : resolve(ops)));
  });
}

/** Words that were inserted, in the order in which the server committed them. */
export async function words(backend, id) {
  const ops = await committed(backend, id);
  return ops.flatMap(({ op = [] }) => op.map(({ li }) => li).filter((li) => li !== undefined));
}

/** What the server has. */
export function snapshot(backend, id) {
  return new Promise((resolve, reject) => {
    backend.db.getSnapshot('c', id, null, null, (error, found) =>
      error ? reject(error) : resolve(found),
    );
  });
}

/** No two ops of the server have the same author and number. */
export async function assertNamedOnce(backend, ids) {
  const seen = new Set();
  for (const id of ids) {
    for (const { src, seq } of await committed(backend, id)) {
      const name = `${src} ${seq}`;
      assert.ok(!seen.has(name), `${name} is there twice`);
      seen.add(name);
    }
  }
}

/** Calls back with all arguments, as a promise. */
export const answer = (target, method, ...args) =>
  new Promise((resolve) => target[method](...args, (...all) => resolve(all)));

/** A storage that has documents with one word each, put there by an earlier life. */
export async function stored(backend, ids, options) {
  const storage = new InMemoryStorage();
  const life = new Life(backend, storage, options);
  await life.online();
  for (const id of ids) await call(life.doc(id), 'create', { list: [id] });
  await promises.flushWrites(life.connection);
  life.crash();
  return storage;
}
