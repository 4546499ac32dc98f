/**
 * Answers to own ops as no ShareDB server writes them, but a proxy, a middleware or a server of another make may. The
 * application hears what the stock client tells it, and the document goes on. Where the stock client is left with a
 * version that is none, or sends a committed op a second time, ours does better; these cases are named.
 */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, settle, stock } from './clients.mjs';

const ABSENT = Symbol('absent');
const FIELDS = { absent: ABSENT, null: null, 'a word': 'x', 'an object': {}, 'a list': [] };
const VERSIONS = {
  ...FIELDS,
  negative: -1,
  half: 1.5,
  'too large': 1e300,
  true: true,
  digits: '1',
};
const FIXUPS = {
  null: null,
  'a word': 'x',
  'an object': {},
  'a number': 5,
  'of null': [null],
  'of {}': [{}],
};
const ERRORS = {
  ...{ null: null, 'an empty object': {}, true: true, 'a number': 5, 'a list': [], 'a word': 'x' },
  ...{ 'a code alone': { code: 'ERR_X' }, 'a message of null': { message: null } },
  'a code that is a number': { code: 5, message: 'five' },
};

const OPS = {
  create: (doc, callback) => doc.create({ n: 0 }, callback),
  edit: (doc, callback) => doc.submitOp([{ p: ['n'], na: 1 }], callback),
  del: (doc, callback) => doc.del(callback),
};

/** A document, and what the application heard of it. */
async function scene(client, kind, subscribes = true) {
  const backend = new Backend();
  const { connection, wire } = await connect(client, backend);
  const doc = connection.get('c', 'doc');
  if (kind !== 'create') await call(doc, 'create', { n: 0 });
  if (subscribes) await call(doc, 'subscribe');
  const heard = [];
  const say = (error) => error.code ?? error.message;
  doc.on('error', (error) => heard.push(`error ${say(error)}`));
  connection.on('error', (error) => heard.push(`connection error ${say(error)}`));
  const callback = (error) => heard.push(error ? `callback ${say(error)}` : 'callback');
  return { backend, connection, wire, doc, heard, callback };
}

/** Submits an op whose answer is altered on its way. */
async function answer({ backend, wire, doc, callback }, kind, alter, { refuses, always }) {
  if (refuses) backend.use('submit', (_, next) => next(new Error('refused')));
  const altered = (text) => {
    const message = JSON.parse(text);
    return message.a === 'op' ? JSON.stringify(alter(message)) : text;
  };
  if (always) {
    const { onmessage } = wire.socket;
    wire.socket.onmessage = ({ data }) => onmessage({ data: altered(data) });
    OPS[kind](doc, callback);
    await settle();
    wire.socket.onmessage = onmessage;
    return;
  }
  wire.gated = true;
  OPS[kind](doc, callback);
  await settle();
  wire.toServer();
  await settle();
  assert.ok(wire.downward.some((text) => JSON.parse(text).a === 'op'));
  wire.downward = wire.downward.map(altered);
  wire.gated = false;
  wire.toClient();
  await settle();
}

/** Whatever came: after a reconnect all callbacks were called, and the document is the server's and takes ops. */
async function assertUsable({ backend, connection, doc, heard }) {
  backend.middleware.submit = [];
  connection.close();
  await settle();
  backend.connect(connection);
  await settle();
  assert.equal(heard.filter((line) => line.startsWith('callback')).length, 1, `heard ${heard}`);
  assert.equal(doc.hasPending(), false);
  const far = (await connect(stock, backend)).connection.get('c', 'doc');
  await call(far, 'fetch');
  assert.deepEqual([doc.data, doc.version], [far.data, far.version]);
  if (!doc.type) await call(doc, 'create', { n: 0 });
  await call(doc, 'submitOp', [{ p: ['n'], na: 1 }]);
  await call(far, 'fetch');
  assert.deepEqual([doc.data, doc.version], [far.data, far.version]);
}

/** @param {string[]} [expected] what ours says, where that is not what the stock client says */
async function check(kind, alter, { expected, subscribes, ...options } = {}) {
  let wanted = expected;
  if (!wanted) {
    const there = await scene(stock, kind, subscribes);
    await answer(there, kind, alter, options);
    wanted = there.heard;
  }
  const here = await scene(ours, kind, subscribes);
  await answer(here, kind, alter, options);
  assert.deepEqual(here.heard, wanted);
  await assertUsable(here);
}

/** Gives a field of a message another value. */
const set = (field, value) => (message) => {
  const { [field]: _, ...rest } = message;
  return value === ABSENT ? rest : { ...rest, [field]: value };
};

