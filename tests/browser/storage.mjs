/**
 * The host's storage on real IndexedDB: pages and a SharedWorker that have the storage driver and nothing else of the
 * package, on an origin of their own.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { until } from './stage.mjs';

const SOURCES = fileURLToPath(new URL('../../js-shim/src/storage/', import.meta.url));

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
class Room {
  static async open(stage) {
    const room = new Room();
    const { outputFiles } = await build({
      stdin: { contents: MODULE, resolveDir: SOURCES },
      bundle: true,
      format: 'esm',
      write: false,
    });
    const files = { '/storage.js': outputFiles[0].text, '/worker.js': WORKER };
    room.stage = stage;
    room.server = createServer(({ url }, response) => {
      const type = url in files ? 'text/javascript' : 'text/html';
      response.writeHead(200, { 'content-type': type });
      response.end(files[url] ?? PAGE);
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
    const page = await this.stage.context.newPage();
    page.on('pageerror', (error) => this.stage.problems.push(`in a page: ${error.stack}`));
    await this.load(page);
    return page;
  }

  async load(page) {
    await page.goto(this.origin);
    await page.locator('html[data-ready]').waitFor({ state: 'attached' });
  }

  /** A page whose `driver` is open. */
  async opened(options) {
    const page = await this.page();
    return { page, open: await open(page, options) };
  }

  /** Talks to the browser about this origin's storage. */
  async say(page, method, parameters) {
    // The quota is put back when the session ends, so that one stays.
    this.session ??= await this.stage.context.newCDPSession(page);
    await this.session.send(method, { origin: this.origin, ...parameters });
  }
}

/** A test that has a room. */
const inRoom = (run) => async (stage) => {
  const room = await Room.open(stage);
  try {
    await run(room);
  } finally {
    await room.close();
  }
};

/** Chooses a storage in the page and opens it; gives its fate. */
const open = (page, options = {}) =>
  page.evaluate((given) => {
    const { chooseStorage, fate } = window.storage;
    window.driver = chooseStorage({ namespace: 'n', ...given });
    return fate(window.driver.open());
  }, options);

const openAgain = (page) => page.evaluate(() => window.storage.fate(window.driver.open()));

const write = (page, puts, deletes = []) =>
  page.evaluate(([p, d]) => window.storage.fate(window.driver.write(p, d)), [puts, deletes]);

const read = (page, ids) =>
  page.evaluate((wanted) => window.storage.fate(window.driver.read(wanted)), ids);

const texts = async (page, ids) => (await read(page, ids)).value?.map((text) => text ?? undefined);

/** What `open` of the driver gives. */
const OPEN = { value: { mode: 'indexeddb', reason: undefined } };

const close = (page) => page.evaluate(() => window.driver.close());

/**
 * Everything in the database, by a handle of its own that is closed again. Bytes are given as text.
 */
const contents = (page) =>
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

const databases = (page) =>
  page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));

/** A handle on the database that does not let go when it is asked to. */
const hold = (page) =>
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

const letGo = (page) => page.evaluate(() => window.held.close());

/**
 * Deletes or upgrades the database from this page; gives the events of the request up to one of `ends`.
 */
const change = (page, method, args = [], ends = ['success', 'error']) =>
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

const remove = (page) => change(page, 'deleteDatabase');

const A = ['docs', 'a'];
const B = ['meta', 'b'];

function assertKind(fate, kind, pattern = /./) {
  assert.equal(fate.kind, kind, JSON.stringify(fate));
  assert.match(fate.message, pattern);
}

/** The handle is dead, and whatever is asked of it says so. */
async function assertClosed(page, pattern) {
  assertKind(await write(page, [[...A, 'late']]), 'closed', pattern);
  assertKind(await read(page, [A]), 'closed');
  assertKind(await write(page, [[...A, 'late']]), 'closed');
}

/** The storage takes writes and gives them back. */
async function assertAlive(page) {
  assert.deepEqual(await write(page, [[...A, 'alive']]), { value: undefined });
  assert.deepEqual(await texts(page, [A]), ['alive']);
}

// ---- What is written ----

