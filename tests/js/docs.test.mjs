/**
 * The guide's code runs: each block in two tabs at once, after those of the set-up, with an application around it that notes
 * what it is asked to do. And the reference names everything that there is.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { WebSocket, WebSocketServer } from 'ws';
import { TabCoordinator, WorkerMessageType } from '../../js-shim/src/coordinator.node.js';
import { signalR } from '../../js-shim/src/signalr.js';
import { SignalRServer } from '../../examples/signalr-server.mjs';
import { untilTrue } from '../until.mjs';
import { Hosts } from './coordinator-hosts.mjs';
import { blocksOf, read, runBlock } from './docs-blocks.mjs';

const ROOT = new URL('../../', import.meta.url);
const GUIDE = read('docs/coordination.md');
const REFERENCE = GUIDE.slice(GUIDE.indexOf('\n## Reference'));
const SET_UP = 'Set-up';

/** The blocks of code, with what kind each is: of what was before, of the application's worker, or of its pages. */
function kindsOf(text) {
  return blocksOf(text).map((block) => ({
    ...block,
    isBefore: block.code.startsWith('// before'),
    isWorker: block.code.startsWith('// worker.js'),
  }));
}

/** The application's servers: of SignalR, and of plain WebSockets. */
class Servers {
  async start() {
    this.hub = new SignalRServer({ methods: { priceOf: (name) => `${name}: 36` } });
    this.news = new WebSocketServer({ noServer: true });
    this._http = createServer();
    this._http.on('upgrade', (request, ...upgrade) => {
      if (request.url.startsWith('/hub')) this.hub.upgrade(request, ...upgrade);
      else this.news.handleUpgrade(request, ...upgrade, () => {});
    });
    this._http.listen(0, '127.0.0.1');
    await once(this._http, 'listening');
    this.place = `127.0.0.1:${this._http.address().port}`;
  }

  end() {
    this.hub.end();
    for (const client of this.news.clients) client.terminate();
    this._http.close();
  }
}

/** Runs the code of the application's worker: the host has its connections from now on. */
async function runWorker(code, hosts, { place }) {
  // The guide's addresses are those of servers that listen here.
  class Builder extends HubConnectionBuilder {
    withUrl(url, options) {
      const here = url.replace('https://example.com', `http://${place}`);
      return super.withUrl(here, options).configureLogging(LogLevel.None);
    }
  }
  class Socket extends WebSocket {
    constructor(url) {
      super(url.replace('wss://example.com', `ws://${place}`));
    }
  }
  const modules = {
    '@microsoft/signalr': { HttpTransportType, HubConnectionBuilder: Builder },
    'sharedb-proxy/signalr': { signalR },
    'sharedb-proxy/worker': {
      serve: ({ connections }) => {
        hosts.connections = connections;
        hosts.crash();
      },
    },
  };
  await runBlock(code, modules, { WebSocket: Socket }, place);
}

/** The application in one tab: what the guide's code calls, and a page's own things. */
class App {
  constructor(name, hosts, storage) {
    this.name = name;
    /** What was called, in order: the function's name and its arguments. */
    this.calls = [];
    this.listeners = [];
    this.timers = [];
    const note =
      (called, result) =>
      async (...args) => {
        this.calls.push([called, ...args]);
        return result;
      };
    const connection = hosts.connection(name);
    class Tab extends TabCoordinator {
      constructor({ namespace, ...options }) {
        if (!options.connection) assert.equal(namespace, 'ada');
        super({ connection, ...options });
      }
    }
    this.modules = { 'sharedb-proxy/coordinator': { TabCoordinator: Tab, WorkerMessageType } };
    this.scope = {
      TabCoordinator: Tab,
      connection,
      user: { id: 'ada' },
      localStorage: storage,
      window: { addEventListener: (event) => this.listeners.push(event) },
      setInterval: (fn) => this.timers.push(fn),
      pause: () => new Promise((resolve) => setImmediate(resolve)),
      fetchToken: note('fetchToken', 'a token'),
      askForConsent: note('askForConsent', 'yes'),
      loadPrices: note('loadPrices', [1, 2]),
      isWanted: note('isWanted', true),
    };
    for (const called of [
      ...['report', 'useToken', 'useAnswer', 'usePrices', 'saveDrafts', 'showLogin', 'showBusy'],
      ...[
        'reloadWhenSaved',
        'showCountdown',
        'hideCountdown',
        'pollOnce',
        'applySettings',
        'book',
        'editInvoice',
        'show',
        'loadAnew',
      ],
    ])
      this.scope[called] = note(called);
  }

