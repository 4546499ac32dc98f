/** The durable store: options, what a connection says of it, and what was given up. */
import {
  Connection,
  InMemoryStorage,
  createConnection,
  type DeadLetter,
  type DurableStore,
  type DurableStoreOptions,
  type Socket,
  type StorageInfo,
  type StoredDoc,
} from 'sharedb-proxy';
import * as promises from 'sharedb-proxy/promises';
import { serve } from 'sharedb-proxy/worker';

declare const socket: Socket;

const all: DurableStoreOptions = {
  storage: new InMemoryStorage(),
  encrypt: async (text) => new TextEncoder().encode(text),
  decrypt: async (stored: Uint8Array) => new TextDecoder().decode(stored),
  durability: 'strict',
  timeout: 5000,
  patience: 0,
  maxOpBytes: 100_000,
  keepPendingOnReject: true,
  persist: true,
  onReadyCallback: () => {},
  opErrorCallback: (error, letter) => console.log(error.code, letter.id),
};
createConnection('wss://example.com', { durableStore: true, namespace: 'user 7' });
createConnection({ url: '/ws', namespace: 'user 7', durableStore: all, keepPendingOnReject: true });
createConnection(socket, { durableStore: all });
const connection = new Connection(socket, { durableStore: true, namespace: 'user 7' });
createConnection('/ws', { durableStore: { encrypt: false }, namespace: 'user 7' });
// @ts-expect-error that says nothing
createConnection('/ws', { durableStore: { encrypt: true } });
// @ts-expect-error there are two durabilities
createConnection('/ws', { durableStore: { durability: 'none' } });
// @ts-expect-error whether there is one, or what it is
createConnection('/ws', { durableStore: 'indexeddb' });

const ofDoc: DurableStore | null = connection.get('c', 'a').durableStore;
ofDoc?.loadEachPendingDocAndThen((error, document) => console.log(error?.code, document?.data));
ofDoc?.initialize((error) => console.log(error?.code, ofDoc.closed));
connection.removeDeadLetters(connection.deadLetters, (error) => console.log(error?.code));
const removed: Promise<Connection> = promises.removeDeadLetters(connection, 1);
removed.then(() => {});
const storage: StorageInfo = connection.storage;
const words: [string, boolean, string | undefined, boolean | undefined] = [
  storage.mode,
  storage.durable,
  storage.reason,
  storage.persisted,
];
console.log(words);
// @ts-expect-error the connection says what is so
storage.durable = true;
connection.on('storage', ({ mode }) => mode === 'memory');
connection.on('dead letter', ({ collection, id, op, error }) =>
  console.log(collection, id, op, error),
);
const letters: readonly DeadLetter[] = connection.deadLetters;
connection.removeDeadLetters(letters);
connection.removeDeadLetters(letters[0]!.number);
connection.removeDeadLetters([1, letters[0]!]);

const store: DurableStore | null = connection.durableStore;
store?.on('ready', () => console.log(store.inventory.collections['c']?.['d']?.v));
store?.on('persist', ({ docs }) => docs.map((doc: StoredDoc) => doc.id));
store?.once('write failed', ({ reason, error }) => console.log(reason, error.message));
store?.getDoc('c', 'd', (error, document) => console.log(error, document?.data));
// @ts-expect-error the connection makes it
new (connection.durableStore!.constructor as typeof DurableStore)();

const doc = connection.get<{ n: number }>('c', 'd');
connection.getBulk('c', ['d', 'e'], (error, docs) => console.log(error, docs?.[0]?.data));
connection.putDoc(doc);
connection.putDocs([doc], (error) => console.log(error?.code));
connection.putDocsBulk([doc]);
connection.flushWrites((error) => error);
connection.setAutoFlush(!connection.isAutoFlush());
const size: number = connection.getWriteQueueSize();
const pending: boolean | null = connection.hasPendingOfflineDocs();
console.log(size, pending, connection.hasPendingWrites(), connection.isDocInInventory('c', 'd', 3));
connection.forEachPendingDocCollectionId((collection, id) => collection + id);
connection.wipe((error) => console.log(error?.message));
doc.ensureDocHasData((error) => error);
doc.ensureDocHasRecentData(3);

const n: number = (await promises.ensureDocHasData(doc)).data.n;
const docs = await promises.getBulk(connection, 'c', ['d']);
console.log(n, docs[0]?.version);
await promises.putDoc(connection, doc);
await promises.putDocs(connection, docs);
const same: Connection = await promises.flushWrites(connection);
await promises.wipe(same);

serve({ durableStore: { encrypt: (text) => text, decrypt: (stored) => stored } });
serve({ durableStore: { timeout: 500, patience: 0, durability: 'strict' } });
// @ts-expect-error the pages say it
serve({ durableStore: { maxOpBytes: 1000 } });
// @ts-expect-error whether there is a store is for the pages to say
serve({ durableStore: true });
