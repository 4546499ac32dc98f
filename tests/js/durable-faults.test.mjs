/** What goes wrong around the durable store, and what an application is told of it. */

import assert from 'node:assert/strict';
import { DurableStore, InMemoryStorage } from 'sharedb-proxy';
import * as promises from 'sharedb-proxy/promises';
import { Backend, Wire, call, ours, settle, until } from './clients.mjs';
import { Life, answer, append, happens, stored, words } from './durable-lives.mjs';

describe('reading from the store', () => {
  it('leaves the document to an application that asks for it meanwhile', async () => {
    const backend = new Backend();
    const life = new Life(backend, await stored(backend, ['a']));
    await life.online();
    const opened = [];
    life.connection.on('doc', (doc) => opened.push(doc));
    const read = answer(life.store, 'getDoc', 'c', 'a');
    const doc = life.doc('a');
    const [[error, record]] = await Promise.all([read, call(doc, 'subscribe')]);
    await settle();
    assert.equal(error, null);
    assert.deepEqual(record.data, { list: ['a'] });
    assert.equal(life.connection.getExisting('c', 'a'), doc);
    assert.equal(doc.subscribed, true);
    assert.deepEqual(opened, [doc]);
    await call(doc, 'submitOp', [{ p: ['list', 1], li: 'more' }]);
    assert.deepEqual(await words(backend, 'a'), ['more']);
  });

  it('opens no Doc, also where it is done twice at once', async () => {
    const backend = new Backend();
    const life = new Life(backend, await stored(backend, ['a', 'b']));
    life.connection.on('doc', () => assert.fail('nobody asked for a Doc'));
    const both = await Promise.all([
      answer(life.store, 'getDocsBulk', 'c', ['a', 'b']),
      answer(life.store, 'getDoc', 'c', 'a'),
    ]);
    const [[, [a, b]], [, again]] = both;
    assert.deepEqual([a.data.list, b.data.list], [['a'], ['b']]);
    assert.deepEqual(again, a);
    assert.deepEqual(Object.keys(life.connection.collections), []);
    const [, later] = await answer(life.store, 'getDoc', 'c', 'a');
    assert.deepEqual(later, a);
  });

  it('shows no Doc in place of one that leaves meanwhile', async () => {
    const backend = new Backend();
    const life = new Life(backend, await stored(backend, ['a', 'b']));
    const opened = [];
    const [a] = await promises.getBulk(life.connection, 'c', ['a']);
    const empty = life.doc('b');
    life.connection.on('doc', (doc) => opened.push(doc));
    const gone = Promise.all([call(a, 'destroy'), call(empty, 'destroy')]);
    const [, records] = await answer(life.store, 'getDocsBulk', 'c', ['a', 'b']);
    await gone;
    assert.deepEqual(
      records.map(({ data }) => data.list),
      [['a'], ['b']],
    );
    assert.deepEqual(opened, []);
    assert.deepEqual(Object.keys(life.connection.collections), []);
  });

  it('gives every document with pending ops', async () => {
    const backend = new Backend();
    const storage = await stored(backend, ['a', 'b', 'c']);
    const first = new Life(backend, storage);
    const docs = await promises.getBulk(first.connection, 'c', ['a', 'b']);
    for (const doc of docs) append(doc, 'offline');
    await promises.flushWrites(first.connection);
    first.crash();
    const second = new Life(backend, storage);
    await happens(second.store, 'ready');
    const found = [];
    await new Promise((resolve) => {
      second.store.loadEachPendingDocAndThen((error, { id, data }) => {
        found.push([error, id, data.list]);
        if (found.length === 2) resolve();
      });
    });
    assert.deepEqual(found.sort(), [
      [null, 'a', ['a', 'offline']],
      [null, 'b', ['b', 'offline']],
    ]);
  });
});

