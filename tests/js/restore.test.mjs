/** Applications that keep a document and its ops themselves, and hand them in again in a later life. */

import assert from 'node:assert/strict';
import { createSharedHost } from './one-thread.mjs';
import { Backend, call, connect, ours, settle, stock, Wire } from './clients.mjs';

/** What an application keeps: the data holds the ops already. */
const keep = (doc) =>
  structuredClone({
    snapshot: { v: doc.version, type: doc.type.uri, data: doc.data },
    ops: [doc.inflightOp, ...doc.pendingOps]
      .filter(Boolean)
      .map(({ op, src, seq }) => ({ op, src, seq })),
  });

/** Hands it in again; the callbacks say when the ops are through. */
function handIn(doc, { snapshot, ops }) {
  doc.ingestSnapshot(snapshot);
  const through = ops.map(
    (op) =>
      new Promise((resolve, reject) => {
        const callback = (error) => (error ? reject(error) : resolve());
        doc.pendingOps.push({ ...op, type: doc.type, callbacks: [callback] });
      }),
  );
  doc.flush();
  return Promise.all(through);
}

const committed = (backend, id) =>
  new Promise((resolve, reject) => {
    backend.db.getOps('c', id, 0, null, {}, (error, ops) => (error ? reject(error) : resolve(ops)));
  });

for (const [name, client] of Object.entries({ stock, ours })) {
  describe(`ops that the application kept (${name})`, () => {
    it('go to the server once, when they were never sent', async () => {
      const backend = new Backend();
      const first = await connect(client, backend);
      const doc = first.connection.get('c', 'never sent');
      await call(doc, 'create', { n: 1 });
      first.wire.close('lost');
      doc.submitOp([{ p: ['n'], na: 2 }]);
      const kept = keep(doc);

      const { connection } = await connect(client, backend);
      const again = connection.get('c', 'never sent');
      await handIn(again, kept);
      assert.deepEqual(again.data, { n: 3 });
      assert.equal(again.version, 2);
      assert.equal((await committed(backend, 'never sent')).length, 2);
    });

    it('keep their identity, so that the server drops what it has', async () => {
      const backend = new Backend();
      const first = await connect(client, backend);
      const doc = first.connection.get('c', 'sent');
      await call(doc, 'create', { n: 1 });
      first.wire.gated = true;
      doc.submitOp([{ p: ['n'], na: 2 }]);
      await settle();
      const kept = keep(doc);
      first.wire.toServer();
      await settle();
      first.wire.close('lost before the answer');
      // Our tab does not know what name the host gave the op; the server does.
      const [, { src, seq }] = await committed(backend, 'sent');
      Object.assign(kept.ops[0], { src, seq });

      const { connection } = await connect(client, backend);
      const again = connection.get('c', 'sent');
      await handIn(again, kept);
      assert.deepEqual(again.data, { n: 3 });
      assert.equal(again.version, 2);
      assert.equal((await committed(backend, 'sent')).length, 2);
    });
  });
}

describe('a snapshot that an application handed in', () => {
  it('is not believed by other tabs: they get what was committed', async () => {
    const backend = new Backend();
    const first = await connect(ours, backend);
    const doc = first.connection.get('c', 'shared');
    await call(doc, 'create', { n: 1 });
    first.wire.close('lost');
    doc.submitOp([{ p: ['n'], na: 2 }]);
    const kept = keep(doc);

    const wire = new Wire(backend);
    const host = createSharedHost(wire.socket);
    const [a, b] = [host.connect(), host.connect()];
    wire.open();
    await settle();
    await handIn(a.get('c', 'shared'), kept);
    await call(b.get('c', 'shared'), 'subscribe');
    assert.deepEqual(b.get('c', 'shared').data, { n: 3 });
    await call(b.get('c', 'shared'), 'submitOp', [{ p: ['n'], na: 10 }]);
    await call(a.get('c', 'shared'), 'subscribe');
    assert.deepEqual(a.get('c', 'shared').data, { n: 13 });
  });
});