async function kept(room) {
  const page = await room.page();
  assert.deepEqual(await open(page), OPEN);
  const odd = ['', 'a/b', '\u0000', '💥', '__proto__', ' '].map((id) => ['docs', id]);
  const puts = [...odd.map(([store, id]) => [store, id, `"${id}"`]), [...A, '1'], [...B, '2']];
  await write(page, puts);
  const deletes = [B, ['meta', 'never there'], odd.pop()];
  assert.deepEqual(await write(page, [[...A, '3']], deletes), { value: undefined });
  await room.load(page);
  await open(page);
  const expected = [...odd.map(([, id]) => `"${id}"`), '3', undefined, undefined, undefined];
  assert.deepEqual(await texts(page, [...odd, A, ...deletes]), expected);
  const { version, docs, meta } = await contents(page);
  assert.equal(version, 1);
  assert.deepEqual(Object.fromEntries(docs).a, '3');
  assert.equal(docs.length, odd.length + 1);
  assert.deepEqual(meta, []);
  assert.deepEqual(await databases(page), ['sharedb-proxy n']);
}

/** A write ends when it is committed, as durably as was asked for, and on no more stores than it needs. */
async function committed(room) {
  const page = await room.page();
  for (const durability of ['relaxed', 'strict']) {
    await open(page, durability === 'strict' ? { durability } : {});
    const seen = await page.evaluate(async () => {
      const log = [];
      const { transaction } = IDBDatabase.prototype;
      IDBDatabase.prototype.transaction = function (stores, mode, options) {
        const made = transaction.call(this, stores, mode, options);
        log.push(`${mode} ${[...made.objectStoreNames].join('+')} ${made.durability}`);
        made.addEventListener('complete', () => log.push('complete'));
        return made;
      };
      await window.driver.write([['docs', 'a', '1']]);
      log.push('written');
      await window.driver.write([['meta', 'b', '1']], [['docs', 'c']]);
      await window.driver.write([], [['meta', 'b']]);
      await window.driver.write([]);
      IDBDatabase.prototype.transaction = transaction;
      return log;
    });
    assert.deepEqual(seen, [
      `readwrite docs ${durability}`,
      'complete',
      'written',
      `readwrite docs+meta ${durability}`,
      'complete',
      `readwrite meta ${durability}`,
      'complete',
    ]);
    await close(page);
  }
}

/** Of a write that fails on the way nothing is kept, and of one that is under way all is read or nothing. */
async function atomic(room) {
  const page = await room.page();
  await open(page);
  await write(page, [
    [...A, '0'],
    [...B, '0'],
  ]);

  const torn = await page.evaluate(async () => {
    const { driver } = window;
    const ids = [
      ['docs', 'a'],
      ['meta', 'b'],
    ];
    const reads = [];
    for (let n = 1; n <= 100; n += 1) {
      const writing = driver.write(ids.map(([store, id]) => [store, id, String(n)]));
      reads.push(...(await Promise.all([driver.read(ids), writing, driver.read(ids)])));
    }
    return reads.filter((texts) => texts && texts[0] !== texts[1]);
  });
  assert.deepEqual(torn, []);
  assert.deepEqual(await texts(page, [A, B]), ['100', '100']);
  await close(page);

  // What cannot be cloned is found only when the requests before it are made.
  const unclonable = await page.evaluate(async () => {
    const { chooseStorage, fate } = window.storage;
    const encrypt = (text) => (text === 'unclonable' ? () => {} : text);
    window.driver = chooseStorage({ namespace: 'n', encrypt, decrypt: (text) => text });
    await window.driver.open();
    const puts = [
      ['docs', 'a', 'new'],
      ['meta', 'b', 'unclonable'],
    ];
    return fate(window.driver.write(puts, [['docs', 'c']]));
  });
  assertKind(unclonable, 'other');
  assert.deepEqual(await texts(page, [A, B]), ['100', '100']);
  await assertAlive(page);
}

