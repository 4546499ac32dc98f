/** The storage driver where the application encrypts: what the storage holds, and what a record is worth that cannot be decrypted. */

import assert from 'node:assert/strict';
import { InMemoryStorage } from 'sharedb-proxy';
import { StorageDriver } from '../../js-shim/src/storage/storage-driver.js';
import { assertIllegible, fails, opened, OwnStorage, SOON } from './own-storages.mjs';

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
