/**
 * The types of the package. They cover what `@types/sharedb` declares for the client, so that a
 * program written against it compiles here, and correct it where ShareDB does something else.
 *
 * Callbacks and listeners are declared as methods: a callback whose error parameter is not
 * optional is accepted too.
 */

export {};

/** What a document may hold beneath json0. */
export type JSONValue = string | number | boolean | null | JSONObject | JSONArray;
export interface JSONObject {
  [name: string]: JSONValue;
}
export interface JSONArray extends Array<JSONValue> {}

/** Where in a document a json0 component applies: keys and indices, from the outside in. */
export type Path = ReadonlyArray<string | number>;

/** Adds to a number. */
export interface AddNumOp {
  p: Path;
  na: number;
}
/** Inserts an item before the index that ends the path. */
export interface ListInsertOp {
  p: Path;
  li: any;
}
/** Deletes the item; `ld` is what it was. */
export interface ListDeleteOp {
  p: Path;
  ld: any;
}
/** Replaces the item `ld` by `li`. */
export interface ListReplaceOp {
  p: Path;
  li: any;
  ld: any;
}
/** Moves the item to the index `lm`. */
export interface ListMoveOp {
  p: Path;
  lm: any;
}
/** Sets a key that was not there. */
export interface ObjectInsertOp {
  p: Path;
  oi: any;
}
/** Deletes a key; `od` is its value. */
export interface ObjectDeleteOp {
  p: Path;
  od: any;
}
/** Replaces a key's value `od` by `oi`. */
export interface ObjectReplaceOp {
  p: Path;
  oi: any;
  od: any;
}
/** Inserts text at the offset that ends the path. */
export interface StringInsertOp {
  p: Path;
  si: string;
}
/** Deletes the text `sd` at the offset. */
export interface StringDeleteOp {
  p: Path;
  sd: string;
}
/** Applies the op `o` of another type, by the name `t`. */
export interface SubtypeOp {
  p: Path;
  t: string;
  o: any;
}

/** A component of a json0 op. */
export type Op =
  | AddNumOp
  | ListInsertOp
  | ListDeleteOp
  | ListReplaceOp
  | ListMoveOp
  | ObjectInsertOp
  | ObjectDeleteOp
  | ObjectReplaceOp
  | StringInsertOp
  | StringDeleteOp
  | SubtypeOp;

/** An OT type, as https://github.com/ottypes/docs describes them. */
export interface Type {
  name?: string;
  uri?: string;
  create(initialData?: any): any;
  apply(snapshot: any, op: any): any;
  transform?(op: any, other: any, side: 'left' | 'right'): any;
  transformX?(left: any, right: any): any;
  compose?(op: any, next: any): any;
  invert?(op: any): any;
  normalize?(op: any): any;
  deserialize?(data: any): any;
  createDeserialized?(data: any): any;
  transformPresence?(presence: any, op: any, isOwnOp: boolean): any;
  [more: string]: any;
}

/**
 * A subtype of json0: what `types.map.json0.registerSubtype` takes, in every page and, for a host in a worker, in
 * `serve({ subtypes })`. An op of one that is not known is refused with `ERR_OT_SUBTYPE_NOT_RECOGNIZED`.
 */
export interface Subtype {
  /** The `t` of a component. */
  name: string;
  apply(snapshot: any, op: any): any;
  transform(op: any, other: any, side: 'left' | 'right'): any;
  compose(op: any, next: any): any;
  /** Without it an op that the server refuses costs the document's other pending ops, too. */
  invert?(op: any): any;
  [more: string]: any;
}

/** The registry of OT types: one a process, shared with the `sharedb` of a server in Node. */
export interface Types {
  /** The type of a document that names none: json0. */
  defaultType: Type;
  /** Types by name and by URI. */
  map: { [nameOrUri: string]: Type };
  register(type: Type): void;
}

export type LoggerFunction = typeof console.log;
export interface LoggerOverrides {
  info?: LoggerFunction;
  warn?: LoggerFunction;
  error?: LoggerFunction;
}
/** Where warnings go: the console, until other functions are set. */
export interface Logger {
  setMethods(overrides: LoggerOverrides): void;
  info: LoggerFunction;
  warn: LoggerFunction;
  error: LoggerFunction;
}

/**
 * An error as callbacks and `error` listeners get it. It is a {@link ShareDBError} where the client
 * found it. A server's is a plain `Error`, with the server's whole message as `data`.
 */
