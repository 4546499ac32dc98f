/** A host that resigns: what it still does, when its storage is released, and that the next host goes on. */

import assert from 'node:assert/strict';
import { InMemoryStorage } from 'sharedb-proxy';
import { Backend, call, settle, until } from './clients.mjs';
import { assertNamedOnce } from './durable-lives.mjs';
import { OneHost } from './one-host.mjs';
import { OneWorker } from './one-worker.mjs';

/** Writes when a test says so. */
class SlowStorage extends InMemoryStorage {
  isSlow = false;
  /** Writes that are under way. */
  held = [];
  writeRecords(records, callback) {
    const write = () => super.writeRecords(records, callback);
    if (this.isSlow) this.held.push(write);
    else write();
  }
  goOn() {
    this.isSlow = false;
    for (const write of this.held.splice(0)) write();
  }
}

const append = (doc, word) => call(doc, 'submitOp', [{ p: ['list', 0], li: word }]);

/** What the server has. */
async function served(backend) {
  const doc = backend.connect().get('c', 'a');
  await call(doc, 'fetch');
  return doc.data.list;
}

describe('a host that resigns', () => {
  let backend, storage, worker, tab, doc;

  beforeEach(async () => {
    backend = new Backend();
    storage = new SlowStorage();
    worker = new OneWorker(backend, { storage });
    tab = worker.tab('one');
    doc = tab.get('c', 'a');
    await call(doc, 'create', { list: [] });
  });
  afterEach(() => worker.end());

  it('releases its storage behind its last write, and the next host sends the op', async () => {
    storage.isSlow = true;
    const first = append(doc, 'first');
    await until('a write is under way', () => storage.held.length === 1);
    assert.equal(worker.life.mayResign, true);
    let isFree = false;
    const free = worker.life.resign().then(() => (isFree = true));
    const second = append(doc, 'second');
    await settle();
    assert.deepEqual([isFree, storage.isReady()], [false, true]);
    assert.deepEqual(await served(backend), []);

    storage.goOn();
    await free;
    assert.deepEqual([storage.isReady(), worker.life.mayResign], [false, false]);
    assert.deepEqual(await served(backend), [], 'a host that resigned sends nothing');
    worker.life.host.core.poll({ put: (kind) => assert.fail(`it says ${kind}`) });

    await worker.change(free);
    await Promise.all([first, second]);
    assert.deepEqual(await served(backend), ['second', 'first']);
    await assertNamedOnce(backend, ['a']);
  });

  it('closes its socket and hears nothing more of it', async () => {
    const { _socket: socket } = worker.life;
    await worker.life.resign();
    assert.deepEqual([socket.readyState, socket.onmessage, worker.life._socket], [3, null, null]);
    await worker.change(undefined);
    await append(doc, 'later');
    assert.deepEqual(await served(backend), ['later']);
  });

  it('resigns once, however often it is asked to', async () => {
    const { life } = worker;
    await Promise.all([life.resign(), life.resign()]);
    await life.resign();
  });

  it('releases its storage also where it crashes meanwhile', async () => {
    storage.isSlow = true;
    const op = append(doc, 'op');
    await until('a write is under way', () => storage.held.length === 1);
    let isFree = false;
    const free = worker.life.resign().then(() => (isFree = true));
    worker.life.host._die(new Error('a trap'));
    await settle();
    assert.equal(isFree, false, 'the write is under way');
    storage.goOn();
    await free;
    await worker.change(free);
    await op;
    assert.deepEqual(await served(backend), ['op']);
  });

  it('resigns at once without a storage', async () => {
    const host = new OneHost(new Backend());
    const connection = await host.tab('one');
    assert.equal(host.driver.mayResign, true);
    host.reconnects = false;
    connection.get('c', 'a').create({ list: [] });
    await host.driver.resign();
    assert.equal(host.driver.mayResign, false);
  });
});