  /** Runs code as a module does; gives what it declares and the test needs. */
  async run(code) {
    Object.assign(this.scope, await runBlock(code, this.modules, this.scope, ''));
  }

  count(called) {
    return this.calls.filter(([name]) => name === called).length;
  }
}

/** What has to have come of a block that shows how to do it, by its heading and its place there. */
const PROMISES = {
  [SET_UP]: [([a, b]) => assert.equal(a.scope.tabs.tabs.length, 2, b.name)],
  'One tab refreshes the token': [
    (apps) => {
      assert.equal(sum(apps, 'fetchToken'), 1);
      for (const app of apps) assert.deepEqual(app.calls.at(-1), ['useToken', 'a token']);
    },
  ],
  'One dialog': [
    (apps) => {
      assert.equal(sum(apps, 'askForConsent'), 1);
      for (const app of apps) assert.deepEqual(app.calls.at(-1), ['useAnswer', 'yes']);
    },
  ],
  'Logout in all tabs': [
    async (apps) => {
      await untilTrue(() => apps.every((app) => app.count('showLogin')));
      for (const app of apps) assert.equal(app.calls[0][0], 'saveDrafts');
    },
  ],
  'The idle timer': [
    ([a, b]) => {
      assert.ok(a.scope.tabs.idleLeft > 500_000);
      assert.ok(Math.abs(a.scope.tabs.idleLeft - b.scope.tabs.idleLeft) <= 50);
    },
  ],
  'Work that one tab does': [
    async (apps) => {
      await untilTrue(() => sum(apps, 'pollOnce') > 1);
      assert.equal(apps.filter((app) => app.count('pollOnce')).length, 1);
    },
    (apps) => {
      assert.equal(sum(apps, 'loadPrices'), 2);
      for (const app of apps) assert.deepEqual(app.calls.at(-1), ['usePrices', [1, 2]]);
    },
  ],
  'A new build in all tabs': [
    async (apps) => {
      await untilTrue(() => apps.every((app) => app.count('reloadWhenSaved')));
      assert.ok(sum(apps, 'isWanted'));
    },
  ],
  'Settings that all tabs share': [
    async (apps) => {
      const isDark = ({ scope }) => scope.tabs.bundle?.snapshot.theme === 'dark';
      await untilTrue(() => apps.every((app) => isDark(app) && app.count('applySettings')));
    },
  ],
  'One tab at a time': [
    (apps) => {
      const [first, second] = apps.map((app) => app.calls.find(([name]) => name === 'book')[1]);
      assert.notEqual(first.token, second.token);
    },
    (apps) => {
      assert.ok(sum(apps, 'editInvoice') >= 1);
      assert.equal(sum(apps, 'editInvoice') + sum(apps, 'showBusy'), 2);
    },
  ],
  'A second connection for all tabs': [
    async (apps, { hub }) => {
      await untilTrue(() => apps.every(isConnected));
      assert.equal(hub.clients.size, 1);
    },
    async (apps, { hub }) => {
      assert.deepEqual(hub.tokens, ['a token']);
      for (const { scope } of apps) assert.equal(scope.price, 'ADA: 36');
      hub.invoke('priceChanged', 'ADA', 37);
      await untilTrue(() => apps.every((app) => app.count('show')));
      for (const app of apps)
        assert.deepEqual(app.calls.at(-1), ['show', 'priceChanged', ['ADA', 37]]);
    },
    async (apps, { news }) => {
      await untilTrue(() => apps.every(isConnected));
      const [client, ...others] = news.clients;
      assert.equal(others.length, 0);
      const heard = apps.map(({ scope }) => once(scope.tabs, 'signalr_message'));
      client.send('{"ADA":37}');
      for (const [{ payload }] of await Promise.all(heard)) assert.deepEqual(payload, { ADA: 37 });
      const said = once(client, 'message');
      await apps[0].scope.tabs.sendSignalR(['ADA']);
      assert.equal(String((await said)[0]), '["ADA"]');
    },
  ],
};

