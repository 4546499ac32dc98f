/** Two clients of a server in this process, one of which edits. */

import assert from 'node:assert/strict';
import Backend from 'sharedb';
import { createConnection, types } from 'sharedb-proxy';

const backend = new Backend();
const doc = createConnection(backend).get('letters', 'to-ada');
const other = createConnection(backend).get('letters', 'to-ada');
await new Promise((resolve) => doc.create({ text: '' }, resolve));
await new Promise((resolve) => other.subscribe(resolve));
const heard = new Promise((resolve) => other.once('op', resolve));
doc.submitOp([{ p: ['text', 0], si: 'Dear Ada é😀' }]);
await heard;
assert.deepEqual(other.data, { text: 'Dear Ada é😀' });
// One registry for both.
assert.equal(Backend.types, types);
console.log('works');