/** Each call of IndexedDB fails once, by throwing or by an abort: no half of a write is ever kept, and no whole one lost. */
async function failsInTurn(room) {
  const page = await room.page();
  const faults = await page.evaluate(async () => {
    const { chooseStorage, fate } = window.storage;
    const METHODS = [
      [IDBFactory, 'open'],
      [IDBDatabase, 'transaction'],
      [IDBTransaction, 'objectStore'],
      [IDBTransaction, 'commit'],
      [IDBObjectStore, 'get'],
      [IDBObjectStore, 'put'],
      [IDBObjectStore, 'delete'],
    ];
    let left = 0;
    let way;
    for (const [{ prototype }, method] of METHODS) {
      const original = prototype[method];
      prototype[method] = function (...args) {
        left -= 1;
        if (left !== 0) return original.apply(this, args);
        const transaction = this.transaction?.abort ? this.transaction : this;
        if (way === 'abort' && transaction.abort) {
          const result = method === 'commit' ? undefined : original.apply(this, args);
          transaction.abort();
          return result;
        }
        throw new DOMException('a fault', way === 'unknown' ? 'UnknownError' : 'InvalidStateError');
      };
    }
    const ids = [
      ['docs', 'a'],
      ['meta', 'b'],
      ['docs', 'c'],
    ];
    const states = [
      [undefined, undefined, undefined],
      ['1', '1', undefined],
      ['2', undefined, '2'],
    ];
    const writes = [
      [
        [
          [...ids[0], '1'],
          [...ids[1], '1'],
        ],
        [],
      ],
      [
        [
          [...ids[0], '2'],
          [...ids[2], '2'],
        ],
        [ids[1]],
      ],
    ];

    /** Runs the script with one fault; the wrong states that were seen, and how often something failed. */
    const run = async (namespace) => {
      const wrong = [];
      let failures = 0;
      const driver = chooseStorage({ namespace });
      const insist = async (request) => {
        for (;;) {
          const { kind, message, value } = await fate(request());
          if (!kind) return value;
          failures += 1;
          if (kind === 'closed') await insist(() => driver.open());
          else if (kind !== 'unavailable') throw new Error(`${kind}: ${message}`);
        }
      };
      const expect = async (...allowed) => {
        const seen = await insist(() => driver.read(ids));
        if (!allowed.some((state) => String(state) === String(seen))) wrong.push(seen);
      };
      await insist(() => driver.open());
      for (const [index, [puts, deletes]] of writes.entries()) {
        await insist(async () => {
          const outcome = await fate(driver.write(puts, deletes));
          if (!outcome.kind) return;
          if (outcome.kind === 'closed') await insist(() => driver.open());
          // It is not known which of the two.
          await expect(states[index], states[index + 1]);
          await driver.write(puts, deletes);
        });
        await expect(states[index + 1]);
      }
      driver.close();
      return { wrong, failures };
    };

    const counts = [];
    for (way of ['throw', 'unknown', 'abort']) {
      let fault = 1;
      for (; ; fault += 1) {
        left = fault;
        const { wrong } = await run(`${way} ${fault}`);
        if (wrong.length) throw new Error(`${way} ${fault}: ${JSON.stringify(wrong)}`);
        if (left > 0) break;
      }
      counts.push(fault);
    }
    return counts;
  });
  for (const count of faults) assert.ok(count > 15, `${faults} faults`);
}

async function quota(room) {
  const page = await room.page();
  // Before anything is written: the browser remembers for a while that there was room.
  await room.say(page, 'Storage.overrideQuotaForOrigin', { quotaSize: 1_000_000 });
  await open(page);
  await write(page, [[...A, 'small']]);
  const large = () =>
    page.evaluate(() => {
      // By chance, so that the browser cannot compress it.
      const bytes = Array.from({ length: 64 }, () =>
        crypto.getRandomValues(new Uint8Array(65_536)),
      );
      const text = bytes.map((part) => new TextDecoder('latin1').decode(part)).join('');
      const puts = [
        ['docs', 'large', text],
        ['meta', 'b', 'beside it'],
      ];
      return window.storage.fate(window.driver.write(puts, [['docs', 'a']]));
    });
  assertKind(await large(), 'quota');
  assert.deepEqual(await texts(page, [A, B]), ['small', undefined]);
  await room.say(page, 'Storage.overrideQuotaForOrigin', {});
  // On the same handle: there was nothing wrong with it.
  assert.deepEqual(await large(), { value: undefined });
  assert.deepEqual(await texts(page, [A, B]), [undefined, 'beside it']);
}