export interface ClientError extends globalThis.Error {
  /**
   * A string in every error of ShareDB's and of this client; of a server's middleware, what that gave: a number, say.
   */
  code: string;
  data?: any;
  /**
   * With `ERR_CLIENT_CRASHED`: what was submitted to the document and is given up, oldest first, as it was submitted.
   */
  discarded?: Discarded[];
}

/** A submission that a crash of the client in this page has ended before it was sent. */
export type Discarded = { op: any } | { create: { type: string; data: any } } | { del: true };

declare class ShareDBError extends globalThis.Error {
  constructor(code: string, message?: string);
  name: string;
  /** What happened, to act upon: `ERR_DOC_ALREADY_CREATED`. */
  code: string;
  /** All codes, each under its own name. */
  static readonly CODES: { readonly [code: string]: string };
}
export { ShareDBError as Error };

interface Callbacks {
  failed(error?: ClientError | null): any;
}
/** Called once, with the error if there is one. */
export type Callback = Callbacks['failed'];

export interface ShareDBSourceOptions {
  /** The caller's own mark, given to listeners as it is. `true` where there is none. */
  source?: any;
}

/** A document's state at a version. */
export interface Snapshot<T = any> {
  id: string;
  v: number;
  /** The type's URI; `null` while there is no document. */
  type: string | null;
  data?: T;
  m: { [key: string]: any } | null;
}
/** What `doc.ingestSnapshot` takes. Without a `type` it is json0. */
export interface IngestibleSnapshot<T = any> {
  v: number;
  type?: string | null;
  data?: T;
}

/** Anything like a WebSocket. The connection sets the four functions. */
export interface Socket {
  readyState: number;
  close(...reason: any[]): void;
  send(data: any): void;
  onmessage: ((event: any) => any) | null;
  onclose: ((event: any) => any) | null;
  onerror: ((event: any) => any) | null;
  onopen: ((event: any) => any) | null;
}

export type ListenerSignature<L> = { [E in keyof L]: (...args: any[]) => any };

/** Node's EventEmitter, with the names and arguments of the events `L`. */
export interface TypedEmitter<L extends ListenerSignature<L>> {
  addListener<U extends keyof L>(event: U, listener: L[U]): this;
  prependListener<U extends keyof L>(event: U, listener: L[U]): this;
  prependOnceListener<U extends keyof L>(event: U, listener: L[U]): this;
  removeListener<U extends keyof L>(event: U, listener: L[U]): this;
  removeAllListeners(event?: keyof L): this;
  once<U extends keyof L>(event: U, listener: L[U]): this;
  on<U extends keyof L>(event: U, listener: L[U]): this;
  off<U extends keyof L>(event: U, listener: L[U]): this;
  emit<U extends keyof L>(event: U, ...args: Parameters<L[U]>): boolean;
  eventNames(): Array<keyof L>;
  listenerCount(event: keyof L): number;
  listeners<U extends keyof L>(event: U): Array<L[U]>;
  rawListeners<U extends keyof L>(event: U): Array<L[U]>;
  getMaxListeners(): number;
  setMaxListeners(n: number): this;
}

export type ConnectionState = 'connecting' | 'connected' | 'disconnected' | 'stopped' | 'closed';

export interface ConnectionReceiveRequest {
  /** The message. A listener may put another in its place, or `null` so that nobody sees it. */
  data: any;
}

export interface ConnectionEventMap {
  connecting(reason?: any): void;
  connected(reason?: any): void;
  /** `reason` is what the socket's `onclose` got: a word, or a browser's CloseEvent. */
  disconnected(reason?: any): void;
  stopped(reason?: any): void;
  closed(reason?: any): void;
  state(newState: ConnectionState, reason?: any): void;
  'connection error'(error: any): void;
  error(error: ClientError): void;
  /** `connection.get` made a document. */
  doc(doc: Doc): void;
  pong(): void;
  receive(request: ConnectionReceiveRequest): void;
  send(message: any): void;
  /** `connection.storage` changed. */
  storage(storage: StorageInfo): void;
  /** The host is in another place from now on. Nothing that was submitted is lost by it. */
  host(host: ConnectionHost): void;
  /** An op was refused, or given up with one. Without a listener a warning is logged. */
  'dead letter'(letter: DeadLetter): void;
}

