/**
 * Presence of two tabs on one host, beside a stock client, over a real backend: what one shows, the
 * others see, whatever way it takes, and what a tab that is gone showed goes with it.
 */

import assert from 'node:assert/strict';
import { createSharedHost } from './one-thread.mjs';
import { Backend, Wire, call, connect, ours, settle, stock } from './clients.mjs';

/** A text that only grows; presence is a place in it. */
const type = {
  name: 'growing-text',
  uri: 'http://example.org/types/growing-text',
  create: (text) => text ?? '',
  apply: (text, { index, value }) => text.slice(0, index) + value + text.slice(index),
  transform(op, { index, value }, side) {
    const stays = op.index < index || (op.index === index && side === 'left');
    return stays ? op : { ...op, index: op.index + value.length };
  },
  transformPresence(at, { index, value }, isOwn) {
    const stays = at.index < index || (at.index === index && !isOwn);
    return stays ? at : { index: at.index + value.length };
  },
};
ours.types.register(type);

const CHANNEL = 'room';

/** A backend, two tabs on one host, and a stock client. */
async function open() {
  const backend = new Backend({ presence: true, doNotForwardSendPresenceErrorsToClient: true });
  const wire = new Wire(backend);
  const sent = [];
  const { send } = wire.socket;
  wire.socket.send = (text) => {
    const message = JSON.parse(text);
    if (/^p[su]?$/.test(message.a)) sent.push(message);
    send(text);
  };
  const host = createSharedHost(wire.socket);
  const [a, b] = [host.connect(), host.connect()];
  wire.open();
  const { connection: other } = await connect(stock, backend);
  await settle();
  return { backend, wire, host, sent, a, b, other };
}

/** A presence that was subscribed, on a connection. */
async function subscribed(connection, get = (one) => one.getPresence(CHANNEL)) {
  const presence = get(connection);
  await call(presence, 'subscribe');
  return presence;
}

const kinds = (sent) => sent.map(({ a }) => a);

