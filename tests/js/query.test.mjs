/** Queries and snapshots of the past, with the stock client as the measure. */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, sameAsStock, settle, Wire } from './clients.mjs';

const EVENTS = ['ready', 'error', 'insert', 'remove', 'move', 'changed', 'extra'];
const ids = (docs) => docs?.map(({ id }) => id) ?? docs;

/** Puts what a query says into the record; documents by their ids. */
function watch(query, log) {
  for (const event of EVENTS) {
    const plain = (it) => (Array.isArray(it) ? ids(it) : it);
    query.on(event, (...args) => log.add(event, ...args.map(plain), ids(query.results)));
  }
  return query;
}

/** Two connections and some documents; the database returns the whole collection. */
async function scene(client, backend) {
  const [a, b] = [await connect(client, backend), await connect(client, backend)];
  const docs = ['one', 'two', 'three'].map((id) => b.connection.get('c', id));
  for (const doc of docs) await call(doc, 'create', { n: 1 });
  return { ...a, far: b.connection, docs };
}

describe('a query, as the stock client', () => {
  it('answers, follows its results, and gives their documents ops', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, far, docs } = await scene(client, backend);
      log.ids.set(far.id, 'far');
      const query = connection.createSubscribeQuery('c', {}, null, (error, results, extra) =>
        log.add('callback', error, ids(results), extra, query.ready),
      );
      watch(query, log);
      log.add(query.ready, query.sent, query.id, query.action, query.results, query.hasPending());
      await settle();
      const [first] = query.results;
      log.add(connection.get('c', first.id) === first, first.subscribed, first.data);
      log.watchDoc(first, 'first', ['op', 'del', 'create', 'load']);
      await call(far.get('c', first.id), 'submitOp', [{ p: ['n'], na: 1 }]);
      await settle();
      await call(far.get('c', 'four'), 'create', { n: 4 });
      await settle();
      await call(docs[1], 'del');
      await settle();
      log.add(ids(query.results).toSorted(), connection.hasPending());
      query.destroy(() => log.add('destroyed'));
      await settle();
      await call(far.get('c', 'five'), 'create', { n: 5 });
      await settle();
      log.add(Object.keys(connection.queries).length);
    }));

  it('keeps the same array of results, and takes one of the caller', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, far } = await scene(client, backend);
      const given = [connection.get('c', 'one')];
      const options = { results: given };
      await call(given[0], 'fetch');
      const query = watch(connection.createSubscribeQuery('c', {}, options), log);
      log.add('given', query.results === given, 'results' in options);
      await settle();
      const { results } = query;
      await call(far.get('c', 'four'), 'create', { n: 4 });
      await settle();
      log.add('same', results === given, query.results === results, ids(results).toSorted());
    }));

  it('waits offline, and asks again after a reconnect', () =>
    sameAsStock(async (client, log, backend) => {
      const { far } = await scene(client, backend);
      const wire = new Wire(backend);
      const connection = new client.Connection(wire.socket);
      const query = watch(connection.createSubscribeQuery('c', {}), log);
      connection.createFetchQuery('c', {}, null, (error, results) =>
        log.add('fetched', ids(results)),
      );
      log.add(query.sent, connection.hasPending());
      wire.open();
      await settle();
      wire.close('Request failed');
      await call(far.get('c', 'four'), 'create', { n: 4 });
      const next = new Wire(backend);
      connection.bindToSocket(next.socket);
      next.open();
      await settle();
      log.add(ids(query.results).toSorted(), connection.hasPending());
    }));

  it("gives the server's error to the callback, or emits it", () =>
    sameAsStock(async (client, log, backend) => {
      const { connection } = await scene(client, backend);
      backend.use('query', (_, next) => next(Object.assign(new Error('no'), { code: 'ERR_MINE' })));
      watch(connection.createFetchQuery('c', {}, null, log.callback('fetch')), log);
      watch(connection.createSubscribeQuery('c', {}), log);
      await settle();
      log.add(connection.hasPending());
    }));

  it('reads snapshots of the past', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, docs } = await scene(client, backend);
      await call(docs[0], 'submitOp', [{ p: ['n'], na: 1 }]);
      for (const version of [null, 0, 1, 2, 9]) {
        connection.fetchSnapshot('c', 'one', version, log.callback(`version ${version}`));
      }
      connection.fetchSnapshot('c', 'one', log.callback('latest'));
      connection.fetchSnapshot('c', 'never', log.callback('never'));
      for (const wrong of [-1, 1.5, 'x', undefined, NaN]) {
        try {
          connection.fetchSnapshot('c', 'one', wrong, () => {});
          log.add(wrong, 'was taken');
        } catch (error) {
          log.add('threw', error.message);
        }
      }
      await settle();
      log.entries.sort();
    }));
});

describe('bad answers to queries', () => {
  const messages = {
    'an answer to an unknown query': { a: 'qs', id: 99, data: [] },
    'an answer without an id': { a: 'qs', data: [] },
    'results that are a word': { a: 'qs', id: 1, data: 'word' },
    'results that are null': { a: 'qs', id: 1, data: [null] },
    'results without documents': { a: 'qs', id: 1, data: [{}, { d: 5 }] },
    'a diff that is a word': { a: 'q', id: 1, diff: 'word' },
    'a diff of an unknown kind': { a: 'q', id: 1, diff: [{ type: 'shuffle' }] },
    'a diff of null': { a: 'q', id: 1, diff: [null] },
    'an insert beyond the end': {
      a: 'q',
      id: 1,
      diff: [{ type: 'insert', index: 99, values: [] }],
    },
    'an insert of nothing': { a: 'q', id: 1, diff: [{ type: 'insert', index: 0 }] },
    'a remove of too many': { a: 'q', id: 1, diff: [{ type: 'remove', index: 0, howMany: 1e9 }] },
    'a remove at no place': { a: 'q', id: 1, diff: [{ type: 'remove', index: -1, howMany: 1 }] },
    'a move from nowhere': { a: 'q', id: 1, diff: [{ type: 'move', from: 9, to: 9, howMany: 9 }] },
    'an error that is a word': { a: 'q', id: 1, error: 'word' },
    'a snapshot nobody asked for': { a: 'nf', id: 77, data: {} },
    'a snapshot with an id that is a word': { a: 'nf', id: 'x' },
  };
  for (const [name, message] of Object.entries(messages)) {
    it(`${name}: everything works afterwards`, async () => {
      const { connection, wire, far } = await scene(ours, new Backend());
      connection.on('error', () => {});
      const query = connection.createSubscribeQuery('c', {});
      query.on('error', () => {});
      await settle();
      wire.socket.onmessage({ data: JSON.stringify(message) });
      await settle();
      await call(far.get('c', 'one'), 'submitOp', [{ p: ['n'], na: 1 }]);
      await call(connection.get('c', 'mine'), 'create', { n: 0 });
      const results = await new Promise((resolve, reject) => {
        connection.createFetchQuery('c', {}, null, (error, docs) =>
          error ? reject(error) : resolve(docs),
        );
      });
      assert.deepEqual(ids(results).toSorted(), ['mine', 'one', 'three', 'two']);
      query.destroy();
    });
  }
});
