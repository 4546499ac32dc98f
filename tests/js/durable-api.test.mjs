/** What an application can ask of the durable store, and hear of it. */

import assert from 'node:assert/strict';
import { InMemoryStorage, createConnection } from 'sharedb-proxy';
import * as promises from 'sharedb-proxy/promises';
import { Backend, Wire, call, connect, ours, settle } from './clients.mjs';
import { Life, answer, append, committed, happens, stored, words } from './durable-lives.mjs';

/** Events of a store, in order. */
function watch(store) {
  const log = [];
  for (const event of [
    'ready',
    'before persist',
    'persist',
    'no persist pending',
    'write failed',
  ]) {
    store.on(event, (content) => log.push([event, content?.docs?.map(({ id }) => id).sort()]));
  }
  return log;
}

describe('connection.storage', () => {
  it('is none where nobody asked for a durable store', async () => {
    const { connection } = await connect(ours, new Backend());
    const { reason, ...rest } = connection.storage;
    assert.deepEqual(rest, { mode: 'none', durable: false });
    assert.match(reason, /without a durable store/);
    assert.equal(connection.durableStore, null);
  });

  it('says that an application keeps everything itself', async () => {
    const life = new Life(new Backend(), new InMemoryStorage());
    assert.deepEqual(life.connection.storage.durable, false);
    const told = await happens(life.connection, 'storage');
    assert.deepEqual(told, { mode: 'custom', durable: true });
    assert.equal(life.connection.storage, told);
  });

  it('says that there is no IndexedDB', async () => {
    const options = { durableStore: true, namespace: 'n' };
    const connection = createConnection(new Wire(new Backend()).socket, options);
    const { reason, ...rest } = await happens(connection, 'storage');
    assert.deepEqual(rest, { mode: 'memory', durable: false, code: 'ERR_STORAGE' });
    assert.match(reason, /no IndexedDB/);
  });

  it('says why a storage cannot be used, and the connection goes on without', async () => {
    const backend = new Backend();
    const storage = new InMemoryStorage();
    storage.initialize = (callback) =>
      callback(Object.assign(new Error('the disk is gone'), { kind: 'unavailable' }));
    const life = new Life(backend, storage);
    const ready = happens(life.store, 'ready');
    assert.deepEqual(await happens(life.connection, 'storage'), {
      mode: 'memory',
      durable: false,
      reason: 'the disk is gone',
      code: 'ERR_STORAGE',
    });
    await ready;
    await life.online();
    await call(life.doc('a'), 'create', { list: [] });
    assert.equal((await committed(backend, 'a')).length, 1);
    const [error] = await answer(life.connection, 'putDoc', life.doc('a'));
    assert.equal(error.code, 'ERR_STORAGE');
  });
});

describe('a connection without a durable store', () => {
  it('has the methods, and says that there is none', async () => {
    const { connection } = await connect(ours, new Backend());
    const doc = connection.get('c', 'a');
    for (const [method, argument] of [
      ['putDoc', doc],
      ['putDocs', [doc]],
      ['putDocsBulk', [doc]],
    ]) {
      const [error] = await answer(connection, method, argument);
      assert.equal(error.message, 'No DurableStore available');
    }
    let flushed;
    connection.flushWrites((error) => (flushed = error));
    assert.equal(flushed, null);
    connection.setAutoFlush(false);
    assert.equal(connection.isAutoFlush(), true);
    assert.equal(connection.getWriteQueueSize(), 0);
    assert.equal(connection.hasPendingWrites(), false);
    assert.equal(connection.hasPendingOfflineDocs(), null);
    assert.equal(connection.isDocInInventory('c', 'a'), false);
    connection.forEachPendingDocCollectionId(() => assert.fail());
    assert.deepEqual(connection.deadLetters, []);
    const [error] = await answer(connection, 'wipe');
    assert.equal(error.message, 'No DurableStore available');
    assert.equal(connection.state, 'connected');
    const [, docs] = await answer(connection, 'getBulk', 'c', ['a', 'b']);
    assert.deepEqual(
      docs.map(({ id, data, version }) => [id, data, version]),
      [
        ['a', undefined, null],
        ['b', undefined, null],
      ],
    );
    await call(doc, 'ensureDocHasData');
    assert.equal(doc.version, 0);
  });
});

