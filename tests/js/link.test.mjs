/** A tab's link to a host in a worker, with a browser of which only the port and the locks are there. */

import assert from 'node:assert/strict';
import { ours, settle } from './clients.mjs';
import { withGlobals } from './globals.mjs';

const URL = 'ws://example.com/';

/** The worker's end of a port, as a place has it. */
class Port {
  posted = [];
  postMessage(message) {
    this.posted.push(message);
  }
  close() {}

  /** A place with a host of this epoch greets the tab. */
  greet(life) {
    const host = { life, place: 'p', kind: 'shared-worker', protocol: 1 };
    this.onmessage({ data: { greeting: { place: 'p', host } } });
  }

  take(life) {
    this.onmessage({ data: { taken: life } });
  }

  /** The epochs of the hosts that were asked to take the tab. */
  get asked() {
    return this.posted.flatMap(({ connect }) => connect?.life ?? []);
  }
}

class Quiet {
  readyState = 0;
  postMessage() {}
  send() {}
  close() {}
}

/** A tab's own lock is had at once, a place's when it is `free`. */
const locksOf = (tab) => ({
  request: async (name, ...rest) =>
    name.includes(' tab ') || tab.free?.test(name) ? rest.at(-1)() : undefined,
});

function inBrowser(test, locks) {
  const port = new Port();
  const globals = { BroadcastChannel: Quiet, WebSocket: Quiet, SharedWorker: Quiet };
  const open = () => ours.createConnection(URL, { worker: () => ({ port }), namespace: 'ada' });
  return withGlobals(
    { ...globals, isSecureContext: true, navigator: { locks: locks ?? locksOf(test) } },
    () => test({ port, open }),
  );
}

describe('a tab whose host is in a worker', () => {
  it('goes to the next host whatever a listener of the application throws', () =>
    inBrowser(async ({ port, open }) => {
      const connection = open();
      port.greet(1);
      await settle();
      port.take(1);
      const throws = () => {
        throw new Error('this is scripted');
      };
      connection.on('state', throws);
      connection.on('host', throws);
      try {
        port.greet(2);
      } catch (error) {
        assert.equal(error.message, 'this is scripted');
      }
      await settle();
      assert.deepEqual(port.asked, [1, 2]);
      connection.removeAllListeners('state');
      connection.close();
      port.take(2);
    }));

  it('keeps the port of its worker for the next host there', () =>
    inBrowser(async ({ port, open }) => {
      const connection = open();
      for (const life of [1, 2, 3]) {
        port.greet(life);
        await settle();
        port.take(life);
      }
      assert.ok(!port.posted.some(({ left }) => left));
      connection.close();
      assert.ok(port.posted.at(-1).left);
    }));

  it('takes no refusal of a host that it has left', () =>
    inBrowser(async ({ port, open }) => {
      const connection = open();
      port.onmessage({ data: { refused: { code: 'ERR_HOST_MISMATCH', reason: 'scripted' } } });
      port.greet(1);
      await settle();
      assert.deepEqual([connection.host.kind, port.asked], ['shared-worker', [1]]);
      port.take(1);
      connection.close();
    }));

  it('says that a wipe has ended, also where it is closed meanwhile', async () => {
    const tab = {};
    await inBrowser(async ({ port, open }) => {
      const connection = open();
      port.greet(1);
      await settle();
      port.take(1);
      connection._endForWipe();
      tab.free = / place /;
      connection.close();
      await new Promise((resolve) => connection._link.whenEnded(resolve));
    }, locksOf(tab));
  });
});

describe('a page whose browser denies it locks', () => {
  it('has a host alone, and says so', async () => {
    const denied = new DOMException('cookies are blocked', 'SecurityError');
    const locks = { request: () => Promise.reject(denied) };
    await inBrowser(async ({ open }) => {
      const connection = open();
      const told = [];
      connection.on('error', ({ code }) => told.push(code));
      await settle();
      assert.deepEqual([connection.host.kind, connection.host.code], ['in-page', 'ERR_HOST_ALONE']);
      assert.deepEqual(told, ['ERR_HOST_ALONE']);
      connection.close();
    }, locks);
  });

  it('logs that where nobody listens, and goes on', async () => {
    const denied = new DOMException('cookies are blocked', 'SecurityError');
    const locks = { request: () => Promise.reject(denied) };
    const { error } = ours.logger;
    const logged = [];
    ours.logger.setMethods({ error: (line) => logged.push(line) });
    try {
      await inBrowser(async ({ open }) => {
        const connection = open();
        await settle();
        assert.match(logged.join(), /^ERR_HOST_ALONE: /);
        assert.equal(connection.host.kind, 'in-page');
        connection.close();
      }, locks);
    } finally {
      ours.logger.setMethods({ error });
    }
  });
});