/** What the host is, and why this one. */
export interface ConnectionHost {
  /**
   * In a SharedWorker, in one of the tabs, for all of them, or in this page and for this connection alone.
   */
  kind: 'shared-worker' | 'elected-tab' | 'in-page';
  /** Where it runs. In an elected tab that is a worker of the tab's own, or its page where no such worker starts. */
  place: 'shared-worker' | 'dedicated-worker' | 'page';
  reason: string;
  /**
   * Why it is not where it should be. In another tab, or in this one for all: `ERR_HOST_FAILED` where the shared worker
   * does not start, `ERR_HOST_MISMATCH` where it serves another namespace. In this page alone: `ERR_HOST_MISMATCH` where
   * the host serves another url, `ERR_STORE_MISMATCH` where page and host do not agree whether to encrypt,
   * `ERR_HOST_ALONE` where there are no Web Locks.
   */
  code?: string;
}

/** What the host has. */
export interface HostStatus {
  tabs: number;
  sockets: number;
  docs: number;
  pendingOps: number;
}

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
   * done, `ERR_STORAGE_TIMEOUT` where the store did not answer in time and is tried until it does, `ERR_STORAGE` for
   * the rest.
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
   * `ERR_STORAGE_DECRYPT`. Without what is kept beside documents there is no store.
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
  /** With an error, those that could be read have their data. */
  docs(error: ClientError | null, docs?: Doc[]): any;
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
 * Every op is written ahead, before it goes to the server or to another tab, whatever `setAutoFlush` says. What is
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

interface ConnectionCallbacks<T = any> {
  status(error: ClientError | null, status: HostStatus): any;
  query(error: ClientError | null, results: Array<Doc<T>>, extra?: any): any;
  snapshot(error: ClientError | null, snapshot: Snapshot<T>): any;
}

export interface QueryOptions<T = any> {
  /** Documents that the application has of an earlier answer; the server sends what is newer. */
  results?: Array<Doc<T>> | null;
  /** More is handed to the server's database. */
  [more: string]: any;
}

/** A connection to a ShareDB server, over a socket of the application's own. */
export class Connection {
  constructor(socket: Socket, options?: StoringOptions);
  /** The server's agent, where a backend in this process connected it; else `null`. */
  agent: any;
  collections: Record<string, Record<string, Doc>>;
  /** The queries that wait for an answer or follow their results. */
  queries: Record<string, Query>;
  nextQueryId: number;
  readonly state: ConnectionState;
  readonly canSend: boolean;
  /** `src` of the ops of all tabs that share the connection; `null` before the first handshake. */
  id: string | null;
  /** The number of the next op; `undefined` where the host is not in this page. */
  seq: number;
  /** The socket in use; `null` where the host is not in this page. */
  readonly socket: any;
  /** Logs every message. */
  debug: boolean;
  /** What the host is, and why this one. */
  readonly host: ConnectionHost;
  /** What the host's store really is, and why. */
  readonly storage: StorageInfo;
  /** The store; `null` where none was asked for. */
  readonly durableStore: DurableStore | null;
  /** Ops that the server refused, and those that were given up with them, oldest first. */
  readonly deadLetters: readonly DeadLetter[];

  get<T = any>(collection: string, id: string): Doc<T>;
  /** The document, if `get` made it already. */
  getExisting<T = any>(collection: string, id: string): Doc<T> | undefined;
  hasPending(): boolean;
  hasWritePending(): boolean;
  /** Calls back when nothing is in flight or waiting; never before this returns. */
  whenNothingPending(callback: () => void): void;
  /**
   * Takes another socket. Documents and what is pending stay. Only where the host is in this page; elsewhere
   * `reconnect()` opens a closed connection again.
   */
  bindToSocket(socket: Socket): void;
  /**
   * Opens the connection again after `close()`: documents, queries and presence are subscribed again, and pending ops
   * are sent. Does nothing while it is open. `ERR_NO_URL` where the application brought the socket: `bindToSocket`
   * takes another one; `ERR_CONNECTION_CLOSED` after `wipe`.
   */
  reconnect(): void;
  /** A store in this page is left to others as soon as it has what was submitted before. */
  close(): void;
  /** Asks for a `pong`. Throws `ERR_CANNOT_PING_OFFLINE` unless connected. */
  ping(): void;
  /** Sends a message of the application's own. */
  send(message: any): void;
  /** Takes a message as if the server had sent it. */
  handleMessage(message: any): void;
  /** From here to `endBulk`, fetches and (un)subscribes are collected and sent as one. */
  startBulk(): void;
  endBulk(): void;
  /** Asks the host what it has. */
  hostStatus(callback: ConnectionCallbacks['status']): void;

