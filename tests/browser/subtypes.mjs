/** A subtype of json0 that the page registers, with a worker that knows it and with one that does not. */
import assert from 'node:assert/strict';
import otText from 'ot-text';
import Backend from 'sharedb';
import { until } from './stage.mjs';
import { MODULE } from './host-skips.mjs';

Backend.types.map.json0.registerSubtype(otText.type);

/** Two tabs of one worker, each of whose json0 has the subtype. */
async function tabs(stage, worker) {
  const pages = [];
  for (let n = 0; n < 2; n++) {
    const page = await stage.visit(`lab/tab.html?doc=subtype&worker=${worker}&namespace=${worker}`);
    await page.evaluate(() => lab.registerText());
    pages.push(page);
  }
  return pages;
}

/** Submits an op; gives the error of its callback. */
const submit = (page, component) =>
  page.evaluate(
    (op) =>
      new Promise((resolve) => {
        demo.doc.submitOp(op, (error) => resolve(error && [error.code, error.message]));
      }),
    [component],
  );

const textOf = (page) => page.evaluate(() => demo.doc.data.keys.text);
const insert = (...o) => ({ p: ['keys', 'text'], t: 'text', o });

async function known(stage) {
  const [a, b] = await tabs(stage, 'subtype-worker');
  assert.equal(await submit(a, { p: ['keys', 'text'], oi: 'hello' }), undefined);
  await until('both tabs have the text', async () => (await textOf(b)) === 'hello');
  // Neither has the other's op when it submits.
  for (const page of [a, b]) await page.evaluate(() => demo.doc.pause());
  const outcomes = [submit(a, insert('Oh, ')), submit(b, insert(5, ' world'))];
  for (const page of [a, b]) assert.ok(await page.evaluate(() => demo.doc.hasWritePending()));
  for (const page of [a, b]) await page.evaluate(() => demo.doc.resume());
  assert.deepEqual(await Promise.all(outcomes), [undefined, undefined]);
  const { data } = await stage.agreed([a, b], 'subtype');
  assert.equal(data.keys.text, 'Oh, hello world');
}

async function unknown(stage) {
  const [a, b] = await tabs(stage, 'worker');
  assert.equal(await submit(a, { p: ['keys', 'text'], oi: 'hello' }), undefined);
  await until('both tabs have the text', async () => (await textOf(b)) === 'hello');
  for (const page of [a, b]) {
    const [code, message] = await submit(page, insert('Oh, '));
    assert.equal(code, 'ERR_OT_SUBTYPE_NOT_RECOGNIZED');
    assert.match(message, /"text".*serve\({subtypes: \[subtype\]}\)/);
  }
  assert.equal(await submit(b, { p: ['keys', 'n'], oi: 1 }), undefined);
  const { data } = await stage.agreed([a, b], 'subtype');
  assert.deepEqual(data.keys, { text: 'hello', n: 1 });
}

export const subtypeTests = [
  {
    name: 'subtypes: a worker with the subtype merges what two tabs write',
    skip: MODULE,
    run: known,
  },
  { name: 'subtypes: a worker without the subtype refuses it by name', skip: MODULE, run: unknown },
];
