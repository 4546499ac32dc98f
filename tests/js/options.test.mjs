/** What an application may say: what is not understood is refused, with a code and a way out. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import otText from 'ot-text';
import { checkServedStore, whyNotHere } from '../../js-shim/src/options/durable-options.js';
import { Backend, Wire, ours, settle } from './clients.mjs';
import { withGlobals } from './globals.mjs';

const URL = 'ws://example.com/';

/** With the globals of a browser that has shared workers, and dedicated ones where they are given. */
function inBrowser(
  test,
  { SharedWorker = FakeWorker, Worker, locks = { request: async () => {} } } = {},
) {
  const globals = { SharedWorker, Worker, BroadcastChannel: FakeChannel, WebSocket: FakeSocket };
  return withGlobals({ ...globals, isSecureContext: true, navigator: { locks } }, test);
}

/** Nobody else is there. */
class FakeChannel {
  postMessage() {}
  close() {}
}

class FakeWorker {
  port = { postMessage() {}, close() {} };
}

class FakeDedicated {
  postMessage() {}
  terminate() {}
}

class FakeSocket {
  readyState = 0;
  send() {}
  close() {}
}

const connect = (options, target = URL) => {
  const connection = ours.createConnection(target, options);
  connection.close();
  return connection;
};

const refuses = (run, code, pattern) =>
  assert.throws(run, (error) => {
    assert.ok(error instanceof TypeError);
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  });

const cipher = { encrypt: (text) => text, decrypt: (text) => text };

