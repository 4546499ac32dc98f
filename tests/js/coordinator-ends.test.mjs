/** The ends of coordination: of a session where a tab is away or blocked, of a page that is loaded anew, of a store that is gone. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { untilTrue } from '../until.mjs';
import { Hosts } from './coordinator-hosts.mjs';

const event = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

describe('coordinator: ends', () => {
  let hosts;
  beforeEach(() => (hosts = new Hosts()));
  afterEach(() => hosts.end());

  /** The tab's page is kept for the user. It hears nothing until it is back. */
  const leave = (tab) => tab._coordination.goAway();
  const comeBack = (tab) => tab._connection._changeHost();

  describe('a session', () => {
    it('has ended for a tab that was away, when that is back', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await a.setSession('ada');
      await untilTrue(() => b.session.id === 'ada');
      const heard = [];
      b.on('logged out', () => heard.push('logged out'));
      leave(b);
      const late = b.setSession('ada');
      late.catch(() => {});
      await untilTrue(() => a.connectedTabs.size === 1);
      await a.logout();
      assert.deepEqual(heard, []);
      comeBack(b);
      await untilTrue(() => heard.length);
      await assert.rejects(late, { code: 'ERR_SESSION_CHANGED' });
      assert.equal(b.session.id, undefined);
      assert.equal(a.session.id, undefined, 'it is not brought back');
      comeBack(b);
      await b.latency();
      assert.deepEqual(heard, ['logged out'], 'once');
    });

    it('has ended also where the tab comes back to another host that nobody told', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await a.setSession('ada');
      await untilTrue(() => b.session.id === 'ada');
      leave(b);
      await untilTrue(() => a.connectedTabs.size === 1);
      await a.logout();
      hosts.kill('a');
      // The other tabs are gone, and what was kept for them is.
      const isMine = (tab) => tab === 'b';
      const { links } = hosts;
      hosts.links = new Map([...links].filter(([tab]) => !isMine(tab)));
      hosts.crash();
      hosts.links = links;
      const out = event(b, 'logged out');
      comeBack(b);
      await out;
      assert.equal(b.session.id, undefined);
    });

    it('forgets what was shown once', async () => {
      const a = await hosts.tab('a');
      assert.equal(await a.showOnce('terms', () => 'yes'), 'yes');
      assert.equal(await a.showOnce('terms', () => 'again'), 'yes');
      await a.logout();
      assert.equal(await a.showOnce('terms', () => 'again'), 'again');
    });
  });

  describe('reload', () => {
    it('is decided by the leader, and told to all in one event', async () => {
      const tabs = [await hosts.tab('a'), await hosts.tab('b'), await hosts.tab('c')];
      const told = [];
      for (const tab of tabs) {
        tab.on('reload', (reload) => told.push([tab.tabId, reload]));
        tab.on('message', () => assert.fail('it is no message'));
      }
      await untilTrue(() => tabs.some(({ isLeader }) => isLeader));
      const leader = tabs.find(({ isLeader }) => isLeader);
      const asker = tabs.find(({ isLeader }) => !isLeader);
      assert.equal(await asker.reload({ build: 7 }), true);
      await untilTrue(() => told.length === 3);
      assert.equal(new Set(told.map(([id]) => id)).size, 3);
      for (const [, reload] of told)
        assert.deepEqual(reload, { payload: { build: 7 }, tabId: asker.tabId });
      leader.handle('reload-request', ({ build }) => build > 7);
      assert.equal(await asker.reload({ build: 7 }), false);
      await asker.latency();
      assert.equal(told.length, 3);
    });
  });

  describe('the leader to be', () => {
    it('is told where only that changes', async () => {
      const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
      await untilTrue(() => a.isLeader || b.isLeader);
      const [leader, backup] = a.isLeader ? [a, b] : [b, a];
      await untilTrue(() => leader._leadership.backup === backup.tabId);
      const changed = event(leader, 'backup');
      const c = await hosts.tab('c', { weight: 30 });
      assert.deepEqual(await changed, { backup: c.tabId, isBackup: false });
      await untilTrue(() => c.role === 'backup');
    });
  });

  describe('a store', () => {
    it('that was emptied is noticed, and one that was deleted by a logout is none', async () => {
      hosts.end();
      hosts = new Hosts({ retention: 'durable' });
      const a = await hosts.tab('a', {}, { durableStore: true, namespace: 'ada' });
      await untilTrue(() => a._connection.storage.durable);
      const events = [];
      a.on('storage', (storage) => events.push(storage));
      const end = a.watchStorage({ interval: 5 });
      await new Promise((resolve) => setTimeout(resolve, 30));
      assert.deepEqual(events, []);
      hosts.records.clear();
      hosts.crash();
      await untilTrue(() => events.length);
      assert.equal(events[0].evicted, true);
      end();
    });
  });

  it('can be required in Node', async () => {
    const require = createRequire(new URL('../../js-shim/dist/', import.meta.url));
    const { TabCoordinator, WorkerMessageType } = require('sharedb-proxy/coordinator');
    const { Connection } = require('sharedb-proxy');
    assert.equal(WorkerMessageType.CONNECT, 'connect');
    const alone = new TabCoordinator({ namespace: 'alone' });
    await alone.register();
    assert.equal(await alone.lock('name', () => 7), 7);
    await alone.unregister();
    // Beside the other bundle, on its connection.
    const connection = new Connection({ readyState: 3, send() {}, close() {} });
    const tabs = new TabCoordinator({ connection });
    await tabs.register();
    await untilTrue(() => tabs.isLeader);
    const wrong = { code: 'ERR_PAYLOAD_INVALID' };
    await assert.rejects(tabs.sendMessage('error', 1n), wrong);
    await tabs.unregister();
  });
});
