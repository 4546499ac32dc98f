/** What all classes share: errors and callbacks, snapshots, sockets, emitters, the logger. */

export {};

export type LoggerFunction = (...parts: any[]) => void;
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
   * A string in every error of ShareDB's and of this client; of a server's middleware, what that gave; absent where an OT
   * type threw. It is `any` because `@types/sharedb` declares a number.
   */
  code: any;
  data?: any;
  /**
   * With `ERR_CLIENT_CRASHED` and, where a document was given up in this page, `ERR_INPUT_QUARANTINED`: what was submitted
   * and is given up, oldest first, as it was submitted.
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

/** What a callback gets: the error, if there is one. */
export type Failed = ClientError | null | undefined;
/** What a callback may declare its error to be: a class or interface of the application's, `Error`, that of `@types/sharedb`. */
export type Failure = { message: string } | null | undefined;

interface Callbacks<E> {
  called(error?: Failed): any;
  failed(error: E): any;
}
/** Called once, with the error if there is one. */
export type Callback = Callbacks<Failed>['called'];
/** A {@link Callback} that declares the error as `E`. */
export type CallbackOf<E> = Callbacks<E>['failed'];

export interface ShareDBSourceOptions {
  /** The caller's own mark, given to listeners as it is. `true` where there is none. */
  source?: any;
}

/** What the server knows of a snapshot beside its data, where its middleware sends that. */
export interface SnapshotMeta {
  /** Milliseconds since 1970 of the creation, and of the last change. */
  ctime: number;
  mtime: number;
  [key: string]: any;
}

/** A document's state at a version. */
export interface Snapshot<T = any> {
  id: string;
  v: number;
  /** The type's URI; `null` while there is no document. */
  type: string | null;
  data?: T;
  /** What the server's middleware let through; often `null`. */
  m: SnapshotMeta | null;
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
  listeners(event: keyof L): any[];
  rawListeners(event: keyof L): any[];
  getMaxListeners(): number;
  setMaxListeners(n: number): this;
}
