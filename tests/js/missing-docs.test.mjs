/**
 * What applications do all day with documents that may not be there, or that they have seen before: create what is missing, and
 * make queries that are gone before they are answered, as React's StrictMode does. In the page, and for tabs of one host.
 */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, sameAsStock, settle, stock } from './clients.mjs';
import { SharedHost } from './shared-host.mjs';

const plain = ({ type, version, data }) => [type?.name ?? null, version, data];

/** Ways in which two reads of a document are on their way when it is created. */
const READS = {
  'a fetch creates, a subscribe is on its way': ({ doc, create }) => {
    doc.subscribe();
    doc.fetch(create);
  },
  'a subscribe creates, a fetch is on its way': ({ doc, create }) => {
    doc.fetch();
    doc.subscribe(create);
  },
  'a listener creates': ({ doc, create }) => {
    doc.once('load', create);
    doc.subscribe();
    doc.fetch();
  },
  'a query creates, a subscribe is on its way': ({ doc, create, connection }) => {
    connection.startBulk();
    doc.subscribe();
    connection.createSubscribeQuery('c', {}, null, create);
    connection.endBulk();
    doc.fetch();
  },
};

/** Creates what is missing, and adds to it at once. */
const creating = (doc, log) => () => {
  if (doc.type) return;
  doc.create({ n: 1 }, (error) => log.add('created', error));
  doc.submitOp([{ p: ['n'], na: 5 }], (error) => log.add('added', error));
};

describe('a document that is missing', () => {
  for (const [name, read] of Object.entries(READS)) {
    for (const wasThere of [false, true]) {
      it(`is created${wasThere ? ' again' : ''} where ${name}`, () =>
        sameAsStock(async (client, log, backend) => {
          const { connection } = await connect(client, backend);
          const far = (await connect(client, backend)).connection.get('c', 'd');
          if (wasThere) {
            await call(far, 'create', { n: 0 });
            await call(far, 'del');
          }
          const doc = connection.get('c', 'd');
          read({ doc, connection, create: creating(doc, log) });
          await settle();
          await call(far, 'fetch');
          log.add(plain(doc), plain(far));
        }));
    }
  }

  it('is created elsewhere between two reads: a create after the first is refused', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, wire } = await connect(client, backend, { gated: true });
      const far = (await connect(client, backend)).connection.get('c', 'd');
      const doc = connection.get('c', 'd');
      const create = () => doc.create({ n: 1 }, (error) => log.add('create', error?.code));
      // The stock client says it here, too, beside the callback.
      doc.on('error', () => {});
      doc.fetch(create);
      await settle();
      wire.toServer();
      await settle();
      await call(far, 'create', { n: 7 });
      doc.subscribe();
      await settle();
      wire.toServer();
      await settle();
      await wire.exchange();
      log.add(plain(doc), plain(far));
    }));

  it('is created by one tab while another one reads it', async () => {
    const host = new SharedHost(new Backend());
    const [one, two] = [host.connection('one'), host.connection('two')];
    await settle();
    const [a, b] = [one.get('c', 'd'), two.get('c', 'd')];
    await Promise.all([
      call(a, 'subscribe'),
      call(b, 'fetch').then(() => call(b, 'create', { n: 1 })),
    ]);
    await settle();
    assert.deepEqual([a.data, b.data], [{ n: 1 }, { n: 1 }]);
    const error = await call(a, 'create', { n: 2 }).catch((refused) => refused);
    assert.equal(error.code, 'ERR_DOC_ALREADY_CREATED');
  });

  const NO_TYPES = {
    'options in the place of the type': { source: 'mine' },
    'the type itself': stock.types.defaultType,
    'a number': 5,
  };
  for (const [what, type] of Object.entries(NO_TYPES)) {
    it(`is not created with ${what}, and nothing else is harmed`, async () => {
      const { connection } = await connect(ours, new Backend());
      const other = connection.get('c', 'other');
      await call(other, 'create', { n: 0 });
      const added = call(other, 'submitOp', [{ p: ['n'], na: 1 }]);
      await assert.rejects(call(connection.get('c', 'd'), 'create', {}, type), {
        code: 'ERR_OT_OP_BADLY_FORMED',
      });
      await added;
      assert.equal(connection.state, 'connected');
      assert.deepEqual(other.data, { n: 1 });
      assert.equal(connection.getDocPresence('c', 5).id, '5');
      assert.throws(() => connection._core.openPresence(5, {}, null), TypeError);
      await call(other, 'submitOp', [{ p: ['n'], na: 1 }]);
    });
  }
});

describe('a query that is gone before its answer', () => {
  const QUERIES = {
    'the second of two': (connection) => connection.createSubscribeQuery('c', {}).destroy(),
    'a fetch query': (connection) => connection.createFetchQuery('c', {}).destroy(),
    'made again at once': (connection) => {
      connection.createSubscribeQuery('c', {}).destroy();
      return connection.createSubscribeQuery('c', {});
    },
  };
  for (const [name, make] of Object.entries(QUERIES)) {
    for (const read of ['fetch', 'subscribe']) {
      it(`leaves its documents to a ${read}: ${name}`, () =>
        sameAsStock(async (client, log, backend) => {
          const { connection } = await connect(client, backend);
          const far = (await connect(client, backend)).connection.get('c', 'd');
          await call(far, 'create', { n: 1 });
          connection.createSubscribeQuery('c', {});
          await settle();
          // A detail view that was closed.
          await call(connection.get('c', 'd'), 'destroy');
          const again = make(connection);
          await settle();
          log.add(again?.results.map(plain));
          const doc = connection.get('c', 'd');
          await call(doc, read);
          log.add(plain(doc));
          await call(far, 'submitOp', [{ p: ['n'], na: 1 }]);
          await call(doc, 'fetch');
          log.add(plain(doc));
        }));
    }
  }

  for (const again of ['fetch', 'subscribe', 'query']) {
    it(`leaves its documents to another tab's ${again}`, async () => {
      const backend = new Backend();
      const far = (await connect(stock, backend)).connection.get('c', 'd');
      await call(far, 'create', { n: 1 });
      const host = new SharedHost(backend);
      const [one, two] = [host.connection('one'), host.connection('two')];
      await settle();
      one.createSubscribeQuery('c', {});
      await settle();
      two.createSubscribeQuery('c', {}).destroy();
      await settle();
      if (again === 'query') {
        const query = two.createSubscribeQuery('c', {});
        await settle();
        assert.deepEqual(query.results.map(plain), [['json0', 1, { n: 1 }]]);
      } else {
        await call(two.get('c', 'd'), again);
      }
      assert.deepEqual(plain(two.get('c', 'd')), ['json0', 1, { n: 1 }]);
      await call(far, 'submitOp', [{ p: ['n'], na: 1 }]);
      await call(two.get('c', 'd'), 'fetch');
      assert.deepEqual(plain(two.get('c', 'd')), ['json0', 2, { n: 2 }]);
    });
  }
});
