/** What ops cost, as `performance` and a tracer are told. */

import assert from 'node:assert/strict';
import { traceOps } from 'sharedb-proxy/tracing';
import { Backend, call, connect, ours, settle } from './clients.mjs';

/** A tracer that notes what it is told. */
function noting() {
  const notes = [];
  const startSpan = (name, { attributes }) => {
    const at = `${name} ${attributes['sharedb.id']} #${attributes['sharedb.seq']}`;
    notes.push(at);
    return {
      addEvent: (event) => notes.push(`${at} ${event}`),
      setAttribute: (key, value) => notes.push(`${at} ${key} ${value}`),
      setStatus: ({ code }) => notes.push(`${at} status ${code}`),
      end: () => notes.push(`${at} end`),
    };
  };
  return { tracer: { startSpan }, notes };
}

const measures = () => performance.getEntriesByType('measure').map(({ name }) => name);

describe('tracing', () => {
  afterEach(() => performance.clearMeasures());

  it('measures each op until the host has it, and until the server does', async () => {
    const { connection } = await connect(ours, new Backend());
    const end = traceOps(connection);
    const doc = connection.get('c', 'd');
    await call(doc, 'create', { n: 0 });
    await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
    const steps = (seq) => [
      `sharedb op c/d #${seq} accepted`,
      `sharedb op c/d #${seq} acknowledged`,
    ];
    assert.deepEqual(measures(), [...steps(1), ...steps(2)]);
    end();
    await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
    assert.equal(measures().length, 4);
    connection.close();
  });

  it('serves several tools at once, each until it is ended', async () => {
    const { connection } = await connect(ours, new Backend());
    const [first, second] = [noting(), noting()];
    const endFirst = traceOps(connection, { tracer: first.tracer });
    const endSecond = traceOps(connection, { tracer: second.tracer });
    const doc = connection.get('c', 'd');
    const spans = ({ notes }) => notes.filter((note) => note.endsWith(' end')).length;
    await call(doc, 'create', { n: 0 });
    assert.deepEqual([spans(first), spans(second)], [1, 1]);
    endFirst();
    endFirst();
    await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
    assert.deepEqual([spans(first), spans(second)], [1, 2]);
    endSecond();
    const third = noting();
    traceOps(connection, { tracer: third.tracer });
    endFirst();
    await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
    assert.deepEqual([spans(first), spans(second), spans(third)], [1, 2, 1]);
    connection.close();
  });

  it('gives a tracer a span for each op, also for one that is refused', async () => {
    const backend = new Backend();
    backend.use('commit', (_, next) => next(Object.assign(new Error('no'), { code: 'ERR_NO' })));
    const { connection } = await connect(ours, backend);
    const { tracer, notes } = noting();
    traceOps(connection, { tracer });
    await assert.rejects(call(connection.get('c', 'd'), 'create', { n: 0 }));
    await settle();
    const span = 'sharedb.op d #1';
    assert.deepEqual(notes, [
      ...[span, `${span} accepted`, `${span} status 2`],
      ...[`${span} sharedb.error ERR_NO`, `${span} end`],
    ]);
    assert.deepEqual(measures(), []);
    connection.close();
  });
});
