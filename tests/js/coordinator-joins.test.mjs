/** How a tab becomes one of the tabs, how it ends to be one, and what it hears of the others after it heard nothing. */

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { TabCoordinator } from '../../js-shim/src/coordinator.node.js';
import { untilTrue } from '../until.mjs';
import { Hosts } from './coordinator-hosts.mjs';
import { withGlobals } from './globals.mjs';

/** Notes what events a coordinator has of other tabs, and what messages. */
function noting(tab, ...events) {
  const notes = [];
  for (const event of events) {
    tab.on(event, (info) => notes.push([event, info.id ?? info.tabId]));
  }
  return notes;
}

describe('coordinator: joining and leaving', () => {
  let hosts;
  beforeEach(() => (hosts = new Hosts()));
  afterEach(() => hosts.end());

  const unregistered = (name) => new TabCoordinator({ connection: hosts.connection(name) });

  it('joins also where tabs cannot see each other, and says so', async () => {
    await withGlobals({ isSecureContext: false, navigator: {} }, async () => {
      const alone = new TabCoordinator({ namespace: 'ada' });
      const told = [];
      alone.on('error', ({ code }) => told.push(code));
      await alone.register();
      assert.deepEqual(told, ['ERR_HOST_ALONE']);
      await untilTrue(() => alone.isLeader);
      assert.equal(alone.tabs.length, 1);
      assert.match(alone.limits[0], /each of them is alone/);
      await alone.unregister();
    });
  });

  it('joins also where what the tabs share has a later schema', async () => {
    const a = await hosts.tab('a', { state: { schema: 2 } });
    await untilTrue(() => a.isLeader);
    await a.setState({ at: 'two' });
    const b = unregistered('b');
    const told = [];
    b.on('error', ({ code }) => told.push(code));
    await b.register();
    assert.deepEqual(told, ['ERR_STATE_SCHEMA']);
    assert.equal(b.connectedTabs.size, 2);
  });

  it('does not wait for a host when it has left', async () => {
    const [left, closed] = [unregistered('left'), unregistered('closed')];
    hosts.end();
    const registrations = [left.register(), closed.register()];
    await left.unregister();
    closed._connection.close();
    for (const registration of [...registrations, left.register(), closed.register()])
      await assert.rejects(registration, { code: 'ERR_COORDINATOR_CLOSED' });
  });

  it('has ended with its connection', async () => {
    const [a, b] = [await hosts.tab('a'), await hosts.tab('b')];
    await untilTrue(() => a.isLeader || b.isLeader);
    const leader = a.isLeader ? a : b;
    let looks = 0;
    const estimate = async () => ((looks += 1), {});
    await withGlobals({ navigator: { storage: { estimate } } }, async () => {
      leader.watchStorage({ interval: 1 });
      await untilTrue(() => looks > 1);
      leader._connection.close();
      const before = looks;
      await setTimeout(20);
      assert.equal(looks, before, 'it watches nothing any more');
    });
    assert.deepEqual([leader.isLeader, leader.leader, leader.tabs], [false, undefined, []]);
  });

  describe('after it heard nothing', () => {
    const CHANGES = ['join', 'leave', 'frozen', 'resumed', 'connect', 'disconnect'];

    /** Something happens while the host's messages do not reach this tab. */
    async function missing(watcher, happen) {
      const link = hosts.links.get('watcher');
      hosts.links.delete('watcher');
      await happen();
      hosts.links.set('watcher', link);
      link._changeHost();
      await watcher.latency();
    }

    it('hears which tabs came, froze, are back, and are gone', async () => {
      const watcher = await hosts.tab('watcher');
      const [frozen, gone, back] = [
        await hosts.tab('frozen'),
        await hosts.tab('gone'),
        await hosts.tab('back'),
      ];
      back._coordination.goAway();
      await untilTrue(() => watcher.tabs.some(({ frozen }) => frozen));
      const notes = noting(watcher, ...CHANGES);
      let came;
      await missing(watcher, async () => {
        hosts.kill('gone');
        frozen._coordination.goAway();
        back._connection._changeHost();
        came = await hosts.tab('came');
        await came.latency();
        await untilTrue(() => came.tabs.length === 4);
      });
      assert.deepEqual(
        notes.sort(),
        [
          ['connect', came.tabId],
          ['disconnect', gone.tabId],
          ['frozen', frozen.tabId],
          ['join', came.tabId],
          ['leave', gone.tabId],
          ['resumed', back.tabId],
        ].sort(),
      );
    });
  });

  it('refuses what it cannot carry out', async () => {
    const tab = await hosts.tab('a');
    const unknown = { code: 'ERR_OPTION_UNKNOWN' };
    const invalid = { code: 'ERR_OPTION_INVALID' };
    assert.throws(() => tab.watchStorage({ threshold: [0.5] }), unknown);
    assert.throws(() => tab.watchStorage({ thresholds: 0.5 }), invalid);
    assert.throws(() => tab.watchStorage({ thresholds: [80] }), invalid);
    assert.throws(() => tab.watchStorage({ interval: 0 }), invalid);
    assert.throws(() => tab.handle('task'), invalid);
    assert.throws(() => tab.configure({ wieght: 3 }), unknown);
    await assert.rejects(
      tab.refresh(() => {}, { timeout: 3 }),
      unknown,
    );
    await assert.rejects(tab.delegate('task', null, { tab: 'b' }), unknown);
  });
});
