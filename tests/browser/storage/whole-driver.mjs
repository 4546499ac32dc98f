/** The driver in a worker, encrypted; wiping; and `IndexedDbStorage` by itself, as an application may use it. */
import assert from 'node:assert/strict';
import { KEY } from '../engines/skips.mjs';
import {
  A,
  assertAlive,
  assertClosed,
  assertKind,
  change,
  contents,
  databases,
  hold,
  inRoom,
  letGo,
  LOCK,
  locks,
  open,
  openAgain,
  remove,
  texts,
} from './room.mjs';

/**
 * Runs a function in the shared worker that the page made; gives the fate of its result. After a kill the next one has another
 * name: Firefox gives one that has ended to who asks for the same, for a moment.
 */
const inWorker = (page, work, argument) =>
  page.evaluate(
    ([code, given]) => {
      window.workers ??= 0;
      window.worker ??= new SharedWorker('/worker.js', {
        type: 'module',
        name: `storage ${window.workers++}`,
      });
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

/** @type {{name: string, run: (stage: import('../stage.mjs').Stage) => Promise<void>}[]} */
export const wholeDriverTests = [
  {
    name: 'storage: encrypted in a worker, with a key nobody can read',
    skip: KEY,
    run: inRoom(encryptedInWorker),
  },
  { name: 'storage: wiping', run: inRoom(wiped) },
  { name: 'storage: the callbacks of IndexedDbStorage', run: inRoom(callbacks) },
];
