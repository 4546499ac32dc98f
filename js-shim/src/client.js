/**
 * The exports that all entries share. Using them needs the tab's WebAssembly module, which each entry provides in its own
 * way.
 */

export { Connection } from './api/connection.js';
export { createConnection } from './api/create-connection.js';
export { Doc } from './api/doc.js';
export { DurableStore } from './api/durable-store.js';
export { LocalPresence, Presence } from './api/presence.js';
export { Query } from './api/query.js';
export { InMemoryStorage } from './storage/in-memory-storage.js';
export { IndexedDbStorage } from './storage/indexeddb-storage.js';