describe('what is wrong with the options', () => {
  const { socket } = new Wire(new Backend());
  const refused = (durableStore) =>
    assert.throws(() => new ours.Connection(socket, { durableStore }), TypeError);

  it('is said at once', () => {
    refused('yes');
    refused({ durability: 'none' });
    refused({ timeout: -1 });
    refused({ maxOpBytes: '1 kB' });
    refused({ encrypt: (text) => text });
    refused({ encrypt: 'secret', decrypt: 'secret' });
    refused({ storage: { initialize() {} } });
    refused({ onReadyCallback: true });
  });

  it('is that nothing says whose documents they are', async () => {
    const nameless = () =>
      new ours.Connection(new Wire(new Backend()).socket, { durableStore: true });
    assert.throws(nameless, { code: 'ERR_NAMESPACE_REQUIRED', message: /namespace: user\.id/ });
    const { socket } = new Wire(new Backend());
    const connection = new ours.Connection(socket, { durableStore: true, namespace: 'ada' });
    assert.equal((await happens(connection, 'storage')).mode, 'memory');
  });
});

describe('getBulk', () => {
  it('gives documents in order, from the store alone', async () => {
    const backend = new Backend();
    const storage = await stored(backend, ['a', 'b', 'c']);
    const life = new Life(backend, storage);
    const opened = [];
    life.connection.on('doc', (doc) => opened.push(doc.id));
    const docs = await promises.getBulk(life.connection, 'c', ['c', 'nowhere', 'a']);
    assert.deepEqual(
      docs.map(({ id, version, data }) => [id, version, data?.list]),
      [
        ['c', 1, ['c']],
        ['nowhere', null, undefined],
        ['a', 1, ['a']],
      ],
    );
    assert.deepEqual(opened.sort(), ['a', 'c', 'nowhere']);
    assert.deepEqual(life.wire.upward, []);
    assert.equal(life.connection.state, 'connecting');
  });

  it('leaves known documents as they are, and calls back at once where all are known', async () => {
    const backend = new Backend();
    const life = new Life(backend, await stored(backend, ['a', 'b']));
    const [[a]] = [await promises.getBulk(life.connection, 'c', ['a'])];
    append(a, 'pending');
    const [, again] = await promises.getBulk(life.connection, 'c', ['b', 'a']);
    assert.equal(again, a);
    assert.deepEqual(a.data.list, ['a', 'pending']);
    let given;
    life.connection.getBulk('c', ['a', 'b'], (error, docs) => (given = [error, docs]));
    assert.deepEqual(given, [null, [a, life.doc('b')]]);
    life.connection.getBulk('c', [], (error, docs) => (given = [error, docs]));
    assert.deepEqual(given, [null, []]);
  });

  it('has the ops of an earlier life in the data', async () => {
    const backend = new Backend();
    const storage = await stored(backend, ['a']);
    const first = new Life(backend, storage);
    const [a] = await promises.getBulk(first.connection, 'c', ['a']);
    append(a, 'offline');
    await promises.flushWrites(first.connection);
    first.crash();
    const second = new Life(backend, storage);
    const [again] = await promises.getBulk(second.connection, 'c', ['a']);
    assert.deepEqual(again.data.list, ['a', 'offline']);
  });
});

