/** A Doc that was destroyed and is used once more, while there is a newer Doc of its id. */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, sameAsStock, settle, status, stock } from './clients.mjs';

const add = (n) => [{ p: ['n'], na: n }];

/** A connection whose Doc was destroyed, with a newer one; and a document of another connection. */
async function scene(client, backend, options) {
  const { connection, wire } = await connect(client, backend, options);
  const { connection: other } = await connect(client, backend);
  const far = other.get('c', 'doc');
  await call(far, 'create', { n: 0 });
  await call(far, 'subscribe');
  const through = (promise) => (wire.gated ? wire.exchange().then(() => promise) : promise);
  const old = connection.get('c', 'doc');
  await through(call(old, 'subscribe'));
  await through(call(old, 'destroy'));
  const doc = connection.get('c', 'doc');
  assert.notEqual(doc, old);
  return { connection, wire, far, old, doc, through };
}

/** What may be called late, by name; each calls back. */
const LATE = {
  fetch: (old, callback) => old.fetch(callback),
  subscribe: (old, callback) => old.subscribe(callback),
  unsubscribe: (old, callback) => old.unsubscribe(callback),
  submitOp: (old, callback) => old.submitOp(add(1), callback),
  del: (old, callback) => old.del(callback),
  ingestSnapshot: (old, callback) => old.ingestSnapshot({ v: 1, data: { n: 0 } }, callback),
  ensureDocHasRecentData: (old, callback) => old.ensureDocHasRecentData(9, callback),
  destroy: (old, callback) => old.destroy(callback),
};
const WITHOUT_EFFECT = ['unsubscribe', 'destroy'];

describe('a destroyed Doc that is used while a newer one is subscribed', () => {
  for (const [name, use] of Object.entries(LATE)) {
    it(`leaves the newer one as it is, and calls back: ${name}`, async () => {
      const { connection, far, old, doc } = await scene(ours, new Backend());
      await call(doc, 'subscribe');
      const outcomes = [];
      use(old, (error) => outcomes.push(error?.code));
      await settle();
      const code = WITHOUT_EFFECT.includes(name) ? undefined : 'ERR_DOC_NOT_IN_CONNECTION';
      assert.deepEqual(outcomes, [code]);
      assert.deepEqual([old.data, old.version, old.subscribed], [{ n: 0 }, 1, false]);
      await call(far, 'submitOp', add(10));
      await settle();
      assert.deepEqual([doc.data, doc.version, doc.subscribed], [{ n: 10 }, 2, true]);
      await call(doc, 'submitOp', add(100));
      await settle();
      assert.deepEqual([doc.data, doc.version], [{ n: 110 }, 3]);
      assert.deepEqual(far.data, { n: 110 });
      assert.equal(connection.getExisting('c', 'doc'), doc);
      assert.equal(connection.hasPending(), false);
    });
  }

  it('throws no error of a read that nobody waits for', async () => {
    const { old, doc } = await scene(ours, new Backend());
    await call(doc, 'subscribe');
    for (const read of ['fetch', 'subscribe', 'unsubscribe']) old[read]();
    old.ingestSnapshot({ v: 1, data: { n: 0 } });
    await settle();
    assert.deepEqual(doc.data, { n: 0 });
  });

  it('emits the error of an edit without a callback', async () => {
    const { old, doc } = await scene(ours, new Backend());
    await call(doc, 'subscribe');
    const errors = [];
    old.on('error', ({ code }) => errors.push(code));
    old.submitOp(add(1));
    assert.deepEqual(errors, ['ERR_DOC_NOT_IN_CONNECTION']);
    assert.throws(() => old.pendingOps.push({ op: add(1) }), { code: 'ERR_DOC_NOT_IN_CONNECTION' });
  });

  it('does not stop what the newer one waits for', async () => {
    const { wire, old, doc, through } = await scene(ours, new Backend(), { gated: true });
    await through(call(doc, 'fetch'));
    const outcomes = [];
    doc.submitOp(add(1), (error) => outcomes.push(['doc', error?.code]));
    old.fetch((error) => outcomes.push(['old', error?.code]));
    await wire.exchange();
    assert.deepEqual(outcomes, [
      ['old', 'ERR_DOC_NOT_IN_CONNECTION'],
      ['doc', undefined],
    ]);
    assert.deepEqual([doc.data, doc.version], [{ n: 1 }, 2]);
  });

  it('works again when the newer one is destroyed', async () => {
    const { far, old, doc } = await scene(ours, new Backend());
    await call(doc, 'subscribe');
    old.subscribe();
    old.preventCompose = true;
    await call(far, 'submitOp', add(10));
    await call(doc, 'destroy');
    await call(old, 'subscribe');
    await call(far, 'submitOp', add(100));
    await settle();
    assert.deepEqual([old.data, old.version, old.subscribed], [{ n: 110 }, 3, true]);
    assert.equal(old.preventCompose, true);
    doc.unsubscribe();
    await settle();
    assert.equal(old.subscribed, true);
  });
});

