/** A server that says nothing more, on a socket that stays open. */

import assert from 'node:assert/strict';
import { PageLink } from '../../js-shim/src/link/page-link.js';
import { Backend, Wire, call, ours, selfOpening, settle } from './clients.mjs';

const add = [{ p: ['n'], na: 1 }];

/** What a page has and Node lacks: the events of its network. */
async function withNetworkEvents(work) {
  const events = new EventTarget();
  const names = ['addEventListener', 'removeEventListener'];
  const before = names.map((name) => globalThis[name]);
  for (const name of names) globalThis[name] = events[name].bind(events);
  try {
    await work((name) => events.dispatchEvent(new Event(name)));
  } finally {
    names.forEach((name, i) => (globalThis[name] = before[i]));
  }
}

/** A connection that makes its sockets itself, and a document in it. */
async function ownSockets() {
  const backend = new Backend();
  const { open, wires } = selfOpening(backend);
  const connection = new ours.Connection(null, { link: new PageLink(null, { open }) });
  const doc = connection.get('c', 'd');
  await call(doc, 'create', { n: 0 });
  return { connection, doc, wires };
}

/** Resolves when the connection is in this state. */
const becomes = (connection, state) =>
  new Promise((resolve) => connection.once(state, (reason) => resolve(reason)));

describe('a server that says nothing more', () => {
  it('is left when the network has changed, and every op arrives by the next socket', () =>
    withNetworkEvents(async (tell) => {
      const { connection, doc, wires } = await ownSockets();
      await call(doc, 'subscribe');
      // From now on the proxy in between swallows everything.
      wires[0].gated = true;
      const pending = call(doc, 'submitOp', add);
      await settle();
      const lost = becomes(connection, 'disconnected');
      tell('offline');
      assert.deepEqual(await lost, {
        code: 1006,
        reason: 'the server does not answer',
        wasClean: false,
      });
      await pending;
      assert.deepEqual([doc.data, doc.version, wires.length], [{ n: 1 }, 2, 2]);
      connection.close();
    }));

  it('is not left while it answers', () =>
    withNetworkEvents(async (tell) => {
      const { connection, doc, wires } = await ownSockets();
      const pongs = [];
      connection.on('pong', () => pongs.push(1));
      tell('online');
      await settle();
      await call(doc, 'submitOp', add);
      assert.deepEqual([wires.length, connection.state, pongs], [1, 'connected', []]);
      connection.close();
    }));

  it('is asked by no connection whose sockets the application makes', () =>
    withNetworkEvents(async (tell) => {
      const wire = new Wire(new Backend(), { gated: true });
      const connection = new ours.Connection(wire.socket);
      wire.open();
      await wire.exchange();
      tell('offline');
      await settle();
      assert.deepEqual(wire.upward, []);
      connection.close();
    }));
});
