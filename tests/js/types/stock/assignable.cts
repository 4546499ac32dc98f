/** Our classes where a binding wants those of `@types/sharedb`. */
import * as ours from 'sharedb-proxy';
import * as stock from 'sharedb/lib/client';

interface Note {
  title: string;
}
declare const connection: ours.Connection;
declare const doc: ours.Doc<Note>;
declare const query: ours.Query<Note>;
declare const presence: ours.Presence<Note>;
declare const docPresence: ours.DocPresence<Note>;
declare const local: ours.LocalPresence<Note>;
declare const snapshot: ours.Snapshot<Note>;
declare const op: ours.Op;
declare const error: ours.ClientError;

export const theirConnection: stock.Connection = connection;
export const theirDoc: stock.Doc<Note> = doc;
export const theirQuery: stock.Query<Note> = query;
export const theirPresence: stock.Presence<Note> = presence;
export const theirPresences: stock.Presence<Note>[] = [presence, docPresence];
export const theirLocal: stock.LocalPresence<Note> = local;
export const theirSnapshot: stock.Snapshot<Note> = snapshot;
export const theirOp: stock.Op = op;
export const theirError: stock.Error = error;
export const theirTypes: typeof stock.types = ours.types;
export const theirLogger: typeof stock.logger = ours.logger;
declare const theirSocket: import('sharedb/lib/sharedb').Socket;
new ours.Connection(theirSocket);
