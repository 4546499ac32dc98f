/**
 * Data nested as deep as the stock client and the server take it (in Node `JSON.stringify` ends at some four thousand
 * levels), and paths that lead to the bottom of it.
 */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, settle, stock } from './clients.mjs';
import { SharedHost } from './shared-host.mjs';

const DEPTHS = [600, 2000, 3500];

/** Lists and objects in turn, around `core`. */
function nested(depth, core) {
  let value = core;
  for (let level = 0; level < depth; level++) value = level % 2 ? [0, value] : { k: value };
  return value;
}

/** The path to the core. */
function pathTo(depth) {
  const path = [];
  for (let level = depth - 1; level >= 0; level--) path.push(level % 2 ? 1 : 'k');
  return path;
}

const core = () => ({ list: [], text: 'ab', n: 0 });

/** The text of a document's data: a comparison of deep values would recurse. */
const text = (doc) => JSON.stringify(doc.data);

function coreOf({ data }, depth) {
  return pathTo(depth).reduce((value, step) => value[step], data.deep);
}

async function assertAgreed(docs) {
  await settle();
  for (const doc of docs) {
    assert.ok(text(doc) === text(docs[0]), 'the documents differ');
    assert.equal(doc.version, docs[0].version);
    assert.equal(doc.hasPending(), false);
  }
}

/** A stock client, and two tabs of one host. */
async function scene() {
  const backend = new Backend();
  const host = new SharedHost(backend, { records: new Map() });
  const connections = [
    (await connect(stock, backend)).connection,
    host.connection('a'),
    host.connection('b'),
  ];
  await settle();
  const errors = [];
  const docs = connections.map((connection) => connection.get('c', 'doc'));
  for (const doc of docs) doc.on('error', (error) => errors.push(error));
  return { docs, errors, host };
}

function assertQuiet({ errors, host }) {
  assert.deepEqual(errors, []);
  assert.deepEqual(host.thrown, []);
}

for (const depth of DEPTHS) {
  describe(`data nested ${depth} deep`, () => {
    const edits = (name) => [
      [{ p: ['deep', ...pathTo(depth), 'list', 0], li: name }],
      [{ p: ['deep', ...pathTo(depth), 'text', 1], si: name }],
      [{ p: ['deep', ...pathTo(depth), 'n'], na: 1 }],
    ];

    /** All write at the bottom at once, so that everything is transformed. */
    async function editByAll(docs) {
      const calls = docs.flatMap((doc, at) =>
        edits(`<${at}>`).map((op) => call(doc, 'submitOp', op)),
      );
      await settle();
      await Promise.all(calls);
      await assertAgreed(docs);
      const { list, text, n } = coreOf(docs[0], depth);
      assert.deepEqual([...list].sort(), ['<0>', '<1>', '<2>']);
      assert.equal(text.length, 'ab'.length + 3 * '<0>'.length);
      assert.equal(n, 3);
    }

    it('of the stock client: tabs open and edit it', async () => {
      const there = await scene();
      const [far, a, b] = there.docs;
      await call(far, 'create', { deep: nested(depth, core()) });
      for (const doc of [far, a, b]) await call(doc, 'subscribe');
      await editByAll(there.docs);
      assertQuiet(there);
    });

    it('of a tab: the other tab and the stock client open and edit it', async () => {
      const there = await scene();
      const [far, a, b] = there.docs;
      await call(a, 'create', { deep: nested(depth, core()) });
      for (const doc of [a, b, far]) await call(doc, 'subscribe');
      await editByAll(there.docs);
      assertQuiet(there);
    });

    it('in an op that is pending when another tab opens the document', async () => {
      const there = await scene();
      const [far, a, b] = there.docs;
      await call(far, 'create', { n: 0 });
      for (const doc of [far, a]) await call(doc, 'subscribe');
      const written = call(a, 'submitOp', [{ p: ['deep'], oi: nested(depth, core()) }]);
      const opened = call(b, 'subscribe');
      const meanwhile = call(far, 'submitOp', [{ p: ['n'], na: 1 }]);
      await settle();
      await Promise.all([written, opened, meanwhile]);
      await assertAgreed(there.docs);
      await editByAll(there.docs);
      assertQuiet(there);
    });

    it('is replaced by one client and edited by the others', async () => {
      const there = await scene();
      const [far, a, b] = there.docs;
      await call(far, 'create', { deep: nested(depth, core()) });
      for (const doc of there.docs) await call(doc, 'subscribe');
      const last = pathTo(depth).pop();
      const above = ['deep', ...pathTo(depth).slice(0, -1)];
      const calls = [
        call(a, 'submitOp', [{ p: ['deep'], od: nested(depth, core()), oi: nested(depth, 'new') }]),
        ...edits('x').map((op) => call(b, 'submitOp', op)),
        call(far, 'submitOp', [
          last === 1
            ? { p: [...above, 1], ld: core(), li: 'far' }
            : { p: [...above, 'k'], od: core(), oi: 'far' },
        ]),
      ];
      await settle();
      await Promise.all(calls);
      await assertAgreed(there.docs);
      assert.equal(coreOf(far, depth), 'new');
      assertQuiet(there);
    });

    it('is undone after the server refused it', async () => {
      const backend = new Backend();
      const { connection } = await connect(ours, backend);
      const doc = connection.get('c', 'doc');
      await call(doc, 'create', { n: 0 });
      backend.use('apply', (_, next) => next(new Error('refused')));
      const op = [{ p: ['deep'], oi: nested(depth, core()) }];
      const refused = assert.rejects(call(doc, 'submitOp', op), { message: 'refused' });
      await settle();
      await refused;
      assert.deepEqual(doc.data, { n: 0 });
    });
  });
}
