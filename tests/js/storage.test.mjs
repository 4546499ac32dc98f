/**
 * The storage driver over storages that need no browser: those in memory, and those that applications bring. IndexedDB
 * is tested in a browser.
 */

import assert from 'node:assert/strict';
import { IndexedDbStorage, InMemoryStorage } from 'sharedb-proxy';
import { chooseStorage } from '../../js-shim/src/storage/choose-storage.js';
import { limited } from '../../js-shim/src/storage/limited.js';
import { StorageDriver } from '../../js-shim/src/storage/storage-driver.js';
import { timers } from '../../js-shim/src/platform/ticks.js';

/** For requests that never end, in milliseconds. */
const SOON = 20;

/** A storage as an application brings it, with no more than it has to have. */
class OwnStorage {
  constructor() {
    this.stores = { docs: new Map(), meta: new Map() };
    /** Which methods were called. */
    this.calls = [];
    /** What was given to `writeRecords`. */
    this.written = [];
  }

  /** How it calls back; tests replace it. */
  answer(method, callback, ...results) {
    callback(...results);
  }

  initialize(callback) {
    this.calls.push('initialize');
    this.answer('initialize', callback, null, { id: 'inventory', payload: {} });
  }

  readRecord(storeName, id, callback) {
    this.calls.push('readRecord');
    this.answer('readRecord', callback, null, this.stores[storeName].get(id) ?? null);
  }

  writeRecords(records, callback) {
    this.calls.push('writeRecords');
    this.written.push(structuredClone(records));
    for (const store of ['docs', 'meta'])
      for (const { id, payload } of records[store]) this.stores[store].set(id, payload);
    this.answer('writeRecords', callback, null);
  }
}

const later = (_method, callback, ...results) => setImmediate(callback, ...results);

/** One that calls back later. */
class LaterStorage extends OwnStorage {
  answer = later;
}

/** One with everything that is optional. */
class RichStorage extends LaterStorage {
  ready = false;

  ensureReady() {
    if (!this.ready) throw new Error('not ready');
  }

  initialize(callback) {
    this.ready = true;
    super.initialize(callback);
  }

  // The wrong way round, and without those that there are not: nothing else was promised.
  readRecordsBulk(storeName, ids, callback) {
    this.calls.push('readRecordsBulk');
    const store = this.stores[storeName];
    const there = ids.filter((id) => store.has(id)).reverse();
    const records = there.map((id) => ({ id, payload: store.get(id) }));
    this.answer('readRecordsBulk', callback, null, records);
  }

  deleteRecord(storeName, id, callback) {
    this.calls.push('deleteRecord');
    this.stores[storeName].delete(id);
    this.answer('deleteRecord', callback, null);
  }

  clearStore(storeName, callback) {
    this.stores[storeName].clear();
    this.answer('clearStore', callback, null);
  }

  // Nobody could tell when this one has ended.
  deleteDatabase() {
    throw new Error('not to be called');
  }

  close() {
    this.ready = false;
  }
}

/** One whose methods are asynchronous functions that call back all the same. */
class AsyncStorage extends OwnStorage {
  async initialize(callback) {
    super.initialize(callback);
  }
  async readRecord(storeName, id, callback) {
    await null;
    super.readRecord(storeName, id, callback);
  }
  async writeRecords(records, callback) {
    await null;
    super.writeRecords(records, callback);
  }
  async clearAll(callback) {
    for (const store of Object.values(this.stores)) store.clear();
    callback();
  }
}

async function opened(storage, options) {
  const driver = new StorageDriver(storage, options);
  await driver.open();
  return driver;
}

/** That it rejects with an error of this kind; gives the error. */
async function fails(promise, kind, code) {
  const error = await promise.then(
    (value) => assert.fail(`resolved with ${JSON.stringify(value)}`),
    (thrown) => thrown,
  );
  assert.ok(error instanceof Error, String(error));
  assert.equal(error.kind, kind, error.stack);
  if (code) assert.equal(error.code, code);
  return error;
}

