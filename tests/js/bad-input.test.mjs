/**
 * What no well-behaved server, application or tab sends. It ends in a coded error or in nothing,
 * and everything works afterwards. A trap of the WebAssembly would make every later call throw.
 */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, sameAsStock, settle, stock } from './clients.mjs';
import { paths, replaced, SharedHost } from './shared-host.mjs';

const JSON0 = 'http://sharejs.org/types/JSONv0';
const START = { n: 0, list: [1], o: {} };

/** A subscribed document, and a second client that shows what the server has. */
async function scene(client) {
  const backend = new Backend();
  const [mine, other] = [await connect(client, backend), await connect(stock, backend)];
  const [doc, far] = [mine, other].map(({ connection }) => connection.get('c', 'doc'));
  await call(doc, 'create', structuredClone(START));
  await call(doc, 'subscribe');
  await call(far, 'subscribe');
  const errors = [];
  for (const [name, emitter] of [
    ['doc', doc],
    ['connection', mine.connection],
  ]) {
    emitter.on('error', (error) => errors.push([name, error.code ?? error.message]));
  }
  return { ...mine, backend, doc, far, errors };
}

/** The document still takes and gives ops. */
async function assertUsable({ doc, far }) {
  await settle();
  // A document that a bad message damaged gets its state from the server again.
  await call(doc, 'fetch');
  const before = far.data.n;
  await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
  await call(far, 'submitOp', [{ p: ['n'], na: 1 }]);
  await settle();
  assert.equal(doc.data.n, before + 2);
  assert.deepEqual(doc.data, far.data);
  assert.equal(doc.version, far.version);
  assert.equal(doc.hasPending(), false);
}

/** Any other document still takes ops. */
async function assertOtherUsable({ connection }) {
  await settle();
  const doc = connection.get('c', 'another');
  await call(doc, 'create', { n: 0 });
  await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
  assert.deepEqual(doc.data, { n: 1 });
}

/**
 * These read as ops that follow, so they count; nothing tells a client that the server has no such
 * op. Only this document can suffer, as in the stock client.
 */
const LIES = [
  'a create of what is there',
  'a del that is a word',
  'neither op nor create nor del',
  'an error that is null',
  'an op that ends on prototype',
];

const DANGEROUS = ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString'];