// ---- Handles that die ----

async function deletedByAnother(room) {
  const [page, other] = [await room.page(), await room.page()];
  await open(page);
  await assertAlive(page);
  assert.deepEqual(await remove(other), ['success'], 'nobody was in the way');
  await assertClosed(page, /deletes or upgrades/);
  assert.deepEqual(await openAgain(page), OPEN);
  assert.deepEqual(await texts(page, [A]), [undefined]);
  await assertAlive(page);
}

async function upgradedByAnother(room) {
  const [page, other] = [await room.page(), await room.page()];
  await open(page);
  await assertAlive(page);
  assert.deepEqual(await change(other, 'open', [2]), ['success'], 'nobody was in the way');
  await assertClosed(page, /deletes or upgrades/);
  assertKind(await openAgain(page), 'unavailable', /newer/);
  assertKind(await read(page, [A]), 'closed');
  assert.deepEqual((await contents(other)).docs, [['a', 'alive']]);
  await remove(other);
  await openAgain(page);
  await assertAlive(page);
}

async function closedByTheBrowser(room) {
  const page = await room.page();
  await open(page);
  await assertAlive(page);
  await room.say(page, 'Storage.clearDataForOrigin', { storageTypes: 'indexeddb' });
  // The application's view of the storage: nothing was asked of it.
  await until('the storage knows', () => page.evaluate(() => !window.driver._storage.isReady()));
  await assertClosed(page, /the browser closed/);
  await openAgain(page);
  assert.deepEqual(await texts(page, [A]), [undefined]);
  await assertAlive(page);
}

/** Another page has the old schema open and does not let go of it. */
async function blockedUpgrade(room) {
  const [page, other] = [await room.page(), await room.page()];
  await open(page);
  await assertAlive(page);
  await close(page);
  await hold(other);
  // As the next version of this code will do.
  const upgraded = (yes) =>
    page.evaluate((next) => {
      window.original ??= IDBFactory.prototype.open;
      const { original } = window;
      IDBFactory.prototype.open = next
        ? function (name) {
            return original.call(this, name, 2);
          }
        : original;
    }, yes);
  await upgraded(true);
  // The patience ends before the limit does: only so is there this reason.
  const options = { patience: 100, timeout: 1_900 };
  assertKind(await open(page, options), 'unavailable', /open and keeps it/);
  assertKind(await read(page, [A]), 'closed');
  // The opening that nobody waits for any more goes on, and must not leave a handle behind.
  await letGo(other);
  assert.deepEqual(await remove(other), ['success']);
  await upgraded(false);
  assert.equal((await openAgain(page)).value.mode, 'indexeddb');
  await assertAlive(page);
}

/** The database is to be deleted, which some page holds up: an opening gets no event at all. */
async function hungOpening(room) {
  const [page, holder, other] = [await room.page(), await room.page(), await room.page()];
  await open(page, { timeout: 200 });
  await assertAlive(page);
  await close(page);
  await hold(holder);
  assert.deepEqual(await change(other, 'deleteDatabase', [], ['blocked']), ['blocked']);
  assertKind(await openAgain(page), 'unavailable', /not ended/);
  await letGo(holder);
  // The one that comes too late is closed.
  assert.deepEqual(await remove(other), ['success']);
  await open(page);
  assert.deepEqual(await texts(page, [A]), [undefined]);
  await assertAlive(page);
}

async function endlessTransaction(room) {
  const page = await room.page();
  await open(page, { timeout: 400 });
  await write(page, [[...A, 'before']]);
  for (const mode of ['readwrite', 'readonly']) {
    await endless(page, mode);
    const request = mode === 'readwrite' ? write(page, [[...A, 'never']]) : read(page, [A]);
    assertKind(await request, 'silent', /has not ended/);
    await page.evaluate(() => window.mend());
    await assertClosed(page);
    // The next handle does not have to wait for what hangs.
    assert.equal((await openAgain(page)).value.mode, 'indexeddb');
    assert.deepEqual(await texts(page, [A]), ['before']);
    assert.deepEqual(await write(page, [[...B, mode]]), { value: undefined });
  }
}