describe('a destroyed Doc that is used while a newer one is not in use', () => {
  it('takes its place, as in the stock client', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, far, old, doc } = await scene(client, backend);
      log.watchDoc(old, 'old', ['load', 'op', 'create', 'del', 'error']);
      log.watchDoc(doc, 'doc', ['load', 'op', 'create', 'del', 'error']);
      log.ids.set(far.connection.id, 'far');
      await call(doc, 'fetch');
      await call(old, 'subscribe');
      log.add(connection.getExisting('c', 'doc') === old);
      await call(far, 'submitOp', add(10));
      await settle();
      log.add(old.data, status(old), doc.data, doc.version);
      await call(old, 'submitOp', add(100));
      await settle();
      log.add(old.data, status(old), doc.data, doc.version, far.data);
    }));

  for (const [name, client] of Object.entries({ stock, ours })) {
    it(`gives it back when the newer one is used, ${name}`, async () => {
      const { connection, far, old, doc } = await scene(client, new Backend());
      await call(doc, 'fetch');
      await call(old, 'subscribe');
      await call(far, 'submitOp', add(10));
      await settle();
      await call(doc, 'subscribe');
      assert.equal(connection.getExisting('c', 'doc'), doc);
      await call(far, 'submitOp', add(100));
      await settle();
      assert.deepEqual([doc.data, doc.version, doc.subscribed], [{ n: 110 }, 3, true]);
      await call(doc, 'submitOp', add(1));
      await settle();
      assert.deepEqual([doc.data, far.data], [{ n: 111 }, { n: 111 }]);
    });
  }

  it('hands over what is under way when the newer one is used, and is called back', async () => {
    const { wire, far, old, doc } = await scene(ours, new Backend(), { gated: true });
    const outcomes = [];
    const callback = (name) => (error) => outcomes.push([name, error?.code]);
    old.submitOp(add(1), callback('submitOp'));
    old.fetch(callback('fetch'));
    old.ingestSnapshot({ v: 5, data: {} }, callback('ingestSnapshot'));
    old.whenNothingPending(callback('whenNothingPending'));
    await settle();
    const before = old.data;
    const loads = [];
    doc.on('load', () => loads.push([doc.version, doc.data.n]));
    doc.subscribe(callback('subscribe'));
    await wire.exchange();
    const names = ['submitOp', 'fetch', 'ingestSnapshot', 'whenNothingPending', 'subscribe'];
    assert.deepEqual(outcomes.sort(), names.map((name) => [name, undefined]).sort());
    assert.deepEqual(loads, [[1, 1]]);
    assert.equal(doc.data, before);
    assert.deepEqual([doc.data, doc.version, doc.subscribed], [{ n: 1 }, 2, true]);
    doc.submitOp(add(10));
    await wire.exchange();
    assert.deepEqual([doc.data, far.data, old.data], [{ n: 11 }, { n: 11 }, { n: 1 }]);
    assert.deepEqual([doc.hasPending(), old.hasPending(), old.subscribed], [false, false, false]);
    const destroyed = call(doc, 'destroy');
    await wire.exchange();
    await destroyed;
    old.subscribe();
    await wire.exchange();
    assert.deepEqual([old.data, old.version, old.subscribed], [{ n: 11 }, 3, true]);
  });

  it('may wait for its first answer when the newer one is used', async () => {
    const { wire, old, doc, through } = await scene(ours, new Backend(), { gated: true });
    await through(call(doc, 'fetch'));
    const outcomes = [];
    for (const one of [old, doc]) one.fetch((error) => outcomes.push([error?.code, doc.data]));
    await wire.exchange();
    assert.deepEqual(outcomes, [
      [undefined, { n: 0 }],
      [undefined, { n: 0 }],
    ]);
  });

  it('has the place when it is asked for again', async () => {
    const { connection, far, old, doc } = await scene(ours, new Backend());
    await call(old, 'subscribe');
    assert.equal(connection.get('c', 'doc'), old);
    await assert.rejects(call(doc, 'fetch'), { code: 'ERR_DOC_NOT_IN_CONNECTION' });
    await call(far, 'submitOp', add(10));
    await settle();
    assert.deepEqual(old.data, { n: 10 });
  });
});