describe('options', () => {
  it('that another factory had are refused with what to say instead', () => {
    for (const [name, value, pattern] of [
      ['durableStoreOptions', {}, /say durableStore: /],
      ['storage', new ours.InMemoryStorage(), /say durableStore: \{storage\}/],
      ['forceDirect', true, /say useSharedWorker: false/],
      ['forceProxy', true, /connection\.host says/],
      ['channelName', 'letters', /say namespace/],
      ['sharedWorkerPath', '/worker.js', /say workerUrl/],
      ['maxBatchSize', 10, /one commit/],
      ['extVersionDecoder', (data) => data.v, /server's versions/],
      ['debug', true, /set connection\.debug/],
      ['encrypt', (text) => text, /there are namespace, durableStore/],
      ['constructor', 1, /there are namespace, durableStore/],
    ]) {
      const backend = new Backend();
      for (const target of [URL, new Wire(backend).socket, backend])
        refuses(() => connect({ [name]: value }, target), 'ERR_OPTION_UNKNOWN', pattern);
      refuses(() => connect(undefined, { url: URL, [name]: value }), 'ERR_OPTION_UNKNOWN', pattern);
    }
    refuses(() => connect({ nameSpace: 'a' }), 'ERR_OPTION_UNKNOWN', /no option nameSpace/);
  });

  it('of a Connection over a socket are checked as those of createConnection', () => {
    for (const [options, code, pattern] of [
      [{ nameSpace: 'a' }, 'ERR_OPTION_UNKNOWN', /no option nameSpace: there are namespace/],
      [{ storage: new ours.InMemoryStorage() }, 'ERR_OPTION_UNKNOWN', /say durableStore: /],
      [{ url: URL }, 'ERR_OPTION_UNKNOWN', /say createConnection\(url/],
      [{ open: () => {} }, 'ERR_OPTION_UNKNOWN', /no option open/],
      [{ tab: 'a' }, 'ERR_OPTION_UNKNOWN', /no option tab/],
      [{ namespace: 7 }, 'ERR_OPTION_INVALID', /namespace is not a text/],
      [{ keepPendingOnReject: 'yes' }, 'ERR_OPTION_INVALID', /is not true or false/],
    ]) {
      const { socket } = new Wire(new Backend());
      refuses(() => new ours.Connection(socket, options), code, pattern);
    }
  });

  it('of another durable store are refused, too', () => {
    for (const [name, value, pattern] of [
      ['maxBatchSize', 10, /one commit/],
      ['extVersionDecoder', (data) => data.v, /server's versions/],
      ['debug', true, /set connection\.debug/],
      ['namespace', 'a', /beside durableStore/],
      ['maxOpByte', 10, /there are storage, encrypt/],
    ]) {
      const durableStore = { storage: new ours.InMemoryStorage(), [name]: value };
      const { socket } = new Wire(new Backend());
      refuses(() => connect({ durableStore }, socket), 'ERR_OPTION_UNKNOWN', pattern);
      refuses(() => new ours.Connection(socket, { durableStore }), 'ERR_OPTION_UNKNOWN', pattern);
    }
  });

  it('have values that can be used', () => {
    for (const options of [
      { namespace: 7 },
      { namespace: null },
      { namespace: '' },
      { useSharedWorker: 'no' },
      { worker: '/worker.js' },
      { dedicatedWorker: '/worker.js' },
      { dedicatedWorker: true },
      { keepPendingOnReject: 1 },
      ...[
        { patience: -1 },
        { patience: 'long' },
        { timeout: 0 },
        { timeout: Infinity },
        { maxOpBytes: Infinity },
        { maxOpBytes: '512' },
        { persist: 'yes' },
        { encrypt: true },
        { encrypt: (text) => text },
        { storage: { initialize() {} } },
      ].map((durableStore) => ({ durableStore })),
      { durableStore: 'indexeddb' },
    ]) {
      inBrowser(() => refuses(() => connect(options), 'ERR_OPTION_INVALID', /./));
    }
    const durableStore = { patience: 0, timeout: 5, encrypt: false, decrypt: undefined };
    const { host } = inBrowser(() => connect({ durableStore, debug: undefined, namespace: 'a' }));
    assert.equal(host.kind, 'shared-worker');
  });

  it('of a worker are what its pages cannot say', () => {
    const { encrypt } = cipher;
    refuses(() => checkServedStore({ encrypt }), 'ERR_OPTION_INVALID', /need each other/);
    refuses(() => checkServedStore(true), 'ERR_OPTION_INVALID', /for the pages to say/);
    for (const name of ['maxOpBytes', 'keepPendingOnReject', 'persist', 'opErrorCallback']) {
      const pattern = new RegExp(`createConnection\\(\\{durableStore: \\{${name}\\}\\}\\)`);
      refuses(() => checkServedStore({ [name]: 1 }), 'ERR_OPTION_UNKNOWN', pattern);
    }
    const served = { ...cipher, timeout: 7, patience: 0, durability: 'strict' };
    assert.equal(checkServedStore(served), served);
    assert.deepEqual(checkServedStore(undefined), {});
  });
});

describe('functions for the store', () => {
  it('go with a worker of the application, which is told only that they are there', () => {
    const posted = [];
    const port = { postMessage: (message) => posted.push(structuredClone(message)), close() {} };
    const names = [];
    const worker = (name) => {
      names.push(name);
      return { port };
    };
    // The tab's own is had at once, the host's not while it lives.
    const locks = { request: async (name, hold) => name.includes(' tab ') && hold() };
    const host = { life: 1, place: 'p', kind: 'shared-worker', protocol: 1 };
    return inBrowser(
      async () => {
        const durableStore = { ...cipher, storage: new ours.InMemoryStorage(), timeout: 7 };
        const connection = ours.createConnection(URL, { durableStore, worker, namespace: 'ada' });
        assert.deepEqual(posted.splice(0), [{ hello: { namespace: 'ada' } }]);
        port.onmessage({ data: { greeting: { place: 'p', host } } });
        assert.equal(connection.host.kind, 'shared-worker');
        await settle();
        const [{ connect: introduction }] = posted;
        assert.deepEqual(introduction.durableStore, { timeout: 7 });
        assert.deepEqual(introduction.parts, { encrypts: true, stores: true });
        assert.deepEqual(names, ['sharedb-proxy 2 ada']);
        assert.equal(posted.length, 1, 'nothing more before the worker takes the tab');
        port.onmessage({ data: { taken: 1 } });
        assert.ok(posted.length > 1);
        connection.close();
      },
      { locks },
    );
  });

  it('do not go with the packaged worker, which has none', () => {
    const durableStore = { ...cipher };
    const namespace = 'ada';
    inBrowser(() => {
      refuses(
        () => connect({ durableStore, namespace }),
        'ERR_OPTION_INVALID',
        /worker of your own/,
      );
      const { host } = connect({ durableStore, namespace, useSharedWorker: false });
      assert.equal(host.kind, 'elected-tab');
      const inClear = { durableStore: { encrypt: false }, namespace };
      assert.equal(connect(inClear).host.kind, 'shared-worker');
    });
  });

  it('decide, where there is a worker of the application, what a host in the page may store', () => {
    const worker = () => new FakeWorker();
    assert.match(whyNotHere({}, worker), /encrypt: false/);
    for (const store of [cipher, { encrypt: false }, { storage: new ours.InMemoryStorage() }])
      assert.equal(whyNotHere(store, worker), undefined);
    assert.equal(whyNotHere({}, undefined), undefined);
    assert.equal(whyNotHere(undefined, worker), undefined);
  });
});

describe('a tab that has the host', () => {
  const where = (options, globals) =>
    inBrowser(() => connect({ useSharedWorker: false, ...options }).host, {
      Worker: FakeDedicated,
      ...globals,
    });

  it('has it in a worker of its own, which does not have less than the page', () => {
    assert.equal(where({}).place, 'dedicated-worker');
    assert.equal(where({ worker: () => {}, dedicatedWorker: () => {} }).place, 'dedicated-worker');
    for (const [options, pattern] of [
      [{ dedicatedWorker: false }, /^useSharedWorker is false; dedicatedWorker is false$/],
      [{ worker: () => {} }, /options.dedicatedWorker is not/],
      [{ durableStore: { ...cipher }, namespace: 'ada' }, /durableStore.encrypt cannot be sent/],
    ]) {
      const { kind, place, reason } = where(options);
      assert.deepEqual([kind, place], ['elected-tab', 'page']);
      assert.match(reason, pattern);
    }
    assert.match(where({}, { Worker: undefined }).reason, /no Worker here/);
  });

  it('has it in its page where the packaged worker does not know an OT type', () => {
    const type = { name: 'mine', uri: 'http://example.com/mine', create() {} };
    ours.types.register(type);
    try {
      assert.match(where({}).reason, /does not know the type mine/);
      const { place } = where({ dedicatedWorker: () => {} });
      assert.equal(place, 'dedicated-worker');
    } finally {
      delete ours.types.map[type.name];
      delete ours.types.map[type.uri];
    }
  });

  it('has it in its page where the packaged worker does not know a subtype of json0', () => {
    assert.equal(where({}).place, 'dedicated-worker');
    // This process keeps it; no other test here is about the place of a host.
    ours.types.map.json0.registerSubtype(otText.type);
    assert.match(where({}).reason, /does not know the subtype text of json0/);
    assert.equal(where({ dedicatedWorker: () => {} }).place, 'dedicated-worker');
  });
});

describe('a worker that cannot be made', () => {
  it('leaves the host to one of the tabs, with the reason', () => {
    class Blocked {
      constructor() {
        throw new DOMException('it is blocked', 'SecurityError');
      }
    }
    inBrowser(
      () => {
        const { host } = connect({ durableStore: true, namespace: 'ada' });
        assert.equal(host.kind, 'elected-tab');
        assert.equal(host.code, 'ERR_HOST_FAILED');
        assert.match(host.reason, /it is blocked/);
      },
      { SharedWorker: Blocked },
    );
    inBrowser(() => {
      const { host } = connect({ worker: () => ({}) });
      assert.match(host.reason, /gave no SharedWorker/);
    });
  });

  it('leaves the page a connection where no socket can be made either', () => {
    class Blocked {
      constructor() {
        throw new DOMException('it is blocked', 'SecurityError');
      }
    }
    return withGlobals({ WebSocket: Blocked }, async () => {
      const connection = ours.createConnection(URL, { useSharedWorker: false });
      const [error] = await once(connection, 'connection error');
      assert.equal(error.message, 'it is blocked');
      connection.close();
    });
  });
});
