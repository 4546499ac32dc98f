/** What an end waits for, and whom it calls back: a connection or a tab that closes, a store that is wiped. */

import assert from 'node:assert/strict';
import { InMemoryStorage } from 'sharedb-proxy';
import * as promises from 'sharedb-proxy/promises';
import { HostStorage } from '../../js-shim/src/storage/host-storage.js';
import { Backend, Wire, call, ours, settle, until } from './clients.mjs';
import { Life, answer, append, happens, idle, stored, words } from './durable-lives.mjs';
import { OneHost } from './one-host.mjs';

/** One that says what is asked of it. */
function logged(storage = new InMemoryStorage()) {
  const log = [];
  for (const method of ['initialize', 'close', 'writeRecords', 'readRecordsBulk']) {
    const original = storage[method];
    storage[method] = function (...args) {
      log.push(method);
      return original.apply(this, args);
    };
  }
  return { storage, log };
}

/** A connection on a storage that it closes, unlike that of a Life. */
function connectionOn(storage, backend = new Backend()) {
  const wire = new Wire(backend);
  const connection = new ours.Connection(wire.socket, { durableStore: { storage } });
  return { connection, wire };
}

describe('closing a connection', () => {
  /** Web Locks, which Node may not have. */
  class Locks {
    queues = new Map();

    request(name, options, callback) {
      const queue = this.queues.get(name) ?? this.queues.set(name, []).get(name);
      return new Promise((resolve, reject) => {
        const request = { held: false };
        const leave = () => {
          queue.splice(queue.indexOf(request), 1);
          queue[0]?.start();
        };
        request.start = () => {
          request.held = true;
          Promise.resolve({ name }).then(callback).then(resolve, reject).finally(leave);
        };
        options.signal?.addEventListener('abort', () => {
          if (request.held) return;
          queue.splice(queue.indexOf(request), 1);
          reject(options.signal.reason);
        });
        queue.push(request);
        if (queue[0] === request) request.start();
      });
    }
  }

  const original = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  afterEach(() => {
    if (original) Object.defineProperty(globalThis, 'navigator', original);
    else delete globalThis.navigator;
  });

  it('writes what was submitted before, and opens nothing again', async () => {
    const { storage, log } = logged();
    const { connection, wire } = connectionOn(storage);
    connection.durableStore.on('write failed', ({ error }) => log.push(error.message));
    wire.open();
    await happens(connection, 'connected');
    const doc = connection.get('c', 'a');
    await call(doc, 'create', { list: [] });
    await promises.flushWrites(connection);
    append(doc, 'last');
    log.length = 0;
    const ended = new Promise((resolve) => {
      const { close } = storage;
      storage.close = () => resolve(close.call(storage));
    });
    connection.close();
    await ended;
    assert.equal(storage.isReady(), false);
    assert.ok(log.includes('writeRecords'));
    assert.equal(log.indexOf('close'), log.length - 1);
    // What comes later waits for another socket.
    append(doc, 'later');
    doc.flush();
    await settle();
    assert.equal(log.indexOf('close'), log.length - 1);
    assert.equal(connection.storage.durable, true);

    const again = new Wire(wire.backend);
    connection.bindToSocket(again.socket);
    again.open();
    await new Promise((resolve) => doc.whenNothingPending(resolve));
    assert.deepEqual(await words(wire.backend, 'a'), ['last', 'later']);
    assert.equal(connection.storage.durable, true);
    assert.deepEqual(
      log.filter((what) => !/^(read|write)Records/.test(what)),
      ['close', 'initialize'],
    );
  });

  it('is heard of, whatever is submitted in between', async () => {
    const { storage } = logged();
    const { connection, wire } = connectionOn(storage);
    wire.open();
    await happens(connection, 'connected');
    const doc = connection.get('c', 'a');
    await call(doc, 'create', { list: [] });
    // A browser's socket says later that it is closed.
    wire.socket.close = () => (wire.socket.readyState = 2);
    connection.close();
    await until('the storage is closed', () => !storage.isReady());
    append(doc, 'later');
    doc.fetch();
    await settle();
    wire.socket.readyState = 1;
    wire.close('closed');
    assert.equal(connection.state, 'closed');
    const again = new Wire(wire.backend);
    connection.bindToSocket(again.socket);
    again.open();
    await new Promise((resolve) => doc.whenNothingPending(resolve));
    assert.deepEqual(await words(wire.backend, 'a'), ['later']);
  });

  it('before the store is open writes what was submitted, too', async () => {
    const backend = new Backend();
    const { storage } = logged();
    const { connection } = connectionOn(storage, backend);
    connection.get('c', 'a').create({ list: ['at once'] });
    const ended = new Promise((resolve) => {
      const { close } = storage;
      storage.close = () => resolve(close.call(storage));
    });
    connection.close();
    await ended;
    const next = new Life(backend, storage);
    await next.online();
    await next.drained();
    const [a] = await promises.getBulk(next.connection, 'c', ['a']);
    assert.deepEqual(a.data, { list: ['at once'] });
    assert.equal(a.version, 1);
  });

  it('waits for no quiet moment', async () => {
    const { storage, log } = logged();
    const hostStorage = new HostStorage({ storage });
    let rests = false;
    const core = {
      setStorageMode() {},
      storageDone() {},
      wantsIdle: true,
      closeStore: () => rests,
      handleIdle: () => (rests = true),
    };
    const run = (call) => {
      call();
      hostStorage.stir();
    };
    hostStorage.attach(core, run);
    await hostStorage.carryOut(1, 'open');
    hostStorage.end();
    assert.equal(storage.isReady(), true);
    await settle();
    assert.deepEqual(log, ['initialize', 'close']);
  });

  it('leaves the storage to another one that waits for it', async () => {
    const navigator = { locks: new Locks() };
    Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
    const backend = new Backend();
    const stores = new InMemoryStorage()._stores;
    const shared = () =>
      Object.assign(new InMemoryStorage(), { _stores: stores, lockName: 'store of a test' });
    const first = connectionOn(shared(), backend);
    const told = [];
    first.connection.on('storage', ({ mode }) => told.push(mode));
    first.wire.open();
    await happens(first.connection, 'connected');
    const doc = first.connection.get('c', 'a');
    await call(doc, 'create', { list: [] });
    first.wire.close('lost');
    append(doc, 'one', (error) => assert.fail(error));
    first.connection.close();
    const second = connectionOn(shared(), backend);
    second.wire.open();
    await happens(second.connection.durableStore, 'ready');
    assert.equal(second.connection.storage.durable, true);
    await idle(second.connection);
    assert.deepEqual(await words(backend, 'a'), ['one']);
    assert.deepEqual(told, ['custom']);
  });

  it('does not overwrite what another one stored meanwhile', async () => {
    const backend = new Backend();
    const storage = new InMemoryStorage();
    const first = connectionOn(storage, backend);
    const [one] = [first.connection.get('c', 'a')];
    one.create({ list: [] });
    await promises.flushWrites(first.connection);
    first.connection.close();
    await settle();
    const second = connectionOn(storage, backend);
    second.connection.get('c', 'b').create({ list: ['second'] });
    await promises.flushWrites(second.connection);
    append(second.connection.get('c', 'b'), 'in the journal');
    second.connection.close();
    await settle();
    const lost = happens(first.connection, 'storage');
    first.connection.bindToSocket(new Wire(backend).socket);
    const { mode, reason } = await lost;
    assert.equal(mode, 'memory');
    assert.match(reason, /another host/i);
    first.connection.get('c', 'c').create({ list: [] });
    await settle();

    const third = new Life(backend, storage);
    await third.online();
    await third.drained();
    const [b] = await promises.getBulk(third.connection, 'c', ['b']);
    assert.deepEqual(b.data, { list: ['second', 'in the journal'] });
  });

  it('ends what is asked of the store later, with an error', async () => {
    const backend = new Backend();
    const storage = await stored(backend, ['a', 'b']);
    const { connection, wire } = connectionOn(storage, backend);
    const store = connection.durableStore;
    wire.open();
    const [a] = await promises.getBulk(connection, 'c', ['a']);
    assert.equal(store.closed, false);
    connection.close();
    await settle();
    assert.equal(store.closed, true);
    for (const [target, method, ...args] of [
      [connection, 'hostStatus'],
      [connection, 'getBulk', 'c', ['a', 'b']],
      [connection, 'putDoc', a],
      [connection, 'flushWrites'],
      [connection, 'removeDeadLetters', []],
      [connection, 'wipe'],
      [store, 'getDoc', 'c', 'b'],
    ]) {
      const [error] = await answer(target, method, ...args);
      assert.equal(error?.code, 'ERR_CONNECTION_CLOSED', method);
    }
    assert.equal(storage.isReady(), false);
    const [, record] = await answer(store, 'getDoc', 'c', 'a');
    assert.deepEqual(record.data, { list: ['a'] });
  });

  it('is not undone by a socket that cannot be bound', async () => {
    const { connection, wire } = connectionOn(new InMemoryStorage());
    wire.open();
    await happens(connection, 'connected');
    connection.close();
    await settle();
    assert.throws(() => connection.bindToSocket(null), TypeError);
    assert.equal(connection.durableStore.closed, true);
    const [error] = await answer(connection, 'hostStatus');
    assert.equal(error.code, 'ERR_CONNECTION_CLOSED');
  });
});

