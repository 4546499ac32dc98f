/** Connections and their sockets, with the stock client as the measure. */

import assert from 'node:assert/strict';
import { Backend, call, connect, Log, ours, sameAsStock, settle, Wire } from './clients.mjs';

/** A document with a subscription, recorded. */
async function subscribed(connection, log, id = 'doc') {
  const doc = log.watchDoc(connection.get('c', id), id);
  await call(doc, 'subscribe');
  if (!doc.type) await call(doc, 'create', { n: 0, list: [] });
  return doc;
}

const ACTIONS = new Set(['hs', 'op', 's', 'f', 'u', 'bs', 'pp']);

describe('a connection, as the stock client', () => {
  it('counts its snapshot requests', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection } = await connect(client, backend);
      log.add(connection.nextSnapshotRequestId);
      await call(connection, 'fetchSnapshot', 'c', 'doc');
      await call(connection, 'fetchSnapshotByTimestamp', 'c', 'doc', null);
      log.add(connection.nextSnapshotRequestId);
    }));

  it('goes through its states, each with its reason', () =>
    sameAsStock(async (client, log, backend) => {
      const wire = new Wire(backend);
      const connection = log.watchConnection(new client.Connection(wire.socket));
      log.add(connection.state, connection.canSend, connection.id, connection.seq);
      wire.open();
      await settle();
      log.ids.set(connection.id, 'client');
      log.add(connection.state, connection.canSend, connection.seq);
      wire.close('Request failed');
      log.add(connection.state);
      for (const reason of [
        'closed',
        'Closed',
        'stopped',
        'Stopped by server',
        undefined,
        null,
        '',
      ]) {
        const next = new Wire(backend);
        connection.bindToSocket(next.socket);
        next.open();
        await settle();
        next.close(reason);
        log.add('closed with', reason, connection.state, connection.id);
      }
    }));

  it('hands the reason on as it was', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, wire } = await connect(client, backend);
      const event = { type: 'close', code: 4001, reason: 'token', self: null, run() {} };
      event.self = event;
      const given = [];
      connection.on('disconnected', (reason) => given.push(reason));
      connection.on('state', (_, reason) => given.push(reason));
      const failure = { type: 'error', target: wire.socket };
      connection.on('connection error', (error) => given.push(error));
      wire.socket.onerror(failure);
      wire.close(event);
      log.add(given.map((it) => (it === event ? 'event' : it === failure ? 'failure' : 'another')));
    }));

  it('emits `doc` once, and `send` and `receive` with the messages', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection } = await connect(client, backend);
      log.ids.set(connection.id, 'client');
      connection.on('doc', (doc) => log.add('doc', doc === connection.getExisting('c', 'doc')));
      connection.on('send', (message) => log.add('send', keep(message, log)));
      connection.on('receive', (request) => log.add('receive', keep(request.data, log)));
      const doc = connection.get('c', 'doc');
      log.add(connection.get('c', 'doc') === doc);
      await call(doc, 'create', { n: 0 });
      doc.submitOp([{ p: ['n'], na: 1 }]);
      await settle();
      await call(doc, 'del');
      connection.ping();
      await settle();
    }));

  it('lets a `receive` listener change and swallow messages', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection } = await connect(client, backend);
      const doc = await subscribed(connection, log);
      connection.on('receive', (request) => {
        if (request.data.a === 'pp') request.data = null;
        else if (request.data.op) request.data = { ...request.data, op: [{ p: ['n'], na: 100 }] };
      });
      connection.on('pong', () => log.add('pong'));
      connection.ping();
      const { connection: far } = await connect(client, backend);
      log.ids.set(far.id, 'far');
      const other = far.get('c', 'doc');
      await call(other, 'fetch');
      await call(other, 'submitOp', [{ p: ['n'], na: 1 }]);
      await settle();
      log.add(doc.data);
    }));

  it('shakes hands at once over a socket that is open already', () =>
    sameAsStock(async (client, log, backend) => {
      const wire = new Wire(backend, { gated: true });
      wire.open(false);
      const connection = log.watchConnection(new client.Connection(wire.socket));
      log.add(connection.state, wire.upward.length, wire.upward[0].a);
      wire.gated = false;
      wire.toClient();
      wire.toServer();
      await settle();
      log.add(connection.state);
      log.ids.set(connection.id, 'client');
      await subscribed(connection, log);
    }));

  it('works over a socket whose functions the application wraps', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection } = await connect(client, backend);
      const { socket } = connection;
      for (const name of ['onmessage', 'onclose', 'onopen']) {
        const inner = socket[name];
        socket[name] = (...args) => {
          log.add('wrapped', name);
          return inner.apply(socket, args);
        };
      }
      const { send } = socket;
      socket.send = (text) => {
        log.add('wrapped send', JSON.parse(text).a);
        send(text);
      };
      await subscribed(connection, log);
      connection.close();
      log.add(connection.state);
    }));

  it('ignores frames that are none of its own', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, wire } = await connect(client, backend);
      log.watchConnection(connection);
      const doc = await subscribed(connection, log);
      const foreign = [
        '{"a":"chat","text":"hello"}',
        '{"type":"welcome"}',
        '[]',
        '"word"',
        '17',
        '{}',
      ];
      const junk = ['', 'auth ok', '{"a":', '\u0000'];
      for (const data of [...foreign, ...junk]) wire.socket.onmessage({ data });
      wire.socket.onmessage({ data: { a: 'chat', parsed: true } });
      await settle();
      await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
      log.add(connection.state, doc.data);
    }));

  it('tolerates frames that come again', () =>
    sameAsStock(async (client, log, backend) => {
      const [a, b] = [await connect(client, backend), await connect(client, backend)];
      log.ids.set(a.connection.id, 'a').set(b.connection.id, 'b');
      const [mine, theirs] = [await subscribed(a.connection, log), b.connection.get('c', 'doc')];
      await call(theirs, 'subscribe');
      const frames = [];
      const { onmessage } = a.wire.socket;
      a.wire.socket.onmessage = (event) => {
        frames.push(event);
        onmessage(event);
      };
      theirs.submitOp([{ p: ['n'], na: 1 }]);
      await settle();
      mine.submitOp([{ p: ['list', 0], li: 'mine' }]);
      await settle();
      theirs.submitOp([{ p: ['list', 0], ld: 'mine' }]);
      await settle();
      frames.slice().forEach((frame) => onmessage(frame));
      await settle();
      log.add(mine.data, theirs.data, mine.version);
    }));

  it('tolerates a server that gets messages twice', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, wire } = await connect(client, backend);
      log.ids.set(connection.id, 'client');
      const doc = await subscribed(connection, log);
      const { send } = wire.socket;
      wire.socket.send = (text) => {
        send(text);
        if (JSON.parse(text).a === 'op') send(text);
      };
      doc.preventCompose = true;
      doc.submitOp([{ p: ['n'], na: 1 }], log.callback('first'));
      doc.submitOp([{ p: ['n'], na: 1 }], log.callback('second'));
      await settle();
      await call(doc, 'fetch');
      log.add(doc.data, doc.version);
    }));

  it('keeps documents and pending ops over bindToSocket', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, wire } = await connect(client, backend);
      log.watchConnection(connection);
      log.ids.set(connection.id, 'client');
      const doc = await subscribed(connection, log);
      wire.gated = true;
      doc.submitOp([{ p: ['n'], na: 1 }], log.callback('in flight'));
      await settle();
      doc.submitOp([{ p: ['n'], na: 2 }], log.callback('waiting'));
      const next = new Wire(backend);
      connection.bindToSocket(next.socket);
      log.add(connection.state, connection.socket === next.socket, wire.socket.onmessage);
      doc.submitOp([{ p: ['list', 0], li: 'offline' }], log.callback('offline'));
      next.open();
      await settle();
      log.add(doc.data, doc.version, connection.state);
    }));

  it('sends an op once that was committed when the connection broke', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, wire } = await connect(client, backend, { gated: true });
      const doc = log.watchDoc(connection.get('c', 'doc'));
      log.ids.set(connection.id, 'client');
      doc.create({ n: 0, list: [] }, log.callback('create'));
      await settle();
      wire.toServer();
      await settle();
      wire.close('Request failed');
      const next = new Wire(backend);
      connection.bindToSocket(next.socket);
      next.open();
      await settle();
      doc.submitOp([{ p: ['n'], na: 1 }], log.callback('next'));
      await settle();
      log.add(doc.data, doc.version);
    }));

  it('gets a document whose create was overtaken while a subscribe was on its way', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, wire } = await connect(client, backend, { gated: true });
      const doc = connection.get('c', 'doc');
      doc.subscribe();
      await wire.exchange();
      const far = (await connect(client, backend)).connection.get('c', 'doc');
      await call(far, 'create', { by: 'another' });
      doc.create({ by: 'me' }, log.callback('create'));
      doc.subscribe(log.callback('subscribe'));
      doc.on('error', () => {});
      await settle();
      await wire.exchange();
      log.entries.sort();
      log.add(doc.data, doc.version, doc.subscribed, doc.hasPending());
    }));

  it('refuses to ping offline, and answers online', () =>
    sameAsStock(async (client, log, backend) => {
      const wire = new Wire(backend);
      const connection = log.watchConnection(new client.Connection(wire.socket));
      try {
        connection.ping();
      } catch (error) {
        log.add('thrown', error);
      }
      wire.open();
      await settle();
      connection.ping();
      await settle();
    }));

  it('calls back for what was asked offline when it is there', () =>
    sameAsStock(async (client, log, backend) => {
      const wire = new Wire(backend);
      const connection = new client.Connection(wire.socket);
      const doc = log.watchDoc(connection.get('c', 'doc'));
      doc.fetch(log.callback('fetch'));
      doc.create({ n: 0 }, log.callback('create'));
      doc.submitOp([{ p: ['n'], na: 1 }], log.callback('op'));
      doc.unsubscribe(log.callback('unsubscribe'));
      await settle();
      doc.subscribe(log.callback('subscribe'));
      log.add(connection.hasPending(), connection.hasWritePending(), doc.pendingOps.length);
      wire.open();
      await settle();
      log.add(doc.data, doc.version, connection.hasPending());
    }));

  it('survives listeners of the connection that call back into it', () =>
    sameAsStock(async (client, log, backend) => {
      const wire = new Wire(backend);
      const connection = new client.Connection(wire.socket);
      log.watchConnection(connection);
      connection.on('connected', () => {
        const doc = log.watchDoc(connection.get('c', 'from connected'));
        doc.create({ n: 0 }, () => doc.subscribe(log.callback('subscribe')));
      });
      connection.on('disconnected', () => {
        connection.get('c', 'from connected').submitOp([{ p: ['n'], na: 1 }], log.callback('op'));
      });
      wire.open();
      await settle();
      log.ids.set(connection.id, 'client');
      wire.close('Request failed');
      await settle();
      const next = new Wire(backend);
      connection.bindToSocket(next.socket);
      next.open();
      await settle();
      log.add(connection.get('c', 'from connected').data);
    }));
});

