/** The durable store: what it is to be, what it says, and storages. */

import type { Callback, ClientError, TypedEmitter } from './shared.cjs';
import type { Doc } from './doc.cjs';

export {};

/** What the host's store really is, and why. */
export interface StorageInfo {
  /**
   * Where things are kept: in IndexedDB, in a storage of the application's, or in memory, which is lost
   * with the host. `none` where the host was started without a store, and until it has said anything.
   */
  readonly mode: 'indexeddb' | 'custom' | 'memory' | 'none';
  /** Whether what is kept survives when all tabs are gone. */
  readonly durable: boolean;
  /** Why it is no better one. */
  readonly reason?: string;
  /**
   * `ERR_STORAGE_FULL` where there is no space, `ERR_STORAGE_ENCRYPT` and `ERR_STORAGE_DECRYPT` where that could not be
   * done, `ERR_STORAGE_TIMEOUT` where the store did not answer in time and is tried until it does, `ERR_STORAGE_DAMAGED`
   * where something that was stored cannot be read, `ERR_STORAGE` for the rest.
   */
  readonly code?: string;
  /** Whether the browser has promised to keep it; where `persist` asked for that. */
  readonly persisted?: boolean;
}

/** An op that the server refused, or that was given up with one. */
export interface DeadLetter {
  /** Names it, among those that there are. */
  number: number;
  collection: string;
  id: string;
  op?: any;
  create?: { type: string; data?: any };
  del?: true;
  /** The URI of the type that `op` is of. */
  type?: string;
  /** Why it was given up. */
  error: ClientError;
  /** The server's version that it stood on, where that is known. */
  version: number | null;
}

interface StoreFunctions {
  encrypt(text: string): any;
}

/**
 * What a durable store is to be.
 *
 * `storage`, `encrypt` and `decrypt` are for a host in this page: they cannot be sent to a worker. A worker of the
 * application's own has them from `serve`, and page and worker have to agree. A page that says nothing of them leaves
 * it to the worker; where that does not start, such a page keeps everything in memory only, because the worker might
 * have encrypted it.
 */
export interface DurableStoreOptions {
  /** Where to keep everything, instead of IndexedDB. */
  storage?: DurableStorage;
  /**
   * Gives what is stored instead of a text: anything that can be cloned. `false` says that texts are stored as they
   * are, by the application's own worker too.
   */
  encrypt?: StoreFunctions['encrypt'] | false;
  /**
   * A document for which this throws stays in the store as it is, until a later start; who asks for it gets
   * `ERR_STORAGE_DECRYPT`. Where a record beside the documents cannot be decrypted, the store is not used.
   */
  decrypt?(stored: any): string | Promise<string>;
  /** `strict` waits at every commit until it is on the disk; `relaxed` until the system has it. */
  durability?: 'relaxed' | 'strict';
  /**
   * Milliseconds after which a request is taken for dead; 10,000. A store that says nothing for so long while it is
   * restored is done without: the host goes on in memory, and returns to the store when that answers.
   */
  timeout?: number;
  /** Milliseconds for another page or worker to let go of the store; 2,000. */
  patience?: number;
  /** Bytes of JSON above which ops do not compose any more, since servers limit a message; 512 kB. */
  maxOpBytes?: number;
  /** See {@link ConnectionOptions.keepPendingOnReject}. */
  keepPendingOnReject?: boolean;
  /**
   * Asks the browser not to drop what is stored when space is short, if it has not promised that. Some ask the user.
   */
  persist?: boolean;
  /** Called once, as the event `ready` of `connection.durableStore`. */
  onReadyCallback?(): any;
  /** Called with every new dead letter's error, beside the event. */
  opErrorCallback?(error: ClientError, letter: DeadLetter): any;
}

/**
 * What of the durable store a worker's own module says: what no page can send, and what it knows better than the pages.
 */
export type WorkerStoreOptions = Pick<
  DurableStoreOptions,
  'storage' | 'encrypt' | 'decrypt' | 'durability' | 'timeout' | 'patience'
>;

/** A document that the store has. */
export interface StoredDoc {
  collection: string;
  id: string;
  /** The server's version; `null` where it was only created here. */
  v: number | null;
  /** Whether it has ops that the server has not acknowledged. */
  p: boolean;
}

/** A document as the store has it, with the pending ops applied. */
export interface StoredDocument {
  collection: string;
  id: string;
  v: number | null;
  type: string | null;
  data?: any;
}

