/** Web Locks that do not do what they should, or are not there: what the host makes of it. */

import assert from 'node:assert/strict';
import { HostStorage } from '../../js-shim/src/storage/host-storage.js';
import { StoreLock } from '../../js-shim/src/storage/store-lock.js';
import { withGlobals } from './globals.mjs';
import { settle } from './settle.mjs';

/** As browsers have them, as far as one name and two requests go. */
class FakeLocks {
  /** Requests that wait for their turn. @type {(() => void)[]} */
  waiting = [];
  /** How many are held. */
  held = 0;

  request(name, options, hold) {
    return new Promise((resolve, reject) => {
      const turn = async () => {
        if (options.signal?.aborted) return reject(options.signal.reason);
        this.held += 1;
        try {
          resolve(await hold({ name }));
        } catch (error) {
          reject(error);
        }
        this.held -= 1;
      };
      this.waiting.push(turn);
    });
  }

  /** Gives the lock to who asked first. */
  grant() {
    this.waiting.shift()();
  }
}

describe("the store's lock", () => {
  for (const patience of [0, 60_000]) {
    it(`is not held by who let go of it before it came (patience ${patience})`, async () => {
      const locks = new FakeLocks();
      await withGlobals({ navigator: { locks } }, async () => {
        const lock = new StoreLock('store', patience, () => assert.fail('it is not lost'));
        const taken = lock.take();
        lock.release();
        locks.grant();
        await assert.rejects(taken, ({ kind }) => kind === 'unavailable');
        assert.equal(locks.held, 0);
        // The next one gets it.
        const again = lock.take();
        locks.grant();
        await again;
        assert.equal(locks.held, 1);
        lock.release();
        await settle();
        assert.equal(locks.held, 0);
      });
    });
  }

  it('cannot be had in a browser without Web Locks', async () => {
    const lock = new StoreLock('store', 0, () => {});
    await withGlobals({ navigator: {}, isSecureContext: false }, async () => {
      await assert.rejects(lock.take(), ({ kind, message }) => {
        assert.equal(kind, 'unavailable');
        return /no Web Locks/.test(message);
      });
      lock.release();
    });
    // Nobody else can reach what a process has.
    await withGlobals({ navigator: undefined }, () => lock.take());
  });
});

describe('the tabs of an earlier host', () => {
  const found = async (locks) => {
    const storage = new HostStorage({});
    let told;
    const core = { tabsFound: (tabs) => (told = tabs) };
    storage.attach(core, (call) => call());
    let living;
    await withGlobals(
      { navigator: { locks } },
      async () => (living = await storage.findTabs(['a', 'b'])),
    );
    assert.equal(living, told, 'the host is told');
    return told;
  };

  it('live as long as their locks are held', async () => {
    const request = async (name, _, hold) => hold(name.endsWith('a') ? null : { name });
    assert.deepEqual(await found({ request }), ['a']);
  });

  it('are taken for alive where nobody can tell', async () => {
    const request = async (name, _, hold) => {
      if (name.endsWith('a')) throw new DOMException('no', 'InvalidStateError');
      return hold({ name });
    };
    assert.deepEqual(await found({ request }), ['a']);
  });
});
