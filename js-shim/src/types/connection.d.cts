/** The connection: its events, its host, its methods. */

import type { StoringOptions } from '../index.cjs';
import type { Doc, DocPresence, Presence, Query, QueryOptions } from './doc.cjs';
import type {
  Callback,
  ClientError,
  Failed,
  Failure,
  Snapshot,
  Socket,
  TypedEmitter,
} from './shared.cjs';
import type { DeadLetter, DurableStore, StorageInfo } from './store.cjs';

export {};

export type ConnectionState = 'connecting' | 'connected' | 'disconnected' | 'stopped' | 'closed';

export interface ConnectionReceiveRequest {
  /** The message. A listener may put another in its place, or `null` so that nobody sees it. */
  data: any;
}

/** A listener for each state. */
export type ConnectionStateEventMap = { [state in ConnectionState]: (reason: any) => void };

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
  /** The server's message has come, before it is taken. Only where the host is in this page. */
  receive(request: ConnectionReceiveRequest): void;
  /** A message goes to the server. Only where the host is in this page. */
  send(message: any): void;
}

/** Events of a connection that ShareDB's has not. */
export interface HostEventMap {
  /** `connection.storage` changed. */
  storage(storage: StorageInfo): void;
  /** The host is in another place from now on. Nothing that was submitted is lost by it. */
  host(host: ConnectionHost): void;
  /** An op was refused, or given up with one. Without a listener a warning is logged. */
  'dead letter'(letter: DeadLetter): void;
  /**
   * The tab is of a build too old for its host: it keeps its ops, and the page has to be loaded anew. The same error
   * (`ERR_HOST_INCOMPATIBLE`) is an `error` event next.
   */
  'host.incompatible'(error: ClientError): void;
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
   * `ERR_HOST_ALONE` where there are no Web Locks, `ERR_WASM_UNAVAILABLE` where there is no WebAssembly, and so no host.
   */
  code?: string;
}

/** What the host has. */
export interface HostStatus {
  tabs: number;
  sockets: number;
  docs: number;
  pendingOps: number;
  /** On request, for people to read: what is in it may change with any version. */
  details?: any;
}

interface ConnectionCallbacks<T = any, E = ClientError | null> {
  status(error: ClientError | null, status: HostStatus): any;
  query(error: E, results: Array<Doc<T>>, extra?: any): any;
  snapshot(error: E, snapshot: Snapshot<T>): any;
  /** With an error, those that could be read have their data. */
  docs(error: ClientError | null, docs?: Doc[]): any;
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
  /** The number of the next `fetchSnapshot` or `fetchSnapshotByTimestamp`. */
  nextSnapshotRequestId: number;
  readonly state: ConnectionState;
  readonly canSend: boolean;
  /** `src` of the ops of all tabs that share the connection; `null` before the first handshake. */
  id: string | null;
  /** The number of the next op; `undefined` where the host is not in this page. */
  seq: number;
  /** The socket in use; `null` where the host is not in this page. */
  readonly socket: any;
  /** Logs every message of the socket. Only where the host is in this page; elsewhere see `sharedb-proxy/devtools`. */
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
   * Takes another socket. Documents and what is pending stay. Only where the host is in this page, else it throws:
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
  /** Sends a message of the application's own. Only where the host is in this page, else it throws. */
  send(message: any): void;
  /** Takes a message as if the server had sent it. Only where the host is in this page, else it throws. */
  handleMessage(message: any): void;
  /** From here to `endBulk`, fetches and (un)subscribes are collected and sent as one. */
  startBulk(): void;
  endBulk(): void;
  /** Asks the host what it has. */
  hostStatus(callback: ConnectionCallbacks['status'], options?: { details?: boolean }): void;
  /**
   * What went into the host and came out of it lately, as JSON, to read and to replay (`docs/debugging.md`). `redact`:
   * contents are replaced by their type and length; such a trace can only be read. Rejects with `ERR_HOST_LOST` where the
   * host ended meanwhile, `ERR_CONNECTION_CLOSED`, or `ERR_TRACE_FAILED`.
   */
  exportTrace(options?: { redact?: boolean }): Promise<string>;

  /** Asks once. */
  createFetchQuery<T = any>(
    collection: string,
    query: any,
    options?: QueryOptions<T> | null,
    callback?: ConnectionCallbacks<T>['query'],
  ): Query<T>;
  createFetchQuery<T = any, E extends Failure = Failure>(
    collection: string,
    query: any,
    options?: QueryOptions<T> | null,
    callback?: ConnectionCallbacks<T, E>['query'],
  ): Query<T>;
  /** Asks, and follows the results from then on. */
  createSubscribeQuery<T = any>(
    collection: string,
    query: any,
    options?: QueryOptions<T> | null,
    callback?: ConnectionCallbacks<T>['query'],
  ): Query<T>;
  createSubscribeQuery<T = any, E extends Failure = Failure>(
    collection: string,
    query: any,
    options?: QueryOptions<T> | null,
    callback?: ConnectionCallbacks<T, E>['query'],
  ): Query<T>;
  /** A document as it was at a version, to read; without one, as it is. */
  fetchSnapshot<E extends Failure = Failed>(
    collection: string,
    id: string,
    version: number | null,
    callback: ConnectionCallbacks<any, E>['snapshot'],
  ): void;
  fetchSnapshot<E extends Failure = Failed>(
    collection: string,
    id: string,
    callback: ConnectionCallbacks<any, E>['snapshot'],
  ): void;
  /** A document as it was at a time in milliseconds, to read; without one, as it is. */
  fetchSnapshotByTimestamp<E extends Failure = Failed>(
    collection: string,
    id: string,
    timestamp: number | null,
    callback: ConnectionCallbacks<any, E>['snapshot'],
  ): void;
  fetchSnapshotByTimestamp<E extends Failure = Failed>(
    collection: string,
    id: string,
    callback: ConnectionCallbacks<any, E>['snapshot'],
  ): void;

  /**
   * Documents in the order of their ids: those that are here as they are, the others as the store has them. The server
   * is not asked; what the store does not have is empty. Calls back at once where all are here. An error is about those
   * that the store has and nobody can read, or about the store; the others come with it.
   */
  getBulk(collection: string, ids: string[], callback: ConnectionCallbacks['docs']): void;
  /**
   * Writes a document, with all that was submitted to it before. Calls back when that is durable; where `isAutoFlush()`
   * is false, as soon as the host knows. `ERR_STORAGE` where no `durableStore` was asked for.
   */
  putDoc(doc: Doc, callback?: Callback): void;
  putDocs(docs: Doc[], callback?: Callback): void;
  /** As `putDocs`, but written at once in any case. */
  putDocsBulk(docs: Doc[], callback?: Callback): void;
  /**
   * Writes what waits. Calls back when all that was submitted in this tab before is durable, with `ERR_STORAGE` where the
   * store is in memory only; at once and without an error where no `durableStore` was asked for.
   */
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
   * answer get an error. After the callback another connection can be made; with an error, something may be left.
   * Without a `durableStore` nothing ends: `ERR_STORAGE`.
   */
  wipe(callback?: Callback): void;

  /** The presence of a channel; always the same until it is destroyed. */
  getPresence<T = any>(channel: string): Presence<T>;
  /** The presence in a document, whose type has to have `transformPresence`. */
  getDocPresence<T = any>(collection: string, id: string): DocPresence<T>;
}
export interface Connection extends ConnectionEmitter {}

/** Two maps, because `@types/sharedb` wants listeners of its own events only. */
type ConnectionEmitter = TypedEmitter<ConnectionEventMap> & TypedEmitter<HostEventMap>;
