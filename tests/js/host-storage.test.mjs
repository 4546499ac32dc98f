/** A storage that the next host of a worker takes over from one that crashed. */

import assert from 'node:assert/strict';
import { HostStorage } from '../../js-shim/src/storage/host-storage.js';
import { ours, settle } from './clients.mjs';

/** What a machine hears of its storage. */
class FakeCore {
  heard = [];
  wantsIdle = false;
  setStorageMode = (mode) => this.heard.push(mode);
  storageDone = (number) => this.heard.push(`done ${number}`);
  storageFailed = (number, kind) => this.heard.push(`failed ${number}: ${kind}`);
}

describe('a storage whose host crashed', () => {
  it('is not handed on before the writes of that host have ended', async () => {
    const held = [];
    const storage = new ours.InMemoryStorage();
    const { writeRecords } = storage;
    storage.writeRecords = (records, callback) =>
      held.push(() => writeRecords.call(storage, records, callback));

    const hostStorage = new HostStorage({ storage });
    const first = new FakeCore();
    let isAlive = true;
    hostStorage.attach(first, (call) => isAlive && call());
    await hostStorage.carryOut(1, 'open');
    const writing = hostStorage.carryOut(2, 'write', [['docs', 'a', 'text']], []);
    await settle();
    assert.equal(held.length, 1, 'the write is under way');

    isAlive = false;
    let isFree = false;
    const detached = hostStorage.detach().then(() => (isFree = true));
    await settle();
    assert.equal(isFree, false);
    held[0]();
    await Promise.all([detached, writing]);
    assert.deepEqual(first.heard, ['custom', 'done 1'], 'the dead host hears nothing more');

    const second = new FakeCore();
    hostStorage.attach(second, (call) => call());
    await hostStorage.carryOut(1, 'open');
    assert.deepEqual(second.heard, ['custom', 'done 1']);
  });
});