/** Which documents the store has. */
export interface Inventory {
  collections: { [collection: string]: { [id: string]: { v: number | null; p: boolean } } };
}

interface StoreCallbacks {
  inventory(error: any, meta: { id: string; payload: Inventory }): any;
  document(error: ClientError | null, document?: StoredDocument | null): any;
  /** An error is about those that cannot be read; the others come with it. */
  documents(error: ClientError | null, documents?: StoredDocument[]): any;
}

export interface DurableStoreEventMap {
  /** The inventory is known, or the store cannot be used. */
  ready(): void;
  /** Records of documents are about to be written. */
  'before persist'(event: { docs: StoredDoc[] }): void;
  /** They are written: they survive this host. After a failed write it comes when that was repeated. */
  persist(event: { docs: StoredDoc[] }): void;
  /** Nothing waits to be written any more. */
  'no persist pending'(): void;
  /** A write failed, and is tried again; `connection.storage` says when that was given up. */
  'write failed'(event: { reason: 'storage'; error: ClientError; docs: StoredDoc[] }): void;
}

/**
 * The host's store, as a tab sees it. Made by the connection.
 *
 * Every op is written ahead: the server gets it only when that write is committed, whatever `setAutoFlush` says. What is
 * asked without a callback is as new as the last word of the host.
 */
export class DurableStore {
  private constructor();
  /** Whether the inventory is known here. */
  readonly ready: boolean;
  /** Whether the connection was closed. What is asked then ends with `ERR_CONNECTION_CLOSED`. */
  readonly closed: boolean;
  /** Calls back when the store is open, which it becomes by itself: with an error where nothing is durable. */
  initialize(callback?: Callback): void;
  /** A copy: changing it changes nothing. */
  readonly inventory: Inventory;
  getInventoryMeta(callback: StoreCallbacks['inventory']): void;
  isDocInInventory(collection: string, id: string, minVersion?: number): boolean;
  hasPendingDocs(): boolean;
  forEachPendingDocCollectionId(callback: (collection: string, id: string) => void): void;
  /** Calls back for each document with ops that the server has not acknowledged. */
  loadEachPendingDocAndThen(callback: StoreCallbacks['document']): void;
  /** The document; `null` where the store has none. */
  getDoc(collection: string, id: string, callback: StoreCallbacks['document']): void;
  /** Those that the store has. */
  getDocsBulk(collection: string, ids: string[], callback: StoreCallbacks['documents']): void;
  /** The older name of `getDocsBulk`. */
  retrieveDocumentsBulk(
    collection: string,
    ids: string[],
    callback: StoreCallbacks['documents'],
  ): void;
  /** `ERR_DOC_NOT_IN_CONNECTION` for one that was destroyed, or is another connection's. */
  putDoc(doc: Doc, callback?: Callback): void;
  putDocs(docs: Doc[], callback?: Callback): void;
  putDocsBulk(docs: Doc[], callback?: Callback): void;
  flush(callback?: Callback): void;
  getWriteQueueSize(): number;
  hasDocsInWriteQueue(): boolean;
  isAutoBatchEnabled(): boolean;
  /** Says whether it was. */
  setAutoBatchEnabled(on: boolean): boolean;
}
export interface DurableStore extends TypedEmitter<DurableStoreEventMap> {}

/** The two parts of a storage: documents, and what the host keeps beside them. */
export type StoreName = 'docs' | 'meta';

/** What is kept under an id of a store. A payload of `null` means that nothing is. */
export interface StorageRecord {
  id: string;
  payload: any;
}

/** What is written in one go. `deleted` is given only to a storage that has `deletesInWrite`. */
export interface StorageRecords {
  docs?: StorageRecord | StorageRecord[];
  meta?: StorageRecord | StorageRecord[];
  deleted?: { [store in StoreName]?: string[] };
  /** Given only to a storage that has `claim`: nothing may be written where another one holds it. */
  holder?: string;
}

/**
 * Where a host keeps what has to outlive it. Implement it to keep that somewhere else than in
 * IndexedDB; only one host may use it at a time.
 *
 * A callback is called once, with the error if there is one, and for a write not before it is
 * durable. What a method throws counts as that error. Errors are sorted by their name, as
 * IndexedDB's are (`QuotaExceededError`, `InvalidStateError`), or by a `kind` of their own:
 * `quota`, `closed` (the storage has to be initialised again), `unavailable`, `fenced` (see `claim`) or `other`. One with the
 * `code` `ERR_STORAGE_DECRYPT` says that a record cannot be read and others can.
 *
 * Payloads are strings, or what `encrypt` makes of them.
 */
