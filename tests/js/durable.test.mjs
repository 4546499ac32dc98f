/** Documents and ops that outlive the page that made them. */

import assert from 'node:assert/strict';
import { InMemoryStorage } from 'sharedb-proxy';
import { Backend, call, ours, settle, until } from './clients.mjs';
import {
  Life,
  append,
  assertNamedOnce,
  committed,
  happens,
  snapshot,
  words,
} from './durable-lives.mjs';

describe('edits made offline', () => {
  it('are there at once in the next life, and reach the server once, in order', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const first = new Life(backend, storage);
    await first.online();
    const doc = first.doc('a');
    await call(doc, 'create', { list: [] });
    first.offline();
    for (const word of ['one', 'two', 'three']) append(doc, word);
    await call(first.connection, 'flushWrites');
    first.crash();
    assert.deepEqual(await words(backend, 'a'), []);

    const second = new Life(backend, storage);
    const again = second.doc('a');
    await call(again, 'subscribe');
    assert.deepEqual(again.data.list, ['one', 'two', 'three']);
    assert.equal(again.version, 1);
    assert.equal(second.connection.state, 'connecting');
    assert.equal(second.connection.hasPendingOfflineDocs(), true);
    await second.online();
    await second.drained();
    assert.deepEqual(await words(backend, 'a'), ['one', 'two', 'three']);
    assert.deepEqual((await snapshot(backend, 'a')).data, again.data);
    assert.equal(second.connection.hasPendingOfflineDocs(), false);
    await assertNamedOnce(backend, ['a']);
  });

  it('are pending until the server has them, and not longer', async () => {
    const life = new Life(new Backend(), new InMemoryStorage());
    const { connection } = life;
    const created = call(life.doc('a'), 'create', { list: [] });
    await until('it is pending', () => connection.hasPendingOfflineDocs());
    await life.online();
    await created;
    // The store has a moment of quiet only after 300 ms: nothing may wait for that.
    await settle();
    assert.equal(connection.hasPendingOfflineDocs(), false);
  });

  it('go to the server though nobody opens the documents', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const first = new Life(backend, storage);
    const ids = ['a', 'b', 'c'];
    for (const id of ids) {
      first.doc(id).create({ list: [] });
      append(first.doc(id), id);
    }
    await call(first.connection, 'flushWrites');
    first.crash();

    const second = new Life(backend, storage);
    await happens(second.store, 'ready');
    const pending = [];
    second.connection.forEachPendingDocCollectionId((collection, id) =>
      pending.push([collection, id]),
    );
    assert.deepEqual(pending.sort(), [
      ['c', 'a'],
      ['c', 'b'],
      ['c', 'c'],
    ]);
    await second.online();
    await second.drained();
    for (const id of ids) assert.deepEqual((await snapshot(backend, id)).data, { list: [id] });
    assert.deepEqual(Object.keys(second.connection.collections), []);
  });

  it('are made in several lives, one after the other, and are all there, in order, once', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const first = new Life(backend, storage);
    await first.online();
    await call(first.doc('a'), 'create', { list: [] });
    first.crash();
    const expected = [];
    for (let life = 1; life <= 4; life++) {
      const next = new Life(backend, storage);
      const doc = next.doc('a');
      await call(doc, 'fetch');
      assert.deepEqual(doc.data.list, expected);
      for (const part of ['x', 'y']) {
        expected.push(`${life}${part}`);
        append(doc, `${life}${part}`);
        await call(next.connection, 'flushWrites');
      }
      next.crash();
    }
    const last = new Life(backend, storage);
    await last.online();
    await last.drained();
    assert.deepEqual(await words(backend, 'a'), expected);
    assert.deepEqual((await snapshot(backend, 'a')).data.list, expected);
    await assertNamedOnce(backend, ['a']);
  });

  it('were sent, and the answer did not come before the end: they are not doubled', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const first = new Life(backend, storage);
    await first.online();
    const doc = first.doc('a');
    await call(doc, 'create', { list: [] });
    first.wire.gated = true;
    append(doc, 'sent');
    await call(first.connection, 'flushWrites');
    append(doc, 'not sent');
    await call(first.connection, 'flushWrites');
    first.wire.toServer();
    await settle();
    assert.deepEqual(await words(backend, 'a'), ['sent']);
    first.crash();

    const second = new Life(backend, storage);
    await second.online();
    await second.drained();
    assert.deepEqual(await words(backend, 'a'), ['sent', 'not sent']);
    await assertNamedOnce(backend, ['a']);
  });

  it('compose up to a size, which the application may choose', async () => {
    const backend = new Backend();
    const life = new Life(backend, new InMemoryStorage(), { maxOpBytes: 2000 });
    await life.online();
    const doc = life.doc('a');
    await call(doc, 'create', { list: [] });
    life.offline();
    const expected = [];
    for (let i = 0; i < 40; i++) {
      const word = `${i}`.padEnd(200, '.');
      expected.push(word);
      append(doc, word);
      // Each goes to the host by itself, so that it composes there.
      if (i % 2) await call(life.connection, 'flushWrites');
    }
    await life.online();
    await life.drained();
    assert.deepEqual(await words(backend, 'a'), expected);
    const sizes = (await committed(backend, 'a'))
      .slice(1)
      .map((op) => JSON.stringify(op.op).length);
    assert.ok(Math.max(...sizes) <= 2000, `an op has ${Math.max(...sizes)} bytes`);
    assert.ok(sizes.length < 20, `${sizes.length} ops did not compose`);
  });
});
