/** What an application sees when a machine crashes, or would have. */

import assert from 'node:assert/strict';
import { isDead } from '../../js-shim/src/cores/cores.js';
import { HostCore, hostModule } from '../../js-shim/src/cores/host-core.js';
import { Backend, Wire, call, connect, ours, settle, stock, until } from './clients.mjs';
import { TabCore, tabModule } from '../../js-shim/src/cores/tab-core.js';
import { typesBridge } from '../../js-shim/src/cores/types-bridge.js';
import { OneHost } from './one-host.mjs';
import { TRAP } from './trap.mjs';

const add = [{ p: ['n'], na: 1 }];

/** Names of what engines throw where the stack ends. */
const isOverflow = ({ name }) => name === 'RangeError';

/** A connected document that calls itself by its `op` event, and what its callbacks were given. */
async function recursive(client, listen) {
  const backend = new Backend();
  const { connection, wire } = await connect(client, backend);
  const doc = connection.get('c', 'd');
  await call(doc, 'create', { n: 0 });
  const ends = [];
  const state = { submitted: 0, connection, wire, doc, ends };
  const submit = () => {
    state.submitted += 1;
    doc.submitOp(add, (error) => ends.push(error));
  };
  const listener = () => listen(submit, doc);
  doc.on('op', listener);
  try {
    submit();
  } catch (error) {
    state.thrown = error;
  }
  doc.off('op', listener);
  await settle();
  return state;
}

for (const [name, client] of Object.entries({ stock, ours })) {
  describe(`a listener that submits without end (${name})`, () => {
    it('gets the end of the stack as an error, and the next op is committed', async () => {
      const { submitted, doc, ends, connection } = await recursive(client, (submit) => submit());
      assert.ok(submitted > 50, `${submitted} levels`);
      // The one that did not fit was not taken.
      assert.ok(submitted - ends.length <= 1, `${submitted} submitted, ${ends.length} ended`);
      assert.ok(ends.every(isOverflow));
      assert.deepEqual([doc.data, doc.version, connection.state], [{ n: 0 }, 1, 'connected']);
      await call(doc, 'submitOp', add);
      assert.deepEqual([doc.data, doc.version], [{ n: 1 }, 2]);
    });

    it('may catch it, and all that fitted is committed', async () => {
      const { submitted, doc, ends } = await recursive(client, (submit) => {
        try {
          submit();
        } catch (error) {
          if (!isOverflow(error)) throw error;
        }
      });
      assert.ok(submitted > 50, `${submitted} levels`);
      const committed = ends.filter((error) => !error).length;
      assert.equal(doc.data.n, committed);
      await call(doc, 'submitOp', add);
      assert.deepEqual(doc.data, { n: committed + 1 });
    });
  });
}

describe('a listener that submits without end', () => {
  it('leaves the machine alive when it asks and reads at the end of the stack, too', async () => {
    let deepest = 0;
    const { connection, doc } = await recursive(ours, (submit, doc) => {
      const deepen = () => {
        deepest += 1;
        void [doc.version, doc.hasWritePending(), doc.connection.state];
        doc.fetch();
        doc.flush();
        deepen();
      };
      try {
        submit();
      } catch (error) {
        if (!deepest) deepen();
        throw error;
      }
    });
    assert.ok(deepest > 0);
    assert.equal(isDead(connection._core), false);
    await call(doc, 'submitOp', add);
    assert.equal(doc.hasPending(), false);
  });
});

/** The machine of the tab traps in a call. */
const crash = (connection) => connection._run(() => connection._core.get('c', TRAP));

/** Notes how often a callback is called, and with which code. */
function counted() {
  const ends = [];
  return Object.assign((error) => ends.push(error ? (error.code ?? error.message) : 'ok'), {
    ends,
  });
}

/** Runs `test` while a method of all machines of tabs traps. */
async function whileTrapping(method, test) {
  const { get } = TabCore.prototype;
  const before = Object.getOwnPropertyDescriptor(TabCore.prototype, method);
  Object.defineProperty(TabCore.prototype, method, {
    ...before,
    value() {
      // It traps before it comes to a document.
      if (method === 'handleMessage') before.value.call(this, 'null');
      get.call(this, 'c', TRAP);
    },
  });
  try {
    await test();
  } finally {
    Object.defineProperty(TabCore.prototype, method, before);
  }
}