/** The fields of a message that any client has to write. */
function keep(message, log) {
  if (!ACTIONS.has(message.a)) return '<other>';
  const { a, c, d, v, seq, op, create, del } = message;
  return log.plain({ a, c, d, v, seq, op, create, del });
}

describe('createConnection', () => {
  it('takes a backend, a socket, a url', async () => {
    const backend = new Backend();
    const overBackend = ours.createConnection(backend);
    const wire = new Wire(backend);
    const overSocket = ours.createConnection(wire.socket);
    wire.open();
    await settle();
    assert.deepEqual([overBackend.state, overSocket.state], ['connected', 'connected']);
    for (const { host } of [overBackend, overSocket]) {
      assert.equal(host.kind, 'in-page');
      assert.equal(typeof host.reason, 'string');
    }
    assert.ok(overBackend.agent);
    assert.throws(() => ours.createConnection({}), /needs a url/);
    assert.throws(() => ours.createConnection(), /needs a url/);
  });

  it('says what its host has', async () => {
    const connection = ours.createConnection(new Backend());
    await settle();
    const doc = connection.get('c', 'doc');
    await call(doc, 'create', {});
    doc.submitOp([{ p: ['a'], oi: 1 }]);
    const status = await new Promise((resolve, reject) => {
      connection.hostStatus((error, found) => (error ? reject(error) : resolve(found)));
    });
    assert.deepEqual(Object.keys(status).toSorted(), ['docs', 'pendingOps', 'sockets', 'tabs']);
    assert.deepEqual([status.tabs, status.sockets, status.docs], [1, 1, 1]);
  });

  it('gives the agent to middleware, as the stock connection', async () => {
    const log = new Log();
    const backend = new Backend();
    backend.use('connect', (context, next) => {
      context.agent.custom.user = 'u1';
      next();
    });
    const connection = ours.createConnection(backend);
    await settle();
    log.add(connection.agent.custom.user);
    assert.deepEqual(log.entries, [['u1']]);
  });
});