/** That it stands for a document that cannot be read. */
function assertIllegible(text, pattern) {
  const { code, message } = JSON.parse(text).error;
  assert.equal(code, 'ERR_STORAGE_DECRYPT');
  assert.match(message, pattern);
}

const STORAGES = { InMemoryStorage, OwnStorage, LaterStorage, RichStorage, AsyncStorage };
for (const [name, Storage] of Object.entries(STORAGES)) {
  describe(`a driver over ${name}`, () => {
    let storage, driver;

    beforeEach(async () => {
      storage = new Storage();
      driver = await opened(storage);
    });

    it('reads what was written, in the order that was asked for', async () => {
      await driver.write([
        ['docs', 'a', '"doc a"'],
        ['meta', 'a', '"meta a"'],
        ['docs', 'b', '"doc b"'],
      ]);
      const ids = [
        ['docs', 'b'],
        ['meta', 'none'],
        ['docs', 'a'],
        ['meta', 'a'],
        ['meta', 'b'],
        ['docs', 'b'],
      ];
      const texts = ['"doc b"', undefined, '"doc a"', '"meta a"', undefined, '"doc b"'];
      assert.deepEqual(await driver.read(ids), texts);
      assert.deepEqual(await driver.read([]), []);
    });

    it('takes ids and texts as they are', async () => {
      const odd = ['__proto__', 'constructor', 'a/b', '', '\u0000', '💥', ' x '];
      await driver.write(odd.map((id) => ['docs', id, `of ${id}`]));
      assert.deepEqual(
        await driver.read(odd.map((id) => ['docs', id])),
        odd.map((id) => `of ${id}`),
      );
      assert.deepEqual(await driver.read([['meta', 'constructor']]), [undefined]);
      await driver.write([['docs', 'empty', '']]);
      assert.deepEqual(await driver.read([['docs', 'empty']]), ['']);
    });

    it('writes over and deletes in one go', async () => {
      await driver.write([
        ['docs', 'a', '1'],
        ['meta', 'journal/1', '1'],
        ['meta', 'journal/2', '2'],
      ]);
      await driver.write(
        [['docs', 'a', '2']],
        [
          ['meta', 'journal/1'],
          ['meta', 'never there'],
        ],
      );
      const read = await driver.read([
        ['docs', 'a'],
        ['meta', 'journal/1'],
        ['meta', 'journal/2'],
      ]);
      assert.deepEqual(read, ['2', undefined, '2']);
      await driver.write([], [['docs', 'a']]);
      await driver.write([['docs', 'b', '3']]);
      await driver.write([], []);
      assert.deepEqual(
        await driver.read([
          ['docs', 'a'],
          ['docs', 'b'],
        ]),
        [undefined, '3'],
      );
      await driver.write([['docs', 'a', 'again']]);
      assert.deepEqual(await driver.read([['docs', 'a']]), ['again']);
    });

    it('finds what was written when it is opened again, by itself and by another', async () => {
      await driver.write([['meta', 'a', '1']]);
      await driver.open();
      assert.deepEqual(await driver.read([['meta', 'a']]), ['1']);
      driver.close();
      const other = await opened(storage);
      assert.deepEqual(await other.read([['meta', 'a']]), ['1']);
    });

    it('refuses everything before it is open and after it was closed', async () => {
      const fresh = new StorageDriver(new Storage());
      await fails(fresh.read([['docs', 'a']]), 'closed', 'ERR_STORAGE');
      await fails(fresh.write([['docs', 'a', '1']]), 'closed');
      driver.close();
      driver.close();
      await fails(driver.read([]), 'closed');
      await fails(driver.write([], []), 'closed');
      const opening = driver.open();
      driver.close();
      await fails(opening, 'closed');
      await fails(driver.read([]), 'closed');
      const [first, second] = [driver.open(), driver.open()];
      await fails(first, 'closed');
      await second;
      // Once at first, and now: an opening that was overtaken touches nothing.
      if (storage.calls) assert.equal(storage.calls.filter((c) => c === 'initialize').length, 2);
      assert.deepEqual(await driver.read([]), []);
    });

    if (Storage.prototype.clearAll || Storage.prototype.clearStore) {
      it('wipes, open or closed', async () => {
        for (const open of [true, false]) {
          const records = [
            ['docs', 'a', '1'],
            ['meta', 'a', '2'],
          ];
          await driver.write(records);
          if (!open) driver.close();
          await driver.wipe();
          await fails(driver.read([]), 'closed');
          await driver.open();
          assert.deepEqual(await driver.read(records.map(([store, id]) => [store, id])), [
            undefined,
            undefined,
          ]);
        }
      });
    } else {
      it('says that it cannot be wiped', async () => {
        assert.match((await fails(driver.wipe(), 'other')).message, /clearAll/);
        await driver.open();
      });
    }
  });
}