  /** Asks once. */
  createFetchQuery<T = any>(
    collection: string,
    query: any,
    options?: QueryOptions<T> | null,
    callback?: ConnectionCallbacks<T>['query'],
  ): Query<T>;
  /** Asks, and follows the results from then on. */
  createSubscribeQuery<T = any>(
    collection: string,
    query: any,
    options?: QueryOptions<T> | null,
    callback?: ConnectionCallbacks<T>['query'],
  ): Query<T>;
  /** A document as it was at a version, to read; without one, as it is. */
  fetchSnapshot(
    collection: string,
    id: string,
    version: number | null,
    callback: ConnectionCallbacks['snapshot'],
  ): void;
  fetchSnapshot(collection: string, id: string, callback: ConnectionCallbacks['snapshot']): void;
  /** A document as it was at a time in milliseconds, to read; without one, as it is. */
  fetchSnapshotByTimestamp(
    collection: string,
    id: string,
    timestamp: number | null,
    callback: ConnectionCallbacks['snapshot'],
  ): void;
  fetchSnapshotByTimestamp(
    collection: string,
    id: string,
    callback: ConnectionCallbacks['snapshot'],
  ): void;

  /**
   * Documents in the order of their ids: those that are here as they are, the others as the store has them. The server
   * is not asked; what the store does not have is empty. Calls back at once where all are here. An error is about those
   * that the store has and nobody can read, or about the store; the others come with it.
   */
  getBulk(collection: string, ids: string[], callback: StoreCallbacks['docs']): void;
  /**
   * Writes a document, with all that was submitted to it before. Calls back when that is durable; where `isAutoFlush()`
   * is false, as soon as the host knows. `No DurableStore available` where none was asked for.
   */
  putDoc(doc: Doc, callback?: Callback): void;
  putDocs(docs: Doc[], callback?: Callback): void;
  /** As `putDocs`, but written at once in any case. */
  putDocsBulk(docs: Doc[], callback?: Callback): void;
  /** Writes what waits. Calls back when all that was submitted in this tab before is durable. */
  flushWrites(callback?: Callback): void;
  /** Whether records of documents are written by themselves, for all tabs. Ops are written ahead in any case. */
  setAutoFlush(on: boolean): void;
  isAutoFlush(): boolean;
  /** Documents that wait to be written; those not counted that are being written. */
  getWriteQueueSize(): number;
  hasPendingWrites(): boolean;
  /** Whether the store has ops that the server has not acknowledged; `null` without a store. */
  hasPendingOfflineDocs(): boolean | null;
  isDocInInventory(collection: string, id: string, minVersion?: number): boolean;
  forEachPendingDocCollectionId(callback: (collection: string, id: string) => void): void;
  /** Somebody has seen to these: they are forgotten, for all tabs. Calls back when that is durable. */
  removeDeadLetters(
    letters: DeadLetter | number | ReadonlyArray<DeadLetter | number>,
    callback?: Callback,
  ): void;
  /**
   * Ends all connections of this store, in every tab, and deletes everything that it has. Callbacks of ops without an
   * answer get an error. After the callback another connection can be made.
   */
  wipe(callback?: Callback): void;

  /** The presence of a channel; always the same until it is destroyed. */
  getPresence<T = any>(channel: string): Presence<T>;
  /** The presence in a document, whose type has to have `transformPresence`. */
  getDocPresence<T = any>(collection: string, id: string): DocPresence<T>;
}
export interface Connection extends TypedEmitter<ConnectionEventMap> {}

export interface DocEventMap<T> {
  load(): void;
  create(source: any): void;
  /** Before a whole op, the caller's own or another's. `source` is `false` for others' ops. */
  'before op batch'(op: any, source: any): void;
  /** Before an op; of others' json0 ops, before each component. `src` is the author's connection. */
  'before op'(op: any, source: any, src?: any): void;
  /** After it; `data` has it. */
  op(op: any, source: any, src?: any): void;
  'op batch'(op: any, source: any): void;
  /** `data` is what the document held. */
  del(data: T, source: any): void;
  'no write pending'(): void;
  'nothing pending'(): void;
  error(error: ClientError): void;
  destroy(): void;
}
export type DocEvent = keyof DocEventMap<any>;

/** An op that has no answer yet. */
export interface PendingOp {
  op?: any;
  create?: { type: string; data?: any };
  del?: boolean;
  type: Type | null;
  source?: any;
  callbacks: Array<Callback | undefined>;
  /** When it was sent to the server last, in milliseconds since 1970. Absent where it was not. */
  sentAt?: number;
  /** How often it was sent again. */
  retries?: number;
  src?: string;
  seq?: number;
}

