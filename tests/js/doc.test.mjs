/** What applications rely on in a Doc, and ShareDB's own suite does not look at. */

import assert from 'node:assert/strict';
import { call, connect, Backend, Log, ours, sameAsStock, settle, stock } from './clients.mjs';

const JSON0 = 'http://sharejs.org/types/JSONv0';

/** Two connected connections and a document that both have. */
async function pair(client, backend, data = { list: [1], text: 'a', nested: { n: 0 } }) {
  const [a, b] = [await connect(client, backend), await connect(client, backend)];
  const docs = [a, b].map(({ connection }) => connection.get('c', 'doc'));
  await call(docs[0], 'create', data);
  await call(docs[0], 'subscribe');
  await call(docs[1], 'subscribe');
  await settle();
  return { docs, connections: [a.connection, b.connection], wires: [a.wire, b.wire] };
}

for (const [name, client] of Object.entries({ stock, ours })) {
  describe(`a doc of the ${name} client`, () => {
    let backend;
    beforeEach(() => (backend = new Backend()));
    afterEach((done) => void backend.close(done));

    describe('data', () => {
      it('stays the same object under nested edits, own and remote', async () => {
        const { docs } = await pair(client, backend);
        const before = docs.map(({ data }) => [data, data.list, data.nested]);
        docs[0].submitOp([
          { p: ['nested', 'n'], na: 1 },
          { p: ['list', 0], li: 2 },
        ]);
        await settle();
        assert.deepEqual(docs[1].data, { list: [2, 1], text: 'a', nested: { n: 1 } });
        docs.forEach(({ data }, i) => {
          [data, data.list, data.nested].forEach((part, j) => assert.equal(part, before[i][j]));
        });
      });

      it('is writable in depth, and ops apply to what was written', async () => {
        const { docs } = await pair(client, backend);
        docs[0].data.injected = 'by the application';
        docs[0].data = { ...docs[0].data, other: true };
        docs[1].submitOp([{ p: ['nested', 'n'], na: 5 }]);
        await settle();
        assert.equal(docs[0].data.nested.n, 5);
        assert.equal(docs[0].data.injected, 'by the application');
        assert.equal(docs[0].data.other, true);
        assert.equal(docs[1].data.injected, undefined);
      });

      it('may be an ES Proxy, and is changed through it', async () => {
        const { docs } = await pair(client, backend);
        const seen = [];
        const observed = (object) =>
          new Proxy(object, {
            get: (target, key) => {
              const value = Reflect.get(target, key);
              return value && typeof value === 'object' ? observed(value) : value;
            },
            set: (target, key, value) => {
              seen.push(key);
              return Reflect.set(target, key, value);
            },
          });
        const proxy = (docs[0].data = observed(docs[0].data));
        docs[0].submitOp([{ p: ['nested', 'n'], na: 1 }]);
        docs[1].submitOp([{ p: ['text', 0], si: 'b' }]);
        await settle();
        assert.equal(docs[0].data, proxy);
        assert.ok(seen.includes('n') && seen.includes('text'), `saw ${seen}`);
        assert.deepEqual(docs[0].toSnapshot().data, docs[1].data);
      });

      it('is given to `del` as it was', async () => {
        const { docs } = await pair(client, backend);
        const [own, other] = docs.map(({ data }) => data);
        const given = [];
        docs.forEach((doc) =>
          doc.on('del', (data, source) => given.push([data, source, doc.data])),
        );
        docs[0].del({ source: 'me' });
        assert.equal(given.length, 1);
        await settle();
        assert.equal(given[0][0], own);
        assert.equal(given[1][0], other);
        assert.deepEqual(
          [given[0].slice(1), given[1].slice(1)],
          [
            ['me', undefined],
            [false, undefined],
          ],
        );
      });

      it('is not the object that was given to create', async () => {
        const { connection } = await connect(client, backend);
        const given = { a: { b: 1 } };
        const doc = connection.get('c', 'mine');
        doc.create(given);
        doc.submitOp([{ p: ['a', 'b'], na: 1 }]);
        assert.notEqual(doc.data, given);
        assert.equal(doc.data.a.b, 2);
        // The stock client composes the op into the caller's object.
        if (client === ours) assert.deepEqual(given, { a: { b: 1 } });
        await settle();
      });
    });

    describe('source', () => {
      const uncloneable = () => ({ self: null, run() {}, element: Symbol('element') });

      it('is what the caller gave, whatever it is, and never leaves the client', async () => {
        const { docs, wires } = await pair(client, backend);
        const circular = uncloneable();
        circular.self = circular;
        for (const source of [circular, () => {}, Symbol('s'), 'text', 7, new Map(), 10n]) {
          const heard = [];
          const events = ['before op batch', 'before op', 'op', 'op batch'];
          for (const event of events) docs[0].once(event, (_, given) => heard.push(given));
          const remote = [];
          docs[1].once('op', (_, given) => remote.push(given));
          const sent = [];
          wires[0].socket.send = intercept(wires[0].socket, sent);
          await call(docs[0], 'submitOp', [{ p: ['nested', 'n'], na: 1 }], { source });
          await settle();
          assert.deepEqual(
            heard.map((given) => given === source),
            [true, true, true, true],
          );
          assert.deepEqual(remote, [false]);
          assert.ok(sent.length > 0 && sent.every(({ x }) => !x?.source), JSON.stringify(sent));
        }
      });

      it('is given to create and del', async () => {
        const { connection } = await connect(client, backend);
        const doc = connection.get('c', 'mine');
        const given = [];
        doc.on('create', (source) => given.push(source));
        doc.on('del', (_, source) => given.push(source));
        const source = uncloneable();
        await call(doc, 'create', {}, JSON0, { source });
        await call(doc, 'del', { source });
        assert.ok(given[0] === source && given[1] === source && given.length === 2);
      });

      it('is true where none or a falsy one was given', async () => {
        const { docs } = await pair(client, backend);
        const given = [];
        docs[0].on('op', (_, source) => given.push(source));
        for (const options of [
          undefined,
          null,
          {},
          { source: 0 },
          { source: '' },
          { source: null },
        ]) {
          docs[0].submitOp([{ p: ['nested', 'n'], na: 1 }], options);
        }
        assert.deepEqual(given, Array(6).fill(true));
        await settle();
      });

      it('reaches the middleware with submitSource, and keeps ops apart', async () => {
        const { docs } = await pair(client, backend);
        const seen = [];
        backend.use('apply', (context, next) => {
          seen.push([context.extra?.source, context.op.op.length]);
          next();
        });
        docs[0].submitSource = true;
        docs[0].submitOp([{ p: ['list', 0], li: 1 }], { source: { from: 'a' } });
        docs[0].submitOp([{ p: ['list', 1], li: 2 }], { source: { from: 'a' } });
        docs[0].submitOp([{ p: ['list', 2], li: 3 }], { source: { from: 'b' } });
        docs[0].submitOp([{ p: ['list', 3], li: 4 }]);
        await settle();
        assert.deepEqual(seen, [
          [{ from: 'a' }, 2],
          [{ from: 'b' }, 1],
          [true, 1],
        ]);
      });
    });

    describe('listeners', () => {
      it("are the application's alone", async () => {
        const { docs, connections } = await pair(client, backend);
        for (const emitter of [...docs, ...connections]) {
          for (const event of [
            ...['op', 'op batch', 'before op', 'before op batch', 'create', 'del', 'load', 'error'],
            ...['no write pending', 'nothing pending', 'state', 'connected', 'receive', 'send'],
          ]) {
            assert.equal(emitter.listenerCount(event), 0, event);
          }
          assert.deepEqual(emitter.eventNames(), []);
        }
      });

      it('may all be removed at any time', async () => {
        const { docs, connections } = await pair(client, backend);
        for (const doc of docs)
          for (const event of ['op', 'load', 'error']) doc.removeAllListeners(event);
        connections.forEach((connection) => connection.removeAllListeners('connected'));
        await call(docs[0], 'submitOp', [{ p: ['nested', 'n'], na: 3 }]);
        await settle();
        assert.equal(docs[1].data.nested.n, 3);
      });
    });

    it('calls whenNothingPending back later, never at once', async () => {
      const { docs, connections } = await pair(client, backend);
      for (const target of [docs[0], connections[0]]) {
        let called = 0;
        target.whenNothingPending(() => called++);
        assert.equal(called, 0);
        await settle();
        assert.equal(called, 1);
        docs[0].submitOp([{ p: ['nested', 'n'], na: 1 }]);
        target.whenNothingPending(() => {
          called++;
          assert.equal(docs[0].hasPending(), false);
        });
        assert.equal(called, 1);
        await settle();
        assert.equal(called, 2);
      }
    });

    it('can be subscribed again after it was destroyed', async () => {
      const { docs, connections } = await pair(client, backend);
      await call(docs[0], 'destroy');
      assert.equal(connections[0].getExisting('c', 'doc'), undefined);
      await call(docs[0], 'subscribe');
      docs[1].submitOp([{ p: ['nested', 'n'], na: 9 }]);
      await settle();
      assert.equal(docs[0].data.nested.n, 9);
      assert.equal(connections[0].getExisting('c', 'doc'), docs[0]);
    });

    it('can be written to again after it was destroyed, and keeps what it had', async () => {
      const { docs } = await pair(client, backend);
      const { data } = docs[0];
      docs[0].preventCompose = true;
      let waited = 0;
      docs[0].destroy();
      docs[0].whenNothingPending(() => waited++);
      await settle();
      assert.deepEqual([waited, docs[0].version, docs[0].preventCompose], [1, 1, true]);
      docs[1].submitOp([{ p: ['list', 0], li: 'remote' }]);
      await settle();
      docs[0].on('load', () => assert.fail('nothing was loaded'));
      await call(docs[0], 'submitOp', [{ p: ['nested', 'n'], na: 2 }]);
      await settle();
      assert.equal(docs[0].data, data);
      assert.deepEqual(docs[0].data, docs[1].data);
      assert.deepEqual([docs[0].version, docs[0].preventCompose], [3, true]);
    });
  });
}

