/** The same where it is required. */

const assert = require('node:assert/strict');
const Backend = require('sharedb');
const { createConnection, types } = require('sharedb-proxy');

const backend = new Backend();
const doc = createConnection(backend).get('letters', 'to-ada');
const other = createConnection(backend).get('letters', 'to-ada');
doc.create({ text: '' }, () => {
  other.subscribe(() => {
    other.once('op', () => {
      assert.deepEqual(other.data, { text: 'Dear Ada é😀' });
      assert.equal(Backend.types, types);
      console.log('works');
    });
    doc.submitOp([{ p: ['text', 0], si: 'Dear Ada é😀' }]);
  });
});
