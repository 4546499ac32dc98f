/** Documents, queries and presence, as a connection makes them. */

import type { Connection } from './connection.cjs';
import type { Type } from './ot.cjs';
import type {
  Callback,
  CallbackOf,
  ClientError,
  Failed,
  Failure,
  IngestibleSnapshot,
  ShareDBSourceOptions,
  TypedEmitter,
} from './shared.cjs';
import type { DurableStore } from './store.cjs';

export {};

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
  /** Only for classes that extend it: `connection.get` makes documents, always of this class. */
  protected constructor(...parts: any[]);
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
  /** Whether this tab's ops are held back. Setting it is `pause()` or `resume()`. */
  paused: boolean;
  /** The op on its way to the server. A copy: changing it changes nothing. */
  readonly inflightOp: PendingOp | null;
  /** The ops after it. Copies. `push` hands in an op that the application kept, whose change `data` holds already. */
  readonly pendingOps: PendingOp[];

  fetch<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
  subscribe<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
  unsubscribe<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
  /** Submits a creation. `type` is a name or a URI; json0 where there is none. */
  create<E extends Failure = Failed>(data: T, callback?: CallbackOf<E>): void;
  create<E extends Failure = Failed>(data: T, type?: string | null, callback?: CallbackOf<E>): void;
  create<E extends Failure = Failed>(
    data: T,
    type?: string | null,
    options?: ShareDBSourceOptions | null,
    callback?: CallbackOf<E>,
  ): void;
  /** Submits an edit: `data` has it when this returns; the callback comes with the server's word. */
  submitOp<E extends Failure = Failed>(op: any, callback?: CallbackOf<E>): void;
  submitOp<E extends Failure = Failed>(
    op: any,
    options?: ShareDBSourceOptions | null,
    callback?: CallbackOf<E>,
  ): void;
  /** Submits a deletion. */
  del<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
  del<E extends Failure = Failed>(
    options?: ShareDBSourceOptions | null,
    callback?: CallbackOf<E>,
  ): void;
  ingestSnapshot<E extends Failure = Failed>(
    snapshot: IngestibleSnapshot<T> | null | undefined,
    callback?: CallbackOf<E>,
  ): void;
  /** Sees to it that there is data: what is here, else what the store has, else the server's. */
  ensureDocHasData<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
  /** The same, of this version of the server's or a later one. */
  ensureDocHasRecentData<E extends Failure = Failed>(
    minVersion: number,
    callback?: CallbackOf<E>,
  ): void;
  /**
   * The data is a copy. Throws where there is no document. `v` is `null` where it was only created here, although the type
   * is that of `@types/sharedb`.
   */
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
  destroy<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
}
export interface Doc<T = any> extends TypedEmitter<DocEventMap<T>> {}

export interface QueryOptions<T = any> {
  /** Documents that the application has of an earlier answer; the server sends what is newer. */
  results?: Array<Pick<Doc<T>, 'collection' | 'id' | 'data'>> | null;
  /** More is handed to the server's database. */
  [more: string]: any;
}

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
  /** Only for classes that extend it. */
  protected constructor(...parts: any[]);
  /** Once, or for good. */
  readonly action: 'qf' | 'qs';
  connection: Connection;
  /** A number. It is `any` because `@types/sharedb` declares a string. */
  id: any;
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
  destroy<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
}
export interface Query<T = any> extends TypedEmitter<QueryEventMap<T>> {}

export interface PresenceEventMap<T> {
  /** What another one shows; `null` when it shows nothing any more. */
  receive(presenceId: string, value: T | null): void;
  error(error: ClientError): void;
}

/** What others show on a channel. Made by the connection, never by `new`. */
export class Presence<T = any> {
  /** Only for classes that extend it. */
  protected constructor(...parts: any[]);
  /** The connection. That it is a string, too, is only what `@types/sharedb` declares. */
  connection: Connection & string;
  readonly channel: string;
  /** What the application asked for. */
  readonly wantSubscribe: boolean;
  /** What the server has confirmed. */
  readonly subscribed: boolean;
  remotePresences: Record<string, T>;
  localPresences: Record<string, LocalPresence<T>>;
  subscribe<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
  unsubscribe<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
  /** Something to show; the id is a random one if not given. */
  create(presenceId?: string): LocalPresence<T>;
  destroy<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
}

export interface Presence<T = any> extends TypedEmitter<PresenceEventMap<T>> {}

/** What others show in a document; it moves with the document's ops. */
export interface DocPresence<T = any> extends Presence<T> {
  readonly collection: string;
  readonly id: string;
}

export interface LocalPresenceEventMap {
  error(error: ClientError): void;
}

/** What this client shows. Made by `presence.create`, never by `new`. */
export class LocalPresence<T = any> {
  /** Only for classes that extend it. */
  protected constructor(...parts: any[]);
  presence: Presence<T>;
  presenceId: string;
  /** As in {@link Presence}. */
  connection: Connection & string;
  /** Messages so far. */
  presenceVersion: number;
  /** `null` while it shows nothing; `@types/sharedb` declares it so. */
  value: T;
  submit<E extends Failure = Failed>(value: T | null, callback?: CallbackOf<E>): void;
  /** Shows the value once more. */
  send<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
  destroy<E extends Failure = Failed>(callback?: CallbackOf<E>): void;
}
export interface LocalPresence<T = any> extends TypedEmitter<LocalPresenceEventMap> {}
