/** The promise facade, over our client and, as it takes any, over the stock one. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import {
  create,
  createFetchQuery,
  createSubscribeQuery,
  del,
  destroy,
  fetch,
  fetchSnapshot,
  fetchSnapshotByTimestamp,
  hostStatus,
  ingestSnapshot,
  ping,
  submit,
  submitOp,
  subscribe,
  unsubscribe,
  whenNothingPending,
} from 'sharedb-proxy/promises';
import { Backend, Wire, connect, ours, settle, stock } from './clients.mjs';

const require = createRequire(import.meta.url);
const MemoryDB = require('sharedb/lib/db/memory');

/** A backend whose queries find every document. */
function queryable() {
  const db = new MemoryDB();
  db.query = (collection, query, fields, options, callback) => {
    if (query.$fails) return callback(new Error('no such query'));
    const ids = Object.keys(db.docs[collection] ?? {});
    db.getSnapshotBulk(collection, ids, fields, null, (error, byId) => {
      callback(error, Object.values(byId ?? {}), { found: ids.length });
    });
  };
  return new Backend({ db, presence: true });
}

for (const [name, client] of Object.entries({ ours, stock })) {
  describe(`promises of ${name}`, () => {
    let backend, connection, wire, doc;

    beforeEach(async () => {
      backend = queryable();
      ({ connection, wire } = await connect(client, backend));
      doc = connection.get('c', 'doc');
    });

    afterEach(() => new Promise((resolve) => backend.close(resolve)));

    it('take a document through its life, and resolve with it', async () => {
      assert.equal(await subscribe(doc), doc);
      assert.equal(await create(doc, { n: 1 }), doc);
      assert.equal(doc.version, 1);
      const submitted = submitOp(doc, [{ p: ['n'], na: 1 }], { source: 'mine' });
      assert.deepEqual(doc.data, { n: 2 }, 'the document has the op at once');
      assert.equal(doc.version, 1);
      assert.equal(await submitted, doc);
      assert.equal(doc.version, 2);
      assert.equal(await unsubscribe(doc), doc);
      assert.equal(doc.subscribed, false);
      assert.equal(await fetch(doc), doc);
      assert.equal(await del(doc, { source: 'mine' }), doc);
      assert.equal(doc.type, null);
      assert.equal(await whenNothingPending(doc), doc);
      assert.equal(await destroy(doc), doc);
      assert.equal(connection.getExisting('c', 'doc'), undefined);
    });

    it('hand the source and the type on', async () => {
      const sources = [];
      for (const event of ['create', 'op', 'del']) {
        doc.on(event, (...args) => sources.push([event, args.at(event === 'op' ? 1 : -1)]));
      }
      await create(doc, { n: 1 }, client.types.defaultType.uri, { source: 'a' });
      await submitOp(doc, [{ p: ['n'], na: 1 }], { source: 'b' });
      await del(doc, { source: 'c' });
      assert.deepEqual(sources, [
        ['create', 'a'],
        ['op', 'b'],
        ['del', 'c'],
      ]);
      await assert.rejects(create(doc, {}, 'no such type'), {
        code: 'ERR_DOC_TYPE_NOT_RECOGNIZED',
      });
    });

    it('reject with the error, and nothing is emitted', async () => {
      doc.on('error', () => assert.fail('an error was emitted'));
      await assert.rejects(submitOp(doc, []), { code: 'ERR_DOC_DOES_NOT_EXIST' });
      backend.use('submit', (_, next) => next(new Error('refused')));
      await assert.rejects(create(doc, {}), { message: 'refused' });
      backend.use('readSnapshots', (_, next) => next(new Error('secret')));
      await assert.rejects(fetch(connection.get('c', 'other')), { message: 'secret' });
      await assert.rejects(createFetchQuery(connection, 'c', { $fails: true }), {
        message: 'no such query',
      });
    });

    it('ingest a snapshot', async () => {
      assert.equal(await ingestSnapshot(doc, { v: 3, data: { n: 3 } }), doc);
      assert.deepEqual([doc.version, doc.data], [3, { n: 3 }]);
      await assert.rejects(ingestSnapshot(connection.get('c', 'other'), { v: 'x', data: 1 }), {
        code: 'ERR_INGESTED_SNAPSHOT_HAS_NO_VERSION',
      });
    });

    it('wait for the results of queries', async () => {
      await create(doc, { n: 1 });
      for (const createQuery of [createFetchQuery, createSubscribeQuery]) {
        const query = await createQuery(connection, 'c', {});
        assert.deepEqual(query.results, [doc]);
        assert.deepEqual(query.extra, { found: 1 });
        assert.equal(await destroy(query), query);
      }
      await settle();
      assert.deepEqual(Object.keys(connection.queries), []);
    });

    it('give snapshots of the past', async () => {
      await create(doc, { n: 1 });
      await submitOp(doc, [{ p: ['n'], na: 1 }]);
      assert.deepEqual((await fetchSnapshot(connection, 'c', 'doc', 1)).data, { n: 1 });
      assert.equal((await fetchSnapshot(connection, 'c', 'doc')).v, 2);
      assert.equal((await fetchSnapshotByTimestamp(connection, 'c', 'doc')).v, 2);
      assert.equal((await fetchSnapshotByTimestamp(connection, 'c', 'doc', 0)).v, 0);
      // What the method throws is the promise's, too.
      await assert.rejects(fetchSnapshot(connection, 'c', 'doc', -1));
    });

    it('wait for everything of a connection', async () => {
      create(doc, { n: 1 });
      submitOp(doc, [{ p: ['n'], na: 1 }]);
      assert.equal(await whenNothingPending(connection), connection);
      assert.equal(doc.hasWritePending(), false);
    });

    it('ping, and leave no listener behind', async () => {
      const listeners = () => [connection.listenerCount('pong'), connection.listenerCount('state')];
      const before = listeners();
      assert.equal(await ping(connection), connection);
      const lost = ping(connection);
      wire.close('lost');
      await assert.rejects(lost, { code: 'ERR_CONNECTION_LOST' });
      await assert.rejects(ping(connection), { code: 'ERR_CANNOT_PING_OFFLINE' });
      assert.deepEqual(listeners(), before);
    });

    it('wait over an outage', async () => {
      await subscribe(doc);
      await create(doc, { n: 1 });
      wire.close('lost');
      const submitted = submitOp(doc, [{ p: ['n'], na: 1 }]);
      const destroyed = destroy(doc);
      const next = new Wire(backend);
      connection.bindToSocket(next.socket);
      next.open();
      await submitted;
      await destroyed;
      assert.equal(connection.getExisting('c', 'doc'), undefined);
    });

    if (!client.Connection.prototype.getPresence) return;
    it('take presence', async () => {
      const { connection: far } = await connect(client, backend);
      const [presence, watcher] = [connection, far].map((one) => one.getPresence('room'));
      assert.equal(await subscribe(watcher), watcher);
      const local = presence.create('me');
      const received = new Promise((resolve) => watcher.on('receive', (...got) => resolve(got)));
      assert.equal(await submit(local, { at: 1 }), local);
      assert.deepEqual(await received, ['me', { at: 1 }]);
      await destroy(local);
      await unsubscribe(watcher);
      await destroy(presence);
    });
  });
}

describe('promises of ours alone', () => {
  it('ask the host what it has', async () => {
    const { connection } = await connect(ours, new Backend());
    await subscribe(connection.get('c', 'doc'));
    assert.deepEqual(await hostStatus(connection), {
      tabs: 1,
      sockets: 1,
      docs: 1,
      pendingOps: 0,
    });
  });

  it('leave the plain methods without a return value', async () => {
    const { connection } = await connect(ours, new Backend());
    const doc = connection.get('c', 'doc');
    assert.equal(doc.create({ n: 1 }), undefined);
    assert.equal(
      doc.submitOp([{ p: ['n'], na: 1 }], () => {}),
      undefined,
    );
  });
});
