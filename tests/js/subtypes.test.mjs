/**
 * Subtypes of json0 that are written in JavaScript: with one, tabs, host and server come to the same data as
 * stock clients; where the host does not know it, an op is refused before anything is transformed.
 */

import assert from 'node:assert/strict';
import ot from 'ot-json0';
import another from 'ot-json0-v2';
import otText from 'ot-text';
import { bridgeTo } from '../../js-shim/src/cores/types-bridge.js';
import { wholesFrom } from '../random.mjs';
import { Backend, Wire, call, connect, ours, settle, stock } from './clients.mjs';
import { OneHost } from './one-host.mjs';

const json0 = ot.type;
json0.registerSubtype(otText.type);
/** What pages, stock clients and the server know, and the host below does not. */
json0.registerSubtype({ ...otText.type, name: 'new text' });
/** As `otText.type`, with the inverse of inserts. */
json0.registerSubtype({ ...otText.type, name: 'undone text', invert: inverseOf });

function inverseOf(op) {
  return op.map((part) => (typeof part === 'string' ? { d: part.length } : part));
}

/** The registry of a host that has another json0, with `otText.type` alone. */
another.type.registerSubtype(otText.type);
const types = {
  defaultType: another.type,
  map: { json0: another.type, [another.type.uri]: another.type },
};
const hostTypes = bridgeTo(() => types);

const text = (key, o, t = 'text') => [{ p: [key], t, o }];

/** Two tabs of one host, and a stock client. */
async function scene(registry) {
  const backend = new Backend();
  const host = new OneHost(backend, registry);
  const tabs = [await host.tab('one'), await host.tab('two')];
  const { connection } = await connect(stock, backend);
  const docs = [...tabs, connection].map((client) => client.get('c', 'doc'));
  await call(docs[2], 'create', { text: 'hello', n: 0 });
  for (const doc of docs) await call(doc, 'subscribe');
  const errors = docs.map(() => []);
  docs.forEach((doc, i) => doc.on('error', (error) => errors[i].push(error)));
  return { backend, host, docs, errors };
}

function assertNamed(error) {
  assert.equal(error?.code, 'ERR_OT_SUBTYPE_NOT_RECOGNIZED');
  assert.match(error.message, /"(new|undone) text"/);
  assert.match(error.message, /serve\({subtypes: \[subtype\]}\)/);
}

async function assertUsable(docs) {
  for (const doc of docs) await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
  await settle();
  for (const doc of docs) assert.deepEqual(doc.data, docs.at(-1).data);
  for (const doc of docs) assert.equal(doc.hasPending(), false);
}

describe('a json0 subtype that everybody knows', () => {
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    it(`merges what two tabs write at once (${order})`, async () => {
      const { docs } = await scene(hostTypes);
      const [first, second] = order.map((i) => docs[i]);
      first.submitOp(text('text', ['Oh, ']));
      second.submitOp(text('text', [5, ' world']));
      await settle();
      for (const doc of docs) assert.equal(doc.data.text, 'Oh, hello world');
    });
  }

  it('composes what one tab writes', async () => {
    const { docs } = await scene(hostTypes);
    const ops = [];
    docs[2].on('op', (op) => ops.push(op));
    docs[0].submitOp(text('text', [5, ' w']));
    docs[0].submitOp(text('text', [7, 'orld']));
    await settle();
    assert.deepEqual(ops, [text('text', [5, ' world'])]);
  });

  it('follows its text through a list, and into what is deleted', async () => {
    const { docs } = await scene(hostTypes);
    await call(docs[0], 'submitOp', [{ p: ['list'], oi: ['a', 'b'] }]);
    docs[0].submitOp([{ p: ['list', 0], li: 'new' }]);
    docs[1].submitOp([{ p: ['list', 1], t: 'text', o: [1, '!'] }]);
    await settle();
    for (const doc of docs) assert.deepEqual(doc.data.list, ['new', 'a', 'b!']);
    docs[0].submitOp([{ p: ['list', 2], ld: 'b!' }]);
    docs[1].submitOp([{ p: ['list', 2], t: 'text', o: ['oh '] }]);
    await settle();
    for (const doc of docs) assert.deepEqual(doc.data.list, ['new', 'a']);
  });

  it('is taken back where the server refuses it', async () => {
    const { backend, docs } = await scene();
    backend.use('submit', ({ op }, next) => {
      next(
        op.op?.[0].t === 'undone text' && !op.op[0].o.includes('y') ? new Error('no') : undefined,
      );
    });
    const failed = call(docs[0], 'submitOp', text('text', [5, 'x'], 'undone text'));
    await assert.rejects(failed, { message: 'no' });
    assert.equal(docs[0].data.text, 'hello');
    await call(docs[0], 'submitOp', text('text', [5, 'y'], 'undone text'));
    await assertUsable(docs);
  });
});

