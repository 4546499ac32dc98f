/**
 * The guide's code runs: each block in two tabs at once, after those of the set-up, with an application around it that notes
 * what it is asked to do. And the reference names everything that there is.
 */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { TabCoordinator, WorkerMessageType } from '../../js-shim/src/coordinator.node.js';
import { untilTrue } from '../until.mjs';
import { Hosts } from './coordinator-hosts.mjs';

const ROOT = new URL('../../', import.meta.url);
const read = (path) => readFileSync(new URL(path, ROOT), 'utf8');
const GUIDE = read('docs/coordination.md');
const REFERENCE = GUIDE.slice(GUIDE.indexOf('\n## Reference'));
const SET_UP = 'Set-up';

/** The blocks of code, with the heading that each of them stands under. */
function blocksOf(text) {
  return text.split(/^## /m).flatMap((section) => {
    const heading = section.slice(0, section.indexOf('\n'));
    const codes = [...section.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
    return codes.map((code) => ({ heading, code, isBefore: code.startsWith('// before') }));
  });
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
    class Tab extends TabCoordinator {
      constructor({ namespace, ...options }) {
        assert.equal(namespace, 'ada');
        super({ connection: hosts.connection(name), ...options });
      }
    }
    this.modules = { 'sharedb-proxy/coordinator': { TabCoordinator: Tab, WorkerMessageType } };
    this.scope = {
      modules: this.modules,
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
      ],
    ])
      this.scope[called] = note(called);
  }

  /** Runs code as a module does; gives what it declares and the test needs. */
  async run(code) {
    const asScript = code.replace(
      /^import (\{.*?\}) from ('.*?');$/gm,
      (_, names, path) => `const ${names} = modules[${path}];`,
    );
    const names = Object.keys(this.scope);
    const end = "\nreturn { tabs: typeof tabs === 'undefined' ? undefined : tabs };";
    const AsyncFunction = (async () => {}).constructor;
    const run = new AsyncFunction(...names, asScript + end);
    Object.assign(this.scope, await run(...names.map((name) => this.scope[name])));
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
};

const sum = (apps, called) => apps.reduce((sum, app) => sum + app.count(called), 0);

describe('the guide to coordination', () => {
  const blocks = blocksOf(GUIDE);
  const setUp = blocks.find(({ heading }) => heading === SET_UP);
  let hosts;
  let apps;

  beforeEach(() => {
    const kept = new Map();
    const storage = {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    };
    hosts = new Hosts();
    apps = ['a', 'b'].map((name) => new App(name, hosts, storage));
  });

  afterEach(async () => {
    await Promise.all(apps.map(({ scope }) => scope.tabs?.unregister()));
    hosts.end();
  });

  for (const { heading, code } of blocks.filter(({ isBefore }) => isBefore)) {
    it(`runs what was before: ${heading}`, async () => {
      const [app] = apps;
      await app.run(code);
      for (const timer of app.timers) timer();
    });
  }

  const seen = {};
  for (const { heading, code } of blocks.filter(({ isBefore }) => !isBefore)) {
    const place = (seen[heading] = (seen[heading] ?? -1) + 1);
    it(`runs and keeps its promise: ${heading}, ${place + 1}`, async () => {
      await Promise.all(apps.map((app) => app.run(setUp.code)));
      await untilTrue(() =>
        apps.every(({ scope }) => scope.tabs.tabs.length === 2 && scope.tabs.leader),
      );
      if (heading !== SET_UP) await Promise.all(apps.map((app) => app.run(code)));
      await PROMISES[heading][place](apps);
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
