/** The code of the guides and of both READMEs runs, against a real ShareDB server over WebSockets, and does what it is there for. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { WebSocket, WebSocketServer } from 'ws';
import * as client from 'sharedb-proxy';
import * as coordinator from 'sharedb-proxy/coordinator';
import * as promises from 'sharedb-proxy/promises';
import * as tracing from 'sharedb-proxy/tracing';
import { untilTrue } from '../until.mjs';
import { blocksOf, read, runBlock } from './docs-blocks.mjs';
import { Backend } from './clients.mjs';

const require = createRequire(import.meta.url);
const WebSocketJSONStream = require('@teamwork/websocket-json-stream');

const GUIDES = [
  'docs/migration.md',
  'docs/offline.md',
  'docs/tabs.md',
  'docs/security.md',
  'docs/errors.md',
  'docs/debugging.md',
  'docs/devices.md',
];
/** Pages that other tests run: in browsers, with two tabs' coordinators, in fresh projects, on a cluster. */
const ELSEWHERE = [
  ...['docs/getting-started.md', 'docs/react.md', 'docs/vue.md', 'docs/svelte.md'],
  ...['docs/coordination.md', 'docs/bundlers.md', 'docs/api.md', 'docs/cluster.md'],
];
/** The words that mark code which a test runs. */
const CODE = ['js', 'jsx', 'ts', 'vue', 'svelte', 'html'];
const ROOT = new URL('../../', import.meta.url);
const ON_GITHUB = 'https://github.com/sharedb-proxy/sharedb-proxy/blob/main/';
const PAGES = [...GUIDES, 'README.md', 'js-shim/README.md'];

/** What a block is there for, by page, heading and place; others have to run without an error. */
const PROMISES = {
  'docs/migration.md: From racer or teamplay 1': async ({ modules }) => {
    const { RootModel } = modules.racer;
    const model = new RootModel();
    model.createConnection();
    await model.subscribePromised('users.ada');
    await model.addPromised('users', { id: 'ada', name: 'Ada' });
    assert.equal(model.get('users.ada.name'), 'Ada');
    assert.ok(model.root.connection instanceof client.Connection);
    model.root.socket.close();
  },
  'docs/migration.md: From racer or teamplay 2': ({ calls }) =>
    assert.ok(calls.setConnection[0][0] instanceof client.Connection),
  'docs/migration.md: From `sharedb/lib/client` 3': ({ declared }) =>
    assert.equal(declared.code, 'ERR_DOC_WAS_DELETED'),
  'docs/devices.md: Set-up 1': ({ calls }) => assert.equal(calls.show[0][0][0].name, 'Laptop'),
  'docs/devices.md: Notifications 1': ({ calls, declared }) =>
    assert.deepEqual(calls.show[0], [declared.id, { text: 'A new sign-in' }]),
  'docs/offline.md: Whose store it is 1': ({ calls }) => untilTrue(() => calls.showLogin),
  'docs/offline.md: Offline 1': ({ calls }) => untilTrue(() => calls.show),
  'docs/offline.md: Many documents at once 1': ({ declared }) =>
    assert.deepEqual(declared.letters[0].data, { text: '' }),
  'README.md: Five lines 1': ({ declared: { doc } }) =>
    untilTrue(() => doc.data?.text === 'Dear Ada, '),
  "js-shim/README.md: Moving from ShareDB's client 3": ({ declared: { doc } }) =>
    untilTrue(() => doc.data.text === 'Dear Ada, ' && !doc.hasPending()),
  'docs/tabs.md: Several tabs 1': ({ calls }) =>
    untilTrue(() => calls.note?.some((note) => note[0] === 1)),
};

/** An application, whose functions note that they are called. */
class App {
  constructor(address) {
    /** The arguments of each call, by the function's name. @type {{[name: string]: any[][]}} */
    this.calls = {};
    this.connections = [];
    const keep = (connection) => {
      this.connections.push(connection);
      return connection;
    };
    const note = (name, result) => [
      name,
      (...args) => {
        (this.calls[name] ??= []).push(args);
        return result;
      },
    ];
    this.scope = {
      user: { id: 'ada' },
      url: address,
      here: import.meta.url,
      tracer: { startSpan: () => ({ end() {} }) },
      disconnectButton: {},
      connectButton: {},
      book: () => {},
      poll: () => {},
      ...Object.fromEntries([
        ...[
          'show',
          'report',
          'keepForTheUser',
          'showDeleted',
          'showLogin',
          'showOffline',
          'showSaved',
        ].map((name) => note(name)),
        ...[
          'hide',
          'showWhetherKept',
          'warnAboutUnsavedChanges',
          'askToReload',
          'note',
          'worker',
        ].map((name) => note(name)),
        note('askWhetherToForget', true),
        note('freshToken', 'secret'),
        note('fetchToken', 'a token'),
        note('askForConsent', 'yes'),
      ]),
    };
    const createConnection = (...args) => keep(client.createConnection(...args));
    class Connection extends client.Connection {
      constructor(...args) {
        super(...args);
        keep(this);
      }
    }
    class TabCoordinator extends coordinator.TabCoordinator {
      constructor(options) {
        super(options);
        keep({ close: () => this.unregister() });
      }
    }
    const stock = require('sharedb/lib/client');
    class StockConnection extends stock.Connection {
      constructor(socket) {
        super(socket);
        keep(this);
      }
    }
    const [, setConnection] = note('setConnection');
    const [, serve] = note('serve');
    const [, showDevtools] = note('showDevtools');
    const cipher = { encrypt: (text) => text, decrypt: (stored) => stored };
    this.modules = {
      'sharedb-proxy': { ...client, createConnection, Connection },
      'sharedb-proxy/coordinator': { ...coordinator, TabCoordinator },
      'sharedb-proxy/promises': promises,
      'sharedb-proxy/worker': { serve },
      'sharedb-proxy/tracing': tracing,
      'sharedb-proxy/devtools': { showDevtools },
      'sharedb/lib/client': { ...stock, Connection: StockConnection },
      'reconnecting-websocket': { default: require('reconnecting-websocket') },
      'rich-text': { default: require('rich-text') },
      'ot-text': { default: require('ot-text') },
      './cipher.js': cipher,
      racer: require('racer'),
      teamplay: { setConnection },
    };
  }