function intercept(socket, sent) {
  const { send } = socket;
  return (text) => {
    sent.push(JSON.parse(text));
    send(text);
  };
}

describe('a doc, as the stock client', () => {
  it('emits the same events with the same arguments for every kind of op', () =>
    sameAsStock(async (client, log, backend) => {
      const { docs, connections } = await pair(client, backend);
      name(log, connections);
      log.watchDoc(docs[0], 'own');
      log.watchDoc(docs[1], 'other');
      docs[0].submitOp(
        { p: ['list', 0], li: 'x' },
        { source: 'mine' },
        log.callback('one component'),
      );
      docs[0].submitOp([{ p: ['nested', 'n'], na: 1 }], log.callback('composed'));
      await settle();
      docs[1].submitOp(
        [
          { p: ['text', 0], si: 'xyz' },
          { p: ['text', 1], sd: 'y' },
          { p: ['list', 0], lm: 1 },
        ],
        log.callback('several'),
      );
      await settle();
      docs[0].submitOp([], log.callback('empty'));
      await settle();
      docs[0].del(log.callback('del'));
      await settle();
      docs[1].create({ again: true }, log.callback('create'));
      await settle();
      docs[0].del();
      docs[0].create([1], JSON0, { source: 's' }, log.callback('create after del'));
      docs[0].submitOp([{ p: [0], li: 0 }], log.callback('into the create'));
      await settle();
      docs[0].unsubscribe(log.callback('unsubscribe'));
      docs[0].fetch(log.callback('fetch'));
      docs[0].subscribe(log.callback('subscribe'));
      await settle();
      docs[0].destroy(log.callback('destroy'));
      await settle();
    }));

  it('calls back before `no write pending`, and that before `nothing pending`', () =>
    sameAsStock(async (client, log, backend) => {
      const { docs } = await pair(client, backend);
      log.watchDoc(docs[0]);
      docs[0].preventCompose = true;
      docs[0].submitOp([{ p: ['nested', 'n'], na: 1 }], log.callback('first'));
      docs[0].submitOp([{ p: ['nested', 'n'], na: 2 }], log.callback('second'));
      docs[0].fetch(log.callback('fetch'));
      await settle();
    }));

  it('rolls back as the stock client', () =>
    sameAsStock(async (client, log, backend) => {
      const { docs, connections } = await pair(client, backend);
      name(log, connections);
      let refuse = null;
      backend.use('submit', (context, next) => {
        const code = refuse;
        refuse = null;
        next(code && Object.assign(new Error(`refused ${code}`), { code }));
      });
      docs.forEach((doc, i) => log.watchDoc(doc, ['own', 'other'][i]));
      for (const code of ['ERR_MINE', 'ERR_OP_SUBMIT_REJECTED', 'ERR_NO_OP']) {
        docs[0].preventCompose = true;
        refuse = code;
        docs[0].submitOp(
          [
            { p: ['nested', 'n'], na: 1 },
            { p: ['text', 0], si: 'refused' },
          ],
          log.callback(`edit ${code}`),
        );
        docs[0].submitOp([{ p: ['text', 0], si: 'kept' }], log.callback(`next ${code}`));
        await settle();
        refuse = code;
        docs[0].del(log.callback(`del ${code}`));
        await settle();
        refuse = code;
        docs[0].submitOp([{ p: ['text', 0], si: 'unheard' }]);
        await settle();
        log.add(docs[0].data, docs[1].data);
      }
      // Stock fetches by itself after ERR_NO_OP, and says once more that nothing is pending. Here
      // the host fetches.
      log.entries = log.entries.filter(
        (entry, i, all) => i < 2 || JSON.stringify(entry) !== JSON.stringify(all[i - 2]),
      );
    }));

  it('takes submissions out of every kind of listener', () =>
    sameAsStock(async (client, log, backend) => {
      const { docs, connections } = await pair(client, backend);
      name(log, connections);
      docs.forEach((doc, i) => log.watchDoc(doc, ['own', 'other'][i]));
      // Composing, the stock client changes the very op that it is telling listeners of.
      docs.forEach((doc) => (doc.preventCompose = true));
      let n = 0;
      const submitOnce = (doc, event) =>
        doc.once(event, () => {
          n++;
          if (doc.type)
            doc.submitOp([{ p: ['list', 0], li: `${event} ${n}` }], log.callback(event));
          else doc.create({ list: [], text: '', nested: { n: 0 } }, log.callback(event));
        });
      const several = [
        { p: ['list', 0], ld: docs[0].data.list[0] },
        { p: ['list', 0], li: 'a' },
        { p: ['nested', 'n'], na: 1 },
      ];
      // Not `before op batch`, nor `before op` of an own op: there the stock client loses step with
      // the server.
      for (const event of ['before op', 'op', 'op batch']) {
        if (event !== 'before op') submitOnce(docs[0], event);
        submitOnce(docs[1], event);
        several[0].ld = docs[0].data.list[0];
        docs[0].submitOp(several, log.callback('several'));
        await settle();
      }
      for (const event of ['no write pending', 'nothing pending']) {
        submitOnce(docs[0], event);
        docs[0].submitOp([{ p: ['nested', 'n'], na: 1 }]);
        await settle();
      }
      submitOnce(docs[1], 'del');
      docs[1].del();
      await settle();
      submitOnce(docs[0], 'create');
      docs[0].del();
      docs[0].create({ list: [], text: '', nested: { n: 0 } });
      await settle();
      submitOnce(docs[0], 'load');
      docs[0].ingestSnapshot({ v: 1, data: {}, type: JSON0 }, log.callback('ingest'));
      docs[0].submitOp([{ p: ['nested', 'n'], na: 1 }], () => {
        docs[0].submitOp([{ p: ['nested', 'n'], na: 1 }], log.callback('inner'));
      });
      await settle();
      log.add(docs[0].data, docs[1].data);
    }));

  for (const event of ['before op batch', 'before op', 'op', 'op batch']) {
    it(`survives a listener of \`${event}\` that throws`, () =>
      sameAsStock(async (client, log, backend) => {
        const { docs, connections } = await pair(client, backend);
        name(log, connections);
        docs.forEach((doc, i) => log.watchDoc(doc, ['own', 'other'][i]));
        const thrower = () => {
          throw new Error('a listener threw');
        };
        for (const doc of docs) {
          doc.once(event, thrower);
          docs[0].submitOp(
            [
              { p: ['nested', 'n'], na: 1 },
              { p: ['text', 0], si: 'x' },
            ],
            log.callback(`submit with ${doc === docs[0] ? 'own' : 'other'} thrower`),
          );
          await settle();
          doc.removeListener(event, thrower);
        }
        await settle();
        log.add(docs[0].data, docs[1].data);
      }));
  }

  it('throws on what a listener of `create`, `del` or `error` throws, where stock does', () =>
    sameAsStock(async (client, log, backend) => {
      const { docs } = await pair(client, backend);
      log.watchDoc(docs[0]);
      const attempt = async (event, action) => {
        const thrower = () => {
          throw new Error(`thrown by ${event}`);
        };
        docs[0].once(event, thrower);
        try {
          action();
          log.add(event, 'returned');
        } catch (error) {
          log.add(event, 'threw', error);
        }
        docs[0].removeListener(event, thrower);
        await settle();
      };
      await attempt('error', () => docs[0].create({}));
      await attempt('del', () => docs[0].del(log.callback('del')));
      await attempt('create', () => docs[0].create({}, log.callback('create')));
      await attempt('op', () => docs[0].submitOp([{ p: ['a'], oi: 1 }], log.callback('op')));
      log.add(docs[0].data);
    }));

  it('waits while paused, and takes remote ops', () =>
    sameAsStock(async (client, log, backend) => {
      const { docs, connections } = await pair(client, backend);
      name(log, connections);
      log.watchDoc(docs[0], 'own');
      docs[0].pause();
      log.add(docs[0].paused);
      docs[0].submitOp([{ p: ['list', 0], li: 'mine' }], log.callback('paused'));
      docs[0].submitOp([{ p: ['list', 0], li: 'too' }], log.callback('paused too'));
      docs[1].submitOp([{ p: ['list', 0], li: 'yours' }]);
      await settle();
      log.add(
        docs[0].data,
        docs[0].hasWritePending(),
        docs[0].pendingOps.length,
        docs[0].inflightOp,
      );
      docs[0].resume();
      await settle();
      log.add(docs[0].data, docs[1].data, docs[0].paused);
    }));
});

/** Makes connection ids comparable. */
function name(log, connections) {
  connections.forEach(({ id }, i) => log.ids.set(id, `client ${i}`));
}

describe('a doc of ours, beyond the stock client', () => {
  it('converges when a listener of `before op batch` answers a remote op', async () => {
    const backend = new Backend();
    const { docs } = await pair(ours, backend);
    docs[1].once('before op batch', () => docs[1].submitOp([{ p: ['list', 0], li: 'answer' }]));
    docs[0].submitOp([
      { p: ['list', 0], ld: 1 },
      { p: ['list', 0], li: 'a' },
    ]);
    await settle();
    assert.deepEqual(docs[1].data, docs[0].data);
    assert.deepEqual(docs[0].data.list.toSorted(), ['a', 'answer']);
  });
});

describe('a log', () => {
  it('tells errors, documents and holes apart', () => {
    const log = new Log(new Map([['a1', 'first']]));
    log.add(undefined, new ours.Error('ERR_X', 'x'), { src: 'a1', none: undefined });
    assert.deepEqual(log.entries, [
      ['<undefined>', { error: 'ERR_X', message: 'x' }, { src: 'first', none: '<undefined>' }],
    ]);
  });
});