describe('documents that are put', () => {
  it('are written when that calls back, with what was submitted before', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const first = new Life(backend, storage);
    const doc = first.doc('a');
    doc.create({ list: [] });
    append(doc, 'one');
    await promises.putDoc(first.connection, doc);
    append(doc, 'two');
    first.doc('b').create({ list: [] });
    await promises.putDocs(first.connection, [doc, first.doc('b')]);
    append(doc, 'three');
    await promises.putDocsBulk(first.connection, [doc]);
    first.crash();
    const second = new Life(backend, storage);
    const [a, b] = await promises.getBulk(second.connection, 'c', ['a', 'b']);
    assert.deepEqual(a.data.list, ['one', 'two', 'three']);
    assert.deepEqual(b.data.list, []);
  });

  it('wait in a queue where the application flushes itself', async () => {
    const life = new Life(new Backend(), new InMemoryStorage());
    const { connection, store } = life;
    await happens(store, 'ready');
    connection.setAutoFlush(false);
    assert.equal(connection.isAutoFlush(), false);
    for (const id of ['a', 'b', 'c']) life.doc(id).create({ list: [] });
    await promises.putDocs(connection, [life.doc('a'), life.doc('b')]);
    const log = watch(store);
    await promises.putDoc(connection, life.doc('c'));
    assert.equal(connection.getWriteQueueSize(), 3);
    assert.equal(connection.hasPendingWrites(), true);
    assert.equal(store.getWriteQueueSize(), 3);
    assert.deepEqual(log, []);
    await promises.flushWrites(connection);
    assert.equal(connection.getWriteQueueSize(), 0);
    assert.equal(connection.hasPendingWrites(), false);
    assert.deepEqual(log, [
      ['before persist', ['a', 'b', 'c']],
      ['persist', ['a', 'b', 'c']],
      ['no persist pending', undefined],
    ]);
    connection.setAutoFlush(true);
    assert.equal(connection.isAutoFlush(), true);
  });

  it('are written in one go by putDocsBulk, whatever is flushed by itself', async () => {
    const life = new Life(new Backend(), new InMemoryStorage());
    const { connection, store } = life;
    await happens(store, 'ready');
    const ids = ['a', 'b', 'c'];
    for (const id of ids) life.doc(id).create({ list: [] });
    await promises.flushWrites(connection);
    for (const on of [true, false]) {
      connection.setAutoFlush(on);
      const log = watch(store);
      await promises.putDocsBulk(
        connection,
        ids.map((id) => life.doc(id)),
      );
      assert.deepEqual(log.slice(0, 2), [
        ['before persist', ids],
        ['persist', ids],
      ]);
      assert.equal(connection.isAutoFlush(), on);
      store.removeAllListeners();
    }
  });

  it('are written although more comes all the time', async () => {
    const storage = new InMemoryStorage();
    const { writeRecords } = storage;
    const { connection, ...life } = new Life(new Backend(), storage);
    const [doc, other] = ['a', 'b'].map((id) => connection.get('c', id));
    for (const each of [doc, other]) each.create({ list: [] });
    await promises.flushWrites(connection);
    let more = 0;
    storage.writeRecords = (records, callback) => {
      assert.ok(more++ < 100, 'the flush waits for what came after it');
      other.submitOp([{ p: ['list', 0], li: more }]);
      other.flush();
      setImmediate(() => writeRecords.call(storage, records, callback));
    };
    append(doc, 'one');
    await promises.putDoc(connection, doc);
    append(doc, 'two');
    await promises.flushWrites(connection);
    life.leash.cut = true;
  });

  it('of another connection are refused, and those that were destroyed', async () => {
    const [one, other] = [0, 1].map(() => new Life(new Backend(), new InMemoryStorage()));
    const refused = async (...docs) => {
      const [error] = await answer(one.connection, 'putDocs', docs);
      assert.equal(error?.code, 'ERR_DOC_NOT_IN_CONNECTION');
    };
    const doc = one.doc('a');
    await refused(doc, other.doc('a'));
    await refused(undefined);
    assert.deepEqual(await answer(one.connection, 'putDoc', doc), [null]);
    await call(doc, 'destroy');
    await refused(doc);
    one.doc('a');
    await refused(doc);
  });

  it('have nothing waiting once their changes are durable', async () => {
    const life = new Life(new Backend(), new InMemoryStorage());
    const { connection, store } = life;
    await happens(store, 'ready');
    life.doc('a').create({ list: ['long'.repeat(1000)] });
    await promises.flushWrites(connection);
    // A small change of a large document stays in the journal; it is not lost there, so it does not wait.
    const idle = happens(store, 'no persist pending');
    append(life.doc('a'), 'x');
    await idle;
    assert.equal(connection.hasPendingWrites(), false);
  });
});

