/** What becomes of what a tab did just before it left a host that has other tabs. */

import assert from 'node:assert/strict';
import { Backend, call, settle } from './clients.mjs';
import { OneHost } from './one-host.mjs';

describe('a tab that closes its connection', () => {
  it('leaves behind what was submitted before', async () => {
    const host = new OneHost(new Backend());
    const [leaving, staying] = [await host.tab('a'), await host.tab('b')];
    const other = staying.get('c', 'd');
    await call(other, 'create', { list: [] });
    await call(other, 'subscribe');
    const docs = ['d', 'new'].map((id) => leaving.get('c', id));
    await call(docs[0], 'fetch');

    docs[0].submitOp([{ p: ['list', 0], li: 'first' }]);
    // What follows is pending behind it.
    docs[0].flush();
    docs[0].submitOp([{ p: ['list', 1], li: 'second' }]);
    docs[1].create({ n: 1 });
    leaving.close();
    assert.equal(leaving.state, 'closed');
    docs[0].submitOp([{ p: ['list', 2], li: 'too late' }]);
    await settle();

    assert.deepEqual(other.data, { list: ['first', 'second'] });
    const created = staying.get('c', 'new');
    await call(created, 'fetch');
    assert.deepEqual(created.data, { n: 1 });
    assert.equal(docs[0].hasWritePending(), true);
  });
});
