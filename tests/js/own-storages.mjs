/** Storages as applications bring them, and what the storage tests ask of a driver. */

import assert from 'node:assert/strict';
import { StorageDriver } from '../../js-shim/src/storage/storage-driver.js';

/** For requests that never end, in milliseconds. */
export const SOON = 20;

/** A storage as an application brings it, with no more than it has to have. */
export class OwnStorage {
  constructor() {
    this.stores = { docs: new Map(), meta: new Map() };
    /** Which methods were called. */
    this.calls = [];
    /** What was given to `writeRecords`. */
    this.written = [];
  }

  /** How it calls back; tests replace it. */
  answer(method, callback, ...results) {
    callback(...results);
  }

  initialize(callback) {
    this.calls.push('initialize');
    this.answer('initialize', callback, null, { id: 'inventory', payload: {} });
  }

  readRecord(storeName, id, callback) {
    this.calls.push('readRecord');
    this.answer('readRecord', callback, null, this.stores[storeName].get(id) ?? null);
  }

  writeRecords(records, callback) {
    this.calls.push('writeRecords');
    this.written.push(structuredClone(records));
    for (const store of ['docs', 'meta'])
      for (const { id, payload } of records[store]) this.stores[store].set(id, payload);
    this.answer('writeRecords', callback, null);
  }
}

export const later = (_method, callback, ...results) => setImmediate(callback, ...results);

/** One that calls back later. */
export class LaterStorage extends OwnStorage {
  answer = later;
}

/** One with everything that is optional. */
export class RichStorage extends LaterStorage {
  ready = false;

  ensureReady() {
    if (!this.ready) throw new Error('not ready');
  }

  initialize(callback) {
    this.ready = true;
    super.initialize(callback);
  }

  // The wrong way round, and without those that there are not: nothing else was promised.
  readRecordsBulk(storeName, ids, callback) {
    this.calls.push('readRecordsBulk');
    const store = this.stores[storeName];
    const there = ids.filter((id) => store.has(id)).reverse();
    const records = there.map((id) => ({ id, payload: store.get(id) }));
    this.answer('readRecordsBulk', callback, null, records);
  }

  deleteRecord(storeName, id, callback) {
    this.calls.push('deleteRecord');
    this.stores[storeName].delete(id);
    this.answer('deleteRecord', callback, null);
  }

  clearStore(storeName, callback) {
    this.stores[storeName].clear();
    this.answer('clearStore', callback, null);
  }

  // Nobody could tell when this one has ended.
  deleteDatabase() {
    throw new Error('not to be called');
  }

  close() {
    this.ready = false;
  }
}

/** One whose methods are asynchronous functions that call back all the same. */
export class AsyncStorage extends OwnStorage {
  async initialize(callback) {
    super.initialize(callback);
  }
  async readRecord(storeName, id, callback) {
    await null;
    super.readRecord(storeName, id, callback);
  }
  async writeRecords(records, callback) {
    await null;
    super.writeRecords(records, callback);
  }
  async clearAll(callback) {
    for (const store of Object.values(this.stores)) store.clear();
    callback();
  }
}

export async function opened(storage, options) {
  const driver = new StorageDriver(storage, options);
  await driver.open();
  return driver;
}

/** That it rejects with an error of this kind; gives the error. */
export async function fails(promise, kind, code) {
  const error = await promise.then(
    (value) => assert.fail(`resolved with ${JSON.stringify(value)}`),
    (thrown) => thrown,
  );
  assert.ok(error instanceof Error, String(error));
  assert.equal(error.kind, kind, error.stack);
  if (code) assert.equal(error.code, code);
  return error;
}

/** That it stands for a document that cannot be read. */
export function assertIllegible(text, pattern) {
  const { code, message } = JSON.parse(text).error;
  assert.equal(code, 'ERR_STORAGE_DECRYPT');
  assert.match(message, pattern);
}
