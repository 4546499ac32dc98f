/** A `url` that is a function: when it is called, and what follows where it fails. */

import assert from 'node:assert/strict';
import { Backend, Wire, call, ours, settle, until } from './clients.mjs';
import { withGlobals } from './globals.mjs';

const add = [{ p: ['n'], na: 1 }];
const namespace = 'user 7';

/** Runs a test with a WebSocket that reaches a backend, and notes the URLs that sockets were made for. */
function withSockets(test) {
  const backend = new Backend();
  const made = [];
  function WebSocket(url) {
    const wire = new Wire(backend);
    made.push({ url, wire });
    process.nextTick(() => wire.open());
    return wire.socket;
  }
  return withGlobals({ WebSocket }, () => test(made));
}

const urlsOf = (made) => made.map(({ url }) => url);

describe('a url that is a function', () => {
  for (const [kind, wrap] of [
    ['returns', (url) => url],
    ['resolves', (url) => Promise.resolve(url)],
    ['resolves late', (url) => new Promise((resolve) => setTimeout(resolve, 5, url))],
  ]) {
    it(`is called for each socket, and ${kind}`, () =>
      withSockets(async (made) => {
        let calls = 0;
        const url = () => wrap(`https://example.org/ws?token=${++calls}`);
        const connection = ours.createConnection({ url, namespace });
        const doc = connection.get('c', 'd');
        await call(doc, 'create', { n: 0 });
        assert.deepEqual(urlsOf(made), ['wss://example.org/ws?token=1']);
        made[0].wire.close('gone');
        await call(doc, 'submitOp', add);
        assert.deepEqual(urlsOf(made).slice(1), ['wss://example.org/ws?token=2']);
        assert.deepEqual([doc.data, calls], [{ n: 1 }, 2]);
        connection.close();
      }));
  }

  it('may be the first argument, and give a URL object', () =>
    withSockets(async (made) => {
      const connection = ours.createConnection(() => new URL('wss://example.org/a b'), {
        namespace,
      });
      await until('it is connected', () => connection.state === 'connected');
      assert.deepEqual(urlsOf(made), ['wss://example.org/a%20b']);
      connection.close();
    }));

  for (const [what, fail, reason] of [
    ['throws', () => assert.fail('no token'), 'The url function failed: no token'],
    ['rejects', () => Promise.reject(new Error('401')), 'The url function failed: 401'],
    ['rejects with nothing', () => Promise.reject(), 'The url function failed: undefined'],
    ['gives nothing', () => undefined, 'The url function failed: Invalid URL'],
    ['gives no url', () => 'no url', 'The url function failed: Invalid URL'],
  ]) {
    it(`that ${what} is called again later, and everybody is told`, () =>
      withSockets(async (made) => {
        let calls = 0;
        const url = () => (++calls === 1 ? fail() : 'wss://example.org/');
        const errors = [];
        const states = [];
        const connection = ours.createConnection({ url, namespace });
        connection.on('error', ({ code, message }) => errors.push([code, message]));
        connection.on('state', (state) => states.push(state));
        const doc = connection.get('c', 'd');
        await call(doc, 'create', { n: 0 });
        assert.deepEqual(errors, [['ERR_URL_FAILED', reason]]);
        assert.deepEqual(states, ['disconnected', 'connecting', 'connected']);
        assert.deepEqual([calls, urlsOf(made)], [2, ['wss://example.org/']]);
        connection.close();
      }));
  }

  it('that answers after close() opens nothing', () =>
    withSockets(async (made) => {
      let answer;
      const url = () => new Promise((resolve) => (answer = resolve));
      const connection = ours.createConnection({ url, namespace });
      await until('the function is called', () => answer);
      connection.close();
      answer('wss://example.org/');
      await settle();
      assert.deepEqual([connection.state, made.length], ['closed', 0]);
    }));

  it('needs a namespace', () => {
    assert.throws(() => ours.createConnection(() => 'wss://example.org/'), {
      code: 'ERR_NAMESPACE_REQUIRED',
    });
  });
});