/** A document with `n` in one of two tabs of a host, subscribed in both. */
async function twoTabs() {
  const host = new OneHost(new Backend({ presence: true }));
  // The tabs of other tests do not die with these.
  tabModule.separate();
  const one = await host.tab('a');
  tabModule.separate();
  const other = await host.tab('b');
  const docs = [one, other].map((connection) => connection.get('c', 'd'));
  await call(docs[0], 'create', { n: 0 });
  for (const doc of docs) await call(doc, 'subscribe');
  return { host, one, other, docs };
}

describe("a tab's machine that traps", () => {
  it('is replaced, and the documents go on', async () => {
    const { one, docs } = await twoTabs();
    const events = [];
    one.on('state', (state) => events.push(state));
    docs[0].on('load', () => events.push('load'));
    crash(one);
    await settle();
    assert.deepEqual(events, ['disconnected', 'connected', 'load']);
    assert.deepEqual([docs[0].data, docs[0].version, docs[0].subscribed], [{ n: 0 }, 1, true]);
    assert.equal(one.get('c', 'd'), docs[0]);
    await call(docs[1], 'submitOp', add);
    await call(docs[0], 'submitOp', add);
    await settle();
    for (const doc of docs) assert.deepEqual(doc.data, { n: 2 });
  });

  it('costs another tab nothing', async () => {
    const { one, other, docs } = await twoTabs();
    const events = [];
    other.on('state', (state) => events.push(state));
    for (const event of ['load', 'error', 'del', 'create'])
      docs[1].on(event, () => events.push(event));
    const end = counted();
    docs[0].submitOp(add, () => {});
    docs[1].submitOp(add, end);
    crash(one);
    await settle();
    assert.deepEqual([events, end.ends], [[], ['ok']]);
  });

  it('leaves ops that were sent to the host, and each callback comes once', async () => {
    const { host, one, docs } = await twoTabs();
    const [sent, accepted] = [counted(), counted()];
    host.wire.gated = true;
    docs[0].submitOp(add, accepted);
    await settle();
    docs[0].submitOp(add, sent);
    docs[0].flush();
    crash(one);
    await settle();
    assert.deepEqual([docs[0].data, docs[0].hasWritePending()], [{ n: 2 }, true]);
    assert.deepEqual([accepted.ends, sent.ends], [[], []]);
    const nothing = counted();
    docs[0].once('no write pending', () => nothing());
    await host.wire.exchange();
    assert.deepEqual([accepted.ends, sent.ends, nothing.ends], [['ok'], ['ok'], ['ok']]);
    for (const doc of docs)
      assert.deepEqual([doc.data, doc.version, doc.hasPending()], [{ n: 2 }, 3, false]);
  });

  it('ends ops that were not sent with a code, and gives them back', async () => {
    const { one, docs } = await twoTabs();
    const errors = [];
    const silent = one.get('c', 'silent');
    silent.on('error', (error) => errors.push(error));
    docs[0].submitOp(add, (error) => errors.push(error));
    silent.create({ list: [] });
    silent.submitOp([{ p: ['list', 0], li: 1 }]);
    silent.del();
    crash(one);
    await settle();
    assert.deepEqual(
      errors.map(({ code, discarded }) => ({ code, discarded })),
      [
        { code: 'ERR_CLIENT_CRASHED', discarded: [{ op: add }] },
        {
          code: 'ERR_CLIENT_CRASHED',
          discarded: [
            { create: { type: ours.types.defaultType.uri, data: { list: [] } } },
            { op: [{ p: ['list', 0], li: 1 }] },
            { del: true },
          ],
        },
      ],
    );
    for (const doc of docs) assert.deepEqual(doc.data, { n: 0 });
    assert.deepEqual([silent.type, one.hasPending()], [null, false]);
    await call(silent, 'create', { list: [1] });
  });

  it('has reads, queries and snapshots answered by the next one', async () => {
    const { one, other } = await twoTabs();
    const far = other.get('c', 'far');
    await call(far, 'create', { n: 5 });
    const end = counted();
    const results = [];
    const doc = one.get('c', 'far');
    doc.fetch(end);
    doc.subscribe(end);
    one.createFetchQuery('c', {}, {}, (error, docs) => results.push(error ?? docs.length));
    one.fetchSnapshot('c', 'd', 1, (error, { data }) => results.push(error ?? data));
    const query = one.createSubscribeQuery('c', {}, {}, () => {});
    crash(one);
    await settle();
    assert.deepEqual(end.ends, ['ok', 'ok']);
    assert.deepEqual(
      results.sort((a, b) => (typeof a < typeof b ? -1 : 1)),
      [2, { n: 0 }],
    );
    assert.deepEqual([doc.data, doc.subscribed, query.results.length], [{ n: 5 }, true, 2]);
    await call(other.get('c', 'new'), 'create', {});
    await settle();
    assert.equal(query.results.length, 3);
  });

  it('goes on with what the application set', async () => {
    const { one, docs } = await twoTabs();
    Object.assign(docs[0], { preventCompose: true, submitSource: true });
    docs[0].pause();
    const left = one.get('c', 'left');
    left.subscribe();
    await settle();
    left.unsubscribe();
    crash(one);
    await settle();
    const { preventCompose, submitSource, paused } = docs[0];
    assert.deepEqual([preventCompose, submitSource, paused], [true, true, true]);
    assert.deepEqual([left.wantSubscribe, left.subscribed], [false, false]);
    docs[0].submitOp(add);
    await settle();
    assert.deepEqual(docs[1].data, { n: 0 });
    docs[0].resume();
    await settle();
    assert.deepEqual(docs[1].data, { n: 1 });
  });

  it('shows and is shown presence again', async () => {
    const { one, other } = await twoTabs();
    const [presence, far] = [one, other].map((connection) => connection.getPresence('cursors'));
    for (const it of [presence, far]) await call(it, 'subscribe');
    const [local, remote] = [presence.create('mine'), far.create('theirs')];
    await call(local, 'submit', 1);
    await call(remote, 'submit', 2);
    await settle();
    const received = [];
    presence.on('receive', (id, value) => received.push([id, value]));
    const end = counted();
    local.submit(3, end);
    crash(one);
    await settle();
    assert.deepEqual(received, [
      ['theirs', null],
      ['theirs', 2],
    ]);
    assert.deepEqual([far.remotePresences, end.ends], [{ mine: 3 }, ['ok']].map(bare));
    assert.equal(presence.subscribed, true);
  });

  it('ends other calls with a code', async () => {
    const { one } = await twoTabs();
    const end = counted();
    one.hostStatus(end);
    crash(one);
    await settle();
    assert.deepEqual(end.ends, ['ERR_CLIENT_CRASHED']);
  });

  it('in a listener of an op ends that op, too', async () => {
    const { one, docs } = await twoTabs();
    docs[0].once('op', () => crash(one));
    const [end, later] = [counted(), counted()];
    docs[0].submitOp(add, end);
    await settle();
    assert.deepEqual(end.ends, ['ERR_CLIENT_CRASHED']);
    docs[0].submitOp(add, later);
    await settle();
    assert.deepEqual([later.ends, docs[1].data], [['ok'], { n: 1 }]);
  });

  it('is replaced before the next call', async () => {
    const { one, docs } = await twoTabs();
    crash(one);
    const end = counted();
    assert.equal(docs[0].version, null);
    docs[0].submitOp(add, end);
    await settle();
    assert.deepEqual([end.ends, docs[0].data], [['ERR_DOC_IN_HARD_ROLLBACK'], { n: 0 }]);
  });

  it('leaves a closed connection closed', async () => {
    const { one } = await twoTabs();
    one.close();
    const states = [];
    one.on('state', (state) => states.push(state));
    crash(one);
    await settle();
    assert.deepEqual([one.state, states], ['closed', []]);
  });

  for (const method of ['hostLost', 'register', 'handleMessage', 'get', 'close'])
    it(`again and again in ${method} closes the connection with an error`, async () => {
      const { one, other, docs } = await twoTabs();
      const { state } = other;
      const [errors, states] = [[], []];
      one.on('error', (error) => errors.push(error.code));
      one.on('closed', () => states.push('closed'));
      const [end, status] = [counted(), counted()];
      docs[0].submitOp(add, end);
      one.hostStatus(status);
      await whileTrapping(method, async () => {
        while (one.state !== 'closed') {
          crash(one);
          await settle();
        }
      });
      assert.deepEqual([errors, states, one.state], [['ERR_CORE_DEAD'], ['closed'], 'closed']);
      assert.deepEqual([end.ends.length, status.ends.length], [1, 1]);
      const refused = counted();
      one.hostStatus(refused);
      await settle();
      assert.deepEqual(refused.ends, ['ERR_CONNECTION_CLOSED']);
      await call(docs[1], 'submitOp', add);
      assert.deepEqual([state, other.state], ['connected', 'connected']);
    });

  it('again and again on one document leaves that alone, and the others go on', async () => {
    const { one, other, docs } = await twoTabs();
    await call(other.get('c', 'poison'), 'create', {});
    const poison = one.get('c', 'poison');
    const { resolve } = typesBridge;
    let crashes = 0;
    // An exception of a type's registry goes through the machine as a trap does.
    typesBridge.resolve = (name) => {
      if (!one._busy || one._touched.look() !== poison._handle) return resolve(name);
      crashes += 1;
      throw new WebAssembly.RuntimeError('unreachable');
    };
    const [errors, end] = [[], counted()];
    poison.on('error', (error) => errors.push(error.code));
    try {
      poison.subscribe(end);
      await until('it has an end', () => end.ends.length);
      await settle();
    } finally {
      typesBridge.resolve = resolve;
    }
    const CODE = 'ERR_INPUT_QUARANTINED';
    assert.deepEqual([end.ends, errors, crashes], [[CODE], [CODE], 2]);
    for (const ask of ['fetch', 'subscribe', 'del'])
      await assert.rejects(call(poison, ask), { code: CODE });
    await call(docs[0], 'submitOp', add);
    await settle();
    for (const doc of docs) assert.deepEqual(doc.data, { n: 1 });
    // Other tabs have it, and this one can leave it.
    await call(other.get('c', 'poison'), 'submitOp', [{ p: ['a'], oi: 1 }]);
    await call(poison, 'destroy');
    assert.equal(one.state, 'connected');
  });

  it('by the end of the stack in a recursion of the application tells it, and is replaced', async () => {
    const { one, docs } = await twoTabs();
    const ends = [];
    const recurse = () => {
      docs[0].submitOp(add, (error) => ends.push(error));
      recurse();
    };
    assert.throws(recurse, isOverflow);
    const version = docs[0].version;
    await settle();
    assert.ok(version === 1 || version === null);
    assert.ok(ends.every((error) => !error || error.code === 'ERR_CLIENT_CRASHED'));
    await call(docs[0], 'submitOp', add);
    for (const doc of docs) assert.deepEqual(doc.data, { n: 1 + ends.filter((e) => !e).length });
    assert.equal(one.state, 'connected');
  });
});