/** From here on transactions of this mode have always one more request, until `mend`; those under way until `end`. */
const endless = (page, mode) =>
  page.evaluate((hanging) => {
    const { transaction } = IDBDatabase.prototype;
    let over = false;
    IDBDatabase.prototype.transaction = function (stores, wanted, options) {
      const made = transaction.call(this, stores, wanted, options);
      if (wanted !== hanging) return made;
      window.hangs = true;
      const store = made.objectStore(stores[0]);
      const more = () => {
        if (!over) store.get('').onsuccess = more;
      };
      more();
      made.commit = () => {};
      return made;
    };
    window.mend = () => (IDBDatabase.prototype.transaction = transaction);
    window.end = () => (over = true);
  }, mode);

/** A database of this name that something else made. */
async function foreign(room) {
  const [page, other] = [await room.page(), await room.page()];
  await change(other, 'open', [1]);
  assertKind(await open(page), 'unavailable', /not one of ours/);
  const alone = await page.evaluate(() => {
    const storage = new window.storage.IndexedDbStorage({ namespace: 'n' });
    return new Promise((resolve) =>
      storage.initialize(({ kind }) => resolve({ kind, ready: storage.isReady() })),
    );
  });
  assert.deepEqual(alone, { kind: 'unavailable', ready: false });
  assert.deepEqual(await remove(other), ['success'], 'it was let go of');
  await openAgain(page);
  await assertAlive(page);
}

// ---- One host ----

const LOCK = 'sharedb-proxy store n';

const locks = (page) =>
  page.evaluate(async (lock) => {
    const named = ({ name }) => name === lock;
    const { held, pending } = await navigator.locks.query();
    return { held: held.filter(named).length, pending: pending.filter(named).length };
  }, LOCK);

async function oneHost(room) {
  const [page, other] = [await room.page(), await room.page()];
  await open(page);
  for (const patience of [0, 100]) {
    assertKind(await open(other, { patience }), 'unavailable', /another page/);
    assertKind(
      await other.evaluate(() => window.storage.fate(window.driver.wipe())),
      'unavailable',
    );
  }
  assert.deepEqual(await locks(page), { held: 1, pending: 0 });
  await assertAlive(page);

  // The lock stays with the host while it opens its storage again.
  await openAgain(page);
  assertKind(await open(other, { patience: 0 }), 'unavailable', /another page/);
  // It goes to the next when the host is through.
  const opening = open(other, { patience: 15_000 });
  await until('the other page waits', async () => (await locks(page)).pending === 1);
  await close(page);
  assert.equal((await opening).value.mode, 'indexeddb');
  assert.deepEqual(await texts(other, [A]), ['alive']);

  // Who does not wait any more does not get it.
  await page.evaluate(() => {
    const { chooseStorage, fate } = window.storage;
    window.driver = chooseStorage({ namespace: 'n', patience: 600_000 });
    window.opening = fate(window.driver.open());
  });
  await until('the page waits', async () => (await locks(page)).pending === 1);
  await close(page);
  assertKind(await page.evaluate(() => window.opening), 'closed');
  assert.deepEqual(await locks(page), { held: 1, pending: 0 });

  // Nor does who closes before it could be had at once.
  const third = await room.page();
  const early = await third.evaluate(async () => {
    const { chooseStorage, fate } = window.storage;
    const driver = chooseStorage({ namespace: 'm', patience: 0 });
    const opening = fate(driver.open());
    driver.close();
    const { kind } = await opening;
    const { held, pending } = await navigator.locks.query();
    const locks = [...held, ...pending].filter(({ name }) => name === 'sharedb-proxy store m');
    return { kind, locks: locks.length };
  });
  assert.deepEqual(early, { kind: 'closed', locks: 0 });

  // Who closes and opens at once does not lose it.
  await other.evaluate(() => {
    window.driver.close();
    return window.driver.open();
  });
  assert.deepEqual(await locks(page), { held: 1, pending: 0 });

  // It is free when the page is gone.
  await other.close();
  assert.equal((await open(page)).value.mode, 'indexeddb');
  // Another namespace is another storage.
  assert.equal((await open(third, { namespace: 'm', patience: 0 })).value.mode, 'indexeddb');
  assert.equal((await open(third, { namespace: 'n', patience: 0 })).kind, 'unavailable');
}

