/** Strings long enough to be passed to WebAssembly in another way than short ones, with any characters anywhere in them. */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, settle, stock } from './clients.mjs';

const LENGTH = 10_000;

/** As JSON alone they are passed: whatever JavaScript holds, `JSON.stringify` escapes half a pair. */
const TEXTS = {
  'ASCII alone': 'a'.repeat(LENGTH),
  'an accent at the start': `é${'a'.repeat(LENGTH)}`,
  'an accent at the end': `${'a'.repeat(LENGTH)}é`,
  'emoji alone': '😀'.repeat(LENGTH),
  'three bytes a character': '語'.repeat(LENGTH),
  'an emoji where the first buffer ends': `é${'a'.repeat(LENGTH)}😀${'b'.repeat(20)}`,
  'half a pair': `${'a'.repeat(LENGTH)}\ud83d`,
};

describe('long strings', () => {
  for (const [name, text] of Object.entries(TEXTS)) {
    it(`${name}: created, inserted and read by both clients`, async () => {
      const backend = new Backend();
      const docs = [];
      for (const client of [ours, stock]) {
        const { connection } = await connect(client, backend);
        docs.push(connection.get('c', 'doc'));
      }
      const [doc, far] = docs;
      await call(doc, 'create', { text });
      await call(far, 'subscribe');
      await call(doc, 'subscribe');
      await call(doc, 'submitOp', [{ p: ['text', 1], si: text }]);
      await call(far, 'submitOp', [{ p: ['list'], oi: [text, { [text]: text }] }]);
      await settle();
      const joined = text[0] + text + text.slice(1);
      for (const { data } of docs) {
        assert.ok(data.text === joined, 'the text differs');
        assert.ok(data.list[0] === text && data.list[1][text] === text, 'the list differs');
      }
    });
  }
});
