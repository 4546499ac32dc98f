/** What workers, stores and locks are named by, and when an application has to say it. */

import assert from 'node:assert/strict';
import { Backend, Wire, ours, settle } from './clients.mjs';
import { withGlobals } from './globals.mjs';

const URL = 'wss://example.com/ws';

/** Notes the name of each worker that is made, and what is posted to it. */
class Workers {
  names = [];
  posted = [];
  ports = [];

  make = (name) => {
    const port = { postMessage: (message) => this.posted.push(message), close() {} };
    this.names.push(name);
    this.ports.push(port);
    return { port };
  };
}

class FakeSocket {
  readyState = 0;
  postMessage() {}
  send() {}
  close() {}
}

/** With the globals of a browser. A tab has its own lock at once, and the host's never. */
function inBrowser(test) {
  const request = async (name, ...rest) => name.includes(' tab ') && rest.at(-1)();
  const SharedWorker = class extends FakeSocket {
    port = { postMessage() {}, close() {} };
  };
  const navigator = { locks: { request } };
  const globals = { SharedWorker, BroadcastChannel: FakeSocket, WebSocket: FakeSocket };
  return withGlobals({ ...globals, isSecureContext: true, navigator }, test);
}

describe('without a namespace', () => {
  it('the address names it, without what may change or is secret', async () => {
    for (const url of [
      URL,
      `${URL}?token=1`,
      `${URL}?token=2&a=b/c@d`,
      `${URL}#part`,
      `wss://ada:pass@example.com/ws?token=1#part`,
      `wss://ada:p%40ss@example.com/ws`,
      'https://example.com/ws',
    ]) {
      const workers = new Workers();
      const host = { life: 1, place: 'p', kind: 'shared-worker', protocol: 1 };
      await inBrowser(async () => {
        const connection = ours.createConnection(url, { worker: workers.make });
        workers.ports[0].onmessage({ data: { greeting: { place: 'p', host } } });
        await settle();
        connection.close();
        workers.ports[0].onmessage({ data: { taken: 1 } });
      });
      assert.deepEqual(workers.names, [`sharedb-proxy 2 ${URL}`], url);
      const [{ hello }, { connect }] = workers.posted;
      assert.deepEqual([hello.namespace, connect.namespace], [URL, URL], url);
    }
  });

  it('other servers, and other paths, have other names', () => {
    const workers = new Workers();
    inBrowser(() => {
      for (const url of ['wss://example.com/a', 'wss://example.com/b', 'wss://example.org/a@b'])
        ours.createConnection(url, { worker: workers.make }).close();
    });
    assert.deepEqual(workers.names, [
      'sharedb-proxy 2 wss://example.com/a',
      'sharedb-proxy 2 wss://example.com/b',
      'sharedb-proxy 2 wss://example.org/a@b',
    ]);
  });

  it('there is no durable store, wherever the host is', () => {
    const cipher = { encrypt: (text) => text, decrypt: (text) => text };
    const worker = new Workers().make;
    const socket = Object.assign(new Wire(new Backend()).socket, { url: URL });
    const storage = new ours.InMemoryStorage();
    for (const [target, options] of [
      [URL, { durableStore: true }],
      [URL, { durableStore: {}, worker }],
      [URL, { durableStore: cipher, worker }],
      [URL, { durableStore: { storage }, worker }],
      [URL, { durableStore: true, useSharedWorker: false }],
      [socket, { durableStore: true }],
      [new Backend(), { durableStore: true }],
    ]) {
      const make = () => ours.createConnection(target, options);
      inBrowser(() =>
        assert.throws(make, (error) => {
          assert.ok(error instanceof TypeError);
          assert.equal(error.code, 'ERR_NAMESPACE_REQUIRED');
          assert.match(error.message, /namespace: user\.id/);
          return true;
        }),
      );
    }
  });

  it('a storage of the application is its own, where the host is in the page', () => {
    const durableStore = { storage: new ours.InMemoryStorage() };
    const { socket } = new Wire(new Backend());
    assert.ok(new ours.Connection(socket, { durableStore }).durableStore);
    inBrowser(() => {
      const { host } = ours.createConnection(URL, { durableStore, useSharedWorker: false });
      assert.equal(host.kind, 'in-page');
    });
  });
});