export interface DurableStorage {
  /** Opens it. Called again after `close`, and after an error of the kind `closed`, its own too. */
  initialize(callback: (error?: any, inventory?: any) => void): void;
  /**
   * The fence against a host that was frozen, lost the storage to another one, and goes on: makes `holder` the one whose
   * writes are taken. Called after `initialize`. `again`: it was that before; where another one became it meanwhile the
   * error has the kind `fenced`. From then on each write names its `holder`, and one of another holder ends with that
   * kind, with nothing written. The check has to be part of the write's own transaction. A storage without this has no
   * fence: the application then sees to it that one host alone uses it.
   */
  claim?(holder: string, again: boolean, callback: (error?: any) => void): void;
  /** Throws where the storage cannot be used. */
  ensureReady?(): void;
  /** Gives the payload; `null` or `undefined` where there is no such record. */
  readRecord(storeName: StoreName, id: string, callback: (error: any, payload?: any) => void): void;
  /** Gives those of the records that there are, in any order. */
  readRecordsBulk?(
    storeName: StoreName,
    ids: string[],
    callback: (error: any, records?: StorageRecord[]) => void,
  ): void;
  /** Writes everything or nothing. */
  writeRecords(records: StorageRecords, callback: (error?: any) => void): void;
  /**
   * That `writeRecords` deletes the records of `deleted`, too. Without it, it is given records
   * with the payload `null` in their place, which `deleteRecord`, where there is one, then deletes.
   */
  readonly deletesInWrite?: boolean;
  deleteRecord?(storeName: StoreName, id: string, callback: (error?: any) => void): void;
  /** Empties one store. */
  clearStore?(storeName: StoreName, callback: (error?: any) => void): void;
  /** Empties both. */
  clearAll?(callback: (error?: any) => void): void;
  /** Leaves nothing, and the storage closed. One without a callback is not used. */
  deleteDatabase?(callback: (error?: any) => void): void;
  /** Ends the use of it. Writes that are under way may still end well. */
  close?(): void;
  /** Gives up requests that do not end. */
  abandon?(): void;
  /** A Web Lock that the host holds meanwhile, where several pages can reach the same data. */
  readonly lockName?: string;
}

/** A {@link DurableStorage} with everything that one may have. */
interface WholeStorage extends DurableStorage {
  isReady(): boolean;
  ensureReady(): void;
  readRecordsBulk(
    storeName: StoreName,
    ids: string[],
    callback: (error: any, records?: StorageRecord[]) => void,
  ): void;
  readAllRecords(
    storeName: StoreName,
    callback: (error: any, records?: StorageRecord[]) => void,
  ): void;
  writeRecords(records: StorageRecords, callback: (error?: any) => void): void;
  deleteRecord(storeName: StoreName, id: string, callback: (error?: any) => void): void;
  clearStore(storeName: StoreName, callback: (error?: any) => void): void;
  clearAll(callback: (error?: any) => void): void;
  close(): void;
}

/** Keeps everything in this process, for as long as the object is kept. For tests, and for Node. */
export class InMemoryStorage {
  constructor();
}
export interface InMemoryStorage extends WholeStorage {}

export interface IndexedDbStorageOptions {
  /** Of the database. Give it the user's id. */
  namespace?: string;
  /** `strict` waits at every write until it is on the disk; `relaxed` until the system has it. */
  durability?: 'relaxed' | 'strict';
  /** How long other pages may hold up the opening or the deletion, in milliseconds. */
  patience?: number;
  /** Encrypts payloads, as JSON. Ids stay in clear. */
  useEncryption?: boolean;
  encryptionCallback?(text: string): any;
  decryptionCallback?(stored: any): string;
}

/** Keeps everything in IndexedDB, in pages and in workers. */
export class IndexedDbStorage {
  constructor(options?: IndexedDbStorageOptions);
}
export interface IndexedDbStorage extends WholeStorage {
  /** Deletes the database, open or not. */
  deleteDatabase(callback: (error?: any) => void): void;
  abandon(): void;
  readonly lockName: string;
}
