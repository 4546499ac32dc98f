/** What one user's devices agree on: each has a host and a connection of its own to one ShareDB server. */

import assert from 'node:assert/strict';
import { TabCoordinator } from '../../js-shim/src/coordinator.node.js';
import { untilTrue } from '../until.mjs';
import { Backend, Wire, ours } from './clients.mjs';

const PLACE = { collection: 'devices', id: 'ada' };
const event = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));
describe('devices', () => {
  let backend;
  let all;
  beforeEach(() => {
    backend = new Backend({ presence: true, doNotForwardSendPresenceErrorsToClient: true });
    all = [];
  });
  afterEach(async () => {
    for (const { coordinator, connection } of all) {
      await coordinator.unregister();
      connection.close();
    }
  });

  /** A browser with one tab. */
  async function device(name, options) {
    let wire = new Wire(backend);
    const connection = new ours.Connection(wire.socket);
    wire.open();
    const devices = { ...PLACE, device: name, name, ttl: 3_000, ...options };
    const coordinator = new TabCoordinator({ connection, devices });
    all.push({ coordinator, connection });
    await coordinator.register();
    await untilTrue(() => coordinator.devices.known.some(({ id }) => id === name));
    coordinator.cut = () => wire.close('cut');
    coordinator.join = () => {
      wire = new Wire(backend);
      connection.bindToSocket(wire.socket);
      wire.open();
    };
    return coordinator;
  }

  const names = ({ devices }) => devices.list.map(({ id }) => id).sort();

  it('see each other come, change and go', async () => {
    const a = await device('a', { kind: 'desk', capabilities: ['printer'] });
    const joined = event(a.devices, 'join');
    const b = await device('b');
    assert.equal((await joined).id, 'b');
    await untilTrue(() => names(b).length === 2);
    const desk = b.devices.list.find(({ isSelf }) => !isSelf);
    assert.deepEqual([desk.name, desk.kind, desk.tabs], ['a', 'desk', 1]);
    assert.deepEqual(desk.capabilities.more, ['printer']);
    assert.equal(desk.capabilities.visible, true);
    const changed = event(b.devices, 'change');
    a.devices.configure({ name: 'desk of Ada' });
    assert.equal((await changed).name, 'desk of Ada');
    await untilTrue(() => b.devices.known.some(({ name }) => name === 'desk of Ada'));
    const left = event(a.devices, 'leave');
    b.cut();
    assert.equal((await left).id, 'b');
    assert.deepEqual(names(a), ['a']);
    assert.deepEqual(a.devices.known.map(({ id }) => id).sort(), ['a', 'b']);
  });

  it('are seen by the time of the server, where it stamps presence', async () => {
    const HOUR = 3_600_000;
    backend.use('receivePresence', ({ presence }, next) => {
      if (presence.p) presence.p.stamp = Date.now() + HOUR;
      next();
    });
    const a = await device('a');
    const begin = Date.now() + HOUR;
    await device('b');
    await untilTrue(() => names(a).length === 2);
    const { since, seen } = a.devices.list.find(({ id }) => id === 'b');
    assert.ok(since >= begin - 1_000 && seen >= begin && seen <= Date.now() + HOUR, `${since}`);
  });

  it('make the document once, however many come at once', async () => {
    await Promise.all(['a', 'b', 'c'].map((name) => device(name)));
    await untilTrue(() => all.every(({ coordinator }) => names(coordinator).length === 3));
    const { data } = all[0].connection.get(PLACE.collection, PLACE.id);
    await untilTrue(() => data.known.length === 3);
  });

  it('hold a lease one at a time, by tokens that grow', async () => {
    const [a, b] = [await device('a'), await device('b')];
    const first = await a.lease('report');
    assert.ok(first.isHeld());
    await assert.rejects(b.lease('report', { timeout: 20 }), {
      code: 'ERR_LEASE_TIMEOUT',
      holder: 'a',
    });
    const second = b.lease('report', ({ token, isHeld }) => [token, isHeld()]);
    first.resign();
    assert.ok(!first.isHeld());
    const [token, isHeld] = await second;
    assert.ok(isHeld && token > first.token, `${token} after ${first.token}`);
    const third = await a.lease('report');
    assert.ok(third.token > token);
    third.resign();
  });

  it('take a lease over from a device that is silent, which has stopped before', async () => {
    const [a, b] = [await device('a'), await device('b')];
    const first = await a.lease('report', { ttl: 1_000 });
    const lost = new Promise((resolve) => first.signal.addEventListener('abort', resolve));
    a.cut();
    const second = await b.lease('report', { ttl: 1_000 });
    assert.ok(first.signal.aborted && !first.isHeld());
    await lost;
    assert.equal(first.signal.reason.code, 'ERR_LEASE_LOST');
    assert.ok(second.token > first.token);
    // What the first one says late changes nothing.
    a.join();
    await untilTrue(() => names(a).length === 2);
    assert.ok(second.isHeld() && !second.signal.aborted);
    second.resign();
  });

  it('keep a lease for longer than its ttl', async () => {
    const [a, b] = [await device('a'), await device('b')];
    const lease = await a.lease('report', { ttl: 1_000 });
    await assert.rejects(b.lease('report', { ttl: 1_000, timeout: 2_500 }), {
      code: 'ERR_LEASE_TIMEOUT',
    });
    assert.ok(lease.isHeld());
    lease.resign();
  });

  it('run a function on one of them, and on the next one when that is gone', async () => {
    const [a, b] = [await device('a'), await device('b')];
    const runs = [];
    const run = (name) => (lease) => {
      runs.push({ name, lease });
      return new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
    };
    a.runOnOneDevice(run('a'), { ttl: 1_000 });
    await untilTrue(() => runs.length === 1);
    const end = b.runOnOneDevice(run('b'), { ttl: 1_000 });
    await a.unregister();
    await untilTrue(() => runs.length === 2);
    assert.deepEqual(
      runs.map(({ name }) => name),
      ['a', 'b'],
    );
    assert.ok(runs[0].lease.signal.aborted && runs[1].lease.token > runs[0].lease.token);
    end();
    assert.ok(runs[1].lease.signal.aborted);
  });

  it('take messages, also those that came while they were away', async () => {
    const [a, b] = [await device('a'), await device('b')];
    const heard = [];
    const take = (name) => (message) => void heard.push([name, message]);
    b.devices.receive(take('b'));
    assert.deepEqual(await a.devices.send({ n: 1 }, { to: 'b' }), ['b']);
    const [[, first]] = heard;
    assert.deepEqual([first.from, first.priority, first.payload], ['a', 'normal', { n: 1 }]);
    b.cut();
    await untilTrue(() => names(a).length === 1);
    for (const priority of ['low', 'security']) {
      await assert.rejects(a.devices.send(priority, { priority, timeout: 20 }), {
        code: 'ERR_DEVICE_UNREACHED',
        devices: ['b'],
      });
    }
    b.join();
    await untilTrue(() => heard.length === 3);
    assert.deepEqual(
      heard.slice(1).map(([, { payload }]) => payload),
      ['security', 'low'],
    );
    const doc = all[0].connection.get(PLACE.collection, PLACE.id);
    await untilTrue(() => doc.data.messages.length === 0);
  });

  it('tell the sender what a receiver threw, and take a message only when it has been handled', async () => {
    const [a, b] = [await device('a'), await device('b')];
    let goOn;
    const end = b.devices.receive(() => new Promise((resolve) => (goOn = resolve)));
    const sent = a.devices.send('wait', { to: 'b' });
    await untilTrue(() => goOn);
    const { data } = all[0].connection.get(PLACE.collection, PLACE.id);
    assert.deepEqual(data.messages[0].acks, {});
    goOn();
    assert.deepEqual(await sent, ['b']);
    end();
    b.devices.receive(() => {
      throw new Error('not now');
    });
    await assert.rejects(a.devices.send('no', { to: 'b' }), {
      code: 'ERR_MESSAGE_REFUSED',
      message: 'not now',
      devices: 'b',
    });
  });

  it('choose the best one', async () => {
    const a = await device('a');
    const b = await device('b', { capabilities: ['printer'] });
    b.devices.receive(() => {});
    await untilTrue(() => names(a).length === 2);
    assert.deepEqual(await a.devices.send('print', { to: { best: ['printer'] } }), ['b']);
    await assert.rejects(a.devices.send('scan', { to: { best: ['scanner'] } }), {
      code: 'ERR_DEVICE_NONE',
    });
    await assert.rejects(a.devices.send('x', { to: 'nobody' }), { code: 'ERR_DEVICE_UNKNOWN' });
  });

  it('show a notification on all, and read it on all', async () => {
    const [a, b] = [await device('a'), await device('b')];
    const shown = event(b.devices, 'notification');
    const id = await a.devices.notify('news');
    await a.devices.notify('alarm', { priority: 'security' });
    assert.deepEqual([(await shown).payload, (await shown).missed], ['news', false]);
    await untilTrue(() => b.devices.notifications.length === 2);
    assert.deepEqual(
      b.devices.notifications.map(({ payload }) => payload),
      ['alarm', 'news'],
    );
    const read = event(a.devices, 'read');
    b.devices.markRead(id);
    assert.deepEqual([(await read).id, (await read).readOn], [id, 'b']);
    const c = await device('c');
    assert.deepEqual(
      c.devices.notifications.map(({ payload, readOn, missed }) => [payload, readOn, missed]),
      [
        ['alarm', null, true],
        ['news', 'b', true],
      ],
    );
  });

  it('go on where the server refuses what they say', async () => {
    let refuses = false;
    const isOurs = ({ collection }) => collection === PLACE.collection;
    backend.use('apply', (context, next) =>
      next(refuses && isOurs(context) ? new Error('not allowed') : undefined),
    );
    const [a, b] = [await device('a'), await device('b')];
    refuses = true;
    await assert.rejects(a.lease('report'), { message: 'not allowed' });
    await assert.rejects(a.devices.notify('news'), { message: 'not allowed' });
    await assert.rejects(a.devices.send('x', { to: 'b' }), { message: 'not allowed' });
    refuses = false;
    b.devices.receive(() => {});
    assert.deepEqual(await a.devices.send('x', { to: 'b' }), ['b']);
    (await a.lease('report')).resign();
  });

  it('refuse what is no option, and what is not set up', async () => {
    const connection = ours.createConnection(backend);
    const make = (devices) => () => new TabCoordinator({ connection, devices });
    assert.throws(make({ id: 'ada' }), { code: 'ERR_OPTION_INVALID' });
    assert.throws(make({ ...PLACE, ttl: 1 }), { code: 'ERR_OPTION_INVALID' });
    assert.throws(make({ ...PLACE, nmae: 'x' }), { code: 'ERR_OPTION_UNKNOWN' });
    assert.throws(() => new TabCoordinator({ namespace: 'x', devices: PLACE }), {
      code: 'ERR_OPTION_INVALID',
    });
    const without = new TabCoordinator({ connection });
    assert.throws(() => without.devices, { code: 'ERR_DEVICES_NOT_SET_UP' });
    await assert.rejects(without.lease('x'), { code: 'ERR_DEVICES_NOT_SET_UP' });
    connection.close();
    const a = await device('a');
    await assert.rejects(a.lease('x', { ttl: 1 }), { code: 'ERR_OPTION_INVALID' });
    await assert.rejects(a.lease(''), { code: 'ERR_OPTION_INVALID' });
    await assert.rejects(a.devices.send('x'.repeat(20_000)), { code: 'ERR_PAYLOAD_INVALID' });
    await assert.rejects(a.devices.send('x', { priority: 'top' }), { code: 'ERR_OPTION_INVALID' });
    await assert.rejects(a.devices.send('x', { to: 7 }), { code: 'ERR_OPTION_INVALID' });
    await a.unregister();
    await assert.rejects(a.devices.send('x'), { code: 'ERR_COORDINATOR_CLOSED' });
    await assert.rejects(a.lease('x'), { code: 'ERR_COORDINATOR_CLOSED' });
  });
});