describe('InMemoryStorage', () => {
  it('keeps nothing of a write that it cannot keep all of', async () => {
    const unkept = () => {};
    const driver = await opened(new InMemoryStorage(), {
      encrypt: (text) => (text === 'bad' ? unkept : text),
      decrypt: (text) => text,
    });
    await driver.write([['docs', 'a', 'old']]);
    const puts = [
      ['docs', 'a', 'new'],
      ['meta', 'b', 'bad'],
    ];
    await fails(driver.write(puts, [['docs', 'a']]), 'other');
    const read = driver.read([
      ['docs', 'a'],
      ['meta', 'b'],
    ]);
    assert.deepEqual(await read, ['old', undefined]);
  });

  it('keeps payloads as they were, and lists them', async () => {
    const storage = new InMemoryStorage();
    const call = (method, ...args) =>
      new Promise((resolve, reject) => {
        let returned = false;
        storage[method](...args, (error, result) => {
          assert.ok(returned, `${method} called back before it returned`);
          if (error) reject(error);
          else resolve(result);
        });
        returned = true;
      });
    assert.equal(storage.isReady(), false);
    assert.throws(() => storage.ensureReady(), { kind: 'closed' });
    await assert.rejects(call('readRecord', 'docs', 'a'), { kind: 'closed' });
    await call('initialize');
    assert.equal(storage.isReady(), true);
    const payload = { n: 1 };
    const one = { id: 'a', payload };
    const more = [
      { id: 'b', payload: 2 },
      { id: 'c', payload: 3 },
    ];
    await call('writeRecords', { docs: one, meta: more });
    payload.n = 2;
    assert.deepEqual(await call('readRecord', 'docs', 'a'), { n: 1 });
    assert.equal(await call('readRecord', 'docs', 'b'), null);
    assert.deepEqual(await call('readAllRecords', 'meta'), more);
    assert.deepEqual(await call('readRecordsBulk', 'meta', ['c', 'x']), [more[1]]);
    await call('deleteRecord', 'meta', 'c');
    assert.deepEqual(await call('readAllRecords', 'meta'), [more[0]]);
    await call('clearStore', 'meta');
    assert.deepEqual(await call('readAllRecords', 'meta'), []);
    assert.equal((await call('readAllRecords', 'docs')).length, 1);
    await call('clearAll');
    assert.deepEqual(await call('readAllRecords', 'docs'), []);
  });
});

