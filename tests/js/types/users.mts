/** How programs are written against `@types/sharedb`: only the package's name is another. */
import * as ShareDB from 'sharedb-proxy';
import { Connection, types, type Doc, type Op, type Snapshot } from 'sharedb-proxy';

/** What such a program passes as a socket. */
interface ReconnectingSocket {
  readyState: number;
  close(reason?: number): void;
  send(data: any): void;
  onmessage: (event: any) => void;
  onclose: (event: any) => void;
  onerror: (event: any) => void;
  onopen: (event: any) => void;
}
declare const socket: ReconnectingSocket;
declare const otText: {
  name: string;
  uri: string;
  create(initial?: string): string;
  apply(snapshot: string, op: any): string;
  transform(op1: any, op2: any, side: 'left' | 'right'): any;
  compose(op1: any, op2: any): any;
};

const connection = new Connection(socket);
types.register(otText);
export const json0: string | undefined = types.map['json0']?.uri;

type Task = { title: string; done: boolean };

export class TaskEditor {
  private readonly doc: Doc<Task>;

  constructor(id: string) {
    this.doc = connection.get('tasks', id);
    this.doc.on('op', this.onOp);
    this.doc.on('op', (ops: [any], source: any, clientId: string) => {
      console.log(ops.length, source, clientId.length);
    });
    this.doc.on('op batch', (ops: any[], source: any) => console.log(ops.length, source));
    this.doc.on('error', (error: ShareDB.Error) => console.error(error.code, error.message));
    this.doc.on('create', (source: boolean) => console.log(source));
    this.doc.on('load', () => console.log(this.doc.data.title));
  }

  // `err` not optional, as the older declarations have it.
  open(): Promise<Task> {
    return new Promise((resolve, reject) => {
      this.doc.subscribe((err: ShareDB.Error) => {
        if (err) return reject(err);
        if (this.doc.type === null) this.doc.create({ title: '', done: false });
        resolve(this.doc.data);
      });
    });
  }

  rename(title: string, callback: (err: ShareDB.Error) => void): void {
    const op: Op[] = [{ p: ['title'], od: this.doc.data.title, oi: title }];
    this.doc.submitOp(op, { source: this }, callback);
    this.doc.submitOp(op, undefined, callback);
  }

  close(): void {
    this.doc.removeListener('op', this.onOp);
    this.doc.unsubscribe((err) => {
      if (err) throw err;
      this.doc.destroy();
    });
  }

  private onOp = (ops: readonly Op[], source: unknown): void => {
    if (source !== this) console.log(ops.map((op) => op.p.join('.')));
  };
}

connection.on('connected', () => console.log(connection.id, connection.seq + 1));
connection.on('disconnected', (reason: string) => console.log(reason));
connection.on('state', (newState: string, reason: string) => console.log(newState, reason));
connection.on('error', (err: Error) => console.error(err.message));
connection.on('error', (err: ShareDB.Error) => console.error(err.code));
connection.whenNothingPending(() => connection.close());
export const state: string = connection.state;

export function restore(doc: Doc, snapshot: Snapshot<Task>): void {
  doc.ingestSnapshot(snapshot, (err: ShareDB.Error) => console.log(err));
  doc.fetch((err) => {
    if (err) console.log(err.code, err.message);
  });
}

export function openTasks(done: (err: ShareDB.Error, results: Doc<Task>[]) => void): ShareDB.Query {
  const query = connection.createFetchQuery<Task>('tasks', { done: false }, {}, done);
  query.on('ready', () => console.log(query.results.length));
  query.on('error', (err: ShareDB.Error) => console.log(err.code));
  connection.fetchSnapshot('tasks', 'one', 3, (err: ShareDB.Error, snapshot: Snapshot) => {
    if (err) throw err;
    console.log(snapshot.data, snapshot.m?.['mtime']);
  });
  return query;
}

export function anyData(doc: Doc): string {
  return doc.data.whatever.there.is;
}
