/**
 * Pages and a SharedWorker that have the storage driver and nothing else of the package, on an origin of their own; and
 * what the storage tests do and ask in them.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { until } from '../../until.mjs';

const SOURCES = fileURLToPath(new URL('../../../js-shim/src/storage/', import.meta.url));

/** What the pages and the worker have as `storage`. */
const MODULE = `
export { chooseStorage } from './choose-storage.js';
export { IndexedDbStorage } from './indexeddb-storage.js';
export { StorageDriver } from './storage-driver.js';
/** What became of a promise, as something that can leave the page. */
export const fate = (promise) => promise.then(
  (value) => ({ value }),
  ({ kind, code, message }) => ({ kind, code, message }),
);`;

const PAGE = `<!doctype html><script type="module">
import * as storage from '/storage.js';
Object.assign(window, { storage });
document.documentElement.dataset.ready = '';
</script>`;

/** Runs functions for a page; its globals are the worker's own. */
const WORKER = `
import * as storage from '/storage.js';
globalThis.storage = storage;
onconnect = ({ ports: [port] }) => {
  port.onmessage = async ({ data: { code, argument } }) =>
    port.postMessage(await storage.fate((0, eval)('(' + code + ')')(argument)));
};`;

/** The origin, and the pages on it. */
export class Room {
  static async open(stage) {
    const room = new Room();
    const { outputFiles } = await build({
      stdin: { contents: MODULE, resolveDir: SOURCES },
      bundle: true,
      format: 'esm',
      write: false,
    });
    const files = { '/storage.js': outputFiles[0].text, '/worker.js': stage.wire.script + WORKER };
    const index = stage.wire.inPage(PAGE);
    room.stage = stage;
    room.server = createServer(({ url }, response) => {
      const type = url in files ? 'text/javascript' : 'text/html';
      response.writeHead(200, { 'content-type': type });
      response.end(files[url] ?? index);
    });
    await new Promise((resolve) => room.server.listen(0, '127.0.0.1', resolve));
    room.origin = `http://127.0.0.1:${room.server.address().port}`;
    return room;
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async page() {
    const page = await this.stage.browser.newTab();
    await this.load(page);
    return page;
  }

  async load(page) {
    await page.goto(this.origin);
    await until('the page is ready', () =>
      page.evaluate(() => 'ready' in document.documentElement.dataset),
    );
  }

  /** A page whose `driver` is open. */
  async opened(options) {
    const page = await this.page();
    return { page, open: await open(page, options) };
  }

  /** Talks to the browser about this origin's storage. */
  async say(page, method, parameters) {
    // The quota is put back when the session ends, so that one stays.
    this.session ??= await page.cdp();
    await this.session.send(method, { origin: this.origin, ...parameters });
  }
}

/** A test that has a room. */
export const inRoom = (run) => async (stage) => {
  const room = await Room.open(stage);
  try {
    await run(room);
  } finally {
    await room.close();
  }
};

/** Chooses a storage in the page and opens it; gives its fate. */
export const open = (page, options = {}) =>
  page.evaluate((given) => {
    const { chooseStorage, fate } = window.storage;
    window.driver = chooseStorage({ namespace: 'n', ...given });
    return fate(window.driver.open());
  }, options);

export const openAgain = (page) => page.evaluate(() => window.storage.fate(window.driver.open()));

export const write = (page, puts, deletes = []) =>
  page.evaluate(([p, d]) => window.storage.fate(window.driver.write(p, d)), [puts, deletes]);

export const read = (page, ids) =>
  page.evaluate((wanted) => window.storage.fate(window.driver.read(wanted)), ids);

export const texts = async (page, ids) =>
  (await read(page, ids)).value?.map((text) => text ?? undefined);

/** What `open` of the driver gives. */
export const OPEN = { value: { mode: 'indexeddb', reason: undefined } };

export const close = (page) => page.evaluate(() => void window.driver.close());

/**
 * Everything in the database, by a handle of its own that is closed again. Bytes are given as text.
 */
export const contents = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const result = (request) =>
          new Promise((done) => (request.onsuccess = () => done(request.result)));
        const shown = (value) =>
          value instanceof ArrayBuffer ? { bytes: new TextDecoder('latin1').decode(value) } : value;
        const request = indexedDB.open('sharedb-proxy n');
        request.onerror = () => reject(request.error);
        request.onsuccess = async () => {
          const database = request.result;
          const all = { version: database.version };
          for (const name of database.objectStoreNames) {
            const store = database.transaction(name).objectStore(name);
            const [keys, values] = await Promise.all([
              result(store.getAllKeys()),
              result(store.getAll()),
            ]);
            all[name] = keys.map((key, index) => [key, shown(values[index])]);
          }
          database.close();
          resolve(all);
        };
      }),
  );

