/** What calls come to on a connection whose store was wiped: nobody waits for ever, and no edit goes unheard. */

import assert from 'node:assert/strict';
import { InMemoryStorage } from 'sharedb-proxy';
import { Backend, call, settle } from './clients.mjs';
import { Life } from './durable-lives.mjs';

const CLOSED = 'ERR_CONNECTION_CLOSED';

/** A life with a subscribed document and presence. */
async function alive() {
  const life = new Life(new Backend({ presence: true }), new InMemoryStorage());
  await life.online();
  const { connection } = life;
  const doc = life.doc('a');
  await call(doc, 'create', { list: [] });
  await call(doc, 'subscribe');
  const presence = connection.getPresence('room');
  await call(presence, 'subscribe');
  return { life, connection, doc, presence, local: presence.create('me') };
}

/** What the callback of a call is given: a code, or nothing. */
async function outcomeOf(target, method, ...args) {
  try {
    await call(target, method, ...args);
    return undefined;
  } catch (error) {
    return error.code;
  }
}

const add = [{ p: ['list', 0], li: 'late' }];

describe('after a wipe', () => {
  it('what asks for something ends with an error, and changes nothing', async () => {
    const { life, connection, doc, presence, local } = await alive();
    await call(connection, 'wipe');
    const snapshot = { v: 1, data: {}, type: 'json0' };
    for (const [target, method, ...args] of [
      [doc, 'submitOp', add],
      [doc, 'del'],
      [doc, 'fetch'],
      [doc, 'subscribe'],
      [life.doc('b'), 'create', {}],
      [life.doc('b'), 'ingestSnapshot', snapshot],
      [life.doc('b'), 'ensureDocHasData'],
      [presence, 'subscribe'],
      [local, 'submit', { at: 1 }],
      [connection, 'createFetchQuery', 'c', {}, null],
      [connection, 'fetchSnapshot', 'c', 'a', null],
    ]) {
      assert.equal(await outcomeOf(target, method, ...args), CLOSED, method);
    }
    doc.submitOp(add);
    doc.fetch();
    await settle();
    assert.deepEqual(doc.data, { list: [] });
    assert.equal(life.doc('b').type, null);
  });

  it('what gives something back is done', async () => {
    const { connection, doc, presence, local } = await alive();
    await call(connection, 'wipe');
    for (const [target, method] of [
      [doc, 'unsubscribe'],
      [presence, 'unsubscribe'],
      [local, 'destroy'],
      [presence, 'destroy'],
      [doc, 'destroy'],
    ]) {
      assert.equal(await outcomeOf(target, method), undefined, method);
    }
    assert.deepEqual(Object.keys(connection.collections), []);
  });

  it('nothing is pending, and what waited for that goes on', async () => {
    const { life, connection, doc, presence, local } = await alive();
    life.offline();
    const ends = [];
    const end = (what) => (error) => ends.push([what, error?.code]);
    doc.fetch(end('fetch'));
    life.doc('b').subscribe(end('subscribe'));
    presence.subscribe(end('presence'));
    local.submit({ at: 1 }, end('local'));
    doc.submitOp(add, end('op'));
    doc.whenNothingPending(end('doc'));
    connection.whenNothingPending(end('connection'));
    await settle();
    await call(connection, 'wipe');
    await settle();
    assert.deepEqual(ends.sort(), [
      ['connection', undefined],
      ['doc', undefined],
      ['fetch', CLOSED],
      ['local', CLOSED],
      ['op', 'ERR_STORAGE'],
      ['presence', CLOSED],
      ['subscribe', CLOSED],
    ]);
    assert.deepEqual([connection.hasPending(), doc.hasPending()], [false, false]);
  });
});