/** A document. Made by `connection.get`, never by `new`. */
export class Doc<T = any> {
  private constructor();
  connection: Connection;
  /** `connection.durableStore`. */
  readonly durableStore: DurableStore | null;
  collection: string;
  id: string;
  /** `null` while there is no document. */
  type: Type | null;
  /** The application's own value, changed in place. `undefined` while there is no document. */
  data: T;
  /** The server's count of ops; `null` before anything was loaded. */
  version: number | null;
  /** Whether the server confirmed the subscription. */
  readonly subscribed: boolean;
  /** Whether to subscribe again after a reconnect. */
  readonly wantSubscribe: boolean;
  /** Set it to keep the next ops apart. */
  preventCompose: boolean;
  /** Set it to send `source` to the server, and to compose only ops of equal sources. */
  submitSource: boolean;
  readonly paused: boolean;
  /** The op on its way to the server. A copy: changing it changes nothing. */
  readonly inflightOp: PendingOp | null;
  /** The ops after it. Copies. */
  readonly pendingOps: PendingOp[];

  fetch(callback?: Callback): void;
  subscribe(callback?: Callback): void;
  unsubscribe(callback?: Callback): void;
  /** Submits a creation. `type` is a name or a URI; json0 where there is none. */
  create(data: T, callback?: Callback): void;
  create(data: T, type?: string | null, callback?: Callback): void;
  create(
    data: T,
    type?: string | null,
    options?: ShareDBSourceOptions | null,
    callback?: Callback,
  ): void;
  /** Submits an edit: `data` has it when this returns; the callback comes with the server's word. */
  submitOp(op: any, callback?: Callback): void;
  submitOp(op: any, options?: ShareDBSourceOptions | null, callback?: Callback): void;
  /** Submits a deletion. */
  del(callback?: Callback): void;
  del(options?: ShareDBSourceOptions | null, callback?: Callback): void;
  ingestSnapshot(snapshot: IngestibleSnapshot<T> | null | undefined, callback?: Callback): void;
  /** Sees to it that there is data: what is here, else what the store has, else the server's. */
  ensureDocHasData(callback?: Callback): void;
  /** The same, of this version of the server's or a later one. */
  ensureDocHasRecentData(minVersion: number, callback?: Callback): void;
  /** The data is a copy. Throws where there is no document. */
  toSnapshot(): { v: number; type: string; data?: T };
  hasPending(): boolean;
  hasWritePending(): boolean;
  /** Calls back when nothing is in flight or waiting; never before this returns. */
  whenNothingPending(callback: () => void): void;
  /** Holds own ops back; others' still come in. */
  pause(): void;
  resume(): void;
  flush(): void;
  /**
   * Unsubscribes and leaves the connection, when nothing is pending any more: offline that is after
   * the next reconnect. `ERR_CONNECTION_CLOSED` where the connection is closed before.
   */
  destroy(callback?: Callback): void;
}
export interface Doc<T = any> extends TypedEmitter<DocEventMap<T>> {}

export interface QueryEventMap<T> {
  /** An answer came; again after each reconnect. */
  ready(): void;
  error(error: ClientError): void;
  insert(docs: Array<Doc<T>>, index: number): void;
  remove(docs: Array<Doc<T>>, index: number): void;
  move(docs: Array<Doc<T>>, from: number, to: number): void;
  /** After all the changes of one message. */
  changed(results: Array<Doc<T>>): void;
  extra(extra: any): void;
}
export type QueryEvent = keyof QueryEventMap<any>;

/** A list of documents that the server keeps. Made by the connection, never by `new`. */
export class Query<T = any> {
  private constructor();
  /** Once, or for good. */
  readonly action: 'qf' | 'qs';
  connection: Connection;
  id: number;
  collection: string;
  query: any;
  options?: QueryOptions<T> | null;
  /** `null` before the first answer, unless the application gave some. */
  results: Array<Doc<T>>;
  /** What the database added. */
  extra: any;
  /** Whether there was an answer, be it an error. */
  ready: boolean;
  sent: boolean;
  hasPending(): boolean;
  destroy(callback?: () => void): void;
}
export interface Query<T = any> extends TypedEmitter<QueryEventMap<T>> {}

export interface PresenceEventMap<T> {
  /** What another one shows; `null` when it shows nothing any more. */
  receive(presenceId: string, value: T | null): void;
  error(error: ClientError): void;
}