describe('a record that cannot be decrypted', () => {
  const ciphers = {
    encrypt: (text) => `x${text}`,
    decrypt(text) {
      if (text.startsWith('bad')) throw new Error('bad tag');
      return text.slice(1);
    },
  };

  /** Spoils a record; gives what undoes that. */
  function spoil(storage, store, id) {
    const records = storage._stores[store];
    const good = records.get(id);
    assert.ok(good);
    records.set(id, `bad${good}`);
    return () => records.set(id, good);
  }

  it('costs one document, and says so', async () => {
    const backend = new Backend();
    const storage = await stored(backend, ['a', 'b'], ciphers);
    const mend = spoil(storage, 'docs', 'c/a');
    const life = new Life(backend, storage, ciphers);
    life.store.on('write failed', () => assert.fail('nothing was to be written'));
    await life.online();
    const docs = ['b', 'a'].map((id) => life.doc(id));
    const [error, given] = await answer(life.connection, 'getBulk', 'c', ['b', 'a']);
    assert.equal(error.code, 'ERR_STORAGE_DECRYPT');
    assert.match(error.message, /c\.a cannot be read.*bad tag/);
    assert.deepEqual(given, docs);
    assert.deepEqual(docs[0].data, { list: ['b'] });
    assert.equal(docs[1].version, null);
    const [, records] = await answer(life.store, 'getDocsBulk', 'c', ['a', 'b']);
    assert.deepEqual(
      records.map(({ id }) => id),
      ['b'],
    );
    for (const ask of ['subscribe', 'fetch', 'ensureDocHasData']) {
      const [failed] = await answer(docs[1], ask);
      assert.equal(failed?.code, 'ERR_STORAGE_DECRYPT', ask);
    }
    const [unwritten] = await answer(life.connection, 'putDocs', docs);
    assert.equal(unwritten.code, 'ERR_STORAGE_DECRYPT');
    append(docs[0], 'goes on');
    await life.drained();
    assert.deepEqual(await words(backend, 'b'), ['goes on']);
    assert.deepEqual(life.connection.storage, { mode: 'custom', durable: true });
    await promises.flushWrites(life.connection);
    life.crash();
    assert.match(storage._stores.docs.get('c/a'), /^bad/);
    mend();
    const next = new Life(backend, storage, ciphers);
    const [a] = await promises.getBulk(next.connection, 'c', ['a']);
    assert.deepEqual(a.data, { list: ['a'] });
  });

  it('keeps its pending ops for a life that can read it', async () => {
    const backend = new Backend();
    const storage = await stored(backend, ['a'], ciphers);
    const first = new Life(backend, storage, ciphers);
    const [a] = await promises.getBulk(first.connection, 'c', ['a']);
    append(a, 'offline');
    await promises.putDoc(first.connection, a);
    append(a, 'in the journal');
    await settle();
    first.crash();
    const mend = spoil(storage, 'docs', 'c/a');
    const second = new Life(backend, storage, ciphers);
    await second.online();
    await happens(second.store, 'ready');
    await call(second.doc('b'), 'create', { list: [] });
    await promises.flushWrites(second.connection);
    second.crash();
    assert.deepEqual(await words(backend, 'a'), []);
    mend();
    const third = new Life(backend, storage, ciphers);
    await third.online();
    await third.drained();
    assert.deepEqual(await words(backend, 'a'), ['offline', 'in the journal']);
  });

  it('is like one of a type that is not known here', async () => {
    const type = {
      ...ours.types.defaultType,
      name: 'gone0',
      uri: 'http://example.com/types/gone0',
    };
    ours.types.register(type);
    const backend = new Backend();
    const storage = new InMemoryStorage();
    const first = new Life(backend, storage);
    await happens(first.store, 'ready');
    first.doc('a').create({ list: [] }, type.uri);
    await promises.flushWrites(first.connection);
    first.crash();
    delete ours.types.map[type.name];
    delete ours.types.map[type.uri];
    const second = new Life(backend, storage);
    const [error, [a]] = await answer(second.connection, 'getBulk', 'c', ['a']);
    assert.equal(error.code, 'ERR_DOC_TYPE_NOT_RECOGNIZED');
    assert.match(error.message, /c\.a cannot be read/);
    assert.equal(a.type, null);
  });

  it('costs the store where that cannot be used without it', async () => {
    const backend = new Backend();
    const storage = await stored(backend, ['a'], ciphers);
    spoil(storage, 'meta', 'state');
    const life = new Life(backend, storage, ciphers);
    const told = await happens(life.connection, 'storage');
    assert.equal(told.mode, 'memory');
    assert.equal(told.code, 'ERR_STORAGE_DECRYPT');
    const [error] = await answer(life.store, 'initialize');
    assert.equal(error.code, 'ERR_STORAGE_DECRYPT');
  });

  it('is another thing than one that cannot be encrypted', async () => {
    const encrypt = (text) => {
      if (text.includes('secret')) throw new Error('no key');
      return text;
    };
    const storage = new InMemoryStorage();
    const life = new Life(new Backend(), storage, { encrypt, decrypt: (text) => text });
    await happens(life.store, 'ready');
    const codes = [];
    life.store.on('write failed', ({ error }) => codes.push(error.code));
    const lost = happens(life.connection, 'storage');
    const [error] = await answer(life.doc('a'), 'create', { list: ['secret'] });
    assert.equal(error.code, 'ERR_STORAGE_ENCRYPT');
    assert.equal((await lost).code, 'ERR_STORAGE_ENCRYPT');
    assert.deepEqual([...new Set(codes)], ['ERR_STORAGE_ENCRYPT']);
  });
});

