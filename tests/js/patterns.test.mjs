/**
 * What shipped bindings and applications do with a document beyond calling it: they put a proxy in the place of its data,
 * write into the data, overwrite its methods, take away all listeners. All as with ShareDB's client.
 */

import { Backend, Wire, call, connect, sameAsStock, settle } from './clients.mjs';

const add = (n) => [{ p: ['n'], na: n }];

/** A subscribed document, the same one of another connection, and its connection. */
async function scene(client, backend) {
  const [mine, other] = [await connect(client, backend), await connect(client, backend)];
  const [doc, far] = [mine, other].map(({ connection }) => connection.get('c', 'd'));
  await call(doc, 'create', { n: 0, list: [], o: {} });
  await call(doc, 'subscribe');
  await call(far, 'subscribe');
  return { doc, far, connection: mine.connection, client };
}

/** A proxy like that of a reactive store: it tells of each write. */
function observed(value, path, tell) {
  return new Proxy(value, {
    get(target, key) {
      const inner = target[key];
      return inner && typeof inner === 'object' ? observed(inner, `${path}.${key}`, tell) : inner;
    },
    set(target, key, given) {
      tell('set', path, key, given);
      target[key] = given;
      return true;
    },
    deleteProperty(target, key) {
      tell('delete', path, key);
      return delete target[key];
    },
  });
}

const PATTERNS = {
  'a proxy in the place of the data sees every write': async ({ doc, far }, log) => {
    doc.data = observed(doc.data, 'data', (...what) => log.add(...what));
    doc.submitOp(add(1));
    doc.submitOp([{ p: ['o', 'x'], oi: { y: 1 } }]);
    await settle();
    far.submitOp([
      { p: ['list', 0], li: 5 },
      { p: ['o', 'x', 'y'], na: 2 },
    ]);
    await settle();
    far.submitOp([{ p: ['o', 'x'], od: { y: 3 } }]);
    await settle();
    log.add(JSON.parse(JSON.stringify(doc.data)), far.data, doc.version);
  },
  'a field that is put into the data stays there, and is nobody else’s': async (
    { doc, far },
    log,
  ) => {
    doc.data.id = 'd';
    doc.submitOp(add(1));
    far.submitOp(add(5));
    await settle();
    log.add(doc.data, far.data);
  },
  'data that is replaced is changed by later ops': async ({ doc, far }, log) => {
    doc.data = { ...doc.data, id: 1 };
    doc.submitOp(add(1));
    await settle();
    far.submitOp(add(5));
    await settle();
    log.add(doc.data, far.data, doc.version, doc.toSnapshot());
  },
  'data is written by way of connection.collections': async ({ doc, far, connection }, log) => {
    connection.collections.c.d.data.path = [1, 2];
    far.submitOp(add(1));
    await settle();
    doc.submitOp([{ p: ['list', 0], li: 1 }]);
    await settle();
    log.add(doc.data, far.data);
  },
  'all listeners are taken away, and the document is destroyed and subscribed again': async (
    { doc, far },
    log,
  ) => {
    doc.on('op', (op, source) => log.add('before', op, source));
    far.submitOp(add(1));
    await settle();
    doc.removeAllListeners('op');
    for (const event of ['op', 'op batch', 'load', 'error']) log.add(doc.listenerCount(event));
    far.submitOp(add(1));
    await settle();
    log.add(doc.data);
    doc.unsubscribe();
    doc.destroy();
    await settle();
    far.submitOp(add(1));
    await settle();
    doc.subscribe((error) => log.add('subscribed', error?.code, doc.data));
    await settle();
    doc.on('op', (op, source) => log.add('after', op, source));
    far.submitOp(add(1));
    await settle();
    log.add(doc.data, doc.version);
  },
  'a source that cannot be cloned is the same object in events': async ({ doc, far }, log) => {
    const source = { submit() {} };
    source.self = source;
    doc.on('before op', (_, given) => log.add('before', given === source));
    doc.on('op', (_, given) => log.add('op', given === source));
    far.on('op', (_, given) => log.add('far', given));
    doc.submitOp(add(1), { source }, (error) => log.add('end', error?.code, doc.data));
    log.add(doc.data);
    await settle();
  },
  'submitOp is overwritten': async ({ doc, far }, log) => {
    const { submitOp } = doc;
    doc.submitOp = function submit(op, ...rest) {
      log.add('submitted', op);
      return submitOp.call(this, op, ...rest);
    };
    doc.submitOp(add(1), null, (error) => log.add('end', error?.code));
    await settle();
    log.add(far.data);
  },
  'a message is taken away, or replaced, by a listener of receive': async (
    { doc, far, connection },
    log,
  ) => {
    let replace = () => null;
    connection.on('receive', (request) => {
      if (request.data.op) request.data = replace(request.data);
    });
    far.submitOp(add(1));
    await settle();
    log.add(doc.data, doc.version);
    replace = (message) => ({ ...message, op: add(100) });
    far.submitOp(add(1));
    await settle();
    log.add(doc.version);
  },
  'the fields of a query are read': async ({ doc, connection }, log) => {
    const query = connection.createSubscribeQuery('c', { x: 1 }, { results: [doc] });
    const look = () =>
      log.add(
        ...[query.sent, query.ready, query.collection, query.query, query.id, query.action],
        ...[query.results.length, query.options, Object.keys(connection.queries)],
      );
    look();
    await settle();
    look();
    query.destroy(() => log.add('destroyed'));
    await settle();
    log.add(Object.keys(connection.queries));
  },
  'a snapshot of a type that nobody knows is ingested': async ({ connection }, log) => {
    const snapshot = { v: 1, type: 'http://example.org/types/none', data: {} };
    for (const [id, callback] of [['a'], ['b', log.callback('ingested')]]) {
      const doc = log.watchDoc(connection.get('c', id), id, ['error', 'load']);
      doc.ingestSnapshot(snapshot, callback);
      await settle();
      log.add(doc.type, doc.version);
    }
  },
  'a presence is destroyed twice while the socket is lost': async ({ client }, log) => {
    const backend = new Backend({ presence: true });
    const { connection, wire } = await connect(client, backend);
    const presence = connection.getPresence('room');
    await call(presence, 'subscribe');
    const local = presence.create('me');
    await call(local, 'submit', { at: 1 });
    wire.close('lost');
    local.destroy(log.callback('local'));
    local.destroy(log.callback('local again'));
    presence.destroy(log.callback('presence'));
    presence.destroy(log.callback('presence again'));
    await settle();
    log.add('still lost', Object.keys(presence.localPresences));
    const next = new Wire(backend);
    connection.bindToSocket(next.socket);
    next.open();
    await next.exchange();
    log.add(Object.keys(presence.localPresences));
  },
  'what is collected for a bulk is looked at': async ({ connection }, log) => {
    const look = () => log.add(connection.bulk === null, typeof connection.bulk);
    look();
    connection.startBulk();
    look();
    connection.endBulk();
    look();
  },
};

describe('with a document of either client', () => {
  for (const [what, run] of Object.entries(PATTERNS)) {
    it(what, () =>
      sameAsStock(async (client, log, backend) => run(await scene(client, backend), log)),
    );
  }
});