export const databases = (page) =>
  page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));

/** A handle on the database that does not let go when it is asked to. */
export const hold = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const request = indexedDB.open('sharedb-proxy n');
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
          window.held = request.result;
          resolve();
        };
      }),
  );

export const letGo = (page) => page.evaluate(() => window.held.close());

/**
 * Deletes or upgrades the database from this page; gives the events of the request up to one of `ends`.
 */
export const change = (page, method, args = [], ends = ['success', 'error']) =>
  page.evaluate(
    ([called, given, last]) =>
      new Promise((resolve) => {
        const events = [];
        const request = indexedDB[called]('sharedb-proxy n', ...given);
        for (const event of ['blocked', 'success', 'error']) {
          request.addEventListener(event, () => {
            events.push(event);
            if (event === 'success') request.result?.close();
            if (last.includes(event)) resolve(events);
          });
        }
      }),
    [method, args, ends],
  );

export const remove = (page) => change(page, 'deleteDatabase');

export const A = ['docs', 'a'];
export const B = ['meta', 'b'];

export function assertKind(fate, kind, pattern = /./) {
  assert.equal(fate.kind, kind, JSON.stringify(fate));
  assert.match(fate.message, pattern);
}

/** The handle is dead, and whatever is asked of it says so. */
export async function assertClosed(page, pattern) {
  assertKind(await write(page, [[...A, 'late']]), 'closed', pattern);
  assertKind(await read(page, [A]), 'closed');
  assertKind(await write(page, [[...A, 'late']]), 'closed');
}

/** The storage takes writes and gives them back. */
export async function assertAlive(page) {
  assert.deepEqual(await write(page, [[...A, 'alive']]), { value: undefined });
  assert.deepEqual(await texts(page, [A]), ['alive']);
}

/** The Web Lock that a host of this namespace holds. */
export const LOCK = 'sharedb-proxy store n';

/** How many hold that lock, and how many wait for it. */
export const locks = (page) =>
  page.evaluate(async (lock) => {
    const named = ({ name }) => name === lock;
    const { held, pending } = await navigator.locks.query();
    return { held: held.filter(named).length, pending: pending.filter(named).length };
  }, LOCK);

/** From here on transactions of this mode have always one more request, until `mend`; those under way until `end`. */
export const endless = (page, mode) =>
  page.evaluate((hanging) => {
    const { transaction } = IDBDatabase.prototype;
    let over = false;
    IDBDatabase.prototype.transaction = function (stores, wanted, options) {
      const made = transaction.call(this, stores, wanted, options);
      if (wanted !== hanging) return made;
      window.hangs = true;
      const store = made.objectStore(stores[0]);
      const more = () => {
        try {
          if (!over) store.get('').onsuccess = more;
        } catch {
          // It was aborted.
        }
      };
      more();
      made.commit = () => {};
      return made;
    };
    window.mend = () => (IDBDatabase.prototype.transaction = transaction);
    window.end = () => (over = true);
  }, mode);
