/** A connection that the application closes, and opens again. */

import assert from 'node:assert/strict';
import { PageLink } from '../../js-shim/src/link/page-link.js';
import { Backend, Wire, call, connect, ours, selfOpening, settle } from './clients.mjs';

const add = [{ p: ['n'], na: 1 }];

/** A connection whose host, in the page, makes its sockets itself; and one that stays. */
async function ownSockets() {
  const backend = new Backend({ presence: true });
  const { open, wires } = selfOpening(backend);
  const link = new PageLink(null, { open });
  const connection = new ours.Connection(null, { link });
  const { connection: other } = await connect(ours, backend);
  await settle();
  const docs = [connection, other].map((one) => one.get('c', 'd'));
  await call(docs[0], 'create', { n: 0 });
  for (const doc of docs) await call(doc, 'subscribe');
  return { connection, other, docs, wires };
}

describe('reconnect()', () => {
  it('opens a closed connection again, and everything goes on', async () => {
    const { connection, other, docs, wires } = await ownSockets();
    const [presence, far] = [connection, other].map((one) => one.getPresence('cursors'));
    for (const each of [presence, far]) await call(each, 'subscribe');
    await call(presence.create('mine'), 'submit', 1);
    const query = connection.createSubscribeQuery('c', {});
    await settle();
    connection.close();
    await settle();
    assert.equal(connection.state, 'closed');
    const pending = call(docs[0], 'submitOp', add);
    await call(docs[1], 'submitOp', add);
    await call(other.get('c', 'new'), 'create', {});
    await settle();
    assert.deepEqual([docs[0].data, wires.length], [{ n: 1 }, 1]);

    const states = [];
    connection.on('state', (state) => states.push(state));
    connection.reconnect();
    await pending;
    await settle();
    assert.deepEqual([states, wires.length], [['connecting', 'connected'], 2]);
    for (const doc of docs) assert.deepEqual([doc.data, doc.version], [{ n: 2 }, 3]);
    assert.equal(query.results.length, 2);
    assert.equal(far.remotePresences.mine, 1);
    connection.close();
  });

  it('of a connection that is open does nothing', async () => {
    const { connection, wires } = await ownSockets();
    connection.reconnect();
    await settle();
    assert.deepEqual([connection.state, wires.length], ['connected', 1]);
    connection.close();
  });

  it('may come at once after close()', async () => {
    const { connection, docs } = await ownSockets();
    docs[0].submitOp(add);
    connection.close();
    connection.reconnect();
    await call(docs[0], 'submitOp', add);
    await settle();
    for (const doc of docs) assert.deepEqual(doc.data, { n: 2 });
    connection.close();
  });

  it('needs a url: where the application brought the socket it brings another one', async () => {
    const backend = new Backend();
    const { connection } = await connect(ours, backend);
    connection.close();
    assert.throws(() => connection.reconnect(), { code: 'ERR_NO_URL' });
    await settle();
    assert.equal(connection.state, 'closed');
    const wire = new Wire(backend);
    connection.bindToSocket(wire.socket);
    wire.open();
    await settle();
    assert.equal(connection.state, 'connected');
  });
});