/** What others show on a channel. Made by the connection. */
export interface Presence<T = any> extends TypedEmitter<PresenceEventMap<T>> {
  connection: Connection;
  readonly channel: string;
  /** What the application asked for. */
  readonly wantSubscribe: boolean;
  /** What the server has confirmed. */
  readonly subscribed: boolean;
  remotePresences: Record<string, T>;
  localPresences: Record<string, LocalPresence<T>>;
  subscribe(callback?: (error?: ClientError) => void): void;
  unsubscribe(callback?: (error?: ClientError) => void): void;
  /** Something to show; the id is a random one if not given. */
  create(presenceId?: string): LocalPresence<T>;
  destroy(callback?: (error?: ClientError) => void): void;
}

/** What others show in a document; it moves with the document's ops. */
export interface DocPresence<T = any> extends Presence<T> {
  readonly collection: string;
  readonly id: string;
}

/** What this client shows. Made by `presence.create`. */
export interface LocalPresence<T = any> extends TypedEmitter<{ error(error: ClientError): void }> {
  presence: Presence<T>;
  presenceId: string;
  connection: Connection;
  /** Messages so far. */
  presenceVersion: number;
  value: T | null;
  submit(value: T | null, callback?: (error?: ClientError) => void): void;
  /** Shows the value once more. */
  send(callback?: (error?: ClientError) => void): void;
  destroy(callback?: (error?: ClientError) => void): void;
}

/** A `Backend` of `sharedb` in this process. */
export interface BackendLike {
  connect(...args: any[]): any;
}

/** What is kept, and how. */
export interface StoringOptions {
  /**
   * Keeps documents and ops in this browser, for the next time. Without it that is done only for as long as tabs live.
   * All tabs of a worker share one store, and the first one decides what it is.
   */
  durableStore?: boolean | DurableStoreOptions;
  /**
   * Of the store and of the worker. Give it the user's id: tabs of another namespace never share anything. Required
   * with `durableStore` (`ERR_NAMESPACE_REQUIRED`), unless the host is in this page and the storage is the
   * application's own.
   */
  namespace?: string;
  /**
   * Where the server refuses an op that has no inverse, the other pending ops stay, as far as they still
   * apply. ShareDB's client gives them up.
   */
  keepPendingOnReject?: boolean;
}

/** An address, or what gives it for each socket. */
export type UrlOrFunction = string | URL | (() => string | URL | Promise<string | URL>);

export interface ConnectionOptions extends StoringOptions {
  /**
   * The server's address, also relative to the page. `http` stands for `ws`. A function is called for each socket, in
   * one of the tabs, a visible one first: so a token in the address is fresh, and asked for once for all tabs. It needs
   * a `namespace`. Where it throws, rejects, or takes longer than 15 s in each tab, the next attempt comes as after a
   * socket that failed, with an `error` event `ERR_URL_FAILED`.
   */
  url: UrlOrFunction;
  /** `false`: no SharedWorker; the tabs of the namespace elect one that has the host, in a worker of its own. */
  useSharedWorker?: boolean;
  /**
   * Makes the worker, where it is a module of the application's own; see `sharedb-proxy/worker`. `name` is to be the
   * worker's name: pages that want another user's store get another worker by it. One that serves another namespace, or
   * another url but for its query, refuses the page with `ERR_HOST_MISMATCH`.
   */
  worker?: (name: string) => any;
  /**
   * Makes a dedicated worker of the same module, for where a tab has the host: without a SharedWorker, or while that is slow
   * to start. `false`: the host is in the page of that tab, and stands still while the page is blocked or its timers are
   * throttled. So it is where this is left out and `worker` is given, since the packaged worker may lack what `worker`
   * has; and where the page has OT types or functions for the store that the packaged worker cannot have.
   */
  dedicatedWorker?: false | ((name: string) => any);
  /**
   * Pages of an origin share a host when this is the same. Without a `durableStore` it may be left out: it is then the
   * URL without credentials, query and fragment.
   */
  namespace?: string;
}

/** A connection with the best host that there is here; `connection.host` says which. */
export function createConnection(
  target: string | URL,
  options?: Partial<ConnectionOptions>,
): Connection;
export function createConnection(options: ConnectionOptions): Connection;
export function createConnection(
  target: BackendLike | Socket,
  options?: StoringOptions,
): Connection;

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
  /** Opens it. Called again after `close`, and after an error of the kind `closed`. */
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

export const types: Types;
export const logger: Logger;