describe('bad messages of the server', () => {
  const op = (fields) => ({ a: 'op', c: 'c', d: 'doc', v: 1, src: 'x', seq: 1, ...fields });
  const good = [{ p: ['n'], na: 1 }];
  const messages = {
    'an op of the future': op({ v: 17, op: good }),
    'an op of the past': op({ v: 0, op: good }),
    'an op without a version': op({ v: undefined, op: good }),
    'an op with a version that is a word': op({ v: 'one', op: good }),
    'an op with a negative version': op({ v: -1, op: good }),
    'an op with half a version': op({ v: 1.5, op: good }),
    'an op with a version beyond all': op({ v: 1e300, op: good }),
    'an op that is an object': op({ op: {} }),
    'an op that is a word': op({ op: 'word' }),
    'an op that is a number': op({ op: 5 }),
    'an op that is null': op({ op: null }),
    'an op without a path': op({ op: [{ na: 1 }] }),
    'an op with a path that is a word': op({ op: [{ p: 'n', na: 1 }] }),
    'an op that does nothing known': op({ op: [{ p: ['n'], zz: 1 }] }),
    'an op that does not fit': op({ op: [{ p: ['list', 'x', 'y'], li: 1 }] }),
    'an op on a missing path': op({ op: [{ p: ['a', 'b', 'c'], oi: 1 }] }),
    'an op on a list of nulls': op({ op: [null, null] }),
    'a create of what is there': op({ create: { type: JSON0, data: {} } }),
    'a create of an unknown type': op({ create: { type: 'no such type', data: {} } }),
    'a create without a type': op({ create: {} }),
    'a del that is a word': op({ del: 'yes' }),
    'neither op nor create nor del': op({}),
    'an error that is null': op({ error: null, op: good }),
    'an error that is a word': op({ error: 'word' }),
    'an error without anything': op({ error: {} }),
    'an op without a document': { a: 'op', v: 1, op: good },
    'an op for another document': op({ d: 'unknown', op: good }),
    'an op for a document named by a number': op({ d: 5, op: good }),
    'an op for __proto__': op({ c: '__proto__', d: '__proto__', op: good }),
    'a subscribe answer nobody asked for': { a: 's', c: 'c', d: 'doc', data: { v: 1, data: {} } },
    'a fetch answer nobody asked for': { a: 'f', c: 'c', d: 'doc', data: { v: 1, data: {} } },
    'a fetch answer that is a word': { a: 'f', c: 'c', d: 'doc', data: 'word' },
    'a bulk answer without documents': { a: 'bs', c: 'c' },
    'a bulk answer of null': { a: 'bs', c: 'c', data: { doc: null, unknown: null } },
    'a bulk answer of an error': { a: 'bf', c: 'c', data: { doc: { error: { code: 'ERR_X' } } } },
    'a handshake again': { a: 'hs', protocol: 1, protocolMinor: 2, type: JSON0, id: 'changed' },
    'a pong nobody asked for': { a: 'pp' },
    'an action that is an object': { a: {} },
    'no action': { c: 'c' },
  };
  for (const name of DANGEROUS) {
    messages[`an op on ${name}`] = op({ op: [{ p: [name, 'polluted'], oi: true }] });
    messages[`an op that ends on ${name}`] = op({
      op: [{ p: ['o', name], oi: { polluted: true } }],
    });
  }
  for (const [name, message] of Object.entries(messages)) {
    it(`${name}: everything works afterwards`, async () => {
      const there = await scene(ours);
      there.wire.socket.onmessage({ data: JSON.stringify(message) });
      if (LIES.includes(name)) await assertOtherUsable(there);
      else await assertUsable(there);
      assert.equal({}.polluted, undefined);
    });
  }

  const same = [
    ...['an op of the future', 'an op of the past', 'an op that does not fit'],
    ...['an op on a missing path', 'a create of an unknown type', 'a pong nobody asked for'],
    ...['an error without anything', 'no action', 'an op for another document'],
    ...DANGEROUS.flatMap((name) => [`an op on ${name}`, `an op that ends on ${name}`]),
  ];
  for (const name of same) {
    it(`${name}: the same error as the stock client's`, async () => {
      const codes = [];
      for (const client of [stock, ours]) {
        const there = await scene(client);
        there.wire.socket.onmessage({ data: JSON.stringify(messages[name]) });
        await settle();
        codes.push(there.errors.map(([, code]) => code));
      }
      assert.deepEqual(codes[1], codes[0]);
    });
  }

  it('an op on a document that was never created', () =>
    sameAsStock(async (client, log, backend) => {
      const { connection, wire } = await connect(client, backend);
      const doc = connection.get('c', 'empty');
      await call(doc, 'subscribe');
      log.watchDoc(doc, 'doc', ['op', 'create', 'error']);
      const message = { a: 'op', c: 'c', d: 'empty', v: 0, src: 'x', seq: 1, op: good };
      wire.socket.onmessage({ data: JSON.stringify(message) });
      await settle();
      await call(doc, 'create', { n: 0 });
      log.add(doc.data);
    }));

  it('a snapshot of an unknown type', async () => {
    const codes = [];
    for (const client of [stock, ours]) {
      const backend = new Backend();
      const { connection, wire } = await connect(client, backend, { gated: true });
      const doc = connection.get('c', 'doc');
      doc.on('error', (error) => codes.push(error.code));
      let called = 0;
      doc.fetch(() => called++);
      await settle();
      const answer = { a: 'f', c: 'c', d: 'doc', data: { v: 1, type: 'no such type', data: {} } };
      wire.socket.onmessage({ data: JSON.stringify(answer) });
      await settle();
      assert.equal(called, 1);
      assert.equal(doc.type, null);
      assert.equal(connection.state, 'connected');
    }
    assert.deepEqual(codes, ['ERR_DOC_TYPE_NOT_RECOGNIZED', 'ERR_DOC_TYPE_NOT_RECOGNIZED']);
  });
});

