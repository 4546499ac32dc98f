/** A hard rollback in a tab: which ops end with its error, and which as the server says. */

import assert from 'node:assert/strict';
import { Backend, Wire, call, connect, ours, sameAsStock, settle, stock } from './clients.mjs';

const item = (id) => [{ p: ['list', 0], li: id }];
const MISFIT = [{ p: ['no', 'such', 'path'], oi: 1 }];

/** A document with three ops, one for each tick, that the server has not answered, and how they end. */
async function scene(client) {
  const backend = new Backend();
  const { connection, wire } = await connect(client, backend, { gated: true });
  const { connection: other } = await connect(client, backend);
  const far = other.get('c', 'd');
  await call(far, 'create', { list: [] });
  await call(far, 'subscribe');
  const doc = connection.get('c', 'd');
  doc.subscribe();
  await wire.exchange();
  const ends = {};
  const submit = (id, op = item(id)) =>
    doc.submitOp(op, (error) => {
      assert.equal(id in ends, false, `${id} was called back twice`);
      ends[id] = error ? 'error' : 'ok';
    });
  for (const id of ['one', 'two', 'three']) {
    submit(id);
    await settle();
  }
  const rest = async () => {
    await settle();
    await wire.exchange();
    await settle();
  };
  return { connection, backend, wire, far, doc, ends, submit, rest };
}

describe('a hard rollback by an op that does not apply', () => {
  it('ends no op with an error that is committed', async () => {
    const { connection, far, doc, ends, submit, rest } = await scene(ours);
    submit('unsent');
    submit('misfit', MISFIT);
    assert.equal(doc.data, undefined);
    assert.equal(doc.hasWritePending(), true);
    await rest();
    assert.deepEqual(ends, {
      one: 'ok',
      two: 'ok',
      three: 'ok',
      unsent: 'error',
      misfit: 'error',
    });
    assert.deepEqual(far.data, { list: ['three', 'two', 'one'] });
    assert.deepEqual([doc.data, doc.version], [far.data, far.version]);
    assert.equal(connection.hasPending(), false);
  });

  it('ends an op that is on its way to the host as the host says', async () => {
    const { far, doc, ends, submit, rest } = await scene(ours);
    submit('sent');
    doc.flush();
    submit('misfit', MISFIT);
    await rest();
    const { sent, misfit } = ends;
    assert.deepEqual([sent, misfit], ['ok', 'error']);
    assert.deepEqual(far.data, { list: ['sent', 'three', 'two', 'one'] });
    assert.deepEqual(doc.data, far.data);
  });

  it('lets what it did not end go on: later ops follow', async () => {
    const { far, doc, ends, submit, rest } = await scene(ours);
    submit('misfit', MISFIT);
    await rest();
    submit('later');
    await rest();
    assert.equal(ends.later, 'ok');
    assert.deepEqual(far.data, { list: ['later', 'three', 'two', 'one'] });
    assert.deepEqual(doc.data, far.data);
  });

  it('whose connection is away waits for the server with what was accepted', async () => {
    const { connection, backend, wire, far, doc, ends, submit } = await scene(ours);
    wire.close('away');
    submit('misfit', MISFIT);
    await settle();
    assert.deepEqual(ends, {});
    assert.equal(doc.hasWritePending(), true);
    assert.deepEqual(far.data, { list: [] });
    const back = new Wire(backend);
    connection.bindToSocket(back.socket);
    back.open();
    await settle();
    assert.deepEqual(ends, { one: 'ok', two: 'ok', three: 'ok', misfit: 'error' });
    assert.deepEqual(far.data, { list: ['three', 'two', 'one'] });
    assert.deepEqual(doc.data, far.data);
  });
});

describe('a hard rollback by a deletion elsewhere', () => {
  it('ends all ops that the server did not commit, as in the stock client', async () => {
    for (const client of [stock, ours]) {
      const { far, doc, ends, rest } = await scene(client);
      const errors = [];
      doc.on('error', (error) => errors.push(error.message));
      await call(far, 'del');
      await rest();
      assert.deepEqual(ends, { one: 'error', two: 'error', three: 'error' });
      assert.deepEqual(errors, ['Document was deleted']);
      assert.deepEqual([doc.data, doc.version], [undefined, 2]);
    }
  });
});

describe('an op submitted on `load` in a hard rollback', () => {
  it('is taken where a query brought the state before the rollback was done', () =>
    sameAsStock(async (client, log, backend) => {
      const far = (await connect(client, backend)).connection.get('c', 'd');
      await call(far, 'create', { list: ['far'] });
      const { connection } = await connect(client, backend);
      const doc = connection.get('c', 'd');
      doc.once('load', () => {
        doc.submitOp(item('on load'), (error) => log.add('op', error?.code));
      });
      doc.create({ list: ['own'] }, (error) => log.add('create', error?.code));
      connection.createSubscribeQuery('c', {});
      await settle();
      await call(far, 'fetch');
      log.add('data', doc.data, far.data);
    }));
});