describe('no space', () => {
  it('has one code', async () => {
    const storage = new InMemoryStorage();
    const life = new Life(new Backend(), storage);
    await happens(life.store, 'ready');
    const full = Object.assign(new Error('full'), { name: 'QuotaExceededError' });
    storage.writeRecords = (records, callback) => callback(full);
    const failed = happens(life.store, 'write failed');
    const lost = happens(life.connection, 'storage');
    const [error] = await answer(life.doc('a'), 'create', { list: [] });
    assert.equal(error.code, 'ERR_STORAGE_FULL');
    assert.equal((await failed).error.code, 'ERR_STORAGE_FULL');
    assert.equal((await lost).code, 'ERR_STORAGE_FULL');
  });
});

describe('dead letters', () => {
  /** A life with two ops that the server refuses in one go. */
  async function refused(options) {
    const backend = new Backend();
    const storage = await stored(backend, ['a']);
    const life = new Life(backend, storage, options);
    await life.online();
    backend.use('submit', (request, next) => next(new Error('not today')));
    const [doc] = await promises.getBulk(life.connection, 'c', ['a']);
    await call(doc, 'subscribe');
    doc.on('error', () => {});
    return { life, doc, storage };
  }

  it('are told one by one, also where a listener throws', async () => {
    const called = [];
    const opErrorCallback = (error, { op }) => {
      called.push(['callback', op[0].li]);
      throw new Error('of the application');
    };
    const { life, doc } = await refused({ opErrorCallback });
    const { connection } = life;
    const thrown = [];
    connection.on('error', ({ message }) => thrown.push(message));
    connection.on('dead letter', ({ op }) => {
      called.push(['event', op[0].li]);
      throw new Error('of the application');
    });
    doc.preventCompose = true;
    life.offline();
    append(doc, 'one', () => {});
    append(doc, 'two', () => {});
    await promises.flushWrites(connection);
    await life.online();
    await until('both are dead letters', () => connection.deadLetters.length === 2);
    await settle();
    assert.deepEqual(called, [
      ['callback', 'one'],
      ['event', 'one'],
      ['callback', 'two'],
      ['event', 'two'],
    ]);
    assert.ok(thrown.length > 0);
  });

  it('are gone for good when their removal calls back', async () => {
    const { life, doc, storage } = await refused();
    const { connection } = life;
    const told = happens(connection, 'dead letter');
    append(doc, 'one', () => {});
    const letter = await told;
    await promises.flushWrites(connection);
    assert.match(storage._stores.meta.get('letter/1'), /one/);
    assert.equal(await promises.removeDeadLetters(connection, letter), connection);
    assert.deepEqual(connection.deadLetters, []);
    assert.equal(storage._stores.meta.get('letter/1'), undefined);
  });

  it('stay where the connection is closed', async () => {
    const { life, doc } = await refused();
    const { connection } = life;
    const told = happens(connection, 'dead letter');
    append(doc, 'one', () => {});
    const letter = await told;
    connection.close();
    connection.removeDeadLetters(letter);
    const [error] = await answer(connection, 'removeDeadLetters', letter);
    assert.equal(error.code, 'ERR_CONNECTION_CLOSED');
    assert.equal(connection.deadLetters.length, 1);
  });

  it('cannot be removed where there is no store', async () => {
    const connection = new ours.Connection(new Wire(new Backend()).socket);
    const [error] = await answer(connection, 'removeDeadLetters', 1);
    assert.equal(error.message, 'No DurableStore available');
  });
});

describe('a DurableStore', () => {
  it('is made by its connection alone', () => {
    assert.throws(() => new DurableStore(new InMemoryStorage()), /made by its connection/);
  });

  it('says when it is open, and is its documents’', async () => {
    const life = new Life(new Backend(), new InMemoryStorage());
    assert.deepEqual(await answer(life.store, 'initialize'), [null]);
    assert.equal(life.store.ready, true);
    assert.deepEqual(await answer(life.store, 'initialize'), [null]);
    assert.equal(life.doc('a').durableStore, life.store);
  });
});
