/** A page that shows documents before its host is there: a real server, and a worker that comes when a test says so. */

import assert from 'node:assert/strict';
import { Backend, Wire, call, ours, settle } from './clients.mjs';
import { withGlobals } from './globals.mjs';
import { OneHost } from './one-host.mjs';

const URL = 'ws://example.com/';
const HOST_LOCK = 'sharedb-proxy host ada';
const LIFE = 1;

/** The locks of one page: who asks gets a lock where nobody has it, else nothing. */
class Locks {
  held = new Set();

  async request(name, ...rest) {
    const granted = rest.at(-1);
    if (this.held.has(name)) return granted(null);
    this.held.add(name);
    try {
      return await granted({ name });
    } finally {
      this.held.delete(name);
    }
  }
}

class Channel {
  postMessage() {}
  close() {}
}

/** The worker's port, with a host behind it from `start` on. */
class Port {
  /** What the tab said to its host before there was one. */
  waiting = [];

  constructor(backend) {
    this.backend = backend;
  }

  postMessage(message) {
    if (message.connect) {
      this.host.tabs.set(message.connect.tab, { _receive: (data) => this.onmessage({ data }) });
      this.tab = message.connect.tab;
      this.onmessage({ data: { taken: LIFE } });
    } else if (typeof message === 'string') {
      process.nextTick(() => this.host.run((core) => core.handleTab(this.tab, message)));
    }
  }

  close() {}

  /** The place is there; it has no host before it has the lock. */
  greet(host) {
    this.onmessage({ data: { greeting: { place: 'p', ...(host && { host }) } } });
  }

  start() {
    this.host = new OneHost(this.backend);
    this.greet({ life: LIFE, place: 'p', kind: 'shared-worker', protocol: 1 });
  }
}

/** Runs in a page whose worker is still loaded. */
function onColdPage(test, options = {}) {
  const backend = new Backend();
  const locks = new Locks();
  /** The page's own sockets. */
  const wires = [];
  class WebSocket {
    constructor() {
      const wire = new Wire(backend);
      wires.push(wire);
      process.nextTick(() => wire.open());
      return wire.socket;
    }
  }
  const port = new Port(backend);
  const open = (more) =>
    ours.createConnection({
      ...{ url: URL, worker: () => ({ port }), namespace: 'ada', firstLook: true, ...options },
      ...more,
    });
  const globals = { BroadcastChannel: Channel, SharedWorker: Channel, WebSocket };
  const sockets = () => wires.filter(({ socket }) => socket.readyState < 2).length;
  return withGlobals({ ...globals, isSecureContext: true, navigator: { locks } }, async () => {
    const server = backend.connect().get('letters', 'a');
    await call(server, 'create', { text: 'Ada' });
    const connection = await test({ backend, locks, wires, sockets, port, open, server });
    connection?.close();
    await settle();
  });
}

const insert = (doc, at, text) => call(doc, 'submitOp', [{ p: ['text', at], si: text }]);

