/** Where there is no WebAssembly, or it is forbidden: one error with a code that says what to do, and an application that goes on. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import Backend from 'sharedb';
import { withGlobals } from './globals.mjs';

const { WebAssembly: original } = globalThis;
const CODE = 'ERR_WASM_UNAVAILABLE';

/** As a Content-Security-Policy makes it. */
class Forbidding {
  static Module = class {
    constructor() {
      throw new original.CompileError('Wasm code generation disallowed by embedder');
    }
  };
}

const socket = () => ({ readyState: 3, send() {}, close() {} });
const failure = (start) => new Promise((resolve) => start((error) => resolve(error)));

describe('without WebAssembly', () => {
  let ours;

  before(async () => {
    globalThis.WebAssembly = Forbidding;
    // Nothing is compiled by an import.
    ours = await import('../../js-shim/src/index.node.js');
  });

  after(() => (globalThis.WebAssembly = original));

  it('a connection says why, and what to do', async () => {
    const connection = new ours.Connection(socket());
    const [error] = await once(connection, 'error');
    assert.equal(error.code, CODE);
    assert.match(error.message, /disallowed by embedder.*'wasm-unsafe-eval'/);
    assert.deepEqual([connection.state, connection.canSend], ['closed', false]);
    const { kind, place, code } = connection.host;
    assert.deepEqual({ kind, place, code }, { kind: 'in-page', place: 'page', code: CODE });
  });

  it('says so where there is none at all', () =>
    withGlobals({ WebAssembly: undefined }, async () => {
      const [error] = await once(new ours.Connection(socket()), 'error');
      assert.equal(error.code, CODE);
      assert.match(error.message, /there is none here/);
    }));

  it('nobody has to listen', async () => {
    const logged = [];
    const { error: before } = ours.logger;
    ours.logger.setMethods({ error: (message) => logged.push(message) });
    new ours.Connection(socket());
    await new Promise((resolve) => setImmediate(resolve));
    ours.logger.setMethods({ error: before });
    assert.equal(logged.length, 1);
    assert.match(logged[0], /needs WebAssembly/);
  });

  for (const [what, make] of [
    ['a backend', () => ours.createConnection(new Backend())],
    ['a url', () => ours.createConnection('ws://example.com/', { namespace: 'ada' })],
    ['a socket', () => ours.createConnection(socket())],
  ]) {
    it(`is told of a connection to ${what}`, async () => {
      class FakeSocket {}
      await withGlobals({ WebSocket: FakeSocket }, async () => {
        const [error] = await once(make(), 'error');
        assert.equal(error.code, CODE);
      });
    });
  }

  it('is told of tabs that would share a host, and no worker is left', async () => {
    const ports = [];
    class FakeWorker {
      port = { isOpen: true, postMessage() {}, close: () => (this.port.isOpen = false) };
      constructor() {
        ports.push(this.port);
      }
    }
    class FakeChannel {}
    const navigator = { locks: { request: async () => {} } };
    const globals = { SharedWorker: FakeWorker, BroadcastChannel: FakeChannel, navigator };
    await withGlobals({ ...globals, isSecureContext: true }, async () => {
      const connection = ours.createConnection('ws://example.com/', { namespace: 'ada' });
      const [error] = await once(connection, 'error');
      assert.equal(error.code, CODE);
      assert.deepEqual(
        ports.map(({ isOpen }) => isOpen),
        [false],
      );
    });
  });

  it('each call ends with that error', async () => {
    const store = { durableStore: { storage: new ours.InMemoryStorage() } };
    const connection = new ours.Connection(socket(), store);
    connection.on('error', () => {});
    const doc = connection.get('letters', 'to-ada');
    assert.equal(connection.get('letters', 'to-ada'), doc);
    const presence = connection.getPresence('room');
    for (const call of [
      (callback) => doc.subscribe(callback),
      (callback) => doc.fetch(callback),
      (callback) => doc.unsubscribe(callback),
      (callback) => doc.create({ text: '' }, callback),
      (callback) => doc.submitOp([{ p: ['text', 0], si: 'a' }], callback),
      (callback) => doc.del(callback),
      (callback) => connection.createFetchQuery('letters', {}, null, callback),
      (callback) => connection.createSubscribeQuery('letters', {}, null, callback),
      (callback) => connection.fetchSnapshot('letters', 'to-ada', 1, callback),
      (callback) => connection.getBulk('letters', ['to-bob'], callback),
      (callback) => connection.flushWrites(callback),
      (callback) => connection.putDoc(doc, callback),
      (callback) => connection.wipe(callback),
      (callback) => connection.hostStatus(callback),
      (callback) => presence.subscribe(callback),
      (callback) => presence.create('me').submit({ at: 1 }, callback),
    ]) {
      const error = await failure(call);
      assert.equal(error?.code, CODE, String(call));
    }
  });

  it('what is asked about documents has an answer, and closing ends nothing', () => {
    const connection = new ours.Connection(socket());
    connection.on('error', () => {});
    const doc = connection.get('letters', 'to-ada');
    const { version, type, data, subscribed, paused, inflightOp, pendingOps } = doc;
    assert.deepEqual(
      { version, type, data, subscribed, paused, inflightOp, pendingOps },
      {
        version: null,
        type: null,
        data: undefined,
        subscribed: false,
        paused: false,
        inflightOp: null,
        pendingOps: [],
      },
    );
    assert.deepEqual([connection.hasPending(), connection.hasWritePending()], [false, false]);
    assert.throws(() => connection.reconnect(), { code: CODE });
    assert.throws(() => connection.bindToSocket(socket()), { code: CODE });
    assert.throws(() => connection.ping(), { code: CODE });
    doc.pause();
    doc.resume();
    doc.destroy();
    connection.startBulk();
    connection.endBulk();
    connection.close();
  });
});