for (const kind of Object.keys(OPS)) {
  describe(`the acknowledgement of an own ${kind}`, () => {
    for (const [name, value] of Object.entries(VERSIONS)) {
      it(`v is ${name}`, () => check(kind, set('v', value)));
    }
    it('v is absent, always', () =>
      check(kind, set('v', ABSENT), {
        always: true,
        expected: ['callback', 'error ERR_MESSAGE_BADLY_FORMED'],
      }));
    for (const field of ['seq', 'src']) {
      for (const [name, value] of Object.entries(FIELDS)) {
        // A word may be another client's id, whose op does nothing.
        if (field === 'src' && name === 'a word') continue;
        // The stock client takes it for the op of another client, and sends its own a second time. What remains of
        // it is found by a fetch.
        it(`${field} is ${name}`, () => check(kind, set(field, value), { expected: ['callback'] }));
      }
    }
    for (const [name, value] of Object.entries(FIXUPS)) {
      // As the stock client, with a code.
      const spoils = ['a word', 'of null'].includes(name);
      const expected = spoils ? ['callback ERR_MESSAGE_BADLY_FORMED'] : undefined;
      it(`fixup is ${name}`, () => check(kind, set('fixup', value), { expected }));
    }
    for (const [name, value] of Object.entries(ERRORS)) {
      // The stock client loses an error that is a word.
      const expected = name === 'a word' ? ['callback x'] : undefined;
      it(`error is ${name}`, () => check(kind, set('error', value), { expected }));
    }
  });

  describe(`the refusal of an own ${kind}`, () => {
    for (const [name, value] of Object.entries(ERRORS)) {
      // Without an error it is an acknowledgement, of an op that the server does not have.
      if (!value) continue;
      const expected = name === 'a word' ? ['callback x'] : undefined;
      it(`error is ${name}`, () => check(kind, set('error', value), { refuses: true, expected }));
    }
    for (const field of ['v', 'seq', 'src']) {
      for (const [name, value] of Object.entries(FIELDS)) {
        // The refusal of another op takes nothing back. The stock client takes any for that of its own.
        const expected = field === 'src' && name === 'a word' ? [] : undefined;
        it(`${field} is ${name}`, () =>
          check(kind, set(field, value), { refuses: true, expected }));
      }
    }
  });
}

describe('the acknowledgement of a create without a fetch before', () => {
  for (const [name, value] of Object.entries(VERSIONS)) {
    it(`v is ${name}`, () => check('create', set('v', value), { subscribes: false }));
  }

  it('v is absent: ops that wait are sent', async () => {
    const there = await scene(ours, 'create', false);
    const { doc, heard } = there;
    const alter = (message) => {
      if (doc.data.n === 0) doc.submitOp([{ p: ['n'], na: 5 }], () => heard.push('edit'));
      return set('v', ABSENT)(message);
    };
    await answer(there, 'create', alter, {});
    assert.deepEqual(heard, ['callback', 'edit']);
    assert.deepEqual([doc.data.n, doc.version], [5, 2]);
    await assertUsable(there);
  });
});

describe('an answer that names no document', () => {
  for (const [refuses, what] of [
    [false, 'acknowledgement'],
    [true, 'refusal'],
  ]) {
    for (const field of ['a', 'c', 'd']) {
      for (const [name, value] of Object.entries(FIELDS)) {
        it(`${what}: ${field} is ${name}`, () => check('edit', set(field, value), { refuses }));
      }
    }
  }
});

describe("an op of another client's without a version", () => {
  it('comes by a fetch', async () => {
    const { backend, wire, doc } = await scene(ours, 'edit');
    const far = (await connect(stock, backend)).connection.get('c', 'doc');
    await call(far, 'fetch');
    wire.gated = true;
    await call(far, 'submitOp', [{ p: ['n'], na: 7 }]);
    await settle();
    wire.downward = wire.downward.map((text) => JSON.stringify(set('v', ABSENT)(JSON.parse(text))));
    wire.gated = false;
    wire.toClient();
    await settle();
    assert.deepEqual([doc.data, doc.version], [{ n: 7 }, 2]);
  });
});

describe('the answer to a presence subscription', () => {
  for (const [action, method] of [
    ['ps', 'subscribe'],
    ['pu', 'unsubscribe'],
  ]) {
    for (const [name, seq] of Object.entries({ ...FIELDS, unknown: 77 })) {
      it(`${action}: an error whose seq is ${name} is an error of the presence`, async () => {
        const said = [];
        for (const client of [stock, ours]) {
          const { connection, wire } = await connect(client, new Backend({ presence: true }));
          const presence = connection.getPresence('channel');
          if (action === 'pu') await call(presence, 'subscribe');
          const heard = [];
          presence.on('error', (error) => heard.push(`error ${error.code}`));
          wire.gated = true;
          presence[method]((error) => heard.push(`callback ${error?.code}`));
          await settle();
          const message = set('seq', seq)({ a: action, ch: 'channel', error: { code: 'ERR_X' } });
          wire.socket.onmessage({ data: JSON.stringify(message) });
          await settle();
          said.push([...heard]);
          await wire.exchange();
          said.at(-1).push('then', ...heard.slice(said.at(-1).length));
        }
        assert.deepEqual(said[0], ['error ERR_X', 'then', 'callback undefined']);
        assert.deepEqual(said[1], said[0]);
      });
    }
  }
});