describe('the inventory', () => {
  it('says which documents there are, and which wait for the server', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const life = new Life(backend, storage);
    const { connection, store } = life;
    assert.equal(store.ready, false);
    await happens(store, 'ready');
    assert.equal(store.ready, true);
    assert.deepEqual({ ...store.inventory.collections }, {});
    await life.online();
    await call(life.doc('a'), 'create', { list: [] });
    life.offline();
    append(life.doc('a'), 'x');
    life.doc('b').create({ list: [] });
    await promises.flushWrites(connection);
    const plain = () => JSON.parse(JSON.stringify(store.inventory));
    const expected = { collections: { c: { a: { v: 1, p: true }, b: { v: null, p: true } } } };
    assert.deepEqual(plain(), expected);
    assert.deepEqual(await answer(store, 'getInventoryMeta'), [
      null,
      { id: 'inventory', payload: store.inventory },
    ]);
    assert.equal(connection.hasPendingOfflineDocs(), true);
    assert.equal(connection.isDocInInventory('c', 'a'), true);
    assert.equal(connection.isDocInInventory('c', 'a', 1), true);
    assert.equal(connection.isDocInInventory('c', 'a', 2), false);
    assert.equal(connection.isDocInInventory('c', 'b', 1), false);
    assert.equal(connection.isDocInInventory('c', 'nowhere'), false);
    const pending = [];
    connection.forEachPendingDocCollectionId((...names) => pending.push(names.join('/')));
    assert.deepEqual(pending.sort(), ['c/a', 'c/b']);
    await life.online();
    await life.drained();
    assert.deepEqual(plain(), {
      collections: { c: { a: { v: 2, p: false }, b: { v: 1, p: false } } },
    });
    assert.equal(connection.hasPendingOfflineDocs(), false);
  });

  it('is known after a start, when the store is ready', async () => {
    const backend = new Backend();
    const storage = await stored(backend, ['a', 'b']);
    let called = 0;
    const life = new Life(backend, storage, { onReadyCallback: () => called++ });
    await happens(life.store, 'ready');
    assert.equal(called, 1);
    assert.equal(life.connection.isDocInInventory('c', 'b', 1), true);
    assert.deepEqual(Object.keys(life.store.inventory.collections.c).sort(), ['a', 'b']);
  });
});

describe('durableStore', () => {
  it('reads documents without opening them', async () => {
    const backend = new Backend();
    const life = new Life(backend, await stored(backend, ['a', 'b']));
    const [, record] = await answer(life.store, 'getDoc', 'c', 'a');
    const json0 = 'http://sharejs.org/types/JSONv0';
    const a = { collection: 'c', id: 'a', v: 1, type: json0, data: { list: ['a'] } };
    assert.deepEqual(record, a);
    assert.deepEqual(await answer(life.store, 'getDoc', 'c', 'nowhere'), [null, null]);
    const [, records] = await answer(life.store, 'getDocsBulk', 'c', ['b', 'nowhere', 'a']);
    assert.deepEqual(records, [{ ...a, id: 'b', data: { list: ['b'] } }, a]);
    await settle();
    assert.deepEqual(Object.keys(life.connection.collections), []);
    assert.deepEqual(await answer(life.store, 'retrieveDocumentsBulk', 'c', ['nowhere']), [
      null,
      [],
    ]);
  });

  it('says persist only after the commit, and says that a write failed', async () => {
    const storage = new InMemoryStorage();
    const { writeRecords } = storage;
    const life = new Life(new Backend(), storage);
    await happens(life.store, 'ready');
    const log = watch(life.store);
    const errors = [];
    life.store.on('write failed', ({ reason, error }) => errors.push([reason, error.message]));
    let fails = true;
    storage.writeRecords = (records, callback) => {
      if (!fails) {
        return writeRecords.call(storage, records, (error) => {
          if (records.docs?.length) log.push(['committed', records.docs.map(({ id }) => id)]);
          callback(error);
        });
      }
      fails = false;
      process.nextTick(callback, new Error('the disk was asleep'));
    };
    life.doc('a').create({ list: [] });
    await promises.putDoc(life.connection, life.doc('a'));
    assert.deepEqual(errors, [['storage', 'the disk was asleep']]);
    const events = log.map(([event]) => event);
    assert.ok(events.indexOf('committed') >= 0);
    assert.ok(events.indexOf('committed') < events.indexOf('persist'), events.join());
    assert.ok(events.indexOf('write failed') < events.indexOf('persist'), events.join());
  });
});

