/**
 * What an application sees of a store whose records were damaged. Each kind of damage is tested in
 * `tests/tests/damaged_store`.
 */

import assert from 'node:assert/strict';
import * as promises from 'sharedb-proxy/promises';
import { Backend } from './clients.mjs';
import { Life, answer, append, happens, stored, words } from './durable-lives.mjs';

const DAMAGED = 'ERR_STORAGE_DAMAGED';

/** A storage with the documents `a`, which has a pending op, and `b`. */
async function left() {
  const backend = new Backend();
  const storage = await stored(backend, ['a', 'b']);
  const life = new Life(backend, storage);
  const [a] = await promises.getBulk(life.connection, 'c', ['a']);
  append(a, 'offline');
  await promises.flushWrites(life.connection);
  life.crash();
  return { backend, storage };
}

/** Takes the version out of a document's record. */
function damage(storage, id) {
  const docs = storage._stores.docs;
  const { version, ...record } = JSON.parse(docs.get(`c/${id}`));
  assert.ok(version);
  docs.set(`c/${id}`, JSON.stringify(record));
}

describe('a damaged store', () => {
  it('is not taken for a new one', async () => {
    const { backend, storage } = await left();
    storage._stores.meta.delete('state');
    const before = structuredClone(storage._stores);
    const life = new Life(backend, storage);
    const error = await happens(life.connection, 'error');
    assert.equal(error.code, DAMAGED);
    assert.match(error.message, /its state is missing/);
    const { code, durable, mode } = life.connection.storage;
    assert.deepEqual({ code, durable, mode }, { code: DAMAGED, durable: false, mode: 'memory' });
    await life.online();
    const a = life.doc('a');
    assert.deepEqual(await answer(a, 'subscribe'), [undefined]);
    assert.deepEqual(a.data, { list: ['a'] });
    life.crash();
    assert.deepEqual(storage._stores, before);
  });

  it('can be wiped', async () => {
    const { backend, storage } = await left();
    storage._stores.meta.set('state', '{');
    const life = new Life(backend, storage);
    await happens(life.connection, 'error');
    await promises.wipe(life.connection);
    const next = new Life(backend, storage);
    await happens(next.store, 'ready');
    assert.deepEqual(next.connection.storage, { mode: 'custom', durable: true });
  });

  it('costs the one document whose pending ops cannot be read', async () => {
    const { backend, storage } = await left();
    damage(storage, 'a');
    const record = storage._stores.docs.get('c/a');
    const life = new Life(backend, storage);
    const told = happens(life.connection, 'error');
    await life.online();
    const error = await told;
    assert.equal(error.code, DAMAGED);
    assert.match(error.message, /c\.a is damaged: it has no version/);
    assert.equal(life.connection.storage.code, DAMAGED);
    assert.equal(life.connection.storage.durable, true);
    const [failed] = await answer(life.doc('a'), 'subscribe');
    assert.equal(failed.code, DAMAGED);
    const b = life.doc('b');
    assert.deepEqual(await answer(b, 'subscribe'), [undefined]);
    append(b, 'goes on');
    await new Promise((resolve) => life.connection.whenNothingPending(resolve));
    assert.deepEqual(await words(backend, 'b'), ['goes on']);
    await promises.flushWrites(life.connection);
    life.crash();
    assert.equal(storage._stores.docs.get('c/a'), record);
  });

  it('loads a document anew that the server has whole', async () => {
    const { backend, storage } = await left();
    damage(storage, 'b');
    const life = new Life(backend, storage);
    life.connection.on('error', () => {});
    await life.online();
    await life.drained();
    const b = life.doc('b');
    assert.deepEqual(await answer(b, 'subscribe'), [undefined]);
    assert.deepEqual(b.data, { list: ['b'] });
    assert.equal(life.connection.storage.code, DAMAGED);
    await promises.flushWrites(life.connection);
    life.crash();
    const next = new Life(backend, storage);
    const [again] = await promises.getBulk(next.connection, 'c', ['b']);
    assert.deepEqual(again.data, { list: ['b'] });
    assert.deepEqual(next.connection.storage, { mode: 'custom', durable: true });
  });
});
