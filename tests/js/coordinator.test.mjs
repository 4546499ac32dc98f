/** What tabs agree on: tabs in one process, with a host as in a SharedWorker, on a store that outlives it. */

import assert from 'node:assert/strict';
import { TabCoordinator, WorkerMessageType } from '../../js-shim/src/coordinator.node.js';
import { untilTrue } from '../until.mjs';
import { Hosts } from './coordinator-hosts.mjs';

const event = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

describe('coordinator', () => {
  let hosts;
  beforeEach(() => (hosts = new Hosts()));
  afterEach(() => hosts.end());

  describe('tabs', () => {
    it('knows all tabs, and which of them left or crashed', async () => {
      const a = await hosts.tab('a');
      const joined = event(a, 'join');
      const b = await hosts.tab('b');
      assert.equal((await joined).id, b.tabId);
      assert.deepEqual(a.connectedTabs, new Set([a.tabId, b.tabId]));
      assert.deepEqual(b.state.connectedTabs, a.connectedTabs);
      const left = event(a, 'leave');
      await b.unregister();
      assert.equal((await left).crashed, false);
      const c = await hosts.tab('c');
      const crashed = event(a, 'leave');
      hosts.kill('c');
      assert.deepEqual([(await crashed).id, (await crashed).crashed], [c.tabId, true]);
      assert.deepEqual(a.connectedTabs, new Set([a.tabId]));
    });

    it('sends messages to all other tabs, with the sender and the time', async () => {
      const [a, b, c] = [await hosts.tab('a'), await hosts.tab('b'), await hosts.tab('c')];
      a.on('message', () => assert.fail('the sender hears itself'));
      const heard = [event(b, 'state_update'), event(c, 'message')];
      await a.sendMessage(WorkerMessageType.STATE_UPDATE, { n: 1 });
      for (const message of await Promise.all(heard)) {
        assert.deepEqual(message.payload, { n: 1 });
        assert.equal(message.tabId, a.tabId);
        assert.equal(message.type, 'state_update');
        assert.ok(message.timestamp > 0);
        assert.equal(b.state.lastStateUpdate, message.timestamp);
      }
    });

    it('says connect and disconnect for tabs that come and go', async () => {
      const a = await hosts.tab('a');
      const connected = event(a, 'connect');
      const b = await hosts.tab('b');
      assert.equal((await connected).tabId, b.tabId);
      const gone = event(a, 'disconnect');
      hosts.kill('b');
      assert.equal((await gone).tabId, b.tabId);
    });

    it('refuses what is no message, and nobody else is disturbed', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await assert.rejects(a.sendMessage('nonsense', 1), { code: 'ERR_MESSAGE_TYPE_UNKNOWN' });
      const circle = {};
      circle.self = circle;
      await assert.rejects(a.sendMessage('error', circle), { code: 'ERR_PAYLOAD_INVALID' });
      await assert.rejects(a.sendMessage('error', 1n), { code: 'ERR_PAYLOAD_INVALID' });
      await assert.rejects(a.handleMessage({ type: 'x' }), { code: 'ERR_MESSAGE_TYPE_UNKNOWN' });
      await assert.rejects(a._coordination.ask('nonsense', {}), {
        code: 'ERR_MESSAGE_BADLY_FORMED',
      });
      b.on('message', () => {
        throw new Error('a listener of the application');
      });
      const heard = event(b, 'state_update');
      await a.sendMessage('state_update', 1);
      assert.equal((await heard).payload, 1);
    });

    it('goes on with the next host, and loses no message', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      const heard = [];
      b.on('state_update', ({ payload }) => heard.push(payload));
      const sent = [1, 2, 3].map((n) => a.sendMessage('state_update', n));
      hosts.crash();
      await Promise.all(sent);
      await untilTrue(() => heard.length === 3);
      assert.deepEqual(heard, [1, 2, 3]);
      assert.deepEqual(a.connectedTabs, new Set([a.tabId, b.tabId]));
      assert.deepEqual(hosts.warnings, []);
    });

    it('refuses a second coordinator of a connection, and unknown options', () => {
      const connection = hosts.connection('a');
      new TabCoordinator({ connection });
      assert.throws(() => new TabCoordinator({ connection }), { code: 'ERR_COORDINATOR_EXISTS' });
      assert.throws(() => new TabCoordinator({}), { code: 'ERR_NAMESPACE_REQUIRED' });
      assert.throws(() => new TabCoordinator({ namespace: 'n', leader: true }), {
        code: 'ERR_OPTION_UNKNOWN',
      });
      const options = { connection: hosts.connection('b'), weight: 101 };
      assert.throws(() => new TabCoordinator(options), { code: 'ERR_OPTION_INVALID' });
    });

    it('hears the errors of a connection of its own', async () => {
      const alone = new TabCoordinator({ namespace: 'alone' });
      const failed = event(alone, 'error');
      alone._connection.emit('error', new Error('of the host'));
      assert.equal((await failed).message, 'of the host');
      assert.equal(alone.health.lastError.message, 'of the host');
      await alone.unregister();
    });

    it('works alone in Node, without a server', async () => {
      const alone = new TabCoordinator({ namespace: 'alone' });
      await alone.register();
      await untilTrue(() => alone.isLeader);
      assert.deepEqual(alone.connectedTabs, new Set([alone.tabId]));
      assert.equal(await alone.lock('name', () => 7), 7);
      await alone.unregister();
      await assert.rejects(alone.sendMessage('error', 1), { code: 'ERR_COORDINATOR_CLOSED' });
    });
  });

  describe('leader', () => {
    it('is one tab, and the next one when that dies', async () => {
      const tabs = { a: await hosts.tab('a'), b: await hosts.tab('b'), c: await hosts.tab('c') };
      const leaders = () => Object.keys(tabs).filter((name) => tabs[name].isLeader);
      for (let left = 3; left > 0; left--) {
        await untilTrue(() => leaders().length === 1);
        const [name] = leaders();
        const { tabId } = tabs[name];
        await untilTrue(() => Object.values(tabs).every(({ leader }) => leader === tabId));
        hosts.kill(name);
        delete tabs[name];
      }
    });

    it('is the tab with the highest weight, but never an observer', async () => {
      const a = await hosts.tab('a', { role: 'observer', weight: 100 });
      const b = await hosts.tab('b');
      await untilTrue(() => b.isLeader);
      const c = await hosts.tab('c', { weight: 50 });
      await untilTrue(() => c.isLeader);
      assert.ok(!b.isLeader);
      await untilTrue(() => b.role === 'backup');
      assert.equal(a.role, 'observer');
      c.configure({ role: 'observer' });
      await untilTrue(() => b.isLeader);
    });

    it('leads on with the next host', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await untilTrue(() => a.isLeader && b.leader === a.tabId);
      a.on('leader', () => assert.fail('nothing has changed'));
      hosts.crash();
      await Promise.all([a.latency(), b.latency()]);
      assert.ok(a.isLeader && !b.isLeader);
    });

    it('resigns for another tab', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await untilTrue(() => a.isLeader);
      a.resign();
      assert.ok(!a.isLeader);
      await untilTrue(() => b.isLeader);
    });
  });

  describe('lock', () => {
    it('lets one tab in at a time, with tokens that grow', async () => {
      const tabs = [await hosts.tab('a'), await hosts.tab('b'), await hosts.tab('c')];
      const tokens = [];
      let inside = 0;
      const work = async ({ token, isHeld }) => {
        assert.equal(++inside, 1);
        assert.ok(isHeld());
        tokens.push(token);
        await new Promise((resolve) => setTimeout(resolve, 2));
        inside -= 1;
      };
      await Promise.all([...tabs, ...tabs].map((tab) => tab.lock('name', work)));
      assert.deepEqual(
        tokens,
        tokens.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(tokens).size, 6);
    });

    it('gives the result of fn, and is free after it threw', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      const failing = a.lock('name', () => Promise.reject(new Error('mine')));
      await assert.rejects(failing, { message: 'mine' });
      assert.equal(await b.lock('name', () => 'result'), 'result');
    });

    it('is free when its holder dies, and across hosts', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      void a.lock('name', () => new Promise(() => {}));
      await untilTrue(() => a._coordination._held.size === 1);
      const waiting = b.lock('name', () => 'b is in');
      assert.equal(await b.whoHolds('name'), a.tabId);
      hosts.crash();
      assert.equal(await b.whoHolds('name'), a.tabId);
      hosts.kill('a');
      assert.equal(await waiting, 'b is in');
    });

    it('times out, is tried again, and can be given up', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      let leave;
      void a.lock('name', () => new Promise((resolve) => (leave = resolve)));
      await untilTrue(() => leave);
      await assert.rejects(
        b.lock('name', { timeout: 5 }, () => assert.fail()),
        { code: 'ERR_LOCK_TIMEOUT', holder: a.tabId },
      );
      const controller = new AbortController();
      const waiting = b.lock('name', { signal: controller.signal }, () => assert.fail());
      controller.abort(new Error('enough'));
      await assert.rejects(waiting, { message: 'enough' });
      const trying = b.lock('name', { timeout: 1, retry: 100 }, () => 'in');
      await new Promise((resolve) => setTimeout(resolve, 20));
      leave();
      assert.equal(await trying, 'in');
    });

    it('ends when it expires, and its holder is told', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      let signal;
      const first = a.lock('name', { expires: 300 }, async (held) => {
        signal = held.signal;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        assert.ok(!held.isHeld());
      });
      await untilTrue(() => signal);
      assert.equal(await b.lock('name', () => 'next'), 'next');
      await assert.rejects(first, { code: 'ERR_LOCK_LOST' });
      assert.equal(signal.reason.code, 'ERR_LOCK_LOST');
    });

    it('finds a deadlock', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      let meet;
      const met = new Promise((resolve) => (meet = resolve));
      let count = 0;
      const both = (tab, one, other) =>
        tab.lock(one, async (held) => {
          if (++count === 2) meet();
          await met;
          return held.lock(other, () => 'both');
        });
      const results = await Promise.allSettled([both(a, 'x', 'y'), both(b, 'y', 'x')]);
      const codes = results.map(({ value, reason }) => value ?? reason.code);
      assert.deepEqual(codes.toSorted(), ['ERR_DEADLOCK', 'both']);
    });

    it('guards a key: one tab is at it, and the others know which', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      let leave;
      const editing = a.guard('row 1', () => new Promise((resolve) => (leave = resolve)));
      await untilTrue(() => leave);
      await assert.rejects(
        b.guard('row 1', () => assert.fail()),
        { code: 'ERR_GUARDED', tabId: a.tabId },
      );
      assert.equal(await b.whoGuards('row 1'), a.tabId);
      assert.equal(await b.guard('row 2', () => 2), 2);
      leave();
      await editing;
      await untilTrue(() => b);
      assert.equal(await b.guard('row 1', () => 1), 1);
    });
  });

  describe('shared state', () => {
    it('is written by the leader, and seen by all before they are registered', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await untilTrue(() => a.isLeader);
      await assert.rejects(b.setState({ n: 1 }), { code: 'ERR_NOT_LEADER' });
      await a.setConfig({ theme: 'dark' });
      await a.setState({ n: 1 });
      await a.setState(({ n }) => ({ n: n + 1 }));
      await untilTrue(() => b.bundle?.snapshot.n === 2);
      assert.deepEqual(b.bundle.config, { theme: 'dark' });
      assert.deepEqual([b.bundle.version, b.bundle.sourceId], [3, a.tabId]);
      const c = await hosts.tab('c');
      assert.deepEqual(c.bundle.snapshot, { n: 2 });
      assert.deepEqual(c.state.sessionData, { n: 2 });
    });

    it('is changed for followers by the leader, who decides', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await untilTrue(() => a.isLeader);
      const synced = event(b, 'state-sync');
      a.handle('reset-request', (payload, from) => a.setState({ payload, from }));
      await b.requestReset(5);
      assert.deepEqual((await synced).snapshot, { payload: 5, from: b.tabId });
    });

    it('converges where all tabs write', async () => {
      const options = { state: { mode: 'distributed' } };
      const tabs = [];
      for (const name of ['a', 'b', 'c']) tabs.push(await hosts.tab(name, options));
      const writes = tabs.flatMap((tab, at) => [tab.setState(at), tab.setState(at + 10)]);
      hosts.crash();
      await Promise.all(writes);
      await Promise.all(tabs.map((tab) => tab.latency()));
      const bundles = tabs.map((tab) => JSON.stringify(tab.bundle));
      assert.equal(new Set(bundles).size, 1, bundles.join());
    });

    it('survives hosts, and is migrated to a later schema', async () => {
      const a = await hosts.tab('a');
      await untilTrue(() => a.isLeader);
      await a.setState({ name: 'Ada Lovelace' });
      hosts.crash();
      const migrations = {
        2: ({ snapshot: { name }, config }) => ({ config, snapshot: { names: name.split(' ') } }),
      };
      const b = await hosts.tab('b', { state: { schema: 2, migrations }, weight: 90 });
      assert.deepEqual(b.bundle.snapshot, { names: ['Ada', 'Lovelace'] });
      await untilTrue(() => b.isLeader);
      const refused = event(a, 'error');
      await b.setState(({ names }) => ({ names: [...names, 'Byron'] }));
      assert.equal((await refused).code, 'ERR_STATE_SCHEMA');
      a.resign();
      await assert.rejects(a.setState({}), { code: 'ERR_STATE_SCHEMA' });
    });

    it('refuses what is no JSON', async () => {
      const a = await hosts.tab('a');
      await untilTrue(() => a.isLeader);
      await assert.rejects(a.setState(1n), { code: 'ERR_PAYLOAD_INVALID' });
      await a.setState(1);
      assert.equal(a.bundle.snapshot, 1);
    });
  });

  describe('one for all', () => {
    it('refreshes once for all tabs that ask', async () => {
      const tabs = [];
      for (const name of ['a', 'b', 'c', 'd', 'e']) tabs.push(await hosts.tab(name));
      let requests = 0;
      const refresh = async () => {
        requests += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
        return `token ${requests}`;
      };
      const tokens = await Promise.all(tabs.map((tab) => tab.refresh(refresh)));
      assert.deepEqual(tokens, Array(5).fill('token 1'));
      assert.equal(await tabs[0].refresh(refresh), 'token 2');
    });

    it('tries a refresh again, and tells its last failure to all', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      let attempts = 0;
      const refused = () => {
        attempts += 1;
        throw Object.assign(new Error(`no ${attempts}`), { code: 'ERR_MINE' });
      };
      const results = await Promise.allSettled([
        a.refresh(refused, { attempts: 2 }),
        b.refresh(refused, { attempts: 2 }),
      ]);
      for (const { reason } of results) assert.equal(reason.message, 'no 2');
      assert.equal(results[1].reason.code, 'ERR_MINE');
      const hanging = a.refresh(() => new Promise(() => {}), { deadline: 10 });
      await assert.rejects(hanging, { code: 'ERR_REFRESH_TIMEOUT' });
    });

    it('gives nobody the token of a session that has ended', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await a.setSession('ada');
      let end;
      const refresh = () => new Promise((resolve) => (end = resolve));
      const results = Promise.allSettled([a.refresh(refresh), b.refresh(refresh)]);
      await untilTrue(() => end);
      await b.setSession('bob');
      end('token of ada');
      for (const { reason } of await results) assert.equal(reason.code, 'ERR_SESSION_CHANGED');
      assert.equal(a.session.id, 'bob');
    });

    it('shows something once, and again where the tab died that showed it', async () => {
      const [a, b, c] = [await hosts.tab('a'), await hosts.tab('b'), await hosts.tab('c')];
      await untilTrue(() => a.isLeader && b.leader);
      const shown = [];
      const ends = {};
      const show = (name) => () => {
        shown.push(name);
        return new Promise((resolve) => (ends[name] = resolve));
      };
      void a.showOnce('terms', show('a')).catch(() => {});
      await untilTrue(() => shown.length === 1);
      const results = [b.showOnce('terms', show('b')), c.showOnce('terms', show('c'))];
      hosts.crash();
      await b.latency();
      assert.equal(shown.length, 1);
      hosts.kill('a');
      await untilTrue(() => shown.length === 2);
      ends[shown[1]]({ accepted: true });
      assert.deepEqual(await Promise.all(results), [{ accepted: true }, { accepted: true }]);
      const d = await hosts.tab('d');
      assert.deepEqual(await d.showOnce('terms', show('d')), { accepted: true });
      assert.equal(shown.length, 2);
    });

    it('runs as leader, and hears when that ends', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      const ran = [];
      const run = (name) => (leading) => ran.push({ name, ...leading });
      a.runAsLeader(run('a'));
      b.runAsLeader(run('b'));
      await untilTrue(() => ran.length === 1);
      a.resign();
      assert.ok(ran[0].signal.aborted);
      await untilTrue(() => ran.length === 2);
      assert.equal(ran[1].name, 'b');
      assert.ok(ran[1].term > ran[0].term);
    });

    it('delegates to a tab or to the leader, and is told of failures', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await untilTrue(() => a.isLeader);
      a.handle('add', ({ x, y }) => x + y);
      b.handle('fail', () => Promise.reject(new Error('mine')));
      assert.equal(await b.delegate('add', { x: 1, y: 2 }), 3);
      await assert.rejects(a.delegate('fail', 1, { to: b.tabId }), { message: 'mine' });
      await assert.rejects(a.delegate('none', 1, { to: b.tabId }), { code: 'ERR_TASK_UNKNOWN' });
      await assert.rejects(a.delegate('add', 1, { to: 'nobody' }), { code: 'ERR_TAB_GONE' });
      let begun = 0;
      b.handle('slow', () => (begun++, new Promise(() => {})));
      const lost = a.delegate('slow', 1, { to: b.tabId });
      await untilTrue(() => begun);
      hosts.crash();
      await a.latency();
      hosts.kill('b');
      await assert.rejects(lost, { code: 'ERR_TAB_GONE' });
      assert.equal(begun, 1);
    });
  });

  describe('session', () => {
    it('ends in all tabs, which stop before anything is deleted', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await untilTrue(() => a.isLeader);
      await a.setState('secret');
      await untilTrue(() => b.bundle);
      const order = [];
      for (const [name, tab] of Object.entries({ a, b })) {
        tab.on('logout', ({ waitUntil }) =>
          waitUntil(Promise.resolve().then(() => order.push(name))),
        );
        tab.on('logged out', () => order.push('out'));
      }
      await b.logout();
      await untilTrue(() => order.length === 4);
      assert.deepEqual(order.slice(2), ['out', 'out']);
      assert.deepEqual([a.bundle, b.bundle], [undefined, undefined]);
      assert.equal(a.session.epoch, 1);
      assert.ok(![...hosts.records.values()].join().includes('secret'));
    });

    it('knows which tabs are of another session', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await a.setSession('ada');
      await b.setSession('ada');
      const mismatch = event(a, 'session mismatch');
      await b.setSession('bob');
      assert.deepEqual((await mismatch).tabs, [a.tabId]);
    });

    it('warns and ends in all tabs at once when the user is idle', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      const events = ['idle-warning', 'idle-timeout'].map((name) => [
        event(a, name),
        event(b, name),
      ]);
      // A machine that stands still for longer than the warning lasts goes straight to the end.
      const times = { warnAfter: 100, timeoutAfter: 1_000 };
      await a.idle(times);
      await b.idle(times);
      assert.ok(Math.abs(a.idleLeft - b.idleLeft) <= 5);
      for (const both of events) {
        const [ofA, ofB] = await Promise.all(both);
        assert.deepEqual(ofA.endsAt, ofB.endsAt);
      }
      assert.equal(a.idleLeft, 0);
    });

    it('puts the end off where the user is active in any tab', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      const warned = event(a, 'idle-warning');
      const back = event(a, 'idle-active');
      await a.idle({ warnAfter: 20, timeoutAfter: 100_000 });
      await warned;
      b.noteActivity();
      await back;
      assert.ok(b.idleLeft > 99_000);
    });

    it('refuses times that are none', async () => {
      const a = await hosts.tab('a');
      await assert.rejects(a.idle({ warnAfter: 2, timeoutAfter: 1 }), {
        code: 'ERR_OPTION_INVALID',
      });
      await assert.rejects(
        a.refresh(() => 1, { attempts: 0 }),
        { code: 'ERR_OPTION_INVALID' },
      );
    });
  });
});