/** The machine of the host in the page traps in a call. */
const crashHost = (connection) => connection._link._run((core) => core.handleTab('t', TRAP));

/** Connections with a host each, that of the first over a store or in memory; the first document exists and is subscribed. */
async function ownHosts(durableStore) {
  const backend = new Backend();
  const wire = new Wire(backend);
  hostModule.separate();
  const one = new ours.Connection(wire.socket, { durableStore });
  wire.open();
  hostModule.separate();
  const { connection: other } = await connect(ours, backend);
  await settle();
  const docs = [one, other].map((connection) => connection.get('c', 'd'));
  await call(docs[0], 'create', { n: 0 });
  for (const doc of docs) await call(doc, 'subscribe');
  return { backend, wire, one, other, docs };
}

describe('a host in the page that traps', () => {
  for (const [kind, makeStore] of [
    ['with a store', () => ({ storage: new ours.InMemoryStorage() })],
    ['in memory', () => undefined],
  ]) {
    it(`${kind} is replaced, and the documents go on over the same socket`, async () => {
      const { wire, one, docs } = await ownHosts(makeStore());
      const states = [];
      one.on('state', (state) => states.push(state));
      crashHost(one);
      await until('it is connected again', () => states.includes('connected'));
      await settle();
      assert.equal(one.socket, wire.socket);
      assert.equal(states.at(0), 'disconnected');
      assert.deepEqual([docs[0].data, docs[0].version], [{ n: 0 }, 1]);
      for (const doc of docs) await call(doc, 'submitOp', add);
      await settle();
      for (const doc of docs)
        assert.deepEqual([doc.data, doc.version, doc.hasPending()], [{ n: 2 }, 3, false]);
    });

    it(`${kind} leaves no callback without a call, and no op twice`, async () => {
      const { wire, one, docs } = await ownHosts(makeStore());
      const [sent, held] = [counted(), counted()];
      docs[0].on('error', () => {});
      wire.gated = true;
      docs[0].submitOp(add, sent);
      await settle();
      // The server has it, and its answer is on its way to a host that is gone.
      wire.toServer();
      await settle();
      docs[0].submitOp(add, held);
      docs[0].flush();
      crashHost(one);
      wire.gated = false;
      wire.toClient();
      await until('it is connected again', () => one.state === 'connected');
      await until('both have an end', () => sent.ends.length && held.ends.length);
      await settle();
      const isDurable = kind === 'with a store';
      const end = isDurable ? ['ok'] : ['ERR_HOST_LOST'];
      assert.deepEqual([sent.ends, held.ends], [end, end]);
      await call(docs[0], 'submitOp', add);
      await settle();
      // In memory the first one was committed all the same: that is what nobody could know.
      const n = isDurable ? 3 : 2;
      for (const doc of docs) assert.deepEqual([doc.data, doc.version], [{ n }, n + 1]);
    });
  }

  it('again and again on the same message is not told it any more', async () => {
    const { other, one, docs } = await ownHosts({ storage: new ours.InMemoryStorage() });
    const { resolve } = typesBridge;
    let crashes = 0;
    // An exception of a type's registry goes through the machine as a trap does.
    typesBridge.resolve = (name) => {
      const { _doing: doing } = one._link._host;
      if (!/submitOp.*poison/.test(doing.look())) return resolve(name);
      crashes += 1;
      throw new WebAssembly.RuntimeError('unreachable');
    };
    const poisoned = counted();
    one.get('c', 'poison').create({}, poisoned);
    await until('it has an end', () => poisoned.ends.length);
    typesBridge.resolve = resolve;
    assert.deepEqual([poisoned.ends, crashes], [['ERR_INPUT_QUARANTINED'], 2]);
    await call(docs[0], 'submitOp', add);
    await settle();
    assert.deepEqual(docs[1].data, { n: 1 });
    assert.deepEqual([one.state, other.state], ['connected', 'connected']);
  });

  it('whatever it is told is started with pauses', async () => {
    const warnings = [];
    ours.logger.setMethods({ warn: (text) => warnings.push(String(text)) });
    const { one } = await ownHosts();
    const { bindSocket, handleTab } = HostCore.prototype;
    HostCore.prototype.bindSocket = function () {
      handleTab.call(this, 't', TRAP);
    };
    try {
      crashHost(one);
      await settle();
      assert.match(warnings.join(), /crashed 6 times in a row/);
      assert.equal(one.state, 'disconnected');
    } finally {
      HostCore.prototype.bindSocket = bindSocket;
      ours.logger.setMethods({ warn() {} });
      one.close();
    }
  });
});

/** As an object without a prototype compares. */
const bare = (value) => (Array.isArray(value) ? value : Object.assign(Object.create(null), value));
