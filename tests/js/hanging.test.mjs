/** A storage that opens and does not answer: what the tabs of a worker see of that, and what becomes of the ops. */

import assert from 'node:assert/strict';
import { InMemoryStorage } from 'sharedb-proxy';
import { Backend, Wire, call, ours, until } from './clients.mjs';
import { Life, append, assertNamedOnce, happens, words } from './durable-lives.mjs';
import { OneWorker } from './one-worker.mjs';

/** Milliseconds that the host waits for an answer. */
const SOON = 20;

/** What carries out something. */
const METHODS = ['readRecord', 'readRecordsBulk', 'writeRecords'];

/** Opens, and hangs where a test says so. */
class HangingStorage extends InMemoryStorage {
  hangs = false;
  /** Requests without an answer. */
  unanswered = 0;
}
for (const method of METHODS) {
  HangingStorage.prototype[method] = function (...args) {
    if (this.hangs) this.unanswered += 1;
    else InMemoryStorage.prototype[method].apply(this, args);
  };
}

const storageOf = ({ storage: { mode, durable, code } }) => ({ mode, durable, code });

/** An op that the server does not have is in the storage; then that hangs. */
async function leavesAnOp(backend) {
  const storage = new HangingStorage();
  const first = new Life(backend, storage);
  await first.online();
  await call(first.doc('a'), 'create', { list: ['stored'] });
  first.offline();
  append(first.doc('a'), 'offline');
  await call(first.connection, 'flushWrites');
  first.crash();
  storage.hangs = true;
  return storage;
}

describe('a storage that opens and hangs', () => {
  it('is done without after one timeout, and gone on with when it answers', async () => {
    const backend = new Backend();
    const storage = await leavesAnOp(backend);
    const worker = new OneWorker(backend, { storage, timeout: SOON });
    const tab = worker.tab('one');
    const errors = [];
    tab.on('error', (error) => errors.push(error.code));

    const doc = tab.get('c', 'a');
    await call(doc, 'subscribe');
    assert.deepEqual(doc.data.list, ['stored'], 'it is the server that has this');
    assert.deepEqual(storageOf(tab), {
      mode: 'memory',
      durable: false,
      code: 'ERR_STORAGE_TIMEOUT',
    });
    assert.match(tab.storage.reason, new RegExp(`has not ended after ${SOON} ms`));
    assert.deepEqual(errors, ['ERR_STORAGE_TIMEOUT']);
    await new Promise((resolve, reject) =>
      append(doc, 'meanwhile', (error) => (error ? reject(error) : resolve())),
    );
    assert.deepEqual(await words(backend, 'a'), ['meanwhile']);
    // It is being tried, and does not answer yet.
    const { unanswered } = storage;
    await until('it is tried again', () => storage.unanswered > unanswered);
    assert.equal(worker.lives, 1);

    const back = happens(tab, 'storage');
    storage.hangs = false;
    await back;
    assert.deepEqual(storageOf(tab), { mode: 'custom', durable: true, code: undefined });
    assert.equal(worker.lives, 2);
    await until('what was stored is on the server', () => doc.data?.list.length === 3);
    await new Promise((resolve) => tab.whenNothingPending(resolve));
    assert.deepEqual((await words(backend, 'a')).sort(), ['meanwhile', 'offline']);
    await assertNamedOnce(backend, ['a']);
    append(doc, 'later');
    await call(tab, 'flushWrites');
    await new Promise((resolve) => tab.whenNothingPending(resolve));
    assert.deepEqual((await words(backend, 'a')).sort(), ['later', 'meanwhile', 'offline']);
    assert.deepEqual(errors, ['ERR_STORAGE_TIMEOUT']);
    worker.end();
  });

  it('is not gone on with while an op is not acknowledged', async () => {
    const backend = new Backend();
    const storage = await leavesAnOp(backend);
    const worker = new OneWorker(backend, { storage, timeout: SOON });
    const tab = worker.tab('one');
    const doc = tab.get('c', 'a');
    await call(doc, 'subscribe');
    const held = [];
    backend.use('submit', (_, next) => held.push(next));
    let acknowledged = false;
    append(doc, 'held', (error) => (acknowledged = !error));
    await until('the server has the op', () => held.length === 1);
    let trials = 0;
    const { readRecord, readRecordsBulk } = storage;
    for (const [method, original] of Object.entries({ readRecord, readRecordsBulk })) {
      storage[method] = (...args) => {
        trials += 1;
        original.apply(storage, args);
      };
    }
    storage.hangs = false;
    await until('the storage has answered', () => trials > 1);
    // A quiet moment, which would do if nothing were under way.
    worker.life.host.run((core) => core.handleIdle());
    assert.equal(worker.lives, 1);
    backend.middleware.submit.length = 0;
    held[0]();
    await until('another host took over', () => worker.lives === 2);
    assert.equal(acknowledged, true);
    await until('what was stored is on the server', async () =>
      (await words(backend, 'a')).includes('offline'),
    );
    assert.deepEqual((await words(backend, 'a')).sort(), ['held', 'offline']);
    await assertNamedOnce(backend, ['a']);
    worker.end();
  });
});

describe('a storage of a host in the page that opens and hangs', () => {
  it('is done without, and gone on with when it answers', async () => {
    const backend = new Backend();
    const storage = await leavesAnOp(backend);
    const wire = new Wire(backend);
    const connection = new ours.Connection(wire.socket, {
      durableStore: { storage, timeout: SOON },
    });
    wire.open();
    const error = await happens(connection, 'error');
    assert.equal(error.code, 'ERR_STORAGE_TIMEOUT');
    const doc = connection.get('c', 'a');
    await call(doc, 'subscribe');
    assert.deepEqual(doc.data.list, ['stored']);
    const back = happens(connection, 'storage');
    storage.hangs = false;
    await back;
    assert.equal(connection.storage.durable, true);
    await until('what was stored is on the server', () => doc.data?.list.length === 2);
    await new Promise((resolve) => connection.whenNothingPending(resolve));
    assert.deepEqual(await words(backend, 'a'), ['offline']);
    connection.close();
  });

  it('does not keep the storage from others when the connection is closed', async () => {
    const backend = new Backend();
    const storage = await leavesAnOp(backend);
    const closed = new Promise((resolve) => (storage.close = resolve));
    const connection = new ours.Connection(new Wire(backend).socket, {
      durableStore: { storage, timeout: SOON },
    });
    await happens(connection, 'error');
    connection.close();
    await closed;
  });
});
