/**
 * The types of `sharedb-proxy/promises`.
 *
 * The objects are described by the one method that is called, so these functions take those of
 * this package and those of `sharedb` alike, and resolve with what they were given.
 */

import type { HostStatus, Snapshot } from './index.cjs';

export {};

interface Callbacks {
  ended(error?: any): any;
  answered(error: any, result?: any): any;
}
type End = Callbacks['ended'];

/** What the method `F` returns. */
type Made<F> = F extends (...args: any[]) => infer R ? R : any;

interface SourceOptions {
  /** The caller's own mark, given to listeners as it is. `true` where there is none. */
  source?: any;
}

/** `doc.fetch`. Resolves with the document. */
export function fetch<T extends { fetch(callback: End): void }>(doc: T): Promise<T>;

/** `subscribe` of a document or a presence. Resolves with it. */
export function subscribe<T extends { subscribe(callback: End): void }>(target: T): Promise<T>;

/** `unsubscribe` of a document or a presence. Resolves with it. */
export function unsubscribe<T extends { unsubscribe(callback: End): void }>(target: T): Promise<T>;

/**
 * `destroy` of a document, a query or a presence. Resolves with it.
 *
 * A document waits until the server has acknowledged everything, also offline; it rejects with
 * `ERR_CONNECTION_CLOSED` when the connection is closed before.
 */
export function destroy<T extends { destroy(callback: End): void }>(target: T): Promise<T>;

/** `doc.create`. Resolves with the document. */
export function create<T extends { create(...args: any[]): void; data: any }>(
  doc: T,
  data: T['data'],
  type?: string | null,
  options?: SourceOptions | null,
): Promise<T>;

/** `doc.submitOp`. The document has the op at once; this resolves with the server's word. */
export function submitOp<T extends { submitOp(...args: any[]): void }>(
  doc: T,
  op: any,
  options?: SourceOptions | null,
): Promise<T>;

/** `doc.del`. Resolves with the document. */
export function del<T extends { del(...args: any[]): void }>(
  doc: T,
  options?: SourceOptions | null,
): Promise<T>;

/** `doc.ingestSnapshot`. Resolves with the document. */
export function ingestSnapshot<T extends { ingestSnapshot(...args: any[]): void }>(
  doc: T,
  snapshot: { v: number; type?: string | null; data?: any } | null | undefined,
): Promise<T>;

/** `doc.ensureDocHasData`: what is here, else what the store has, else the server's. Resolves with the document. */
export function ensureDocHasData<T extends { ensureDocHasData(callback: End): void }>(
  doc: T,
): Promise<T>;

/** `doc.ensureDocHasRecentData`: the same, of this version or a later one. Resolves with the document. */
export function ensureDocHasRecentData<
  T extends { ensureDocHasRecentData(minVersion: number, callback: End): void },
>(doc: T, minVersion: number): Promise<T>;

/** `submit` of a local presence. Resolves with it. */
export function submit<T extends { submit(value: any, callback: End): void }>(
  presence: T,
  value: any,
): Promise<T>;

/** `whenNothingPending` of a document or a connection. Resolves with it. */
export function whenNothingPending<T extends { whenNothingPending(callback: End): void }>(
  target: T,
): Promise<T>;

/** `connection.createFetchQuery`. Resolves with the query, which has its `results` and `extra`. */
export function createFetchQuery<T extends { createFetchQuery(...args: any[]): any }>(
  connection: T,
  collection: string,
  query: any,
  options?: any,
): Promise<Made<T['createFetchQuery']>>;

/** `connection.createSubscribeQuery`. Resolves with the query when it has its first results. */
export function createSubscribeQuery<T extends { createSubscribeQuery(...args: any[]): any }>(
  connection: T,
  collection: string,
  query: any,
  options?: any,
): Promise<Made<T['createSubscribeQuery']>>;

/** `connection.fetchSnapshot`. Without a `version` it is the latest. */
export function fetchSnapshot<T extends { fetchSnapshot(...args: any[]): void }>(
  connection: T,
  collection: string,
  id: string,
  version?: number | null,
): Promise<Snapshot>;

/** `connection.fetchSnapshotByTimestamp`, in milliseconds. Without a `timestamp` it is now. */
export function fetchSnapshotByTimestamp<
  T extends { fetchSnapshotByTimestamp(...args: any[]): void },
>(connection: T, collection: string, id: string, timestamp?: number | null): Promise<Snapshot>;

/** `connection.getBulk`. Resolves with the documents, in the order of their ids. */
export function getBulk<
  T extends { getBulk(...args: any[]): void; get(collection: string, id: string): any },
>(connection: T, collection: string, ids: string[]): Promise<Array<Made<T['get']>>>;

/** `connection.putDoc`. Resolves with the connection when that is durable. */
export function putDoc<T extends { putDoc(doc: any, callback: End): void }>(
  connection: T,
  doc: Parameters<T['putDoc']>[0],
): Promise<T>;

/** `connection.putDocs`. Resolves with the connection when all are durable. */
export function putDocs<T extends { putDocs(docs: any[], callback: End): void }>(
  connection: T,
  docs: Parameters<T['putDocs']>[0],
): Promise<T>;

/** `connection.putDocsBulk`. Resolves with the connection when all are durable. */
export function putDocsBulk<T extends { putDocsBulk(docs: any[], callback: End): void }>(
  connection: T,
  docs: Parameters<T['putDocsBulk']>[0],
): Promise<T>;

/** `connection.flushWrites`. Resolves with the connection when all that was submitted is durable. */
export function flushWrites<T extends { flushWrites(callback: End): void }>(
  connection: T,
): Promise<T>;

/** `connection.removeDeadLetters`. Resolves with the connection when that is durable. */
export function removeDeadLetters<
  T extends { removeDeadLetters(letters: any, callback: End): void },
>(connection: T, letters: Parameters<T['removeDeadLetters']>[0]): Promise<T>;

/** `connection.wipe`. Resolves with the connection, which is over, when everything is deleted. */
export function wipe<T extends { wipe(callback: End): void }>(connection: T): Promise<T>;

/** `connection.hostStatus`: what the host has. */
export function hostStatus<T extends { hostStatus(callback: Callbacks['answered']): void }>(
  connection: T,
): Promise<HostStatus>;

/**
 * `connection.ping`. Resolves with the connection at the next pong. Rejects where the connection
 * is not there (`ERR_CANNOT_PING_OFFLINE`) or is lost before (`ERR_CONNECTION_LOST`).
 */
export function ping<T extends { ping(): void }>(connection: T): Promise<T>;
