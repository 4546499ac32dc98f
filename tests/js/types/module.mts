/** The package in an ES module, all that it exports. */
import {
  Connection,
  Doc,
  Error as ShareDBError,
  Query,
  createConnection,
  logger,
  types,
  type ClientError,
  type ConnectionHost,
  type HostStatus,
  type PendingOp,
  type Subtype,
  type Type,
} from 'sharedb-proxy';
import { serve } from 'sharedb-proxy/worker';

interface Note {
  title: string;
  lines: string[];
}

declare const richText: { type: Type };
declare const text: { type: Subtype };
declare const backend: { connect(connection?: unknown): unknown };
declare const browserSocket: WebSocket;

export const connections: Connection[] = [
  createConnection('wss://example.org/channel'),
  createConnection(new URL('https://example.org/'), { namespace: 'user 7' }),
  createConnection({ url: '/channel', useSharedWorker: false }),
  createConnection({ url: '/channel', worker: () => new SharedWorker('/worker.js') }),
  createConnection({ url: '/channel', worker: (name) => new SharedWorker('/worker.js', { name }) }),
  createConnection(browserSocket),
  createConnection(backend),
  new Connection(browserSocket),
];

// @ts-expect-error options alone need a url
createConnection({ namespace: 'user 7' });
// @ts-expect-error documents come from connection.get
new Doc();

const [connection] = connections as [Connection];
export const host: ConnectionHost = connection.host;
export const code: string | undefined = host.code;
connection.hostStatus((error, status: HostStatus) => {
  if (!error) console.log(status.tabs + status.sockets + status.docs + status.pendingOps);
});
connection.on('state', (state, reason) => console.log(state === 'closed', reason));
connection.on('receive', (request) => {
  request.data = null;
});
connection.on('connection error', (error) => console.log(error));
connection.once('doc', (doc) => console.log(doc.collection));
connection.bindToSocket(browserSocket);
connection.startBulk();
connection.endBulk();
connection.handleMessage({ a: 'pp' });
connection.id = 'user 7';
// @ts-expect-error there is no such event
connection.on('opened', () => {});
// @ts-expect-error the state is the connection's own
connection.state = 'connected';

const doc = connection.get<Note>('notes', 'first');
export const existing: Doc<Note> | undefined = connection.getExisting<Note>('notes', 'first');
doc.create(
  { title: '', lines: [] },
  'http://sharejs.org/types/JSONv0',
  { source: doc },
  (error) => {
    const code: string | undefined = error?.code;
    console.log(code === ShareDBError.CODES.ERR_DOC_ALREADY_CREATED, error?.data);
  },
);
// @ts-expect-error a note has lines
doc.create({ title: '' });
doc.submitOp({ p: ['lines', 0], li: 'one' }, (error) => console.log(error?.message));
doc.submitOp([{ p: ['lines', 0], li: 'one' }], { source: Symbol('mine') });
doc.data.title = doc.data.lines.join();
doc.data = { title: '', lines: [] };
doc.version = (doc.version ?? 0) + 1;
doc.on('before op', (op, source, src) => console.log(op, source, src));
doc.on('del', (data, source) => console.log(data.title, source));
doc.removeAllListeners('op');
doc.ingestSnapshot(doc.toSnapshot());
doc.destroy();
export const pending: PendingOp[] = doc.inflightOp ? [doc.inflightOp] : doc.pendingOps;
// @ts-expect-error only subscribe changes it
doc.subscribed = true;

const query: Query<Note> = connection.createSubscribeQuery<Note>('notes', { $limit: 3 }, null);
query.on('insert', (docs, index) => console.log(docs[index]?.data.title));
query.on('changed', (results) => results.map((note) => note.data.lines));
query.destroy(() => console.log(query.id + 1, query.hasPending(), query.extra));
connection.fetchSnapshot('notes', 'first', (failure, snapshot) => console.log(failure, snapshot.v));
connection.fetchSnapshotByTimestamp('notes', 'first', Date.now(), (_, snapshot) => snapshot.data);
// @ts-expect-error queries come from the connection
new Query();

export const error: ClientError = new ShareDBError('ERR_MINE', 'mine');
export const isError: boolean = error instanceof Error && error instanceof ShareDBError;
types.register(richText.type);
types.defaultType = richText.type;
logger.setMethods({ warn: (...args) => console.log(args) });
serve();
serve({ types: [richText.type] });
serve({ subtypes: [text.type] });
// @ts-expect-error a module is not a subtype
serve({ subtypes: [text] });
