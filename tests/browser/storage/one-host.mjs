/** One host at a time, by a Web Lock; and what there is without Web Locks or IndexedDB. */
import assert from 'node:assert/strict';
import { until } from '../stage.mjs';
import {
  A,
  assertAlive,
  assertKind,
  close,
  endless,
  inRoom,
  LOCK,
  locks,
  open,
  openAgain,
  read,
  texts,
  write,
} from './room.mjs';

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
  await until('the handle is ended', async () => (await read(page, [A])).kind === 'fenced');
  assertKind(await write(page, [['docs', 'a', 'late']]), 'fenced', /another host/);
  // To open it again would take it back.
  assertKind(await openAgain(page), 'fenced');
  await close(page);
  assertKind(await openAgain(page), 'unavailable', /another page/);
  await other.evaluate(() => window.release());
  await openAgain(page);
  await assertAlive(page);
}

/** A host that does not know yet that another one has taken its storage. */
async function fencedHost(room) {
  const [page, other] = [await room.page(), await room.page()];
  const takeOver = () =>
    other.evaluate(() => {
      const { IndexedDbStorage, StorageDriver, fate } = window.storage;
      const storage = new IndexedDbStorage({ namespace: 'n' });
      // As if it had stolen the lock.
      storage.lockName = undefined;
      window.driver = new StorageDriver(storage, { mode: 'indexeddb' });
      return fate(window.driver.open());
    });
  await open(page);
  assert.deepEqual(await write(page, [['docs', 'a', 'first']]), { value: undefined });
  assert.deepEqual((await takeOver()).value.mode, 'indexeddb');
  const late = [
    ['docs', 'a', 'late'],
    ['docs', 'b', 'late'],
  ];
  assertKind(await write(page, late), 'fenced', /another host/);
  assertKind(await write(page, [], [A]), 'fenced');
  assert.deepEqual(await texts(other, [A, ['docs', 'b']]), ['first', undefined]);
  // Nor is it let in again where everything is cleared.
  await other.evaluate(() => new Promise((cleared) => window.driver._storage.clearAll(cleared)));
  assertKind(await write(page, late), 'fenced');
  assertKind(await openAgain(page), 'fenced');
  await assertAlive(other);
  await close(other);

  // The next one that has the lock takes it over in its turn.
  await close(page);
  assert.equal((await openAgain(page)).value.mode, 'indexeddb');
  await assertAlive(page);
  // Nor may one that lost it delete it.
  await takeOver();
  assertKind(await page.evaluate(() => window.storage.fate(window.driver.wipe())), 'fenced');
  await assertAlive(other);
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
    await page.evaluate(
      (source) => void Object.defineProperty(window, 'indexedDB', (0, eval)(`(${source})`)),
      descriptor,
    );
    const { mode, reason } = (await open(page)).value;
    assert.equal(mode, 'memory');
    assert.match(reason, pattern);
    assert.deepEqual(await locks(page), { held: 0, pending: 0 });
    await assertAlive(page);
  }
}

/** @type {{name: string, run: (stage: import('../stage.mjs').Stage) => Promise<void>}[]} */
export const oneHostTests = [
  { name: 'storage: one host at a time', run: inRoom(oneHost) },
  { name: 'storage: a host that closes ends its write first', run: inRoom(closingHost) },
  { name: 'storage: the lock is stolen', run: inRoom(stolenLock) },
  { name: 'storage: a host that lost it is refused', run: inRoom(fencedHost) },
  { name: 'storage: without Web Locks', run: inRoom(withoutLocks) },
  { name: 'storage: without IndexedDB', run: inRoom(withoutIndexedDb) },
];