describe('a tab that closes', () => {
  it('hears no more of its host, and is told so', async () => {
    const connection = await new OneHost(new Backend()).tab('one');
    await settle();
    const status = answer(connection, 'hostStatus');
    connection.close();
    assert.ok((await status)[0] === null || (await status)[0].code === 'ERR_CONNECTION_CLOSED');
    const [error] = await answer(connection, 'hostStatus');
    assert.equal(error.code, 'ERR_CONNECTION_CLOSED');
  });
});

describe('a wipe', () => {
  it('calls back who waits for something else', async () => {
    const life = new Life(new Backend(), new InMemoryStorage());
    const { connection } = life;
    await happens(life.store, 'ready');
    await life.online();
    life.wire.gated = true;
    const waiting = [
      answer(connection, 'fetchSnapshot', 'c', 'a', null),
      answer(connection, 'createFetchQuery', 'c', {}, null),
      answer(connection, 'createSubscribeQuery', 'c', {}, null),
    ];
    // One that nobody listens to is no reason to throw.
    connection.createFetchQuery('c', {});
    await settle();
    const wiped = promises.wipe(connection);
    waiting.push(answer(connection, 'hostStatus'));
    await wiped;
    for (const [error] of await Promise.all(waiting)) {
      assert.ok(error === null || /^ERR_(STORAGE|CONNECTION_CLOSED)$/.test(error.code), error);
    }
    const [[snapshot], [query]] = await Promise.all(waiting);
    assert.equal(snapshot.code, 'ERR_STORAGE');
    assert.equal(query.code, 'ERR_CONNECTION_CLOSED');
    for (const [method, ...args] of [
      ['hostStatus'],
      ['fetchSnapshot', 'c', 'a', null],
      ['createFetchQuery', 'c', {}, null],
    ]) {
      const [error] = await answer(connection, method, ...args);
      assert.equal(error?.code, 'ERR_CONNECTION_CLOSED', method);
    }
  });
});