describe("an application's storage", () => {
  it('gets deletions and writes in one call, as payloads of null', async () => {
    const storage = new OwnStorage();
    const driver = await opened(storage);
    await driver.write([['docs', 'a', '1']], [['meta', 'b']]);
    const call = { docs: [{ id: 'a', payload: '1' }], meta: [{ id: 'b', payload: null }] };
    assert.deepEqual(storage.written, [call]);
  });

  it('gets no payloads of null, where it can delete in a write', async () => {
    const driver = new OwnStorage();
    driver.deletesInWrite = true;
    await (await opened(driver)).write([['docs', 'a', '1']], [['meta', 'b']]);
    const call = {
      docs: [{ id: 'a', payload: '1' }],
      meta: [],
      deleted: { docs: [], meta: ['b'] },
    };
    assert.deepEqual(driver.written, [call]);
  });

  it('is rid of deleted records, where it can delete', async () => {
    const storage = new RichStorage();
    const driver = await opened(storage);
    const [a, b] = [
      ['docs', 'a'],
      ['docs', 'b'],
    ];
    await driver.write([
      [...a, '1'],
      [...b, '2'],
    ]);
    await driver.write([], [a]);
    assert.deepEqual([...storage.stores.docs.keys()], ['b']);
  });

  it('has deleted a record, also where it cannot sweep it away', async () => {
    const storage = new RichStorage();
    const driver = await opened(storage);
    await driver.write([['docs', 'a', '1']]);
    storage.deleteRecord = () => {
      throw new Error('not today');
    };
    await driver.write([], [['docs', 'a']]);
    assert.deepEqual(await driver.read([['docs', 'a']]), [undefined]);
  });

  it('has not ended a write while a deletion of it is under way', async () => {
    const storage = new RichStorage();
    const driver = await opened(storage, { timeout: SOON });
    storage.deleteRecord = () => {};
    await fails(driver.write([], [['docs', 'a']]), 'silent');
  });

  it('is asked for all records of a store at once, where it can', async () => {
    const rich = new RichStorage();
    const ids = [
      ['docs', 'a'],
      ['docs', 'b'],
      ['meta', 'a'],
    ];
    await (await opened(rich)).read(ids);
    assert.deepEqual(rich.calls, ['initialize', 'readRecordsBulk', 'readRecordsBulk']);
    const own = new OwnStorage();
    await (await opened(own)).read(ids);
    assert.equal(own.calls.filter((call) => call === 'readRecord').length, 3);
  });

  it('may hold nothing but texts', async () => {
    const storage = new OwnStorage();
    storage.stores.docs.set('a', { collection: 'c', pendingOps: [] });
    storage.stores.meta.set('a', 7);
    const driver = await opened(storage);
    const error = await fails(driver.read([['meta', 'a']]), 'other');
    assert.match(error.message, /meta\/a.*no text/);
    const [text] = await driver.read([['docs', 'a']]);
    assertIllegible(text, /docs\/a.*no text/);
  });

  const named = (name) => Object.assign(new Error('it said so'), { name });
  const ERRORS = [
    ['other', new Error('disk on fire')],
    ['other', 'a string'],
    ['quota', named('QuotaExceededError')],
    ['quota', new Error('Transaction error (3 items) in 5 millis: QuotaExceededError: full')],
    ['closed', named('InvalidStateError')],
    ['closed', named('AbortError')],
    ['closed', Object.assign(new Error('gone'), { kind: 'closed' })],
    ['quota', Object.assign(new Error('full'), { kind: 'quota' })],
    ['other', Object.assign(new Error('odd'), { kind: 'odd' })],
  ];
  for (const [kind, error] of ERRORS) {
    it(`has its errors sorted: ${error} is ${kind}`, async () => {
      const ways = {
        thrown: () => {
          throw error;
        },
        'given to the callback': (_method, callback) => callback(error),
        'given later': (_method, callback) => setImmediate(callback, error),
        'thrown in an asynchronous method': () => {
          throw error;
        },
      };
      for (const [way, answer] of Object.entries(ways)) {
        const storage = new (/asynchronous/.test(way) ? AsyncStorage : OwnStorage)();
        const driver = await opened(storage);
        storage.answer = answer;
        const failure = await fails(driver.write([['docs', 'a', '1']]), kind);
        assert.equal(failure.cause, error, way);
        // Only a dead handle has to be replaced.
        storage.answer = later;
        const read = driver.read([['docs', 'b']]);
        if (kind === 'closed') await fails(read, 'closed');
        else assert.deepEqual(await read, [undefined]);
        await driver.open();
        assert.deepEqual(await driver.read([['docs', 'b']]), [undefined]);
        storage.answer = answer;
        await fails(driver.read([['docs', 'a']]), kind);
        await fails(driver.open(), 'unavailable', 'ERR_STORAGE');
      }
    });
  }

  for (const method of ['initialize', 'readRecord', 'writeRecords']) {
    it(`may never call back: ${method}`, async () => {
      const storage = new OwnStorage();
      const driver = await opened(storage, { timeout: SOON });
      let abandoned = 0;
      storage.abandon = () => (abandoned += 1);
      let late;
      storage.answer = (asked, callback, ...results) => {
        if (asked === method) late = () => callback(...results);
        else callback(...results);
      };
      const [request, kind] = {
        initialize: [() => driver.open(), 'unavailable'],
        readRecord: [() => driver.read([['docs', 'a']]), 'silent'],
        writeRecords: [() => driver.write([['docs', 'a', '1']]), 'silent'],
      }[method];
      await fails(request(), kind);
      assert.equal(abandoned, 1);
      // Nothing more goes to that handle, and what comes from it is nobody's.
      const { length } = storage.calls;
      await fails(driver.write([['docs', 'b', '1']]), 'closed');
      await fails(driver.read([['docs', 'b']]), 'closed');
      assert.equal(storage.calls.length, length);
      late();
      await fails(driver.read([['docs', 'b']]), 'closed');
      storage.answer = later;
      await driver.open();
      await driver.write([['docs', 'b', '2']]);
      assert.deepEqual(await driver.read([['docs', 'b']]), ['2']);
    });
  }

  it('may call back more than once: the first counts', async () => {
    const storage = new OwnStorage();
    storage.answer = (_method, callback, error, result) => {
      callback(error, result);
      callback(new Error('again'));
      setImmediate(callback, new Error('and again'));
      callback(null, 'something else');
    };
    const driver = await opened(storage);
    await driver.write([['docs', 'a', '1']]);
    assert.deepEqual(await driver.read([['docs', 'a']]), ['1']);
    storage.answer = (_method, callback, error, result) => {
      callback(new Error('first'));
      callback(error, result);
    };
    assert.equal((await fails(driver.read([['docs', 'a']]), 'other')).message, 'first');
  });

  it('is closed where it says that it is not ready', async () => {
    const storage = new RichStorage();
    const driver = await opened(storage);
    storage.ready = false;
    await fails(driver.write([['docs', 'a', '1']]), 'closed');
    assert.deepEqual(storage.written, []);
    await driver.open();
    await driver.write([['docs', 'a', '1']]);
  });

  it('is closed before it is opened again, and when the driver is', async () => {
    const storage = new OwnStorage();
    storage.close = () => {
      storage.calls.push('close');
      throw new Error('nobody listens');
    };
    const driver = await opened(storage);
    await driver.open();
    driver.close();
    assert.deepEqual(storage.calls, ['initialize', 'close', 'initialize', 'close']);
  });
});

