/** The second connection of all tabs, by the real SignalR client: tabs in one process, with a host as in a SharedWorker. */

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { TabCoordinator } from '../../js-shim/src/coordinator.node.js';
import { createConnection } from '../../js-shim/src/index.node.js';
import { signalR } from '../../js-shim/src/signalr.js';
import { SignalRServer } from '../../examples/signalr-server.mjs';
import { untilTrue } from '../until.mjs';
import { Hosts } from './coordinator-hosts.mjs';

describe('second connection', () => {
  let http;
  let server;
  let hosts;
  let refreshes;
  let release;
  let hanging;

  beforeEach(async () => {
    refreshes = 0;
    hanging = false;
    const held = new Promise((resolve) => (release = resolve));
    server = new SignalRServer({
      methods: {
        add: (a, b) => a + b,
        fail: () => {
          throw new Error('the server cannot');
        },
        hang: () => {
          hanging = true;
          return held;
        },
      },
      isAllowed: (token) => token === null || token === `token ${refreshes}`,
    });
    http = createServer();
    http.on('upgrade', (...upgrade) => server.upgrade(...upgrade));
    await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  });

  afterEach(() => {
    release();
    hosts?.end();
    server.end();
    http.close();
  });

  const connections = () => {
    const build = (token) =>
      new HubConnectionBuilder()
        .withUrl(`http://127.0.0.1:${http.address().port}/hub`, {
          transport: HttpTransportType.WebSockets,
          skipNegotiation: true,
          ...(token && { accessTokenFactory: () => token }),
        })
        .configureLogging(LogLevel.None)
        .build();
    return { signalr: signalR(build, { methods: ['news'] }) };
  };

  const refresh = () => `token ${++refreshes}`;

  const connected = (tabs) =>
    untilTrue(() => tabs.every(({ state }) => state.signalRConnection?.state === 'connected'));

  async function open(count, options) {
    hosts = new Hosts({ connections: connections() });
    const tabs = [];
    for (const name of ['a', 'b', 'c'].slice(0, count)) tabs.push(await hosts.tab(name, options));
    for (const tab of tabs) {
      tab.heard = [];
      tab.on('signalr_message', ({ payload }) => tab.heard.push(payload));
    }
    await connected(tabs);
    return tabs;
  }

  it('is one, however many tabs, and all hear its messages', async () => {
    const tabs = await open(3);
    assert.equal(server.clients.size, 1);
    server.invoke('news', 1, 'two');
    await untilTrue(() => tabs.every(({ heard }) => heard.length));
    for (const { heard } of tabs)
      assert.deepEqual(heard, [{ target: 'news', arguments: [1, 'two'] }]);
  });

  it('answers each tab that sends, or says why not', async () => {
    const [a, b] = await open(2);
    const sum = (x, y) => ({ target: 'add', arguments: [x, y] });
    assert.deepEqual(await Promise.all([a, b].map((tab, i) => tab.sendSignalR(sum(i, 2)))), [2, 3]);
    const refused = { code: 'ERR_REALTIME_REFUSED', message: /the server cannot/ };
    await assert.rejects(a.sendSignalR({ target: 'fail' }), refused);
    await assert.rejects(b.sendSignalR(1n), { code: 'ERR_PAYLOAD_INVALID' });
    const stop = new AbortController();
    const given = a.sendSignalR({ target: 'hang' }, { signal: stop.signal });
    stop.abort();
    await assert.rejects(given, { code: 'ERR_CANCELLED' });
  });

  it('is made again by a fresh token when the server ends it', async () => {
    const tabs = await open(2, { refresh });
    assert.deepEqual(server.tokens, ['token 1']);
    const states = [];
    tabs[1].on('signalr', ({ state }) => states.push(state));
    const lost = tabs[0].sendSignalR({ target: 'hang' });
    await untilTrue(() => hanging);
    server.close();
    await assert.rejects(lost, { code: 'ERR_REALTIME_LOST' });
    await untilTrue(() => states.includes('disconnected'));
    await assert.rejects(tabs[0].sendSignalR({ target: 'add', arguments: [1, 2] }), {
      code: 'ERR_REALTIME_DISCONNECTED',
    });
    await connected(tabs);
    assert.deepEqual(server.tokens, ['token 1', 'token 2']);
    assert.deepEqual(states, ['disconnected', 'connecting', 'connected']);
  });

  it('is made again by the next host, and nothing is sent twice', async () => {
    const tabs = await open(2, { refresh });
    const gaps = [];
    tabs[1].on('gap', (gap) => gaps.push(gap));
    const lost = tabs[0].sendSignalR({ target: 'hang' });
    lost.catch(() => {});
    hosts.crash();
    await assert.rejects(lost, { code: 'ERR_REALTIME_LOST' });
    await untilTrue(() => server.tokens.length === 2);
    await connected(tabs);
    await untilTrue(() => server.clients.size === 1);
    assert.deepEqual(gaps, [{ messages: false, signalR: true }]);
    server.invoke('news', 1);
    await untilTrue(() => tabs.every(({ heard }) => heard.length === 1));
  });

  it('says that it is refused, and is tried again when somebody has a token', async () => {
    refreshes = 5;
    const signalr = (given) =>
      connections().signalr({ ...given, token: given.token ?? 'nonsense' });
    hosts = new Hosts({ connections: { signalr } });
    const a = await hosts.tab('a');
    await untilTrue(() => a.state.signalRConnection?.lastError);
    assert.equal(a.state.signalRConnection.state, 'disconnected');
    await a.refresh(refresh);
    await connected([a]);
    assert.equal(a.state.signalRConnection.lastError, null);
    assert.deepEqual(server.tokens.slice(-1), ['token 6']);
  });

  it('ends with the last tab', async () => {
    const [a, b] = await open(2);
    await a.unregister();
    assert.equal(server.clients.size, 1);
    await b.unregister();
    await untilTrue(() => server.clients.size === 0);
  });

  it('ends with the session, and begins with the next one', async () => {
    const [a, b] = await open(2, { refresh });
    await a.setSession('ada');
    await connected([a, b]);
    await b.logout();
    await untilTrue(() => server.clients.size === 0);
    assert.equal(a.state.signalRConnection.state, 'disconnected');
    await a.setSession('bob');
    await connected([a, b]);
    assert.equal(new Set(server.tokens).size, server.tokens.length, 'no token is used twice');
  });

  it('lives in a page whose application gives it, and nowhere else', async () => {
    const alone = new TabCoordinator({ namespace: 'alone', connections: connections() });
    await alone.register();
    await connected([alone]);
    assert.equal(await alone.sendSignalR({ target: 'add', arguments: [1, 2] }), 3);
    await alone.unregister();
    await untilTrue(() => server.clients.size === 0);
    const without = new TabCoordinator({ namespace: 'without' });
    await without.register();
    assert.equal(without.state.signalRConnection, null);
    await assert.rejects(without.sendSignalR(1), { code: 'ERR_REALTIME_NOT_SERVED' });
    await without.unregister();
    const invalid = { code: 'ERR_OPTION_INVALID' };
    assert.throws(() => new TabCoordinator({ namespace: 'n', connections: {} }), invalid);
    assert.throws(() => createConnection('ws://x', { connections: { signalr: 1 } }), invalid);
    const others = { connections: { signalr() {}, other() {} } };
    assert.throws(() => createConnection('ws://x', others), { code: 'ERR_OPTION_UNKNOWN' });
  });

  it('tells what the application made wrong', async () => {
    hosts = new Hosts({ connections: { signalr: () => ({}) } });
    const a = await hosts.tab('a');
    await untilTrue(() => a.state.signalRConnection?.lastError);
    assert.equal(a.state.signalRConnection.lastError.code, 'ERR_OPTION_INVALID');
    hosts.end();
    const signalr = ({ receive }) => {
      queueMicrotask(() => receive(1n));
      return { send: () => undefined, close() {} };
    };
    hosts = new Hosts({ connections: { signalr } });
    const b = await hosts.tab('b');
    await untilTrue(() => b.state.signalRConnection?.lastError);
    assert.equal(b.state.signalRConnection.lastError.code, 'ERR_PAYLOAD_INVALID');
    assert.equal(await b.sendSignalR('x'), undefined);
  });
});
