/**
 * The contract between a connection and what reaches its host: `PageLink` for a host in this page, `HostLink` for one that
 * all tabs of a namespace share.
 */

import type { Connection } from '../api/connection.js';
import type { ConnectionHost, ConnectionState, Socket } from '../index.cjs';

/** As `PlaceKind` of `broker` is written. */
export type PlaceKind = 'shared-worker' | 'dedicated-worker' | 'page';

export interface Link {
  /** Where the host is, and why there: `connection.host`. */
  readonly host: ConnectionHost;
  /** Why there can be no host and no machine at all: nothing is to be asked of this link then. */
  readonly failure?: Error;
  /** `connection.state` before the host has said anything. */
  readonly initialState: ConnectionState;
  /** The application's socket, or the page's own; `null` where the host has one elsewhere. */
  socket: Socket | null;
  /** The client id that the application asks for, and the one that the server knows, where the host is in this page. */
  id: string | null | undefined;
  /** The number of the next op, where the host is in this page. */
  seq: number | undefined;
  /** The connection's machine is there: messages for it may come from now on. */
  attach(connection: Connection): void;
  /** The application reads a document: it can be shown before there is a host. */
  want?(doc: import('../api/doc.js').Doc): void;
  /** Sends a message to the host; it waits where there is no host yet. */
  post(text: string): void;
  /**
   * Takes another socket of the application's.
   * @throws where the host is elsewhere
   */
  bind(socket: Socket): void;
  /** The application closed the connection. What it submitted before reaches the host. */
  close(): void;
  /**
   * After `close`: calls `open` where the connection can be opened again, before it is.
   * @throws where it cannot
   */
  reconnect(open: () => void): void;
  /** The host is about to end, and nobody is to start another one: everything is being deleted. */
  expectEnd(): void;
  /** Calls back when the host has ended. */
  whenEnded(callback: () => void): void;
  /**
   * Sends a message of the application's own to the server.
   * @throws where the host is elsewhere
   */
  send(message: any): void;
  /**
   * Takes a text as if the server had sent it.
   * @throws where the host is elsewhere
   */
  receiveFromServer(text: string): void;
  /**
   * The reason of a change of state for the application: what the socket gave, else what the host says of it in JSON.
   */
  takeReason(text: string | undefined): any;
  /** The same for an error of the socket. */
  takeSocketError(text: string): any;
}

/** What the application asked of its host, wherever that lives. */
export interface Wanted {
  /** Where it is no function. */
  url?: string;
  namespace?: string;
  /** Makes the application's own SharedWorker. */
  worker?: (name: string) => any;
  /** Where the packaged worker's script is, where no bundler knows. */
  workerUrl?: string | URL;
  /** Makes its own dedicated worker; `false` where there is to be none. */
  dedicatedWorker?: false | ((name: string) => any);
  /** `true`, or the options. */
  durableStore?: boolean | import('../index.d.cts').DurableStoreOptions;
  keepPendingOnReject?: boolean;
  /** What the host records of itself. */
  recorder?: false | import('../index.d.cts').RecorderBounds;
  /** Documents are to be shown before there is a host. */
  firstLook?: boolean;
  /** For a host in this page. */
  connections?: import('../index.d.cts').Connections;
}
