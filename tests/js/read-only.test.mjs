/** What an application may assign, as in ShareDB, and what it is told where it may not. */

import assert from 'node:assert/strict';
import { Backend, Wire, call, connect, ours, sameAsStock, settle } from './clients.mjs';
import { RemoteLink } from '../../js-shim/src/link/remote-link.js';

const add = [{ p: ['n'], na: 1 }];

async function scene() {
  const backend = new Backend({ presence: true });
  const { connection } = await connect(ours, backend);
  const doc = connection.get('c', 'd');
  await call(doc, 'create', { n: 0 });
  return { connection, doc, presence: connection.getPresence('room') };
}

describe('an assignment', () => {
  const READ_ONLY = {
    connection: ['state', 'canSend', 'socket', 'host'],
    doc: ['subscribed', 'wantSubscribe', 'inflightOp', 'pendingOps'],
    presence: ['subscribed', 'wantSubscribe'],
  };
  for (const [what, names] of Object.entries(READ_ONLY)) {
    for (const name of names) {
      it(`to ${what}.${name} throws, and changes nothing`, async () => {
        const all = await scene();
        const before = all[what][name];
        const error = { code: 'ERR_READ_ONLY', message: new RegExp(name) };
        assert.throws(() => {
          all[what][name] = null;
        }, error);
        assert.deepEqual(all[what][name], before);
        await call(all.doc, 'submitOp', add);
      });
    }
  }

  for (const isHeld of [false, true]) {
    it(`to doc.paused ${isHeld ? 'lets go what is held' : 'holds back'}`, () =>
      sameAsStock(async (client, log, backend) => {
        const { connection } = await connect(client, backend);
        const doc = connection.get('c', 'd');
        await call(doc, 'create', { n: 0 });
        if (isHeld) doc.pause();
        doc.submitOp(add, () => log.add('first'));
        await settle();
        doc.paused = !isHeld;
        log.add(doc.paused);
        doc.submitOp(add, () => log.add('second'));
        await settle();
        log.add(doc.data, doc.hasPending());
      }));
  }

  for (const id of [5, {}, true, ['a']]) {
    it(`to connection.id of ${JSON.stringify(id)} throws`, async () => {
      const { socket } = new Wire(new Backend());
      const connection = new ours.Connection(socket);
      const code = 'ERR_CLIENT_ID_BADLY_FORMED';
      assert.throws(() => Object.assign(connection, { id }), { code });
      assert.equal(connection.id, null);
    });
  }
});

describe('what needs the socket', () => {
  it('is refused with a code where the host is elsewhere', () => {
    const link = new RemoteLink();
    for (const method of ['send', 'receiveFromServer', 'bind']) {
      assert.throws(() => link[method](), { code: 'ERR_HOST_ELSEWHERE' }, method);
    }
  });
});

describe('presence.destroy', () => {
  for (const locals of [0, 2]) {
    it(`with ${locals} local presences calls back with null`, () =>
      sameAsStock(async (client, log) => {
        const { connection } = await connect(client, new Backend({ presence: true }));
        const presence = connection.getPresence('room');
        await call(presence, 'subscribe');
        for (let at = 0; at < locals; at += 1) await call(presence.create(), 'submit', { at });
        presence.destroy((...given) => log.add(given.length, given[0] === null));
        await settle();
      }));
  }
});
