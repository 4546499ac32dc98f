/** `sharedb-proxy/promises` in a program: what the promises give is typed. */
import { createConnection, type Doc, type HostStatus, type Query } from 'sharedb-proxy';
import {
  create,
  createSubscribeQuery,
  destroy,
  fetchSnapshot,
  hostStatus,
  ping,
  submitOp,
  subscribe,
  whenNothingPending,
} from 'sharedb-proxy/promises';

interface Task {
  title: string;
}

const connection = createConnection('wss://example.org/');

export async function rename(id: string, title: string): Promise<string> {
  const doc: Doc<Task> = await subscribe(connection.get<Task>('tasks', id));
  if (!doc.type) await create(doc, { title });
  // @ts-expect-error the data is a task's
  if (!doc.type) await create(doc, { name: title });
  await submitOp(doc, [{ p: ['title'], oi: title }], { source: 'rename' });
  await destroy(await whenNothingPending(doc));
  return doc.data.title;
}

export async function look(): Promise<[number, string | null]> {
  const status: HostStatus = await hostStatus(await ping(connection));
  const query: Query = await createSubscribeQuery(connection, 'tasks', { done: false });
  await destroy(query);
  const snapshot = await fetchSnapshot(connection, 'tasks', 'first', 3);
  return [status.tabs + snapshot.v, snapshot.type];
}

// @ts-expect-error a connection has no submitOp
submitOp(connection, []);
