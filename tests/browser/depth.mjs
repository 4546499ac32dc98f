/** Data nested thousands of levels deep, in a SharedWorker and in two tabs, beside the stock client. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { WebSocket } from 'ws';
import { until } from './stage.mjs';

const require = createRequire(import.meta.url);
const { Connection } = require('sharedb/lib/client');

/** As deep as the server takes it: Node's `JSON.stringify` recurses. */
const DEPTH = 3000;

/** Submits an op at the bottom of the data; gives the error of its callback. */
const submitDeep = (page, op) =>
  page.evaluate(
    ([depth, op]) =>
      new Promise((resolve) => {
        const path = ['keys', ...Array(depth).fill('k')];
        const component = { ...op, p: [...path, ...op.p] };
        demo.docs.deep.submitOp([component], (error) => resolve(error && String(error)));
      }),
    [DEPTH, op],
  );

/** What is at the bottom; the whole is too deep for the protocol of the test. */
const bottom = (page) =>
  page.evaluate((depth) => {
    let value = demo.docs.deep.data.keys;
    for (let level = 0; level < depth; level++) value = value.k;
    return value;
  }, DEPTH);

function nested() {
  let value = { list: [], text: 'ab' };
  for (let level = 0; level < DEPTH; level++) value = { k: value };
  return value;
}

function call(target, method, ...args) {
  return new Promise((resolve, reject) => {
    target[method](...args, (error) => (error ? reject(error) : resolve()));
  });
}

async function deep(stage) {
  const a = await stage.visit('lab/tab.html?doc=deep');
  const socket = new WebSocket(`${stage.server.url.replace('http', 'ws')}/sharedb`);
  const far = new Connection(socket).get('demo', 'deep');
  await call(far, 'subscribe');
  await call(far, 'submitOp', [{ p: ['keys'], od: {}, oi: nested() }]);
  const b = await stage.visit('lab/tab.html?doc=deep');
  await stage.hasOneHost(b);
  const path = ['keys', ...Array(DEPTH).fill('k')];
  const outcomes = [
    submitDeep(a, { p: ['list', 0], li: 'a' }),
    submitDeep(b, { p: ['list', 0], li: 'b' }),
    submitDeep(a, { p: ['text', 1], si: '1' }),
    submitDeep(b, { p: ['text', 1], si: '2' }),
    call(far, 'submitOp', [{ p: [...path, 'list', 0], li: 'far' }]),
  ];
  assert.deepEqual(await Promise.all(outcomes), Array(5).fill(undefined));
  const expected = () => {
    let value = far.data.keys;
    for (let level = 0; level < DEPTH; level++) value = value.k;
    return value;
  };
  await until('all have the same at the bottom', async () => {
    const states = [await bottom(a), await bottom(b), expected()].map((it) => JSON.stringify(it));
    return states[0].length > 20 && states.every((state) => state === states[0]);
  });
  assert.deepEqual([...expected().list].sort(), ['a', 'b', 'far']);
  assert.equal(expected().text.length, 4);
  socket.close();
}

export const depthTests = [
  { name: 'depth: two tabs and the stock client edit the bottom of deep data', run: deep },
];
