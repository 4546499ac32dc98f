/** What the server's answers do that nobody waits for, or that somebody else waits for. */

import assert from 'node:assert/strict';
import { Backend, ShareDBError, call, connect, sameAsStock, settle } from './clients.mjs';
import { OneHost } from './one-host.mjs';

/** Names of the tabs that hear a pong, in order. */
function watchPongs(tabs) {
  const heard = [];
  for (const [name, connection] of Object.entries(tabs)) {
    connection.on('pong', () => heard.push(name));
  }
  return heard;
}

describe('a pong', () => {
  it('goes to the tab that asked, after another pong was lost with the socket', async () => {
    const host = new OneHost(new Backend());
    const tabs = { a: await host.tab('a'), b: await host.tab('b') };
    const heard = watchPongs(tabs);
    host.wire.gated = true;
    tabs.a.ping();
    await settle();
    await host.cut();
    await host.reconnect();
    tabs.b.ping();
    await settle();
    assert.deepEqual(heard, ['b']);
  });

  it('goes to the tab that asked, after another tab asked and came back', async () => {
    const host = new OneHost(new Backend());
    const tabs = { a: await host.tab('a'), b: await host.tab('b') };
    host.wire.gated = true;
    tabs.a.ping();
    tabs.b.ping();
    await settle();
    tabs.a.close();
    await settle();
    const again = await host.tab('a');
    const heard = watchPongs({ again, b: tabs.b });
    host.wire.toServer();
    await settle();
    host.wire.toClient();
    await settle();
    assert.deepEqual(heard, ['b']);
  });

  it('that the application asked for by itself is told', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection } = await connect(client, backend);
      log.watchConnection(connection, 'connection', ['pong', 'error']);
      connection.send({ a: 'pp' });
      await settle();
    }));
});

describe('a refusal of an op that the application sent by itself', () => {
  const message = { a: 'op', c: 'c', d: 'd', v: 0, seq: 1, create: { type: 'json0', data: {} } };
  const refusing = () => {
    const backend = new Backend();
    backend.use('submit', (_, next) => next(new ShareDBError('ERR_MINE', 'Not today')));
    return backend;
  };
  const situations = {
    'is only known here': async () => {},
    'is being fetched': async (doc) => doc.fetch(() => {}),
    'was fetched': (doc) => call(doc, 'fetch'),
  };
  for (const [name, prepare] of Object.entries(situations)) {
    it(`is an error of the document, where that ${name}`, () =>
      sameAsStock(async (client, log) => {
        const { connection } = await connect(client, refusing());
        const doc = log.watchDoc(connection.get('c', 'd'), 'd', ['error']);
        log.watchConnection(connection, 'connection', ['error']);
        await prepare(doc);
        connection.send(message);
        await settle();
        log.add('pending', doc.hasPending());
      }));
  }
});

describe('a fixup', () => {
  it('is of the connection whose op it mends', () =>
    sameAsStock(async (client, log, backend) => {
      backend.use('apply', (request, next) => {
        if (request.op.op?.[0].na) request.$fixup([{ p: ['fixed'], oi: 1 }]);
        next();
      });
      const { connection } = await connect(client, backend);
      const doc = connection.get('c', 'd');
      await call(doc, 'create', { n: 0 });
      const note = (event) => (op, source, src) =>
        log.add(event, op, source, src === connection.id || src);
      for (const event of ['before op', 'op', 'before op batch', 'op batch'])
        doc.on(event, note(event));
      await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
      await settle();
    }));
});

describe('a fixup that cannot be applied', () => {
  const fixups = {
    'does not fit the document': [{ op: [{ p: ['list', 'x', 'y'], li: 1 }] }],
    'is no op of the type': [{ op: [{ p: 'list', zz: 1 }] }],
  };
  for (const [name, fixup] of Object.entries(fixups)) {
    for (const subscribed of [true, false]) {
      const where = subscribed ? 'a subscribed document' : 'a document';
      it(`because it ${name} loads ${where} anew, by one fetch`, () =>
        sameAsStock(async (client, log, backend) => {
          const { connection, wire } = await connect(client, backend);
          const doc = connection.get('c', 'd');
          await call(doc, 'create', { list: [] });
          if (subscribed) await call(doc, 'subscribe');
          log.watchDoc(doc, 'd', ['op', 'create', 'del', 'load']);
          // The op is committed: the stock client tells its callback of the error, ours the document.
          const told = (/** @type {Error | undefined} */ error) =>
            error && log.add('told', error.message);
          doc.on('error', told);
          const sent = [];
          connection.on('send', ({ a, c, d, v }) => sent.push({ a, c, d, v: v ?? null }));
          wire.gated = true;
          doc.submitOp([{ p: ['list', 0], li: 'mine' }], told);
          await settle();
          wire.toServer();
          await settle();
          wire.gated = false;
          wire.downward = wire.downward.map((text) =>
            JSON.stringify({ ...JSON.parse(text), fixup }),
          );
          wire.toClient();
          await settle();
          log.add('sent', ...sent);
          log.add(doc.data, doc.version, doc.hasPending());
        }));
    }
  }
});

describe('an op of another client that cannot be applied', () => {
  for (const how of ['subscribe', 'fetch']) {
    it(`loads the document anew, by one fetch, where it came by ${how}`, () =>
      sameAsStock(async (client, log, backend) => {
        const [mine, other] = [await connect(client, backend), await connect(client, backend)];
        const [doc, far] = [mine, other].map(({ connection }) => connection.get('c', 'd'));
        await call(far, 'create', { list: [] });
        await call(doc, how);
        log.watchDoc(doc, 'd', ['create', 'del', 'load', 'error']);
        const sent = [];
        mine.connection.on('send', ({ a, c, d, v }) => sent.push({ a, c, d, v: v ?? null }));
        mine.wire.gated = true;
        await call(far, 'submitOp', [{ p: ['list', 0], li: 'far' }]);
        if (how === 'fetch') doc.fetch(log.callback('fetch'));
        await settle();
        mine.wire.toServer();
        await settle();
        mine.wire.gated = false;
        mine.wire.downward = mine.wire.downward.map((text) =>
          text.replace('"list",0', '"missing",0'),
        );
        mine.wire.toClient();
        await settle();
        log.add('sent', ...sent);
        log.add(doc.data, doc.version, doc.hasPending());
      }));
  }
});