describe('a first look', () => {
  it('shows a document before there is a host, over a socket that is gone before the host comes', () =>
    onColdPage(async ({ backend, locks, sockets, port, open, server }) => {
      const connection = open();
      const doc = connection.get('letters', 'a');
      const heard = [];
      for (const event of ['load', 'op', 'error']) doc.on(event, () => heard.push(event));
      await call(doc, 'subscribe');
      assert.deepEqual([doc.data, doc.version, heard], [{ text: 'Ada' }, 1, ['load']]);
      assert.deepEqual([sockets(), locks.held.has(HOST_LOCK)], [1, true]);
      assert.equal(connection.state, 'connecting');

      // Both write before the host is there.
      const written = insert(doc, 3, '!');
      await insert(server, 0, 'Dear ');
      port.greet();
      await settle();
      assert.deepEqual([sockets(), locks.held.has(HOST_LOCK)], [0, false]);
      port.start();
      await written;
      await settle();
      assert.deepEqual(doc.data, { text: 'Dear Ada!' });
      assert.deepEqual([doc.version, doc.subscribed, doc.hasPending()], [3, true, false]);
      await insert(server, 0, 'My ');
      await settle();
      assert.equal(doc.data.text, 'My Dear Ada!');
      await call(server, 'fetch');
      assert.deepEqual([server.data, server.version], [doc.data, 4]);
      assert.ok(!heard.includes('error'));

      // The host has the document whole: it asks the server for nothing more when another tab opens it.
      const asked = [];
      backend.use('receive', ({ data }, next) => (asked.push(data.a), next()));
      const other = await port.host.tab('another');
      const again = other.get('letters', 'a');
      await call(again, 'subscribe');
      assert.deepEqual([again.data, asked], [doc.data, []]);
      other.close();
      assert.equal(backend.agentsCount, 2, 'the server itself, and the host');
      return connection;
    }));

  it('asks for each document that is read, and leaves to the host what it cannot show', () =>
    onColdPage(async ({ backend, wires, port, open }) => {
      const other = backend.connect().get('letters', 'b');
      await call(other, 'create', { text: 'Byron' });
      const connection = open();
      const [a, b, none] = ['a', 'b', 'none'].map((id) => connection.get('letters', id));
      const ends = [call(a, 'fetch'), call(b, 'subscribe')];
      let isThere = false;
      const there = call(none, 'subscribe').then(() => (isThere = true));
      await Promise.all(ends);
      assert.deepEqual([a.data.text, b.data.text], ['Ada', 'Byron']);
      await settle();
      assert.deepEqual([isThere, wires.length], [false, 1]);
      port.greet();
      port.start();
      await there;
      assert.deepEqual([none.type, none.version, none.subscribed], [null, 0, true]);
      return connection;
    }));

  it('opens no socket where somebody has the host, where nothing is read, or where it was not asked for', async () => {
    const subscribe = (connection) => connection.get('letters', 'a').subscribe();
    for (const [options, act] of [
      [{}, () => {}],
      [{ firstLook: false }, subscribe],
      [{ url: () => URL }, subscribe],
      [{ durableStore: { encrypt: false } }, subscribe],
    ]) {
      await onColdPage(async ({ wires, open }) => {
        const connection = open(options);
        act(connection);
        await settle();
        assert.equal(wires.length, 0, JSON.stringify(options));
        return connection;
      });
    }
    await onColdPage(async ({ locks, wires, open }) => {
      locks.held.add(HOST_LOCK);
      const connection = open();
      subscribe(connection);
      await settle();
      assert.equal(wires.length, 0);
      return connection;
    });
  });

  it('ends with its page’s connection', () =>
    onColdPage(async ({ locks, sockets, open }) => {
      const connection = open();
      await call(connection.get('letters', 'a'), 'subscribe');
      connection.close();
      await settle();
      assert.deepEqual([sockets(), locks.held.has(HOST_LOCK)], [0, false]);
    }));

  it('leaves an answer that is an error to the host', () =>
    onColdPage(async ({ backend, port, open }) => {
      let isRefused = true;
      backend.use('readSnapshots', (_, next) => next(isRefused ? new Error('not yet') : undefined));
      const connection = open();
      const doc = connection.get('letters', 'a');
      let isThere = false;
      const there = call(doc, 'subscribe').then(() => (isThere = true));
      await settle();
      assert.equal(isThere, false);
      isRefused = false;
      port.greet();
      port.start();
      await there;
      assert.equal(doc.data.text, 'Ada');
      return connection;
    }));

  it('says a later error of a read that it has answered as an event of the document', () =>
    onColdPage(async ({ backend, port, open }) => {
      let isRefused = false;
      backend.use('readSnapshots', (_, next) => next());
      backend.use('receive', ({ data }, next) =>
        next(isRefused && data.a === 's' ? new Error('no more') : undefined),
      );
      const connection = open();
      const doc = connection.get('letters', 'a');
      const errors = [];
      doc.on('error', ({ message }) => errors.push(message));
      let calls = 0;
      doc.subscribe(() => (calls += 1));
      await settle();
      isRefused = true;
      port.greet();
      port.start();
      await settle();
      assert.deepEqual([calls, errors], [1, ['no more']]);
      return connection;
    }));
});
