/** A connection whose host lives in the page and whose host's code is not there yet, as in a browser. */

import assert from 'node:assert/strict';
import { PageHost, Place } from '../../js-shim/src/host/page-host.js';
import { loadPageHostsBy, providePageHosts } from '../../js-shim/src/link/page-host-loader.js';
import { timers } from '../../js-shim/src/platform/ticks.js';
import { Backend, Wire, call, connect, ours, settle, stock, until } from './clients.mjs';

/** What the loader was asked for and has not given yet. */
let asked;

/** Lets what was asked for arrive. */
const arrive = async (PageHostClass = PageHost) => {
  for (const { resolve } of asked.splice(0)) resolve({ PageHost: PageHostClass, Place });
  await settle();
};

const fail = async (error = new Error('no network')) => {
  for (const { reject } of asked.splice(0)) reject(error);
  await settle();
};

describe("a page whose host's code is still loaded", () => {
  beforeEach(() => {
    asked = [];
    providePageHosts(undefined);
    loadPageHostsBy(() => new Promise((resolve, reject) => asked.push({ resolve, reject })));
  });
  // A test that failed leaves nothing on its way to the next one.
  afterEach(() => arrive());

  for (const client of ['stock', 'ours']) {
    it(`keeps what is asked and what the socket says, in order: ${client}`, async () => {
      const backend = new Backend();
      await call(backend.connect().get('c', 'old'), 'create', { n: 1 });
      const wire = new Wire(backend);
      const connection = new (client === 'ours' ? ours : stock).Connection(wire.socket);
      const [old, made] = [connection.get('c', 'old'), connection.get('c', 'made')];
      const ended = [];
      const note = (what) => (error) => ended.push(error ? `${what}: ${error.message}` : what);
      old.subscribe(note('subscribe'));
      made.create({ n: 0 }, note('create'));
      made.submitOp([{ p: ['n'], na: 2 }], note('submitOp'));
      connection.createFetchQuery('c', {}, {}, note('query'));
      wire.open();
      assert.deepEqual([made.data, ended], [{ n: 2 }, []]);
      await settle();
      if (client === 'ours') {
        assert.deepEqual([connection.state, ended], ['connecting', []]);
        await arrive();
      }
      assert.equal(connection.state, 'connected');
      assert.deepEqual(ended.sort(), ['create', 'query', 'submitOp', 'subscribe']);
      assert.deepEqual([old.data, made.data, made.version], [{ n: 1 }, { n: 2 }, 1]);
      const other = backend.connect().get('c', 'made');
      await call(other, 'fetch');
      assert.deepEqual(other.data, { n: 2 });
      connection.close();
    });
  }

  it('loads it once for all connections, and the next one has it at once', async () => {
    const backend = new Backend();
    const connections = [1, 2].map(() => {
      const wire = new Wire(backend);
      const connection = new ours.Connection(wire.socket);
      wire.open();
      return connection;
    });
    assert.equal(asked.length, 1);
    await arrive();
    assert.deepEqual(
      connections.map(({ state }) => state),
      ['connected', 'connected'],
    );
    const { connection } = await connect(ours, backend);
    assert.equal(asked.length, 0);
    for (const each of [...connections, connection]) each.close();
  });

  it('is told once that it cannot be loaded, and goes on when it can', async () => {
    const pauses = [];
    const { start } = timers;
    timers.start = (callback, pause) => (pauses.push(pause), void setImmediate(callback));
    try {
      const backend = new Backend();
      const wire = new Wire(backend);
      const connection = new ours.Connection(wire.socket);
      const errors = [];
      connection.on('error', (error) => errors.push(error));
      const doc = connection.get('c', 'd');
      const created = call(doc, 'create', { n: 0 });
      wire.open();
      for (let attempt = 0; attempt < 7; attempt++) {
        await until('it is asked for', () => asked.length);
        await fail();
      }
      await until('it is asked for', () => asked.length);
      await arrive();
      await created;
      assert.deepEqual(
        errors.map(({ code }) => code),
        ['ERR_HOST_FAILED'],
      );
      assert.match(errors[0].message, /no network/);
      assert.deepEqual(
        pauses.slice(0, 7),
        [1, 2, 4, 8, 16, 30, 30].map((s) => 1_000 * s),
      );
      assert.equal(doc.version, 1);
      connection.close();
    } finally {
      timers.start = start;
    }
  });

  it('does not try again for a connection that was closed', async () => {
    const wire = new Wire(new Backend());
    const connection = new ours.Connection(wire.socket);
    connection.on('error', () => assert.fail('nobody is to be told'));
    connection.close();
    await fail();
    await settle();
    assert.equal(asked.length, 0);
  });

  it('closes the socket of a connection that was closed before, and binds another one', async () => {
    const backend = new Backend();
    const first = new Wire(backend);
    const connection = new ours.Connection(first.socket);
    first.open();
    connection.close();
    const doc = connection.get('c', 'd');
    doc.create({ n: 0 });
    const second = new Wire(backend);
    connection.bindToSocket(second.socket);
    second.open();
    await arrive();
    await call(doc, 'whenNothingPending');
    assert.deepEqual([first.socket.readyState, connection.state, doc.version], [3, 'connected', 1]);
    connection.close();
  });

  it('has the id and the seq that the application gave before', async () => {
    const wire = new Wire(new Backend());
    const connection = new ours.Connection(wire.socket);
    assert.equal(connection.seq, 1);
    [connection.id, connection.seq] = ['mine', 7];
    assert.deepEqual([connection.id, connection.seq], ['mine', 7]);
    wire.open();
    const doc = connection.get('c', 'd');
    const created = call(doc, 'create', { n: 0 });
    await arrive();
    await created;
    assert.equal(connection.seq, 8);
    connection.close();
  });

  it('does what listeners ask for after what was asked before', async () => {
    const backend = new Backend();
    const wire = new Wire(backend);
    const connection = new ours.Connection(wire.socket);
    const sent = [];
    connection.on('send', ({ a, d }) => a === 'hs' || sent.push([a, d].join(' ')));
    connection.on('connected', () => connection.get('c', 'late').fetch());
    connection.get('c', 'early').fetch();
    wire.open();
    await settle();
    await arrive();
    assert.deepEqual(sent, ['f early', 'f late']);
    connection.close();
  });
});
