/** A test of an application, in jsdom: its connection leads to a server in the same process. */

const Backend = require('sharedb');
const { createConnection } = require('sharedb-proxy');

test('an edit reaches the other connection', async () => {
  expect(typeof document).toBe('object');
  const backend = new Backend();
  const doc = createConnection(backend).get('letters', 'to-ada');
  const other = createConnection(backend).get('letters', 'to-ada');
  await new Promise((resolve) => doc.create({ text: '' }, resolve));
  await new Promise((resolve) => other.subscribe(resolve));
  const heard = new Promise((resolve) => other.once('op', resolve));
  doc.submitOp([{ p: ['text', 0], si: 'Dear Ada é😀' }]);
  await heard;
  expect(other.data).toEqual({ text: 'Dear Ada é😀' });
});