  /** What blocks take for granted that an earlier one on the page made. */
  async open(address, backend) {
    const { createConnection } = this.modules['sharedb-proxy'];
    const storage = new client.InMemoryStorage();
    const connection = createConnection(address, { namespace: 'ada', durableStore: { storage } });
    const doc = connection.get('letters', 'to-ada');
    await promises.subscribe(doc);
    if (!doc.type) await promises.create(doc, { text: '' });
    Object.assign(this.scope, {
      connection,
      doc,
      createConnection,
      serve: this.modules['sharedb-proxy/worker'].serve,
      backend,
      TabCoordinator: this.modules['sharedb-proxy/coordinator'].TabCoordinator,
    });
  }

  async close() {
    for (const connection of this.connections) await connection.close();
  }
}

describe('the code of', () => {
  const { WebSocket: own } = globalThis;
  let server;
  let address;
  let app;

  before(() => {
    globalThis.WebSocket = WebSocket;
  });
  after(() => {
    globalThis.WebSocket = own;
  });
  beforeEach(async () => {
    const backend = new Backend({ presence: true, doNotForwardSendPresenceErrorsToClient: true });
    server = new WebSocketServer({ port: 0 });
    server.on('connection', (socket) => backend.listen(new WebSocketJSONStream(socket)));
    await once(server, 'listening');
    address = `ws://localhost:${server.address().port}`;
    app = new App(address);
    await app.open(address, backend);
  });
  afterEach(async () => {
    await app.close();
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
  });

  for (const page of PAGES) {
    for (const { name, code } of blocksOf(read(page))) {
      it(`${page}: ${name}`, async () => {
        const { modules, calls, scope } = app;
        const declared = await runBlock(code, modules, scope, address);
        await PROMISES[`${page}: ${name}`]?.({ modules, calls, declared });
        assert.deepEqual(calls.report ?? [], []);
      });
    }
  }

  it('every promise is there to be kept', () => {
    const names = PAGES.flatMap((page) =>
      blocksOf(read(page)).map(({ name }) => `${page}: ${name}`),
    );
    assert.deepEqual(
      Object.keys(PROMISES).filter((name) => !names.includes(name)),
      [],
    );
    assert.equal(new Set(names).size, names.length);
  });
});

describe('the pages of docs', () => {
  const pages = readdirSync(new URL('docs/', ROOT)).map((name) => `docs/${name}`);
  const all = [...pages, 'README.md', 'js-shim/README.md', 'ot-json0/README.md'];

  it('have no code that no test runs', () => {
    const isRun = (page) => PAGES.includes(page) || ELSEWHERE.includes(page);
    const marked = new RegExp(`^\`\`\`(${CODE.join('|')})$`, 'm');
    const hasCode = (page) => marked.test(read(page));
    assert.deepEqual(
      pages.filter((page) => hasCode(page) && !isRun(page)),
      [],
    );
  });

  it('mark their code with words that tests look for', () => {
    const known = new Set([...CODE, 'json', 'rust', 'sh', 'toml']);
    for (const page of all) {
      const words = [...read(page).matchAll(/^ *```(\S+)$/gm)].map(([, word]) => word);
      assert.deepEqual([page, words.filter((word) => !known.has(word))], [page, []]);
    }
  });

  it('have no link that leads nowhere', () => {
    for (const page of all) {
      for (const [, link] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
        const [path, anchor] = link.replace(ON_GITHUB, '/').split('#');
        if (/^https?:/.test(path)) continue;
        const base = new URL(path.startsWith('/') ? ROOT : page, ROOT);
        const target = path ? new URL(path.replace(/^\//, ''), base) : new URL(page, ROOT);
        assert.ok(existsSync(target), `${page} links to ${link}`);
        if (anchor) assert.ok(anchorsOf(target).has(anchor), `${page} links to ${link}`);
      }
    }
  });
});

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(target) {
  const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm)];
  const anchor = ([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-');
  return new Set(headings.map(anchor));
}
