/**
 * A program that uses every export of `@types/sharedb`'s client. It compiles twice: with those types, and with the
 * package's in their place.
 */

import * as client from 'sharedb/lib/client';
import {
  Connection,
  Doc,
  LocalPresence,
  Presence,
  Query,
  logger,
  types,
  type AddNumOp,
  type Error as ShareDBError,
  type ListDeleteOp,
  type ListInsertOp,
  type ListMoveOp,
  type ListReplaceOp,
  type ObjectDeleteOp,
  type ObjectInsertOp,
  type ObjectReplaceOp,
  type Op,
  type Path,
  type ShareDBSourceOptions,
  type Snapshot,
  type StringDeleteOp,
  type StringInsertOp,
  type SubtypeOp,
} from 'sharedb/lib/client';
import type * as shared from 'sharedb/lib/sharedb';

interface Task {
  title: string;
  done: boolean;
}

// ---- Ops ----

const path: Path = ['list', 0];
const components: [
  AddNumOp,
  ListInsertOp,
  ListDeleteOp,
  ListReplaceOp,
  ListMoveOp,
  ObjectInsertOp,
  ObjectDeleteOp,
  ObjectReplaceOp,
  StringInsertOp,
  StringDeleteOp,
  SubtypeOp,
] = [
  { p: path, na: 1 },
  { p: path, li: 'a' },
  { p: path, ld: 'a' },
  { p: path, ld: 'a', li: 'b' },
  { p: path, lm: 1 },
  { p: path, oi: 1 },
  { p: path, od: 1 },
  { p: path, od: 1, oi: 2 },
  { p: path, si: 'a' },
  { p: path, sd: 'a' },
  { p: path, t: 'text0', o: [] },
];
export const op: Op[] = components;

// ---- The connection ----

declare const socket: shared.Socket;
export class OwnConnection extends Connection {
  constructor() {
    super(socket);
  }
}
const connection = new Connection(socket);
export const numbers: number[] = [
  connection.seq,
  connection.nextQueryId,
  connection.nextSnapshotRequestId,
];
export const words: [string, string | null, boolean, boolean] = [
  connection.state,
  connection.id,
  connection.canSend,
  connection.debug,
];
export const agent: unknown = connection.agent;
export const query: shared.Query | undefined = connection.queries['1'];
export const existing: Doc | undefined = connection.collections['tasks']?.['one'];
connection.send({ a: 'custom' });
connection.ping();
export const isBusy: boolean = connection.hasPending();
connection.whenNothingPending(() => connection.close());
connection.on('state', (state: shared.ConnectionState, reason: string) => state + reason);
connection.on('connected', (reason: string) => reason);
connection.on('connection error', (error: shared.Error) => error.code);
connection.on('doc', (doc: Doc) => doc.id);
connection.on('receive', (request: shared.ConnectionReceiveRequest) => (request.data = null));
connection.on('send', (message) => message.a);
connection.once('pong', () => {});
connection.fetchSnapshot('tasks', 'one', 3, (error: Error, snapshot: Snapshot) => {
  if (error) throw error;
  console.log(snapshot.v + (snapshot.m?.mtime ?? 0));
});
connection.fetchSnapshotByTimestamp('tasks', 'one', null, (error, snapshot) => {
  if (!error) console.log(snapshot.data);
});

// ---- Documents ----