describe('ensureDocHasData', () => {
  it('takes what is here, else what the store has, else what the server has', async () => {
    const backend = new Backend();
    const life = new Life(backend, await stored(backend, ['a']));
    const doc = life.doc('a');
    await call(doc, 'ensureDocHasData');
    assert.deepEqual(doc.data, { list: ['a'] });
    await call(doc, 'ensureDocHasData');
    assert.deepEqual(life.wire.upward, []);
    const other = backend.connect().get('c', 'b');
    await call(other, 'create', { list: ['server'] });
    const missing = life.doc('b');
    const had = promises.ensureDocHasData(missing);
    await life.online();
    assert.equal(await had, missing);
    assert.deepEqual(missing.data, { list: ['server'] });
  });

  it('takes what is recent enough', async () => {
    const backend = new Backend();
    const life = new Life(backend, await stored(backend, ['a']));
    const doc = life.doc('a');
    await promises.ensureDocHasRecentData(doc, 1);
    assert.equal(doc.version, 1);
    const other = backend.connect().get('c', 'a');
    await call(other, 'fetch');
    await call(other, 'submitOp', [{ p: ['list', 1], li: 'newer' }]);
    const recent = promises.ensureDocHasRecentData(doc, 2);
    await settle();
    assert.equal(doc.version, 1);
    await life.online();
    await recent;
    assert.deepEqual(doc.data, { list: ['a', 'newer'] });
  });
});

describe('a connection that is closed', () => {
  it('lets another one have the storage, and takes it up again with another socket', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const first = new Life(backend, storage);
    await first.online();
    await call(first.doc('a'), 'create', { list: [] });
    await promises.flushWrites(first.connection);
    first.connection.close();
    await settle();
    assert.equal(storage.isReady(), true);

    await first.online();
    append(first.doc('a'), 'again');
    await promises.flushWrites(first.connection);
    await first.drained();
    assert.deepEqual(await words(backend, 'a'), ['again']);
    assert.equal(first.connection.storage.durable, true);
  });
});

describe('persist', () => {
  const original = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  afterEach(() => {
    if (original) Object.defineProperty(globalThis, 'navigator', original);
    else delete globalThis.navigator;
  });

  /** A window's `navigator.storage`, which only a browser has. */
  function browser(answerOf) {
    let asked = 0;
    const storage = { persist: async () => (asked++, answerOf()), persisted: async () => false };
    Object.defineProperty(globalThis, 'navigator', { value: { storage }, configurable: true });
    return () => asked;
  }

  it('asks the browser once, where the application wants that', async () => {
    const asked = browser(() => true);
    const quiet = new Life(new Backend(), new InMemoryStorage());
    await happens(quiet.store, 'ready');
    assert.equal(asked(), 0);
    assert.equal('persisted' in quiet.connection.storage, false);
    const life = new Life(new Backend(), new InMemoryStorage(), { persist: true });
    await happens(life.store, 'ready');
    assert.equal(asked(), 1);
    assert.deepEqual(life.connection.storage, { mode: 'custom', durable: true, persisted: true });
  });

  it('asks for no promise that is given, and has nobody wait for the answer', async () => {
    let promise;
    const storage = {
      persist: () => assert.fail('it is promised'),
      persisted: () => new Promise((resolve) => (promise = resolve)),
    };
    Object.defineProperty(globalThis, 'navigator', { value: { storage }, configurable: true });
    const life = new Life(new Backend(), new InMemoryStorage(), { persist: true });
    await happens(life.store, 'ready');
    assert.equal('persisted' in life.connection.storage, false);
    const told = happens(life.connection, 'storage');
    promise(true);
    assert.deepEqual(await told, { mode: 'custom', durable: true, persisted: true });
  });

  it('asks in one tab after the other', async () => {
    let free;
    const locks = { request: async (name, ask) => (await new Promise((go) => (free = go)), ask()) };
    let asked = 0;
    const storage = { persist: async () => (asked++, true), persisted: async () => asked > 0 };
    const value = { storage, locks };
    Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
    const lives = [0, 1].map(() => {
      const life = new Life(new Backend(), new InMemoryStorage(), { persist: true });
      return [life, free];
    });
    await Promise.all(lives.map(([{ store }]) => happens(store, 'ready')));
    for (const [life, go] of lives) {
      const told = happens(life.connection, 'storage');
      go();
      assert.equal((await told).persisted, true);
    }
    assert.equal(asked, 1);
  });

  it('lives with a browser that does not say', async () => {
    browser(() => {
      throw new Error('not allowed');
    });
    const life = new Life(new Backend(), new InMemoryStorage(), { persist: true });
    await happens(life.store, 'ready');
    assert.deepEqual(life.connection.storage, { mode: 'custom', durable: true });
  });
});
