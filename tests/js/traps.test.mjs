/** What shipped applications do with the client that no published suite looks at. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Backend, call, connect, ours, settle, stock, Wire } from './clients.mjs';

const require = createRequire(import.meta.url);
const richText = require('rich-text').type;

const clients = Object.entries({ stock, ours });

for (const [name, client] of clients) {
  describe(`an application (${name})`, () => {
    it('names the connection before it opens, to know later who made an op', async () => {
      const backend = new Backend();
      const authors = [];
      backend.use('commit', ({ op }, next) => {
        authors.push(op.src);
        next();
      });
      const wire = new Wire(backend);
      const connection = new client.Connection(wire.socket);
      connection.id = 'ada, first window';
      wire.open();
      await settle();
      assert.equal(connection.id, 'ada, first window');
      await call(connection.get('c', 'd'), 'create', { n: 1 });
      assert.deepEqual(authors, ['ada, first window']);
    });

    it('swaps the default type', async () => {
      const { types } = client;
      const { defaultType } = types;
      types.register(richText);
      try {
        types.defaultType = richText;
        const backend = new Backend();
        const [a, b] = [await connect(client, backend), await connect(client, backend)];
        const doc = a.connection.get('c', 'd');
        await call(doc, 'create', [{ insert: 'Hello' }]);
        assert.equal(doc.type, richText);
        const far = b.connection.get('c', 'd');
        await call(far, 'subscribe');
        assert.equal(far.type, richText);
        await call(doc, 'submitOp', [{ insert: '“' }]);
        await settle();
        assert.deepEqual(JSON.parse(JSON.stringify(far.data.ops ?? far.data)), [
          { insert: '“Hello' },
        ]);
      } finally {
        types.defaultType = defaultType;
      }
    });
  });
}

describe('an application that counts the version itself', () => {
  for (const [name, client] of clients) {
    it(`is not given the op that it has counted (${name})`, async () => {
      const backend = new Backend();
      const [a, b] = [await connect(client, backend), await connect(client, backend)];
      const doc = a.connection.get('c', 'd');
      await call(doc, 'create', { n: 1 });
      await call(doc, 'subscribe');
      doc.version++;
      assert.equal(doc.version, 2);
      const far = b.connection.get('c', 'd');
      await call(far, 'fetch');
      await call(far, 'submitOp', [{ p: ['n'], na: 1 }]);
      await call(far, 'submitOp', [{ p: ['n'], na: 1 }]);
      await settle();
      assert.deepEqual([doc.version, doc.data], [3, { n: 2 }]);
      await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
      assert.deepEqual([doc.version, doc.data], [4, { n: 3 }]);
    });
  }
});

describe('a listener that throws', () => {
  it('costs no message: what is asked later goes out', async () => {
    const backend = new Backend();
    const { connection, wire } = await connect(ours, backend);
    const doc = connection.get('c', 'd');
    await call(doc, 'subscribe');
    wire.gated = true;
    doc.unsubscribe();
    doc.on('no write pending', () => {
      throw new Error('mine');
    });
    const errors = [];
    connection.on('error', (error) => errors.push(error.message));
    connection.on('disconnected', () => {
      throw new Error('mine, too');
    });
    assert.throws(() => wire.close('lost'), /mine, too/);
    await settle();
    assert.deepEqual(errors, ['mine']);
    doc.removeAllListeners('no write pending');
    const next = new Wire(backend);
    connection.bindToSocket(next.socket);
    next.open();
    await settle();
    await call(connection.get('c', 'other'), 'fetch');
    assert.equal(connection.get('c', 'other').version, 0);
  });
});
