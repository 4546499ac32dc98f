/** The fence of a storage: a host from which another one has taken it is refused, and ends. */

import assert from 'node:assert/strict';
import { InMemoryStorage } from 'sharedb-proxy';
import { StorageDriver } from '../../js-shim/src/storage/storage-driver.js';
import { Backend, call, until } from './clients.mjs';
import { Life, assertNamedOnce } from './durable-lives.mjs';
import { OneWorker } from './one-worker.mjs';
import { settle } from './settle.mjs';

const A = ['docs', 'a'];
const fenced = ({ kind, code }) => kind === 'fenced' && code === 'ERR_STORAGE';

describe('a fenced storage', () => {
  let storage, first, second;

  beforeEach(async () => {
    storage = new InMemoryStorage();
    [first, second] = [new StorageDriver(storage), new StorageDriver(storage)];
    await first.open();
    await first.write([[...A, 'first']]);
  });

  it('refuses the writes of who does not hold it any more', async () => {
    await second.open();
    await assert.rejects(first.write([[...A, 'late']]), fenced);
    await assert.rejects(first.write([], [A]), fenced);
    assert.deepEqual(await second.read([A]), ['first']);
    await second.write([[...A, 'second']]);
    assert.deepEqual(await second.read([A]), ['second']);
  });

  it('is not taken back by who opens it again', async () => {
    await second.open();
    await assert.rejects(first.open(), ({ kind }) => kind === 'fenced');
    await second.write([[...A, 'second']]);
    // Who let go of it may take it in its turn.
    first.close();
    await first.open();
    await first.write([[...A, 'third']]);
    await assert.rejects(second.write([[...A, 'late']]), fenced);
  });

  it('stays with who opens it again on a new handle', async () => {
    storage.close();
    await assert.rejects(first.write([[...A, 'no']]), ({ kind }) => kind === 'closed');
    await first.open();
    await first.write([[...A, 'again']]);
    assert.deepEqual(await first.read([A]), ['again']);
  });

  it('is not wiped by who does not hold it any more', async () => {
    await second.open();
    await assert.rejects(first.wipe(), fenced);
    // What the first one closed is one object for both here.
    await second.open();
    assert.deepEqual(await second.read([A]), ['first']);
  });

  it('is none where the storage has no claim', async () => {
    const seen = [];
    const own = {
      initialize: (callback) => callback(),
      readRecord: (_, id, callback) => callback(null, null),
      writeRecords: (records, callback) => callback(void seen.push(records.holder)),
    };
    const driver = new StorageDriver(own);
    await driver.open();
    await driver.write([[...A, 'x']]);
    assert.deepEqual(seen, [undefined]);
  });
});

describe('a storage that opens and cannot be claimed', () => {
  const failure = (name) => Object.assign(new Error('this is scripted'), { name });
  const FAILURES = {
    closed: failure('InvalidStateError'),
    quota: failure('QuotaExceededError'),
    other: new Error('this is scripted'),
  };

  /** Refuses the first claims. */
  class Refusing extends InMemoryStorage {
    constructor(error, times) {
      super();
      this.error = error;
      this.times = times;
    }

    claim(holder, again, callback) {
      if (this.times-- > 0) callback(this.error);
      else super.claim(holder, again, callback);
    }
  }

  for (const [kind, error] of Object.entries(FAILURES)) {
    it(`stays with its host, which opens it again: ${kind}`, async () => {
      const driver = new StorageDriver(new Refusing(error, 1));
      await assert.rejects(driver.open(), { kind, message: 'this is scripted' });
      await assert.rejects(driver.read([A]), { kind: 'closed' });
      await driver.open();
      await driver.write([[...A, 'x']]);
      assert.deepEqual(await driver.read([A]), ['x']);
    });

    it(`is durable all the same when it can be claimed: ${kind}`, async () => {
      const life = new Life(new Backend(), new Refusing(error, 2));
      await life.online();
      await call(life.doc('a'), 'create', { list: [] });
      const { mode, durable } = life.connection.storage;
      assert.deepEqual({ mode, durable }, { mode: 'custom', durable: true });
      await call(life.connection, 'flushWrites');
      life.crash();
    });
  }

  it('is done without where that does not end', async () => {
    const life = new Life(new Backend(), new Refusing(FAILURES.closed, Infinity));
    await life.online();
    await call(life.doc('a'), 'create', { list: [] });
    const { mode, durable, reason } = life.connection.storage;
    const expected = { mode: 'memory', durable: false, reason: 'this is scripted' };
    assert.deepEqual({ mode, durable, reason }, expected);
    life.crash();
  });
});

describe('a host that was frozen while another one took its storage', () => {
  for (const how of ['at its next write', 'when its lock is stolen']) {
    it(`ends ${how}, and tells and sends nothing of what it had taken`, async () => {
      const backend = new Backend();
      const storage = new InMemoryStorage();
      const worker = new OneWorker(backend, { storage });
      const doc = worker.tab('one').get('c', 'a');
      await call(doc, 'create', { list: [] });
      const { life } = worker;
      const ended = new Promise((resolve) => (life._worker.deposed = resolve));

      const thief = new StorageDriver(storage);
      await thief.open();
      let isAnswered = false;
      doc.submitOp([{ p: ['list', 0], li: 'late' }], () => (isAnswered = true));
      if (how !== 'at its next write') worker.storage._driver._lose();
      await ended;
      worker.storage.yield();
      await settle();
      assert.equal(isAnswered, false);
      assert.equal(life._socket, null);
      const op = backend.connect().get('c', 'a');
      await call(op, 'fetch');
      assert.deepEqual(op.data, { list: [] });

      // The next host has the storage when the other one lets go of it.
      thief.close();
      await worker.change();
      await until('the op is answered', () => isAnswered);
      await assertNamedOnce(backend, ['a']);
      await call(op, 'fetch');
      assert.deepEqual(op.data, { list: ['late'] });
      worker.end();
    });
  }
});
