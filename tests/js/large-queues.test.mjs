/** Thousands of ops that were queued offline: they go out bit by bit, and so does all that comes with them. */

import assert from 'node:assert/strict';
import { InMemoryStorage } from 'sharedb-proxy';
import { Backend, call } from './clients.mjs';
import { Life, assertNamedOnce, committed, happens, snapshot } from './durable-lives.mjs';

/** Several times what may be in memory, or in one write. */
const DOCS = 500;
/** With the one that creates the document: 10,000 ops in all, which are more than a megabyte in the store. */
const OPS_EACH = 20;

/** A host has so many documents in memory that nobody asked for, at most. */
const MOST_DOCS = 64;
/** It rewrites so many records in one transaction: of the documents that it lets go, and of those that had to wait. */
const MOST_RECORDS = MOST_DOCS + 50;

/** A storage that knows the largest write. */
class MeasuredStorage extends InMemoryStorage {
  largest = { docs: 0, bytes: 0 };

  writeRecords(records, callback) {
    const { docs = [], meta = [] } = records;
    const { largest } = this;
    largest.docs = Math.max(largest.docs, docs.length);
    largest.bytes = Math.max(largest.bytes, JSON.stringify([docs, meta]).length);
    super.writeRecords(records, callback);
  }
}

function status(connection) {
  return new Promise((resolve, reject) => {
    connection.hostStatus((error, found) => (error ? reject(error) : resolve(found)));
  });
}

/** Queues ops that do not compose, a document at a time. */
async function queue(life) {
  for (let number = 0; number < DOCS; number++) {
    const doc = life.doc(`d${number}`);
    doc.preventCompose = true;
    doc.create({ n: 0 });
    for (let i = 1; i < OPS_EACH; i++) doc.submitOp([{ p: ['n'], na: 1 }]);
    if (number % 50 === 49) await call(life.connection, 'flushWrites');
  }
}

/** Counts the ops that were sent and not acknowledged, and remembers the most. */
function watchOps(wire) {
  const ops = { now: 0, most: 0 };
  const { socket } = wire;
  const { send, onmessage } = socket;
  const isOp = (message) => message.a === 'op';
  socket.send = (text) => {
    if (isOp(JSON.parse(text))) ops.most = Math.max(ops.most, ++ops.now);
    send(text);
  };
  socket.onmessage = (event) => {
    if (isOp(JSON.parse(event.data))) ops.now -= 1;
    onmessage.call(socket, event);
  };
  return ops;
}

/** Ends when all is with the server; gives the most documents that were in memory. */
async function drain({ connection }) {
  let most = 0;
  while (connection.hasPendingOfflineDocs()) {
    most = Math.max(most, (await status(connection)).docs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return most;
}

/** It takes two seconds on a machine that does nothing else. */
const LIMIT_MS = 60_000;

describe('ten thousand queued ops', () => {
  it('go out bit by bit, though nobody opens the documents', async () => {
    const [backend, storage] = [new Backend(), new MeasuredStorage()];
    const first = new Life(backend, storage);
    await queue(first);
    first.crash();

    storage.largest = { docs: 0, bytes: 0 };
    const second = new Life(backend, storage);
    await happens(second.store, 'ready');
    const ops = watchOps(second.wire);
    await second.online();
    const mostDocs = await drain(second);

    const ids = Array.from({ length: DOCS }, (_, number) => `d${number}`);
    for (const id of ids) {
      assert.equal((await committed(backend, id)).length, OPS_EACH);
      assert.deepEqual((await snapshot(backend, id)).data, { n: OPS_EACH - 1 });
    }
    await assertNamedOnce(backend, ids);
    assert.equal(ops.now, 0);
    assert.ok(ops.most > 1 && ops.most <= MOST_DOCS, `${ops.most} ops on their way at once`);
    assert.ok(mostDocs > 1 && mostDocs <= MOST_DOCS, `${mostDocs} documents in memory`);
    assert.ok(storage.largest.docs <= MOST_RECORDS, `${storage.largest.docs} records in a write`);
    assert.ok(storage.largest.bytes < 512 * 1024, `${storage.largest.bytes} bytes in a write`);
  }).timeout(LIMIT_MS);
});
