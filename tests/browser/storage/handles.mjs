/** Database handles that die or never come to life, whatever another page or the browser does to them. */
import assert from 'node:assert/strict';
import { CLEARED } from '../engines/skips.mjs';
import { until } from '../stage.mjs';
import {
  A,
  assertAlive,
  assertClosed,
  assertKind,
  B,
  change,
  close,
  contents,
  endless,
  hold,
  inRoom,
  letGo,
  open,
  OPEN,
  openAgain,
  read,
  remove,
  texts,
  write,
} from './room.mjs';

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

/** The host crashes in the moment in which its write begins: neither event of a transaction need come then. */
async function abandonedWrite(room) {
  const page = await room.page();
  await open(page);
  await write(page, [[...A, 'before']]);
  const fates = await page.evaluate(async (a) => {
    const { driver, storage } = window;
    const { transaction } = IDBDatabase.prototype;
    const abandoned = new Promise((resolve) => {
      IDBDatabase.prototype.transaction = function begin(...args) {
        IDBDatabase.prototype.transaction = transaction;
        queueMicrotask(() => resolve(driver.abandon()));
        return transaction.apply(this, args);
      };
    });
    const written = storage.fate(driver.write([[...a, 'after']]));
    return [await written, await storage.fate(abandoned)];
  }, A);
  // One that was told to commit is not rolled back any more.
  const isCommitted = 'value' in fates[0];
  if (!isCommitted) assertKind(fates[0], 'closed');
  assert.deepEqual(fates[1], { value: undefined });
  assert.equal((await openAgain(page)).value.mode, 'indexeddb');
  assert.deepEqual(await texts(page, [A]), [isCommitted ? 'after' : 'before']);
  await assertAlive(page);
}

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

/** @type {{name: string, run: (stage: import('../stage.mjs').Stage) => Promise<void>}[]} */
export const handleTests = [
  { name: 'storage: another page deletes the database', run: inRoom(deletedByAnother) },
  { name: 'storage: another page upgrades the database', run: inRoom(upgradedByAnother) },
  {
    name: 'storage: the browser closes the database',
    skip: CLEARED,
    run: inRoom(closedByTheBrowser),
  },
  { name: 'storage: another page blocks the upgrade', run: inRoom(blockedUpgrade) },
  { name: 'storage: an opening that gets no answer', run: inRoom(hungOpening) },
  { name: 'storage: a transaction that never ends', run: inRoom(endlessTransaction) },
  { name: 'storage: a host that crashes as its write begins', run: inRoom(abandonedWrite) },
  { name: 'storage: a database that is not ours', run: inRoom(foreign) },
];