async function closingHost(room) {
  const page = await room.page();
  await open(page);
  await endless(page, 'readwrite');
  await page.evaluate(() => {
    window.writing = window.storage.fate(window.driver.write([['docs', 'a', 'last words']]));
  });
  await until('the write is under way', () => page.evaluate(() => window.hangs));
  await close(page);
  assert.deepEqual(await locks(page), { held: 1, pending: 0 });
  await page.evaluate(() => window.end());
  assert.deepEqual(await page.evaluate(() => window.writing), { value: undefined });
  await until('the lock is free', async () => (await locks(page)).held === 0);
  const other = await room.page();
  await open(other);
  assert.deepEqual(await texts(other, [A]), ['last words']);
}

async function stolenLock(room) {
  const [page, other] = [await room.page(), await room.page()];
  await open(page, { patience: 100 });
  await other.evaluate(
    (lock) =>
      new Promise((stolen) => {
        const hold = () => {
          stolen();
          return new Promise((resolve) => (window.release = resolve));
        };
        navigator.locks.request(lock, { steal: true }, hold);
      }),
    LOCK,
  );
  await until('the handle is closed', async () => (await read(page, [A])).kind === 'closed');
  await assertClosed(page, /stolen/);
  assertKind(await page.evaluate(() => window.storage.fate(window.driver.open())), 'unavailable');
  await other.evaluate(() => window.release());
  await openAgain(page);
  await assertAlive(page);
}

async function withoutLocks(room) {
  const page = await room.page();
  await page.evaluate(() => Object.defineProperty(navigator, 'locks', { value: undefined }));
  const { mode, reason } = (await open(page)).value;
  assert.equal(mode, 'memory');
  assert.match(reason, /no Web Locks/);
  await assertAlive(page);
  // One of the application's that other pages can reach is in no better position.
  const own = await page.evaluate(() => {
    const { IndexedDbStorage, StorageDriver, fate } = window.storage;
    return fate(new StorageDriver(new IndexedDbStorage({ namespace: 'n' })).open());
  });
  assertKind(own, 'unavailable', /no Web Locks/);
  assert.deepEqual(await page.evaluate(() => indexedDB.databases()), []);
}

async function withoutIndexedDb(room) {
  const page = await room.page();
  for (const [descriptor, pattern] of [
    ['{ value: undefined }', /no IndexedDB/],
    ['{ get() { throw new DOMException("no", "SecurityError"); } }', /not allowed.*SecurityError/],
  ]) {
    await room.load(page);
    await page.evaluate(`Object.defineProperty(window, 'indexedDB', ${descriptor})`);
    const { mode, reason } = (await open(page)).value;
    assert.equal(mode, 'memory');
    assert.match(reason, pattern);
    assert.deepEqual(await locks(page), { held: 0, pending: 0 });
    await assertAlive(page);
  }
}

// ---- In a worker ----

/** Runs a function in the shared worker that the page made; gives the fate of its result. */
const inWorker = (page, work, argument) =>
  page.evaluate(
    ([code, given]) => {
      window.worker ??= new SharedWorker('/worker.js', { type: 'module', name: 'storage' });
      const { port } = window.worker;
      return new Promise((resolve) => {
        port.onmessage = ({ data }) => resolve(data);
        port.postMessage({ code, argument: given });
      });
    },
    [work.toString(), argument],
  );

