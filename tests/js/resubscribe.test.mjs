/** A destroyed document that is opened again has what happened meanwhile before its callback. */

import assert from 'node:assert/strict';
import { Backend, call, settle } from './clients.mjs';
import { OneHost } from './one-host.mjs';

/** Two tabs of a host on one document; the first destroyed it. */
async function left() {
  const host = new OneHost(new Backend());
  const [near, far] = [await host.tab('near'), await host.tab('far')];
  const [doc, other] = [near.get('c', 'doc'), far.get('c', 'doc')];
  await call(other, 'subscribe');
  await call(other, 'create', { text: '' });
  await call(doc, 'subscribe');
  await call(doc, 'destroy');
  return { doc, other };
}

/** Types a letter. */
const type = (doc, letter) => doc.submitOp([{ p: ['text', doc.data.text.length], si: letter }]);

describe('a destroyed document, opened again', () => {
  for (const method of ['subscribe', 'fetch']) {
    it(`is up to date when ${method} calls back`, async () => {
      const { doc, other } = await left();
      type(other, 'x');
      await settle();
      await call(doc, method);
      assert.deepEqual([doc.version, doc.data], [2, { text: 'x' }]);
    });
  }

  /** As an editor's binding does: what the callback found, and every op after it. */
  it('tells all that comes after the callback by `op`', async () => {
    for (let pause = 0; pause < 12; pause++) {
      const { doc, other } = await left();
      let mirror;
      doc.on('op', ([component]) => {
        if (mirror !== undefined) mirror += component.si;
      });
      doc.on('load', () => assert.equal(mirror, undefined, 'nothing is loaded any more'));
      const opened = tick(pause).then(() => call(doc, 'subscribe'));
      opened.then(() => (mirror = doc.data.text));
      for (const letter of 'abcdef') {
        type(other, letter);
        await tick(2);
      }
      await opened;
      await settle();
      assert.equal(mirror, 'abcdef', `${pause} ticks later`);
    }
  });
});

async function tick(times) {
  while (times-- > 0) await new Promise((resolve) => setImmediate(resolve));
}