describe('a json0 subtype that the host does not know', () => {
  for (const name of ['new text', 'undone text']) {
    for (const tab of [0, 1]) {
      it(`is refused from tab ${tab} (${name})`, async () => {
        const { docs, errors } = await scene(hostTypes);
        docs[1 - tab].submitOp([{ p: ['n'], na: 1 }]);
        const refused = call(docs[tab], 'submitOp', text('text', [5, ' world'], name));
        assertNamed(await refused.catch((error) => error));
        await settle();
        for (const doc of docs) assert.deepEqual(doc.data, { text: 'hello', n: 1 });
        await assertUsable(docs);
        assert.deepEqual(errors.flat(), []);
      });
    }
  }

  it('is an error of the document when it comes from the server', async () => {
    const { docs, errors } = await scene(hostTypes);
    await call(docs[2], 'submitOp', text('text', [5, ' world'], 'new text'));
    await settle();
    for (const doc of docs) assert.equal(doc.data.text, 'hello world');
    for (const tab of [0, 1]) {
      assert.equal(errors[tab].length, 1);
      assertNamed(errors[tab][0]);
    }
    await assertUsable(docs);
  });

  it('ends each pending op with an error when it comes from the server', async () => {
    const { docs } = await scene(hostTypes);
    const outcomes = [];
    docs[2].submitOp(text('text', [5, ' world'], 'new text'));
    for (const tab of [0, 1]) {
      for (const na of [1, 2]) {
        docs[tab].submitOp([{ p: ['n'], na }], (error) => outcomes.push(error));
      }
    }
    await settle();
    await settle();
    assert.equal(outcomes.length, 4);
    // One that the server has answered before is committed.
    for (const error of outcomes.filter(Boolean)) assertNamed(error);
    for (const doc of docs) assert.deepEqual(doc.data, docs[2].data);
    await assertUsable(docs);
  });

  it('is not what every object inherits', async () => {
    const { docs } = await scene();
    for (const name of ['constructor', '__proto__', 'toString']) {
      const refused = call(docs[0], 'submitOp', text('text', [5, 'x'], name));
      await assert.rejects(refused, { code: 'ERR_OT_SUBTYPE_NOT_RECOGNIZED' });
    }
    await assertUsable(docs);
  });
});

/** A text op that fits `string`. */
function textOp(string, below) {
  const at = below(string.length + 1);
  const before = at > 0 ? [at] : [];
  const rest = string.length - at;
  return rest > 0 && below(2)
    ? [...before, { d: 1 + below(rest) }]
    : [...before, 'abc'.slice(below(3))];
}

/** An op of one to three components, on texts beside and in a list that moves. */
function randomOp(data, below) {
  const copy = structuredClone(data);
  const op = [];
  for (let count = 1 + below(3); count > 0; count--) {
    const { list } = copy;
    const at = below(list.length);
    const choices = [
      () => ({ p: ['text'], t: 'text', o: textOp(copy.text, below) }),
      () => ({ p: ['text'], t: 'text', o: textOp(copy.text, below) }),
      () => ({ p: ['list', at], t: 'text', o: textOp(list[at], below) }),
      () => ({ p: ['list', below(list.length + 1)], li: 'new' }),
      () => ({ p: ['list', at], lm: below(list.length) }),
      () => (list.length > 1 ? { p: ['list', at], ld: list[at] } : { p: ['n'], na: 1 }),
      () => ({ p: ['text'], od: copy.text, oi: 'another' }),
    ];
    // Two may have taken out the last two at once.
    const choice = list.length ? choices[below(choices.length)] : choices[3];
    const component = choice();
    op.push(component);
    json0.apply(copy, [structuredClone(component)]);
  }
  return op;
}

describe('random ops with a subtype', () => {
  for (let seed = 1; seed <= 200; seed++) {
    it(`end with the same data in tabs, a stock client and the server (seed ${seed})`, async () => {
      const below = wholesFrom(seed);
      const backend = new Backend();
      const host = new OneHost(backend, hostTypes);
      const clients = [await host.tab('one'), await host.tab('two')];
      const wire = new Wire(backend, { gated: true });
      clients.push(new stock.Connection(wire.socket));
      wire.open();
      const move = async () => {
        wire.toServer();
        await settle();
        wire.toClient();
        await settle();
      };
      await move();
      await move();
      const docs = clients.map((client) => client.get('c', 'doc'));
      await call(docs[0], 'create', { text: 'hello', list: ['one', 'two'], n: 0 });
      for (const doc of docs) doc.subscribe();
      for (let turn = 0; turn < 3; turn++) await move();
      for (let step = 0; step < 25; step++) {
        const doc = docs[below(3)];
        doc.submitOp(randomOp(doc.data, below), (error) => assert.ifError(error));
        if (below(3) === 0) await tick(below(4));
        if (below(4) === 0) await move();
        if (below(6) === 0) await host.cut();
        if (!host.reconnects && below(2)) await host.reconnect();
      }
      if (!host.reconnects) await host.reconnect();
      for (let turn = 0; turn < 6; turn++) await move();
      const snapshot = await new Promise((resolve, reject) => {
        docs[2].connection.fetchSnapshot('c', 'doc', null, (error, found) =>
          error ? reject(error) : resolve(found),
        );
        move().then(move);
      });
      for (const doc of docs)
        assert.deepEqual([doc.version, doc.data], [snapshot.v, snapshot.data]);
    });
  }
});

async function tick(times) {
  while (times-- > 0) await new Promise((resolve) => setImmediate(resolve));
}

describe('the types of npm sharedb and of sharedb-proxy', () => {
  it('are one registry, so that a subtype is registered once', () => {
    assert.equal(ours.types.map.json0, json0);
  });
});
