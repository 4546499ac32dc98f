/** `connection.collections` is the application's to change: what it takes out there is forgotten. */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, sameAsStock, settle } from './clients.mjs';
import { OneHost } from './one-host.mjs';

const REMOVALS = {
  'a document that is deleted from collections': (connection) => {
    delete connection.collections.c.doc;
  },
  'a document whose collections are replaced': (connection) => {
    connection.collections = {};
  },
  'a document whose collection is deleted': (connection) => {
    delete connection.collections.c;
  },
};

const op = [{ p: ['n'], na: 1 }];

/** A connection with a document that another one writes to. */
async function scene(client, backend, log) {
  const { connection } = await connect(client, backend);
  const { connection: other } = await connect(client, backend);
  log?.ids.set(other.id, 'other');
  const [doc, written] = [connection, other].map((one) => one.get('c', 'doc'));
  await call(written, 'create', { n: 0 });
  await call(written, 'subscribe');
  await call(doc, 'subscribe');
  return { connection, doc, written };
}

describe('like the stock client,', () => {
  for (const [what, remove] of Object.entries(REMOVALS)) {
    it(`${what} hears of nothing any more`, () =>
      sameAsStock(async (client, log, backend) => {
        const { connection, doc, written } = await scene(client, backend, log);
        log.watchDoc(doc, 'old', ['op', 'del', 'create', 'load', 'destroy', 'error']);
        remove(connection);
        log.add(connection.getExisting('c', 'doc'));
        await call(written, 'submitOp', op);
        await settle();
        log.add(doc.data, doc.version, connection.hasPending());
      }));

    it(`${what} is another one when it is asked for again`, () =>
      sameAsStock(async (client, log, backend) => {
        const { connection, doc, written } = await scene(client, backend, log);
        connection.on('doc', (made) => log.add('made', made.id, made === doc));
        remove(connection);
        const anew = connection.get('c', 'doc');
        log.add(anew === doc, anew.version, anew.type, anew.data, anew.subscribed);
        log.add(doc.data, doc.version);
        log.watchDoc(doc, 'old');
        log.watchDoc(anew, 'new', ['load', 'op', 'create', 'error']);
        await call(anew, 'subscribe');
        await call(written, 'submitOp', op);
        await settle();
        await call(anew, 'submitOp', op);
        await settle();
        log.add(anew.data, anew.version, written.data, doc.data);
        log.add(connection.getExisting('c', 'doc') === anew);
      }));

    it(`${what} is there again when it is used`, () =>
      sameAsStock(async (client, log, backend) => {
        const { connection, doc, written } = await scene(client, backend, log);
        remove(connection);
        await call(doc, 'submitOp', op);
        await settle();
        log.add(connection.getExisting('c', 'doc') === doc, doc.data, written.data);
        await call(written, 'submitOp', op);
        await settle();
        log.add(doc.data, doc.version);
      }));
  }

  it('a document can be created where one was deleted from collections before its creation was sent', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection } = await connect(client, backend);
      connection.get('c', 'doc');
      delete connection.collections.c.doc;
      const doc = connection.get('c', 'doc');
      await call(doc, 'create', { n: 0 });
      log.add(doc.data, doc.version);
    }));
});

describe('a collection of many documents', () => {
  it('is not counted for each one that is destroyed, and is gone with the last', async () => {
    const COUNT = 1000;
    const { connection } = await connect(ours, new Backend());
    const docs = Array.from({ length: COUNT }, (_, i) => connection.get('c', `d${i}`));
    const { keys } = Object;
    let counted = 0;
    Object.keys = (object) => {
      const found = keys(object);
      if (object === connection.collections.c) counted += found.length;
      return found;
    };
    try {
      await Promise.all(docs.slice(1).map((doc) => call(doc, 'destroy')));
      assert.deepEqual(keys(connection.collections.c), ['d0']);
      await call(docs[0], 'destroy');
    } finally {
      Object.keys = keys;
    }
    assert.deepEqual(keys(connection.collections), []);
    assert.ok(counted <= 2 * COUNT, `${counted} keys`);
  });
});

describe('a document that was removed from collections', () => {
  it('calls back what is pending with an error when it is replaced', async () => {
    const { connection, doc, written } = await scene(ours, new Backend());
    const outcomes = [];
    doc.submitOp(op, (error) => outcomes.push(error?.code));
    connection.collections = {};
    const anew = connection.get('c', 'doc');
    await settle();
    assert.deepEqual(outcomes, ['ERR_DOC_NOT_IN_CONNECTION']);
    await call(anew, 'subscribe');
    assert.deepEqual(anew.data, written.data);
    await call(anew, 'submitOp', op);
    await settle();
    assert.deepEqual(anew.data, written.data);
    assert.equal(anew.hasPending(), false);
  });

  it('calls back as ever when it is not replaced', async () => {
    const { connection, doc, written } = await scene(ours, new Backend());
    const pending = call(doc, 'submitOp', op);
    connection.collections = {};
    await pending;
    await settle();
    assert.deepEqual(written.data, { n: 1 });
  });

  it('stays with the other tabs of its host', async () => {
    const host = new OneHost(new Backend());
    const [one, two] = [await host.tab('one'), await host.tab('two')];
    const [near, far] = [one, two].map((tab) => tab.get('c', 'doc'));
    await call(near, 'create', { n: 0 });
    await call(near, 'subscribe');
    await call(far, 'subscribe');
    one.collections = {};
    const anew = one.get('c', 'doc');
    assert.notEqual(anew, near);
    await call(far, 'submitOp', op);
    await call(anew, 'subscribe');
    await call(far, 'submitOp', op);
    await settle();
    assert.deepEqual([anew.data, far.data, near.data], [{ n: 2 }, { n: 2 }, { n: 0 }]);
  });

  it('is in the results of a query that brings it', async () => {
    const { connection, written } = await scene(ours, new Backend());
    connection.collections = {};
    await call(written, 'submitOp', op);
    const docs = await new Promise((resolve, reject) => {
      connection.createFetchQuery('c', {}, null, (error, found) =>
        error ? reject(error) : resolve(found),
      );
    });
    assert.deepEqual(
      docs.map(({ id, data }) => [id, data]),
      [['doc', { n: 1 }]],
    );
    assert.equal(connection.get('c', 'doc'), docs[0]);
  });
});