/** In the worker: opens a storage that encrypts with a key of this name, which no script can read. */
async function openEncrypted(keyName) {
  const asked = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const opening = indexedDB.open('keys', 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore('keys');
  const keys = await asked(opening);
  const store = (mode) => keys.transaction('keys', mode).objectStore('keys');
  let key = await asked(store('readonly').get(keyName));
  const known = Boolean(key);
  if (!known) {
    const algorithm = { name: 'AES-GCM', length: 256 };
    key = await crypto.subtle.generateKey(algorithm, false, ['encrypt', 'decrypt']);
    await asked(store('readwrite').put(key, keyName));
  }
  keys.close();
  globalThis.driver?.close();
  globalThis.driver = globalThis.storage.chooseStorage({
    namespace: 'n',
    async encrypt(text) {
      const iv = crypto.getRandomValues(new Uint8Array(12));
      const bytes = new TextEncoder().encode(text);
      const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, bytes);
      return new Blob([iv, sealed]).arrayBuffer();
    },
    async decrypt(sealed) {
      const [iv, bytes] = [sealed.slice(0, 12), sealed.slice(12)];
      return new TextDecoder().decode(
        await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, bytes),
      );
    },
  });
  const { mode } = await globalThis.driver.open();
  const readable = await crypto.subtle.exportKey('raw', key).then(
    () => true,
    () => false,
  );
  return { mode, known, readable };
}

async function encryptedInWorker(room) {
  const page = await room.page();
  assert.deepEqual(await inWorker(page, openEncrypted, 'one'), {
    value: { mode: 'indexeddb', known: false, readable: false },
  });
  const secret = '{"the":"secret"}';
  const put = (text) => globalThis.driver.write([['docs', 'a', text]], [['docs', 'x']]);
  const get = () => globalThis.driver.read([['docs', 'a']]);
  assert.deepEqual(await inWorker(page, put, secret), { value: undefined });
  assert.deepEqual(await inWorker(page, get), { value: [secret] });
  const [[id, { bytes }]] = (await contents(page)).docs;
  assert.equal(id, 'a');
  assert.ok(bytes.length > secret.length);
  assert.ok(!bytes.includes('secret'));

  // The worker dies, the next one has the key and the lock.
  await room.stage.workers.kill();
  await page.evaluate((lock) => navigator.locks.request(lock, () => {}), LOCK);
  await page.evaluate(() => delete window.worker);
  assert.deepEqual(await inWorker(page, openEncrypted, 'one'), {
    value: { mode: 'indexeddb', known: true, readable: false },
  });
  assert.deepEqual(await inWorker(page, get), { value: [secret] });
  assertKind(await open(page, { patience: 0 }), 'unavailable', /another page/);

  // With another key it cannot be read.
  await inWorker(page, openEncrypted, 'another');
  const [text] = (await inWorker(page, get)).value;
  const { code, message } = JSON.parse(text).error;
  assert.equal(code, 'ERR_STORAGE_DECRYPT');
  assert.match(message, /docs\/a could not be decrypted/);
}

// ---- Wiping, and the callbacks ----

const wipe = (page) => page.evaluate(() => window.storage.fate(window.driver.wipe()));

async function wiped(room) {
  const [page, other] = [await room.page(), await room.page()];
  const done = { value: undefined };
  await open(page, { patience: 200 });
  await assertAlive(page);
  assert.deepEqual(await wipe(page), done);
  assert.deepEqual(await databases(page), []);
  await assertClosed(page);
  assert.deepEqual(await locks(page), { held: 0, pending: 0 });
  await openAgain(page);
  assert.deepEqual(await texts(page, [A]), [undefined]);

  // A page that does not let go keeps the database, but nothing in it.
  await assertAlive(page);
  await hold(other);
  assert.deepEqual(await wipe(page), done);
  const counted = other.evaluate(
    () =>
      new Promise((resolve) => {
        const request = window.held.transaction('docs').objectStore('docs').count();
        request.onsuccess = () => resolve(request.result);
      }),
  );
  assert.equal(await counted, 0);
  await letGo(other);

  // One that cannot be opened can be wiped.
  await remove(other);
  await change(other, 'open', [7]);
  assertKind(await openAgain(page), 'unavailable', /newer/);
  assert.deepEqual(await wipe(page), done);
  await openAgain(page);
  await assertAlive(page);
}

