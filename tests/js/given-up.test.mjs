/** Ops that the server commits while the document is loaded anew: one of this client's that was given up, and others. */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, settle, stock, until } from './clients.mjs';

const UNKNOWN = [{ p: ['text'], t: 'unknown', o: 1 }];

/**
 * A subscribed document with an op on its way, which the server holds back, and then an op of another client that cannot
 * be read: the document is loaded anew.
 */
async function rolledBack({ slowRead = false } = {}) {
  const backend = new Backend();
  const held = [];
  let holds = true;
  backend.use('apply', ({ op }, next) => {
    if (holds && op.op?.[0].na === 10) held.push(next);
    else next();
  });
  const reads = [];
  let slow = false;
  backend.use('readSnapshots', (_, next) => (slow ? reads.push(next) : next()));
  const { connection, wire } = await connect(ours, backend);
  const far = (await connect(stock, backend)).connection.get('c', 'd');
  await call(far, 'create', { n: 0, text: '' });
  const doc = connection.get('c', 'd');
  await call(doc, 'subscribe');
  const errors = [];
  doc.on('error', (error) => errors.push(error.code));
  let ended;
  doc.submitOp([{ p: ['n'], na: 10 }], (error) => {
    ended = error?.code;
  });
  await until('the op is at the server', () => held.length);
  slow = slowRead;
  const message = { a: 'op', c: 'c', d: 'd', v: 1, src: 'far', seq: 1, op: UNKNOWN };
  wire.socket.onmessage({ data: JSON.stringify(message) });
  await settle();
  const commit = async () => {
    holds = false;
    held.forEach((next) => next());
    await settle();
  };
  return { doc, far, errors, commit, reads, end: () => ended };
}

describe('an op that was given up on its way to the server', () => {
  for (const slowRead of [false, true]) {
    const when = slowRead ? 'before' : 'after';
    it(`is in the document, where the server commits it ${when} it tells the state`, async () => {
      const { doc, far, errors, commit, reads, end } = await rolledBack({ slowRead });
      await commit();
      reads.splice(0).forEach((next) => next());
      await settle();
      assert.equal(end(), 'ERR_OT_SUBTYPE_NOT_RECOGNIZED');
      await call(far, 'fetch');
      assert.deepEqual([doc.data, doc.version], [far.data, far.version]);
      await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
      await settle();
      assert.deepEqual([doc.data.n, doc.version], [11, 3]);
      assert.deepEqual(errors, []);
    });
  }
});

describe('an op of another client that comes while the document is loaded anew', () => {
  it('is in the document, where what is loaded is older', async () => {
    const { doc, far, commit, reads } = await rolledBack({ slowRead: true });
    await call(far, 'submitOp', [{ p: ['n'], na: 3 }]);
    await settle();
    reads.splice(0).forEach((next) => next());
    await settle();
    reads.splice(0).forEach((next) => next());
    await settle();
    assert.deepEqual([doc.data.n, doc.version], [3, 2]);
    await commit();
    assert.deepEqual([doc.data.n, doc.version], [13, 3]);
  });
});
