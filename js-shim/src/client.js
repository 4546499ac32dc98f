/**
 * What every entry offers, once the WebAssembly is ready.
 */

export { Connection } from './api/connection.js';
export { createConnection } from './api/create-connection.js';
export { Doc } from './api/doc.js';
export { DurableStore } from './api/durable-store.js';
export { Query } from './api/query.js';
export { InMemoryStorage } from './storage/in-memory-storage.js';
export { IndexedDbStorage } from './storage/indexeddb-storage.js';
