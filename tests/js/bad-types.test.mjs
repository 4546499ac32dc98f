/** OT types of an application whose functions give no op. It ends with the document's ops, as with ShareDB's client. */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, settle, stock } from './clients.mjs';

const uri = 'http://example.com/types/counter';
/** What each function gives instead of an op from now on, if anything. */
const broken = {};
const type = {
  name: 'counter',
  uri,
  create: (data) => data ?? { n: 0 },
  apply: ({ n }, { add }) => ({ n: n + add }),
  transform: (op) => ('transform' in broken ? broken.transform : op),
  compose: (a, b) => ('compose' in broken ? broken.compose : { add: a.add + b.add }),
};

/** `test`, while a function of the type gives this. */
async function whileGiving(method, given, test) {
  broken[method] = given;
  if (method === 'transformX') type.transformX = () => given;
  try {
    return await test();
  } finally {
    delete broken[method];
    delete type.transformX;
  }
}

/** A subscribed document, the same one of another client, and what was told of it. */
async function scene(client) {
  client.types.register(type);
  stock.types.register(type);
  const backend = new Backend();
  const { connection, wire } = await connect(client, backend, { gated: true });
  const far = (await connect(stock, backend)).connection.get('c', 'd');
  await call(far, 'create', { n: 0 }, uri);
  await call(far, 'subscribe');
  const told = [];
  connection.on('error', (error) => told.push(['connection', error.message]));
  connection.on('state', (state) => told.push([state]));
  const doc = connection.get('c', 'd');
  doc.subscribe();
  await wire.exchange();
  doc.on('load', () => told.push(['load']));
  const submit = (add, what) =>
    doc.submitOp({ add }, (error) => told.push([what, error ? typeof error.message : 'ok']));
  return { doc, far, wire, told, submit };
}

/** Another client's op comes, and finds ops that wait. */
async function transforming(client, method, given) {
  const { doc, far, wire, told, submit } = await scene(client);
  await call(far, 'submitOp', { add: 100 });
  await settle();
  submit(1, 'first');
  submit(2, 'second');
  await settle();
  await whileGiving(method, given, async () => wire.toClient());
  await wire.exchange();
  await wire.exchange();
  const later = call(doc, 'submitOp', { add: 1000 });
  await wire.exchange();
  await later;
  return { told, doc, far };
}

describe('a type whose function gives no op', () => {
  for (const [method, given] of [
    ['transform', undefined],
    ['transformX', [undefined, { add: 1 }]],
  ]) {
    it(`has the document rolled back: ${method}`, async () => {
      const { told, doc, far } = await transforming(ours, method, given);
      assert.deepEqual(told, [['load'], ['first', 'string'], ['second', 'string']]);
      assert.deepEqual([doc.data, doc.version, doc.hasPending()], [far.data, far.version, false]);
    });
  }

  it('has it rolled back in the stock client, too', async () => {
    const { told } = await transforming(stock, 'transform', undefined);
    assert.deepEqual(told, [['load'], ['first', 'string'], ['second', 'string']]);
  });

  it('says which function of which type it is', async () => {
    const { doc, far, wire } = await scene(ours);
    await call(far, 'submitOp', { add: 100 });
    const end = call(doc, 'submitOp', { add: 1 });
    await settle();
    await whileGiving(
      'transform',
      () => {},
      async () => wire.toClient(),
    );
    const isIt = { code: 'ERR_OT_OP_BADLY_FORMED', message: /transform of the type counter/ };
    await Promise.all([assert.rejects(end, isIt), wire.exchange()]);
  });

  it('ends both ops that were to be one: compose', async () => {
    const { doc, far, wire, told, submit } = await scene(ours);
    doc.submitOp({ add: 1 });
    await settle();
    await whileGiving('compose', undefined, async () => {
      submit(2, 'first');
      submit(4, 'second');
    });
    await wire.exchange();
    await wire.exchange();
    assert.deepEqual(doc.data, far.data);
    assert.equal(doc.hasPending(), false);
    assert.ok(told.every(([what]) => what !== 'disconnected'));
    assert.deepEqual(
      told.filter(([what]) => what === 'first' || what === 'second'),
      [
        ['first', 'string'],
        ['second', 'string'],
      ],
    );
  });
});
