/**
 * What every entry offers, once the WebAssembly is ready.
 */

export { Connection } from './connection.js';
export { createConnection } from './create-connection.js';
export { Doc } from './doc.js';
export { DurableStore } from './durable-store.js';
export { Query } from './query.js';
export { InMemoryStorage } from './storage/in-memory-storage.js';
export { IndexedDbStorage } from './storage/indexeddb-storage.js';