describe('encryption', () => {
  const CLEAR = '{"the":"secret"}';
  let key;

  before(async () => {
    const algorithm = { name: 'AES-GCM', length: 256 };
    key = await crypto.subtle.generateKey(algorithm, false, ['encrypt', 'decrypt']);
  });

  /** With a key that no script can take away: that is why it has to be asynchronous. */
  const cipher = () => ({
    async encrypt(text) {
      const iv = crypto.getRandomValues(new Uint8Array(12));
      const bytes = new TextEncoder().encode(text);
      return { iv, bytes: await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, bytes) };
    },
    async decrypt({ iv, bytes }) {
      const clear = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, bytes);
      return new TextDecoder().decode(clear);
    },
  });

  it('may be asynchronous, and give what is no text', async () => {
    const storage = new InMemoryStorage();
    const driver = await opened(storage, cipher());
    await driver.write([
      ['docs', 'a', CLEAR],
      ['meta', 'b', '2'],
    ]);
    const read = await driver.read([
      ['meta', 'b'],
      ['docs', 'a'],
      ['docs', 'none'],
    ]);
    assert.deepEqual(read, ['2', CLEAR, undefined]);
    const stored = await new Promise((resolve) =>
      storage.readRecord('docs', 'a', (_, payload) => resolve(payload)),
    );
    assert.ok(stored.bytes instanceof ArrayBuffer);
    assert.ok(!Buffer.from(stored.bytes).includes('secret'));
    await driver.write([], [['docs', 'a']]);
    assert.deepEqual(await driver.read([['docs', 'a']]), [undefined]);
  });

  it('may be synchronous', async () => {
    const storage = new OwnStorage();
    const turned = (text) => [...text].reverse().join('');
    const driver = await opened(storage, { encrypt: turned, decrypt: turned });
    await driver.write([['docs', 'a', CLEAR]], [['docs', 'b']]);
    assert.deepEqual(storage.written[0].docs, [
      { id: 'a', payload: turned(CLEAR) },
      { id: 'b', payload: null },
    ]);
    const read = driver.read([
      ['docs', 'a'],
      ['docs', 'b'],
    ]);
    assert.deepEqual(await read, [CLEAR, undefined]);
  });

  it('that fails writes nothing', async () => {
    const FAILURES = {
      throws: () => {
        throw new Error('no key');
      },
      rejects: () => Promise.reject(new Error('no key')),
      'gives nothing': () => undefined,
      'gives null': () => Promise.resolve(null),
      'never ends': () => new Promise(() => {}),
    };
    for (const [way, failure] of Object.entries(FAILURES)) {
      const storage = new OwnStorage();
      const encrypt = (text) => (text === CLEAR ? failure() : text);
      const options = { encrypt, decrypt: (text) => text, timeout: SOON };
      const driver = await opened(storage, options);
      const puts = [
        ['docs', 'a', '1'],
        ['docs', 'b', CLEAR],
      ];
      await fails(driver.write(puts), 'other', 'ERR_STORAGE_ENCRYPT');
      assert.deepEqual(storage.written, [], way);
      await driver.write([['docs', 'a', '2']]);
      assert.deepEqual(await driver.read([['docs', 'a']]), ['2'], way);
    }
  });

  it('that cannot be undone costs one document, or the read of anything else', async () => {
    const storage = new InMemoryStorage();
    await (
      await opened(storage, cipher())
    ).write([
      ['docs', 'a', CLEAR],
      ['meta', 'a', CLEAR],
    ]);
    const algorithm = { name: 'AES-GCM', length: 256 };
    key = await crypto.subtle.generateKey(algorithm, false, ['encrypt', 'decrypt']);
    const driver = await opened(storage, cipher());
    const error = await fails(driver.read([['meta', 'a']]), 'other', 'ERR_STORAGE_DECRYPT');
    assert.match(error.message, /meta\/a/);
    await driver.write([['docs', 'b', '1']]);
    const [lost, kept] = await driver.read([
      ['docs', 'a'],
      ['docs', 'b'],
    ]);
    assertIllegible(lost, /docs\/a could not be decrypted/);
    assert.equal(kept, '1');
    const FAILURES = [() => 7, () => undefined, () => new Promise(() => {})];
    for (const decrypt of FAILURES) {
      const options = { encrypt: (text) => text, decrypt, timeout: SOON };
      const other = await opened(storage, options);
      const [text] = await other.read([['docs', 'b']]);
      assertIllegible(text, /docs\/b could not be decrypted/);
      await fails(other.read([['meta', 'a']]), 'other', 'ERR_STORAGE_DECRYPT');
    }
    const [text] = await (await opened(storage)).read([['docs', 'a']]);
    assertIllegible(text, /a record is no text/);
  });

  it('by a storage that does it itself costs one document, too', async () => {
    const failed = (id) =>
      Object.assign(new Error(`${id}: bad tag`), { code: 'ERR_STORAGE_DECRYPT' });
    for (const bulk of [false, true]) {
      const storage = new InMemoryStorage();
      await (
        await opened(storage)
      ).write([
        ['docs', 'a', '1'],
        ['docs', 'b', '2'],
        ['meta', 'a', '3'],
      ]);
      const { readRecord } = storage;
      storage.readRecord = (store, id, callback) => {
        if (id === 'a') callback(failed(id));
        else readRecord.call(storage, store, id, callback);
      };
      if (bulk) storage.readRecordsBulk = (store, ids, callback) => callback(failed(ids));
      else storage.readRecordsBulk = undefined;
      const driver = await opened(storage);
      const [lost, kept] = await driver.read([
        ['docs', 'a'],
        ['docs', 'b'],
      ]);
      assertIllegible(lost, /docs\/a could not be decrypted: a: bad tag/);
      assert.equal(kept, '2');
      await fails(driver.read([['meta', 'a']]), 'other');
    }
  });

  it('belongs to the handle on which it was asked for', async () => {
    for (const again of [false, true]) {
      const storage = new OwnStorage();
      let go;
      const encrypt = (text) => new Promise((resolve) => (go = () => resolve(text)));
      const driver = await opened(storage, { encrypt, decrypt: (text) => text });
      const writing = driver.write([['docs', 'a', '1']]);
      driver.close();
      if (again) await driver.open();
      go();
      await fails(writing, 'closed');
      assert.deepEqual(storage.written, []);
    }
  });

  it('has two sides', () => {
    const one = (text) => text;
    assert.throws(() => new StorageDriver(new OwnStorage(), { encrypt: one }), TypeError);
    assert.throws(() => new StorageDriver(new OwnStorage(), { decrypt: one }), TypeError);
  });
});

