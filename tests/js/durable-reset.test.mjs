/** A server that began anew, or was restored from an old backup: what is kept here is ahead of it. */

import assert from 'node:assert/strict';
import { InMemoryStorage } from 'sharedb-proxy';
import { Backend, call } from './clients.mjs';
import { Life, append, snapshot, words } from './durable-lives.mjs';

describe('a document that is ahead of the server', () => {
  it('is as the server has it after the first op that was refused', async () => {
    const [before, storage] = [new Backend(), new InMemoryStorage()];
    const first = new Life(before, storage);
    await first.online();
    const doc = first.doc('a');
    await call(doc, 'create', { list: [] });
    for (const word of ['lost', 'gone']) {
      append(doc, word);
      await first.drained();
    }
    await call(first.connection, 'flushWrites');
    first.crash();

    const after = new Backend();
    const other = after.connect().get('c', 'a');
    await call(other, 'create', { list: ['new'] });

    const second = new Life(after, storage);
    const again = second.doc('a');
    await call(again, 'subscribe');
    assert.deepEqual(again.data.list, ['lost', 'gone']);
    await second.online();
    await second.drained();
    const refused = await call(again, 'submitOp', [{ p: ['list', 0], li: 'refused' }]).catch(
      (error) => error.code,
    );
    assert.equal(refused, 'ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT');
    await second.drained();
    assert.deepEqual(again.data, { list: ['new'] });
    assert.equal(again.version, 1);
    assert.equal(second.connection.deadLetters.length, 1);

    await call(again, 'submitOp', [{ p: ['list', 1], li: 'taken' }]);
    await call(other, 'fetch');
    assert.deepEqual(other.data, { list: ['new', 'taken'] });
    assert.deepEqual((await snapshot(after, 'a')).data, again.data);
    assert.deepEqual(await words(after, 'a'), ['taken']);

    // And so it is kept.
    second.crash();
    const third = new Life(after, storage);
    const last = third.doc('a');
    await call(last, 'fetch');
    assert.deepEqual(last.data, { list: ['new', 'taken'] });
  });
});
