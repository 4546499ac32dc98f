/**
 * The types of the package. They cover what `@types/sharedb` declares for the client, so that a
 * program written against it compiles here, and correct it where ShareDB does something else.
 *
 * Callbacks and listeners are declared as methods: a callback whose error parameter is not
 * optional is accepted too.
 */

import type { Connection } from './types/connection.cjs';
import type { Types } from './types/ot.cjs';
import type { Logger, Socket } from './types/shared.cjs';
import type { DurableStoreOptions } from './types/store.cjs';

export * from './types/connection.cjs';
export * from './types/doc.cjs';
export * from './types/ot.cjs';
export * from './types/shared.cjs';
export * from './types/store.cjs';
export * from './types/wire.cjs';

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
  /**
   * A second realtime connection, of which all tabs with a `TabCoordinator` have one. This is for a host in this page; a
   * worker of the application's own is given it by `serve({connections})`.
   */
  connections?: Connections;
  /**
   * How much the host's flight recorder keeps, or `false`: nothing, so that `exportTrace` has nothing to give. The first tab of a
   * host decides.
   */
  recorder?: false | RecorderBounds;
}

/** What the flight recorder keeps at most; the oldest is dropped first. */
export interface RecorderBounds {
  /** Inputs of the host's machine: 4,000 if left out. */
  inputs?: number;
  /** Characters of the texts in them, and in what came out: 1,048,576 if left out. */
  characters?: number;
}

/** The connections that all tabs share, by their names. */
export interface Connections {
  /** Its messages reach all tabs as `signalr_message`. */
  signalr: OpenConnection;
}

/** `AbortSignal`, where the program has a library that declares it. */
export type Signal = typeof globalThis extends { AbortSignal: { prototype: infer S } }
  ? S
  : {
      readonly aborted: boolean;
      readonly reason: any;
      addEventListener(type: 'abort', listener: () => void): void;
      removeEventListener(type: 'abort', listener: () => void): void;
    };

/**
 * Makes a connection. It is there when what this gives has resolved; where it cannot be made, this throws. It is called again
 * after each end, with a pause that grows.
 */
export type OpenConnection = (of: {
  /** What the last `refresh` of the tabs gave, if anything did. */
  token: any;
  /** Tells all tabs a message: JSON. */
  receive(message: any): void;
  /** The connection is in another state. One that is `disconnected` is closed, and made anew. */
  stateChanged(state: 'connecting' | 'connected' | 'disconnected', error?: any): void;
  /** Aborted when the connection is not wanted any more, also while it is made. */
  signal: Signal;
}) => RealtimeConnection | Promise<RealtimeConnection>;

/** A connection that is there. */
export interface RealtimeConnection {
  /** Sends what a tab gave. What it resolves with is the tab's answer: JSON. */
  send(payload: any): any;
  close(): any;
}

/** `URL`, where the program has a library that declares it. */
type Url = typeof globalThis extends { URL: { prototype: infer U } }
  ? U
  : { readonly href: string };

/** An address, or what gives it for each socket. */
export type UrlOrFunction = string | Url | (() => string | Url | Promise<string | Url>);

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
   * throttled. The host is in the page, too, where `worker` is given and this is not, since the packaged worker may lack
   * what `worker` has; and where the page has OT types or functions for the store that the packaged worker cannot have.
   */
  dedicatedWorker?: false | ((name: string) => any);
  /**
   * Where the packaged worker's script is served, which is the package's `dist/sharedb-proxy-worker.js` in one file: needed where no bundler
   * copies it. Of another origin it can only be a dedicated worker, so that a tab has the host.
   */
  workerUrl?: string | Url;
  /**
   * Shows the first documents while the SharedWorker is still loaded: the page fetches them over a socket of its own, which is
   * closed before the host opens its. So the first tab costs the server two sockets, one after the other. With a `durableStore` only
   * where there is none yet, since it may know more than the server, and not with a `worker` or a `storage` of the application's. Not where
   * `url` is a function, which is asked for the host alone.
   */
  firstLook?: boolean;
  /**
   * Pages of an origin share a host when this is the same. Without a `durableStore` it may be left out: it is then the
   * URL without credentials, query and fragment.
   */
  namespace?: string;
}

/** A connection with the best host that there is here; `connection.host` says which. */
export function createConnection(
  target: UrlOrFunction,
  options?: Partial<ConnectionOptions>,
): Connection;
export function createConnection(options: ConnectionOptions): Connection;
export function createConnection(
  target: BackendLike | Socket,
  options?: StoringOptions,
): Connection;

export const types: Types;
export const logger: Logger;
