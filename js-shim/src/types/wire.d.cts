/** Names of `@types/sharedb` for ids, for ops as the server keeps them, and for messages. None of them is a value. */

export type IDString = string;
export type VersionNumber = number;
export type CollectionName = string;
export type DocumentID = string;
export type RequestQuery = any;
/** Ids, or a value by id. */
export type BulkRequestData = IDString[] | Record<IDString, any>;

/** What every op has that the server keeps. */
export interface RawOp {
  src: string;
  seq: number;
  v: VersionNumber;
  m: any;
  c: CollectionName;
  d: DocumentID;
}
export type CreateOp = Partial<RawOp> & { create: { type: string; data: any } };
export type DeleteOp = Partial<RawOp> & { del: boolean };
export type EditOp = Partial<RawOp> & { op: any[] };

/** Names of OT types that exist; others may be registered. */
export type OTType = 'ot-text' | 'ot-json0' | 'ot-json1' | 'ot-text-tp2' | 'rich-text';

export interface BackendFetchOptions {
  snapshotOptions?: Record<string, unknown>;
}
export interface BackendSubmitOptions {
  [key: string]: unknown;
}

/** The short names of the actions of messages. */
export interface RequestActions {
  initLegacy: 'init';
  handshake: 'hs';
  queryFetch: 'qf';
  querySubscribe: 'qs';
  queryUnsubscribe: 'qu';
  queryUpdate: 'q';
  bulkFetch: 'bf';
  bulkSubscribe: 'bs';
  bulkUnsubscribe: 'bu';
  fetch: 'f';
  fixup: 'fixup';
  subscribe: 's';
  unsubscribe: 'u';
  op: 'op';
  snapshotFetch: 'nf';
  snapshotFetchByTimestamp: 'nt';
  pingPong: 'pp';
  presence: 'p';
  presenceSubscribe: 'ps';
  presenceUnsubscribe: 'pu';
  presenceRequest: 'pr';
}
export type RequestAction = RequestActions[keyof RequestActions];

/** A message to the server. */
export interface ClientRequest {
  a: RequestAction;
  [more: string]: any;
}

export interface AnyDataObject {
  [key: string]: any;
}

/** An answer of the server. */
export interface ServerResponseSuccess {
  a?: RequestAction;
  c?: CollectionName;
  d?: DocumentID;
  extra?: any;
  v?: VersionNumber;
  id?: number;
  protocol?: number;
  protocolMinor?: number;
  type?: string;
  data?: AnyDataObject | AnyDataObject[];
}

/** An answer that says what went wrong. */
export interface ServerResponseError extends ServerResponseSuccess {
  error: { code: any; message: string };
  b?: BulkRequestData;
  o?: AnyDataObject;
  q?: RequestQuery;
  r?: Array<[IDString, VersionNumber]>;
}

export type ReceivePresenceListener<T> = (id: string, value: T) => void;