describe('the choice of a storage', () => {
  it("is the application's", async () => {
    const storage = new OwnStorage();
    const driver = chooseStorage({ storage, namespace: 'n' });
    const { mode, reason } = await driver.open();
    assert.deepEqual({ mode, reason }, { mode: 'custom', reason: undefined });
    await driver.write([['docs', 'a', '1']]);
    assert.equal(storage.stores.docs.get('a'), '1');
  });

  it('refuses one that lacks a method', () => {
    const storage = { initialize() {}, readRecord() {} };
    assert.throws(() => chooseStorage({ storage }), /writeRecords/);
  });

  it('is memory where there is no IndexedDB, and says so', async () => {
    const driver = chooseStorage({ namespace: 'n' });
    const open = await driver.open();
    assert.equal(open.mode, 'memory');
    assert.match(open.reason, /no IndexedDB/);
    await driver.write([['docs', 'a', '1']]);
    await driver.open();
    assert.deepEqual(await driver.read([['docs', 'a']]), ['1']);
  });

  it('takes the other options along', async () => {
    const turned = (text) => [...text].reverse().join('');
    const storage = new OwnStorage();
    const options = { storage, encrypt: turned, decrypt: turned, timeout: SOON };
    const driver = chooseStorage(options);
    await driver.open();
    await driver.write([['docs', 'a', 'xy']]);
    assert.equal(storage.stores.docs.get('a'), 'yx');
    storage.answer = () => {};
    await fails(driver.read([['docs', 'a']]), 'silent');
  });
});