const makesTabs = (code) => code.includes('new TabCoordinator');
const hasMetTheOther = ({ scope }) => scope.tabs.tabs.length === 2 && scope.tabs.leader;
const isConnected = ({ scope }) => scope.tabs.state.signalRConnection?.state === 'connected';

const sum = (apps, called) => apps.reduce((sum, app) => sum + app.count(called), 0);

describe('the guide to coordination', () => {
  const blocks = kindsOf(GUIDE);
  const setUp = blocks.find(({ heading }) => heading === SET_UP);
  let hosts;
  let apps;
  let servers;

  beforeEach(async () => {
    const kept = new Map();
    const storage = {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    };
    hosts = new Hosts();
    apps = ['a', 'b'].map((name) => new App(name, hosts, storage));
    servers = new Servers();
    await servers.start();
  });

  afterEach(async () => {
    await Promise.all(apps.map(({ scope }) => scope.tabs?.unregister()));
    hosts.end();
    servers.end();
  });

  for (const { heading, code } of blocks.filter(({ isBefore }) => isBefore)) {
    it(`runs what was before: ${heading}`, async () => {
      const [app] = apps;
      await app.run(code);
      for (const timer of app.timers) timer();
    });
  }

  const seen = {};
  const workers = {};
  for (const { heading, code, isWorker } of blocks.filter(({ isBefore }) => !isBefore)) {
    const place = (seen[heading] = (seen[heading] ?? -1) + 1);
    if (isWorker) workers[heading] = code;
    const worker = workers[heading];
    it(`runs and keeps its promise: ${heading}, ${place + 1}`, async () => {
      if (worker) await runWorker(worker, hosts, servers);
      const parts = makesTabs(code) ? [code] : [setUp.code, ...(isWorker ? [] : [code])];
      for (const part of parts) {
        await Promise.all(apps.map((app) => app.run(part)));
        if (makesTabs(part)) await untilTrue(() => apps.every(hasMetTheOther));
      }
      await PROMISES[heading][place](apps, servers);
      assert.equal(sum(apps, 'report'), 0);
    });
  }

  it('has code under each heading that promises some', () => {
    const headings = new Set(blocks.map(({ heading }) => heading));
    assert.deepEqual([...headings], Object.keys(PROMISES));
  });

  it('names every public member of the coordinator', () => {
    const members = Object.getOwnPropertyNames(TabCoordinator.prototype);
    const isPublic = (name) => name !== 'constructor' && !name.startsWith('_');
    const missing = members.filter(
      (name) => isPublic(name) && !new RegExp(`\`${name}[\`(]`).test(REFERENCE),
    );
    assert.deepEqual(missing, []);
  });

  it('names every event', () => {
    const types = read('js-shim/src/coordinator.d.cts');
    const [, map] = types.match(/interface TabCoordinatorEventMap \{(.*?)^\}/ms);
    const events = [...map.matchAll(/^ {2}'?([\w -]+?)'?\(/gm)].map(([, event]) => event);
    // Messages have the names of their types.
    const ofMessages = Object.values(WorkerMessageType);
    const missing = events.filter(
      (event) => !REFERENCE.includes(`\`${event}\``) && !ofMessages.includes(event),
    );
    assert.ok(events.length > 20);
    assert.deepEqual(missing, []);
  });

  it('names every error', () => {
    const folders = { 'js-shim/src/coordinator/': '.js', 'worker-host/src/coordination/': '.rs' };
    const texts = Object.entries(folders).flatMap(([folder, ending]) =>
      readdirSync(new URL(folder, ROOT))
        .filter((name) => name.endsWith(ending))
        .map((name) => read(folder + name)),
    );
    const codes = new Set(texts.join().match(/\bERR_\w+/g));
    // It never reaches an application: a request of no known name is our own bug.
    codes.delete('ERR_MESSAGE_BADLY_FORMED');
    // The server's, which a document of devices has where two make it at once.
    codes.delete('ERR_DOC_ALREADY_CREATED');
    const references = REFERENCE + read('docs/devices.md');
    const missing = [...codes].filter((code) => !references.includes(`\`${code}\``));
    assert.ok(codes.size > 15);
    assert.deepEqual(missing, []);
  });
});
