/** What a write promises: committed when it ends, all of it or nothing, and a coded error where it fails. */
import assert from 'node:assert/strict';
import { QUOTA } from '../engines/skips.mjs';
import {
  A,
  assertAlive,
  assertKind,
  B,
  close,
  contents,
  databases,
  inRoom,
  open,
  OPEN,
  texts,
  write,
} from './room.mjs';

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
  // The fence is no record.
  assert.ok(meta.every(([id]) => id.startsWith(' fence')));
  assert.deepEqual(await databases(page), ['sharedb-proxy n']);
}

/** A write ends when it is committed, as durably as was asked for. The fence that it reads is in `meta`. */
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
      `readwrite docs+meta ${durability}`,
      'complete',
      'written',
      `readwrite docs+meta ${durability}`,
      'complete',
      `readwrite docs+meta ${durability}`,
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

/** @type {{name: string, run: (stage: import('../stage.mjs').Stage) => Promise<void>}[]} */
export const writeTests = [
  { name: 'storage: what was written is there after a reload', run: inRoom(kept) },
  { name: 'storage: a write ends with its commit', run: inRoom(committed) },
  { name: 'storage: all of a write or nothing', run: inRoom(atomic) },
  { name: 'storage: every call of IndexedDB fails in turn', run: inRoom(failsInTurn) },
  { name: 'storage: no room', skip: QUOTA, run: inRoom(quota) },
];