class TaskDoc extends Doc<Task> {
  get isDone(): boolean {
    return this.data.done;
  }
}
export const isTask = (doc: unknown): boolean => doc instanceof TaskDoc;
export function open(doc: Doc<Task>, done: (error: ShareDBError) => void): void {
  const source: ShareDBSourceOptions = { source: 'form' };
  doc.subscribe((error) => {
    if (error) return done(error as ShareDBError);
    doc.create({ title: '', done: false }, (failure: ShareDBError) => failure?.message);
  });
  doc.create({ title: '', done: false }, 'json0', done);
  doc.create({ title: '', done: false }, 'json0', source, done);
  doc.fetch(done);
  doc.unsubscribe(done);
  doc.submitOp(op, source, done);
  doc.del(done);
  doc.del(source, done);
  doc.ingestSnapshot(doc.toSnapshot(), done);
  doc.destroy(done);
  doc.whenNothingPending(() => doc.flush());
  doc.pause();
  doc.resume();
  doc.on('op', (ops: [any], from: any, clientId: string) => [ops, from, clientId]);
  doc.on('before op batch', (ops: any[]) => ops.length);
  doc.on('del', (data: Task) => data.title);
  doc.on('error', (error: ShareDBError) => console.log(error.code, error.message));
  doc.connection.get(doc.collection, doc.id).removeListener('op', console.log);
  const states: boolean[] = [
    ...[doc.subscribed, doc.preventCompose, doc.paused, doc.submitSource],
    ...[doc.hasPending(), doc.hasWritePending()],
  ];
  console.log(states, doc.version, doc.type?.uri, doc.data.title, doc.type?.transform);
}
export const event: shared.DocEvent = 'no write pending';

// ---- Queries and presence ----

const followed: Query<Task> = connection.createSubscribeQuery<Task>(
  'tasks',
  { done: false },
  { results: [] },
  (error: Error, results: Doc<Task>[]) => console.log(error, results[0]?.data.title),
);
followed.on('insert', (inserted: Doc<Task>[], index: number) => inserted[index]?.data.done);
followed.destroy((error: ShareDBError) => error);
export const facts: [string, 'qf' | 'qs', boolean, boolean] = [
  followed.id,
  followed.action,
  followed.ready,
  followed.sent,
];
connection.createFetchQuery('tasks', {}, null, (error, results) => {
  if (!error) console.log(results.length);
});
export const queryEvent: shared.QueryEvent = 'changed';

const presence: Presence<{ at: number }> = connection.getPresence('cursors');
const local: LocalPresence<{ at: number }> = presence.create('me');
presence.subscribe((error: ShareDBError) => error);
presence.on('receive', (id: string, value: { at: number }) => id + value.at);
presence.unsubscribe((error: ShareDBError) => error);
presence.destroy((error: ShareDBError) => error);
local.submit({ at: 1 }, (error: ShareDBError) => error);
local.send((error: ShareDBError) => error);
local.destroy((error: ShareDBError) => error);
export const shown: number = local.value.at + local.presenceVersion;
export const channels: string[] = [presence.connection, presence.channel, local.connection];
export const others: { at: number } | undefined = presence.remotePresences['you'];
connection.getDocPresence('tasks', 'one').subscribe();
export const isPresence = (one: unknown): boolean =>
  one instanceof Presence || one instanceof LocalPresence || one instanceof Query;

// ---- Types and the logger ----

declare const richText: shared.Type;
types.register(richText);
types.defaultType = richText;
export const json0: shared.Type | undefined = types.map['json0'];
const overrides: shared.LoggerOverrides = { warn: (...parts) => console.log(...parts) };
logger.setMethods(overrides);
export const log: shared.LoggerFunction = logger.info;
export const whole: typeof client.Connection = Connection;

// ---- Names that are types only ----

export type Names = [
  shared.JSONValue | shared.JSONObject | shared.JSONArray,
  shared.IDString | shared.VersionNumber | shared.CollectionName | shared.DocumentID,
  shared.RequestQuery | shared.BulkRequestData | shared.AnyDataObject,
  shared.IngestibleSnapshot<Task> | shared.SnapshotMeta,
  shared.RawOp | shared.CreateOp | shared.DeleteOp | shared.EditOp,
  shared.OTType | shared.Types | shared.Logger,
  shared.BackendFetchOptions | shared.BackendSubmitOptions | shared.Callback,
  shared.ConnectionStateEventMap | shared.ConnectionEventMap | shared.DocEventMap<Task>,
  shared.QueryEventMap<Task> | shared.PresenceEventMap<Task> | shared.LocalPresenceEventMap,
  shared.ReceivePresenceListener<Task>,
  shared.RequestActions | shared.RequestAction | shared.ClientRequest,
  shared.ServerResponseSuccess | shared.ServerResponseError,
  shared.TypedEmitter<shared.DocEventMap<Task>>,
  shared.ListenerSignature<shared.DocEventMap<Task>>,
];