describe('bad input of the application', () => {
  const cycle = [];
  cycle.push(cycle);
  const ops = {
    null: null,
    undefined,
    'a number': 5,
    'a word': 'word',
    'an empty object': {},
    'a list of null': [null],
    'a list of numbers': [1, 2],
    'no path': [{ na: 1 }],
    'a path that is a word': [{ p: 'n', na: 1 }],
    'a path of objects': [{ p: [{}], na: 1 }],
    'nothing known': [{ p: ['n'], zz: 1 }],
    'a missing path': [{ p: ['a', 'b', 'c'], oi: 1 }],
    'a number added to a word': [{ p: ['list'], na: 1 }],
    'a subtype that is none': [{ p: ['n'], t: 'no such type', o: [] }],
    'an index that is a word': [{ p: ['list', 'x'], li: 1 }],
    'a cycle': [{ p: ['o', 'c'], oi: cycle }],
    'a BigInt': [{ p: ['o', 'c'], oi: 10n }],
    'a toJSON that throws': [
      {
        p: ['o', 'c'],
        oi: {
          toJSON() {
            throw new Error('no JSON');
          },
        },
      },
    ],
  };
  for (const name of DANGEROUS) {
    ops[`a path through ${name}`] = [{ p: [name, 'polluted'], oi: true }];
    ops[`a path to ${name}`] = [{ p: ['o', name], oi: { polluted: true } }];
  }
  for (const [name, op] of Object.entries(ops)) {
    it(`submitOp of ${name} ends in a callback, and everything works afterwards`, async () => {
      const there = await scene(ours);
      let calls = 0;
      let error;
      try {
        there.doc.submitOp(op, (given) => {
          calls++;
          error = given;
        });
      } catch (thrown) {
        assert.fail(`threw ${thrown.stack}`);
      }
      await settle();
      await settle();
      assert.equal(calls, 1);
      if (error) assert.match(error.code ?? error.message, /./);
      assert.equal({}.polluted, undefined);
      await assertUsable(there);
    });
  }

  for (const name of [
    ...['null', 'a list of null', 'no path', 'nothing known', 'a missing path'],
    ...[
      'an index that is a word',
      ...DANGEROUS.flatMap((d) => [`a path through ${d}`, `a path to ${d}`]),
    ],
  ]) {
    it(`submitOp of ${name} gives the code that the stock client gives`, async () => {
      const codes = [];
      for (const client of [stock, ours]) {
        const { doc } = await scene(client);
        let code = 'no callback';
        try {
          doc.submitOp(structuredClone(ops[name]), (error) => (code = error?.code ?? 'none'));
          await settle();
        } catch (error) {
          code = `thrown ${error.message}`;
        }
        codes.push(code);
      }
      assert.equal(codes[1], codes[0]);
    });
  }

  it('an unknown type in create', async () => {
    for (const client of [stock, ours]) {
      const { connection } = await connect(client, new Backend());
      const doc = connection.get('c', 'doc');
      const heard = [];
      doc.on('error', (error) => heard.push(error.code));
      doc.create({}, 'no such type', (error) => heard.push(error?.code));
      await settle();
      assert.ok(heard.includes('ERR_DOC_TYPE_NOT_RECOGNIZED'), `${heard}`);
      await call(doc, 'create', { n: 0 });
      assert.deepEqual(doc.data, { n: 0 });
    }
  });

  it('an op of ten megabytes', async () => {
    const there = await scene(ours);
    const text = 'x'.repeat(10_000_000);
    await call(there.doc, 'submitOp', [{ p: ['o', 'big'], oi: text }]);
    await settle();
    assert.equal(there.far.data.o.big.length, text.length);
    await assertUsable(there);
  });

  for (const depth of [100, 400]) {
    it(`an op nested ${depth} deep`, async () => {
      const there = await scene(ours);
      let nested = {};
      for (let level = 0; level < depth; level++) nested = level % 2 ? [nested] : { nested };
      await call(there.doc, 'submitOp', [{ p: ['o', 'deep'], oi: nested }]);
      await settle();
      assert.equal(JSON.stringify(there.doc.data), JSON.stringify(there.far.data));
      await call(there.far, 'submitOp', [{ p: ['o', 'deep'], od: nested, oi: [nested] }]);
      await settle();
      await assertUsable(there);
      assert.equal(JSON.stringify(there.doc.data), JSON.stringify(there.far.data));
    });
  }

  it('an op nested deeper than any stack', async () => {
    const there = await scene(ours);
    let nested = {};
    for (let level = 0; level < 200_000; level++) nested = { nested };
    let error;
    there.doc.submitOp([{ p: ['o', 'deep'], oi: nested }], (given) => (error = given));
    await settle();
    assert.equal(error?.code, 'ERR_OT_OP_BADLY_FORMED');
    await assertUsable(there);
  });

  it('a message of the server nested deeper than any stack', async () => {
    const there = await scene(ours);
    const nested = '['.repeat(100_000) + ']'.repeat(100_000);
    const text = `{"a":"op","c":"c","d":"doc","v":1,"src":"x","seq":1,"op":[{"p":["o"],"oi":${nested}}]}`;
    there.wire.socket.onmessage({ data: text });
    // It reads as an op that follows: one of the lies above.
    await assertOtherUsable(there);
  });

  it('collections and ids named like properties of objects', async () => {
    const { connection } = await connect(ours, new Backend());
    for (const name of DANGEROUS.filter((it) => it !== '__proto__')) {
      const doc = connection.get(name, name);
      assert.equal(connection.getExisting(name, 'other'), undefined);
      assert.equal(doc.id, name);
    }
    assert.equal({}.polluted, undefined);
  });

  it('snapshots that are none', async () => {
    for (const snapshot of [{}, { v: 'x' }, { v: -1 }, { v: 1.5 }, { v: 1, type: 5 }, 'word', 7]) {
      const { connection } = await connect(ours, new Backend());
      const doc = connection.get('c', 'doc');
      const heard = [];
      doc.on('error', (error) => heard.push(error.code));
      try {
        doc.ingestSnapshot(snapshot, (error) => heard.push(error?.code));
      } catch (error) {
        assert.fail(`${JSON.stringify(snapshot)} threw ${error.stack ?? error}`);
      }
      await settle();
      await call(connection.get('c', 'next'), 'create', {});
    }
  });
});

