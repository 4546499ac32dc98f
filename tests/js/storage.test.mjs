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
import {
  assertIllegible,
  AsyncStorage,
  fails,
  later,
  LaterStorage,
  opened,
  OwnStorage,
  RichStorage,
  SOON,
} from './own-storages.mjs';

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
        // Only who says so itself may be opened another time.
        const again = error.kind === 'closed' ? 'closed' : 'unavailable';
        await fails(driver.open(), again, 'ERR_STORAGE');
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