describe('IndexedDbStorage', () => {
  it('is unavailable where there is no IndexedDB', async () => {
    const storage = new IndexedDbStorage({ namespace: 'n' });
    const error = await fails(new StorageDriver(storage).open(), 'unavailable');
    assert.match(error.message, /no IndexedDB/);
  });

  it('refuses to encrypt without the functions for it', () => {
    assert.throws(() => new IndexedDbStorage({ useEncryption: true }), TypeError);
  });
});

describe('a limit', () => {
  const { start, stop } = timers;
  let due;

  beforeEach(() => {
    due = [];
    timers.start = (callback) => due.push(callback);
    timers.stop = (timer) => delete due[timer - 1];
  });

  afterEach(() => Object.assign(timers, { start, stop }));

  const overdue = () => new Error('overdue');

  it('gives work that was asleep with the machine the time to end', async () => {
    let end;
    const work = limited(new Promise((resolve) => (end = resolve)), 1000, overdue);
    // The machine wakes: this timer is due, however long it slept.
    due.pop()();
    end('done');
    assert.equal(await work, 'done');
    assert.deepEqual(due.filter(Boolean), [], 'no timer is left');
  });

  it('is reached some time', async () => {
    const work = limited(new Promise(() => {}), 1000, overdue);
    while (due.length) due.pop()();
    await assert.rejects(work, /overdue/);
  });
});