describe('presence of several tabs', () => {
  it('is one subscription on the wire, and each tab sees the other and the world', async () => {
    const { a, b, other, sent } = await open();
    const [inA, inB, outside] = [await subscribed(a), await subscribed(b), await subscribed(other)];
    assert.deepEqual(kinds(sent), ['ps']);

    await call(inA.create('from-a'), 'submit', { at: 1 });
    await call(outside.create('from-outside'), 'submit', { at: 2 });
    await settle();
    assert.deepEqual(
      { ...inB.remotePresences },
      { 'from-a': { at: 1 }, 'from-outside': { at: 2 } },
    );
    assert.deepEqual({ ...inA.remotePresences }, { 'from-outside': { at: 2 } });
    assert.deepEqual({ ...outside.remotePresences }, { 'from-a': { at: 1 } });
  });

  it('is shown to a tab that comes later', async () => {
    const { a, b, other } = await open();
    const [inA, outside] = [await subscribed(a), await subscribed(other)];
    await call(inA.create('from-a'), 'submit', 1);
    await call(outside.create('from-outside'), 'submit', 2);
    const inB = await subscribed(b);
    await settle();
    assert.deepEqual({ ...inB.remotePresences }, { 'from-a': 1, 'from-outside': 2 });
  });

  it('goes with its tab, and another tab with the same id takes its place', async () => {
    const { a, b, other, host } = await open();
    const outside = await subscribed(other);
    const inA = await subscribed(a);
    await call(inA.create('user'), 'submit', 'a');
    await call(b.getPresence(CHANNEL).create('user'), 'submit', 'b');
    await call(b.getPresence(CHANNEL).create('only-b'), 'submit', 'c');
    await settle();
    assert.deepEqual({ ...outside.remotePresences }, { user: 'b', 'only-b': 'c' });

    host.leave(b);
    await settle();
    assert.deepEqual({ ...outside.remotePresences }, { user: 'a' });
    assert.deepEqual({ ...inA.remotePresences }, {});

    host.leave(a);
    await settle();
    assert.deepEqual({ ...outside.remotePresences }, {});
  });

  it('of a tab that does not subscribe outlives the unsubscribe of the last that does', async () => {
    const { a, b, other, sent } = await open();
    const [inA, outside] = [await subscribed(a), await subscribed(other)];
    await call(b.getPresence(CHANNEL).create('from-b'), 'submit', 1);
    await call(inA, 'unsubscribe');
    await settle();
    assert.deepEqual(kinds(sent), ['ps', 'p', 'pu', 'p']);
    assert.deepEqual({ ...outside.remotePresences }, { 'from-b': 1 });
  });

  it('passes between the tabs offline, and is there again after the reconnect', async () => {
    const { backend, a, b, other, host, wire } = await open();
    const [inA, inB, outside] = [await subscribed(a), await subscribed(b), await subscribed(other)];
    await call(inA.create('before'), 'submit', 1);
    wire.close('lost');
    await settle();
    assert.deepEqual({ ...outside.remotePresences }, {});
    assert.equal(inA.subscribed, false);

    let acknowledged = false;
    inB.create('during').submit(2, () => (acknowledged = true));
    await settle();
    assert.deepEqual({ ...inA.remotePresences }, { during: 2 });
    assert.equal(acknowledged, false);

    reconnect(host, wire, new Wire(backend));
    await settle();
    assert.equal(acknowledged, true);
    assert.equal(inA.subscribed, true);
    assert.deepEqual({ ...outside.remotePresences }, { before: 1, during: 2 });
  });

  it('on a document moves with the ops of all', async () => {
    const { a, b, other } = await open();
    const docs = [a, b, other].map((connection) => connection.get('books', 'north'));
    await call(docs[2], 'create', 'North Lights', type.uri);
    for (const doc of docs) await call(doc, 'subscribe');
    const ofDoc = (connection) => connection.getDocPresence('books', 'north');
    const [inA, inB] = [await subscribed(a, ofDoc), await subscribed(b, ofDoc)];
    const outside = await subscribed(other, ofDoc);
    const local = inA.create('from-a');
    await call(local, 'submit', { index: 7 });
    await settle();

    docs[1].submitOp({ index: 5, value: 'ern' });
    docs[2].submitOp({ index: 0, value: 'The ' });
    await settle();
    const moved = { 'from-a': { index: 14 } };
    assert.deepEqual(local.value, moved['from-a']);
    assert.deepEqual({ ...inB.remotePresences }, moved);
    assert.deepEqual({ ...outside.remotePresences }, moved);

    // A tab sees it where its own text is, with an op that nobody else has.
    docs[1].pause();
    docs[1].submitOp({ index: 0, value: 'Oh! ' });
    await call(local, 'submit', { index: 14 });
    await settle();
    assert.deepEqual({ ...inB.remotePresences }, { 'from-a': { index: 18 } });
    assert.deepEqual({ ...outside.remotePresences }, moved);
    docs[1].resume();
    await settle();
    moved['from-a'].index = 18;
    assert.deepEqual(local.value, moved['from-a']);
    assert.deepEqual({ ...outside.remotePresences }, moved);

    // An op at the very place moves it only where its own author made it.
    docs[1].submitOp({ index: 18, value: '!' });
    await settle();
    assert.deepEqual({ ...inB.remotePresences }, moved);
    docs[0].submitOp({ index: 18, value: '?' });
    await settle();
    assert.deepEqual({ ...inB.remotePresences }, { 'from-a': { index: 19 } });
  });
});

/** The host goes on over another wire. */
function reconnect(host, old, wire) {
  old.socket.send = wire.socket.send;
  for (const name of ['onopen', 'onmessage', 'onclose', 'onerror']) {
    wire.socket[name] = (...args) => old.socket[name](...args);
  }
  host.core.bindSocket(0);
  wire.open();
}