describe('bad messages of a tab to the host', () => {
  const real = recordRealMessages();

  it('reach neither the host nor the other tabs', async () => {
    const backend = new Backend();
    const host = new SharedHost(backend);
    const [a, b] = [host.connection('a'), host.connection('b')];
    await settle();
    const [mine, theirs] = [a.get('c', 'doc'), b.get('c', 'doc')];
    await call(mine, 'create', structuredClone(START));
    await call(mine, 'subscribe');
    await call(theirs, 'subscribe');
    const errors = [];
    for (const emitter of [a, b, mine, theirs]) emitter.on('error', (error) => errors.push(error));
    const stranger = host.stranger('stranger');
    for (const text of await real) stranger.post(text);
    let seen = 0;
    for (const text of broken(await real)) {
      stranger.post(text);
      if (seen++ % 50 === 0) await settle();
    }
    await settle();
    assert.deepEqual([...errors, ...host.thrown], []);
    assert.ok(host.warnings.length > 0);
    await call(mine, 'submitOp', [{ p: ['list', 0], li: 'mine' }]);
    await call(theirs, 'submitOp', [{ p: ['list', 0], li: 'theirs' }]);
    await settle();
    assert.deepEqual(mine.data, theirs.data);
    assert.equal(mine.data.list.length, 3);
    assert.deepEqual(mine.data.o, {});
    assert.equal({}.polluted, undefined);
  });

  it('are answered by an error where they ask for an answer', async () => {
    const host = new SharedHost(new Backend());
    const stranger = host.stranger('stranger');
    const [register] = await real;
    stranger.post(register);
    const asking = (await real).filter((text) => Object.values(JSON.parse(text))[0].callbackId);
    assert.ok(asking.length > 0);
    for (const text of asking) {
      const [[action, content]] = Object.entries(JSON.parse(text));
      const { callbackId } = content;
      stranger.received.length = 0;
      const wrong = { [action]: { ...content, collection: 5, callbackId } };
      const unknown = { 'doc.unheardOf': { callbackId } };
      for (const message of content.collection ? [wrong, unknown] : [unknown]) {
        stranger.post(JSON.stringify(message));
      }
      await settle();
      const answers = JSON.stringify(stranger.received);
      assert.match(answers, /"error":\{"code":"ERR_/, `${text} was answered ${answers}`);
    }
  });
});

/** What a tab of ours really posts. */
async function recordRealMessages() {
  const posted = [];
  const host = new SharedHost(new Backend(), {
    replace(road, text) {
      if (road === 'tab to host') posted.push(text);
      return text;
    },
  });
  const connection = host.connection('recorded');
  await settle();
  const doc = connection.get('c', 'recorded');
  await call(doc, 'create', { n: 0 });
  await call(doc, 'subscribe');
  await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
  await call(doc, 'fetch');
  connection.startBulk();
  connection.get('c', 'one').subscribe();
  connection.get('c', 'two').fetch();
  connection.endBulk();
  connection.get('c', 'ingested').ingestSnapshot({ v: 1, data: {}, type: JSON0 });
  connection.hostStatus(() => {});
  connection.ping();
  await call(doc, 'del');
  await call(doc, 'unsubscribe');
  await call(doc, 'destroy');
  await settle();
  return posted;
}

/** Each message with each of its parts missing or replaced, and some that never were messages. */
function* broken(messages) {
  yield* ['', 'null', '5', '"word"', '[]', '{}', '{', '\u0000', '{"a":1}', '['.repeat(50_000)];
  const values = [null, 5, -1, 1.5, 1e300, 'word', '', '__proto__', [], {}, [[]], true];
  for (const text of new Set(messages)) {
    yield text.slice(0, -1);
    yield text + text;
    const message = JSON.parse(text);
    // Leaving is no fault, and closing is for those who own the connection.
    if (/close/i.test(text)) continue;
    for (const path of paths(message)) {
      yield JSON.stringify(replaced(message, path, undefined));
      for (const value of values) yield JSON.stringify(replaced(message, path, value));
    }
  }
}

describe('what an application hands in that is no JSON', () => {
  const cycle = {};
  cycle.self = cycle;
  for (const [what, data] of Object.entries({ 'a cycle': cycle, 'a BigInt': { n: 1n } })) {
    it(`ends a create with an error, and the document can be created: ${what}`, async () => {
      const { connection } = await scene(ours);
      const doc = connection.get('c', 'made');
      const errors = [];
      doc.on('error', ({ code }) => errors.push(['event', code]));
      doc.create(data, ({ code }) => errors.push(['callback', code]));
      doc.create(data);
      await settle();
      const code = 'ERR_OT_OP_BADLY_FORMED';
      assert.deepEqual(errors, [
        ['callback', code],
        ['event', code],
      ]);
      assert.deepEqual([doc.type, doc.hasPending()], [null, false]);
      await call(doc, 'create', { n: 1 });
      assert.deepEqual(doc.data, { n: 1 });
    });
  }

  for (const method of ['fetchSnapshot', 'fetchSnapshotByTimestamp']) {
    it(`is answered by the server where it is a name: ${method}`, () =>
      sameAsStock(async (client, log, backend) => {
        const { connection } = await connect(client, backend);
        for (const name of [undefined, null, 3, {}, () => 0]) {
          connection[method](name, 'doc', null, log.callback('collection'));
          connection[method]('c', name, null, log.callback('id'));
          await settle();
        }
        assert.throws(() => connection[method]('c', 1n, null, log.callback('BigInt')), TypeError);
        if (client === ours) assert.equal(connection.hasPending(), false);
      }));
  }
});