/** The storage by itself, as an application may use it. */
async function callbacks(room) {
  const page = await room.page();
  const seen = await page.evaluate(async () => {
    const { IndexedDbStorage } = window.storage;
    const turned = (text) => [...text].reverse().join('');
    const storage = new IndexedDbStorage({
      namespace: 'n',
      useEncryption: true,
      encryptionCallback: turned,
      decryptionCallback: turned,
    });
    const call = (method, ...args) =>
      new Promise((resolve, reject) => {
        storage[method](...args, (error, result) => (error ? reject(error) : resolve(result)));
      });
    const log = [storage.isReady()];
    await call('initialize');
    storage.ensureReady();
    log.push(storage.isReady());
    const docs = [
      { id: 'a', payload: { n: 1 } },
      { id: 'b', payload: null },
      { id: 'c', payload: 'c' },
    ];
    await call('writeRecords', { docs, meta: { id: 'm', payload: [1] } });
    log.push(await call('readRecord', 'docs', 'a'), await call('readRecord', 'docs', 'none'));
    log.push(await call('readRecordsBulk', 'docs', ['c', 'none', 'a']));
    await call('deleteRecord', 'docs', 'c');
    log.push(await call('readAllRecords', 'docs'));
    await call('clearStore', 'docs');
    log.push(await call('readAllRecords', 'docs'), await call('readAllRecords', 'meta'));
    const raw = new IndexedDbStorage({ namespace: 'n' });
    await new Promise((resolve) => raw.initialize(resolve));
    log.push(await new Promise((resolve) => raw.readRecord('meta', 'm', (_, it) => resolve(it))));
    await call('clearAll');
    log.push(await call('readAllRecords', 'meta'));
    await call('deleteDatabase');
    log.push(storage.isReady(), raw.isReady(), await indexedDB.databases());
    return log;
  });
  assert.deepEqual(seen, [
    false,
    true,
    { n: 1 },
    null,
    [
      { id: 'c', payload: 'c' },
      { id: 'a', payload: { n: 1 } },
    ],
    [
      { id: 'a', payload: { n: 1 } },
      { id: 'b', payload: null },
    ],
    [],
    [{ id: 'm', payload: [1] }],
    ']1[',
    [],
    false,
    false,
    [],
  ]);
}

/** @type {{name: string, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const storageTests = [
  { name: 'storage: what was written is there after a reload', run: inRoom(kept) },
  { name: 'storage: a write ends with its commit', run: inRoom(committed) },
  { name: 'storage: all of a write or nothing', run: inRoom(atomic) },
  { name: 'storage: every call of IndexedDB fails in turn', run: inRoom(failsInTurn) },
  { name: 'storage: no room', run: inRoom(quota) },
  { name: 'storage: another page deletes the database', run: inRoom(deletedByAnother) },
  { name: 'storage: another page upgrades the database', run: inRoom(upgradedByAnother) },
  { name: 'storage: the browser closes the database', run: inRoom(closedByTheBrowser) },
  { name: 'storage: another page blocks the upgrade', run: inRoom(blockedUpgrade) },
  { name: 'storage: an opening that gets no answer', run: inRoom(hungOpening) },
  { name: 'storage: a transaction that never ends', run: inRoom(endlessTransaction) },
  { name: 'storage: a database that is not ours', run: inRoom(foreign) },
  { name: 'storage: one host at a time', run: inRoom(oneHost) },
  { name: 'storage: a host that closes ends its write first', run: inRoom(closingHost) },
  { name: 'storage: the lock is stolen', run: inRoom(stolenLock) },
  { name: 'storage: without Web Locks', run: inRoom(withoutLocks) },
  { name: 'storage: without IndexedDB', run: inRoom(withoutIndexedDb) },
  {
    name: 'storage: encrypted in a worker, with a key nobody can read',
    run: inRoom(encryptedInWorker),
  },
  { name: 'storage: wiping', run: inRoom(wiped) },
  { name: 'storage: the callbacks of IndexedDbStorage', run: inRoom(callbacks) },
];