describe('wipe', () => {
  it('ends the connection and deletes everything, and another one begins anew', async () => {
    const backend = new Backend();
    const storage = await stored(backend, ['a']);
    const life = new Life(backend, storage);
    const { connection } = life;
    await life.online();
    const doc = life.doc('a');
    await call(doc, 'subscribe');
    life.offline();
    const heard = [];
    append(doc, 'lost', (error) => heard.push(['op', error.code]));
    await promises.flushWrites(connection);
    append(doc, 'not even sent', (error) => heard.push(['op', error.code]));
    connection.flushWrites((error) => heard.push(['flush', error?.code]));
    connection.on('closed', () => heard.push(['closed']));
    connection.on('storage', ({ mode }) => heard.push(['storage', mode]));
    await promises.wipe(connection);
    assert.deepEqual(heard.map(([what]) => what).sort(), [
      'closed',
      'flush',
      'op',
      'op',
      'storage',
    ]);
    for (const [what, code] of heard) if (what === 'op') assert.equal(code, 'ERR_STORAGE');
    assert.equal(connection.state, 'closed');
    assert.deepEqual(connection.storage, {
      mode: 'none',
      durable: false,
      reason: 'the store was wiped',
    });
    assert.equal(connection.hasPendingOfflineDocs(), false);
    for (const map of Object.values(storage._stores)) assert.equal(map.size, 0);
    for (const [method, ...args] of [
      ['putDoc', doc],
      ['flushWrites'],
      ['getBulk', 'c', ['x']],
      ['wipe'],
    ]) {
      const [error] = await answer(connection, method, ...args);
      assert.equal(error.code, 'ERR_CONNECTION_CLOSED', method);
    }
    assert.throws(() => connection.bindToSocket(new Wire(backend).socket), /wiped/);
    assert.deepEqual(await words(backend, 'a'), []);

    const next = new Life(backend, storage);
    await happens(next.store, 'ready');
    assert.deepEqual(Object.keys(next.store.inventory.collections), []);
    await next.online();
    await call(next.doc('a'), 'subscribe');
    assert.deepEqual(next.doc('a').data, { list: ['a'] });
    append(next.doc('a'), 'new');
    await next.drained();
    assert.deepEqual(await words(backend, 'a'), ['new']);
  });

  it('says that it could not', async () => {
    const storage = new InMemoryStorage();
    storage.clearAll = (callback) => callback(new Error('held by another process'));
    const life = new Life(new Backend(), storage);
    await life.online();
    await assert.rejects(promises.wipe(life.connection), /held by another process/);
    assert.equal(life.connection.state, 'closed');
  });
});
