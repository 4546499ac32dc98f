/**
 * Which storage a host gets: the application's, else IndexedDB, else memory.
 */

import { checkStorage } from '../options/durable-options.js';
import { InMemoryStorage } from './in-memory-storage.js';
import { IndexedDbStorage } from './indexeddb-storage.js';
import { StorageDriver } from './storage-driver.js';
import { whyNoLocks } from './store-lock.js';

/**
 * The storage, not opened yet. That IndexedDB is there does not mean that it opens: then `open` rejects, and whether to
 * go on without is for the host to say.
 *
 * @param {object} options
 * @param {import('../index.d.cts').DurableStorage} [options.storage] the application's
 * @param {string} [options.namespace] of the database; one host at a time
 * @param {'relaxed' | 'strict'} [options.durability] `strict` waits for the disk at every commit
 * @param {(text: string) => any} [options.encrypt]
 * @param {(stored: any) => string | Promise<string>} [options.decrypt]
 * @param {number} [options.timeout]
 * @param {number} [options.patience]
 * @param {boolean} [options.steals] the host that has the storage does not answer, and is not waited for
 * @param {string} [options.inMemory] why nothing is to be stored here for longer
 * @returns {StorageDriver}
 */
export function chooseStorage({ storage, namespace, durability, inMemory, ...options }) {
  if (storage) return new StorageDriver(checkStorage(storage), { ...options, mode: 'custom' });
  const reason = inMemory ?? whyNoIndexedDb() ?? whyNoLocks();
  if (reason) {
    return new StorageDriver(new InMemoryStorage(), { ...options, mode: 'memory', reason });
  }
  const { patience } = options;
  const database = new IndexedDbStorage({ namespace, durability, patience });
  return new StorageDriver(database, { ...options, mode: 'indexeddb' });
}

function whyNoIndexedDb() {
  try {
    return globalThis.indexedDB ? undefined : 'there is no IndexedDB here';
  } catch (error) {
    return `IndexedDB is not allowed here: ${error}`;
  }
}
