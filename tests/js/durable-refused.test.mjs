/** What becomes of durable ops that the server does not take, and what an application learns of them. */

import assert from 'node:assert/strict';
import json0 from 'ot-json0';
import { InMemoryStorage } from 'sharedb-proxy';
import { Backend, ShareDBError, call, ours, settle } from './clients.mjs';
import { Life, append, happens, snapshot, words } from './durable-lives.mjs';

/** json0, of which nothing can be taken back. */
const FORWARD = { ...json0.type, name: 'forward0', uri: 'http://example.com/types/forward0' };
delete FORWARD.invert;
ours.types.register(FORWARD);

/** A backend that refuses ops which insert words that begin with `bad`. */
function strictBackend(code = 'ERR_NOT_ALLOWED') {
  const backend = new Backend();
  backend.use('submit', ({ op }, next) => {
    const bad = op.op?.some(({ li }) => li?.startsWith?.('bad'));
    next(bad ? new ShareDBError(code, 'Not allowed') : undefined);
  });
  return backend;
}

/** A document that another client of the server made. */
async function elsewhere(backend, id) {
  const connection = backend.connect();
  const doc = connection.get('c', id);
  await call(doc, 'fetch');
  return doc;
}

const plain = ({ number, error, ...rest }) => ({ ...rest, code: error.code });

describe('a document that was deleted on the server meanwhile', () => {
  it('is deleted here, and the ops are dead letters', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const life = new Life(backend, storage);
    await life.online();
    const doc = life.doc('a');
    await call(doc, 'create', { list: [] });
    await call(doc, 'subscribe');
    life.offline();
    const outcomes = [];
    append(doc, 'late', (error) => outcomes.push(error?.code));
    await call(life.connection, 'flushWrites');
    await call(await elsewhere(backend, 'a'), 'del');
    const letters = [];
    life.connection.on('dead letter', (letter) => letters.push(letter));
    await life.online();
    await life.drained();
    assert.equal(doc.type, null);
    assert.deepEqual(outcomes, ['ERR_DOC_WAS_DELETED']);
    assert.deepEqual(life.connection.deadLetters, letters);
    assert.deepEqual(letters.map(plain), [
      {
        collection: 'c',
        id: 'a',
        op: [{ p: ['list', 0], li: 'late' }],
        type: json0.type.uri,
        version: 1,
        code: 'ERR_DOC_WAS_DELETED',
      },
    ]);
    assert.ok(letters[0].error instanceof Error);
  });

  for (const recreated of [false, true]) {
    const what = recreated ? 'deleted and created anew' : 'deleted';
    it(`is ${what} in the next life, too`, async () => {
      const [backend, storage] = [new Backend(), new InMemoryStorage()];
      const first = new Life(backend, storage);
      await first.online();
      await call(first.doc('a'), 'create', { list: ['old'] });
      first.offline();
      append(first.doc('a'), 'late');
      await call(first.connection, 'flushWrites');
      first.crash();
      const other = await elsewhere(backend, 'a');
      await call(other, 'del');
      if (recreated) await call(other, 'create', { list: ['new'] });

      const second = new Life(backend, storage);
      const doc = second.doc('a');
      await call(doc, 'subscribe');
      assert.deepEqual(doc.data.list, ['old', 'late']);
      const letter = happens(second.connection, 'dead letter');
      await second.online();
      assert.deepEqual((await letter).op, [{ p: ['list', 1], li: 'late' }]);
      await second.drained();
      assert.deepEqual(doc.data, recreated ? { list: ['new'] } : undefined);
      assert.deepEqual(doc.data, (await snapshot(backend, 'a')).data);
      second.crash();

      const third = new Life(backend, storage);
      await happens(third.store, 'ready');
      assert.equal(third.connection.hasPendingOfflineDocs(), false);
      await settle();
      assert.deepEqual(third.connection.deadLetters.map(plain), [plain(await letter)]);
    });
  }

  it('was created here, too: what was there first stays', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const first = new Life(backend, storage);
    first.doc('a').create({ list: ['ours'] });
    await call(first.connection, 'flushWrites');
    append(first.doc('a'), 'more');
    await call(first.connection, 'flushWrites');
    first.crash();
    await call(await elsewhere(backend, 'a'), 'create', { list: ['theirs'] });

    const second = new Life(backend, storage);
    const doc = second.doc('a');
    await call(doc, 'subscribe');
    assert.deepEqual(doc.data.list, ['ours', 'more']);
    const failed = happens(doc, 'error');
    await second.online();
    assert.equal((await failed).code, 'ERR_DOC_ALREADY_CREATED');
    await second.drained();
    assert.deepEqual(doc.data.list, ['theirs']);
    const [letter] = second.connection.deadLetters;
    assert.equal(letter.error.code, 'ERR_DOC_ALREADY_CREATED');
    assert.deepEqual(letter.create, { type: json0.type.uri, data: { list: ['ours', 'more'] } });
    assert.equal(second.connection.deadLetters.length, 1);
  });
});

describe('a refused op', () => {
  /** Three ops offline, the second of which is bad; what is said of them after the server came. */
  async function refuse({ code, type, keepPendingOnReject, restarts }) {
    const [backend, storage] = [strictBackend(code), new InMemoryStorage()];
    const first = new Life(backend, storage, { keepPendingOnReject });
    await first.online();
    const doc = first.doc('a');
    await call(doc, 'create', { list: [] }, type?.uri);
    await call(doc, 'subscribe');
    first.offline();
    doc.preventCompose = true;
    const outcomes = {};
    for (const word of ['good', 'bad', 'fine']) {
      append(doc, word, (error) => (outcomes[word] = error ? error.code : 'taken'));
    }
    await call(first.connection, 'flushWrites');
    let last = first;
    if (restarts) {
      first.crash();
      last = new Life(backend, storage, { keepPendingOnReject });
      await call(last.doc('a'), 'subscribe');
    }
    last.doc('a').on('error', () => {});
    await last.online();
    await last.drained();
    const { data } = await snapshot(backend, 'a');
    assert.deepEqual(last.doc('a').data, data);
    assert.deepEqual(await words(backend, 'a'), data.list);
    const letters = last.connection.deadLetters.map(({ op, error }) => [op[0].li, error.code]);
    return { list: data.list, letters, outcomes };
  }

  const REMOVED = 'ERR_PENDING_OP_REMOVED_BY_OP_SUBMIT_REJECTED';

  for (const restarts of [false, true]) {
    const life = restarts ? 'of a life before' : 'of this life';
    const heard = (outcomes) => (restarts ? {} : outcomes);

    it(`${life} is taken back, and the others stay`, async () => {
      assert.deepEqual(await refuse({ restarts }), {
        list: ['good', 'fine'],
        letters: [['bad', 'ERR_NOT_ALLOWED']],
        outcomes: heard({ good: 'taken', bad: 'ERR_NOT_ALLOWED', fine: 'taken' }),
      });
    });

    it(`${life} without an error is taken back, and its callback hears of none`, async () => {
      assert.deepEqual(await refuse({ restarts, code: 'ERR_OP_SUBMIT_REJECTED' }), {
        list: ['good', 'fine'],
        letters: [['bad', 'ERR_OP_SUBMIT_REJECTED']],
        outcomes: heard({ good: 'taken', bad: 'taken', fine: 'taken' }),
      });
    });

    it(`${life} that cannot be taken back costs the others, as in ShareDB`, async () => {
      assert.deepEqual(await refuse({ restarts, type: FORWARD }), {
        list: ['good'],
        letters: [
          ['bad', 'ERR_NOT_ALLOWED'],
          ['fine', 'ERR_NOT_ALLOWED'],
        ],
        outcomes: heard({ good: 'taken', bad: 'ERR_NOT_ALLOWED', fine: 'ERR_NOT_ALLOWED' }),
      });
      const quiet = await refuse({ restarts, type: FORWARD, code: 'ERR_OP_SUBMIT_REJECTED' });
      assert.deepEqual(quiet.list, ['good']);
      assert.deepEqual(quiet.outcomes, heard({ good: 'taken', bad: 'taken', fine: REMOVED }));
    });

    it(`${life} that cannot be taken back costs nothing where the application wants that`, async () => {
      const keepPendingOnReject = true;
      assert.deepEqual(await refuse({ restarts, type: FORWARD, keepPendingOnReject }), {
        list: ['good', 'fine'],
        letters: [['bad', 'ERR_NOT_ALLOWED']],
        outcomes: heard({ good: 'taken', bad: 'ERR_NOT_ALLOWED', fine: 'taken' }),
      });
    });
  }

  it('costs those that need it, also where the type applies a part of them before it throws', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const makesNew = ({ p, oi }) => p[0] === 'new' && oi !== undefined;
    backend.use('submit', ({ op }, next) => {
      next(op.op?.some(makesNew) ? new ShareDBError('ERR_NOT_ALLOWED', 'Not allowed') : undefined);
    });
    const life = new Life(backend, storage, { keepPendingOnReject: true });
    await life.online();
    const doc = life.doc('a');
    await call(doc, 'create', { list: [] }, FORWARD.uri);
    await call(doc, 'subscribe');
    life.offline();
    doc.preventCompose = true;
    doc.on('error', () => {});
    doc.submitOp([{ p: ['new'], oi: [] }]);
    append(doc, 'fine');
    doc.submitOp([
      { p: ['list', 0], li: 'half' },
      { p: ['new', 0], li: 1 },
    ]);
    doc.submitOp([{ p: ['list', 0], li: 'last' }]);
    await call(life.connection, 'flushWrites');
    await life.online();
    await life.drained();
    assert.deepEqual(doc.data, { list: ['last', 'fine'] });
    assert.deepEqual((await snapshot(backend, 'a')).data, doc.data);
    const lost = life.connection.deadLetters.map(({ op }) => op[0].oi ?? op[0].li);
    assert.deepEqual(lost, [[], 'half']);
  });

  it('is kept until somebody has seen to it', async () => {
    const [backend, storage] = [strictBackend(), new InMemoryStorage()];
    const first = new Life(backend, storage);
    await first.online();
    const doc = first.doc('a');
    await call(doc, 'create', { list: [] });
    doc.on('error', () => {});
    for (const word of ['bad 1', 'bad 2', 'bad 3']) {
      const letter = happens(first.connection, 'dead letter');
      append(doc, word);
      await letter;
    }
    const { connection } = first;
    const [one, two, three] = connection.deadLetters;
    assert.deepEqual([one.op[0].li, two.op[0].li, three.op[0].li], ['bad 1', 'bad 2', 'bad 3']);
    connection.removeDeadLetters([one]);
    connection.removeDeadLetters(three.number);
    assert.deepEqual(connection.deadLetters, [two]);
    await call(connection, 'flushWrites');
    first.crash();

    const second = new Life(backend, storage);
    await happens(second.store, 'ready');
    await settle();
    assert.deepEqual(second.connection.deadLetters.map(plain), [plain(two)]);
    second.connection.removeDeadLetters(second.connection.deadLetters);
    await call(second.connection, 'flushWrites');
    second.crash();

    const third = new Life(backend, storage);
    await happens(third.store, 'ready');
    await settle();
    assert.deepEqual(third.connection.deadLetters, []);
  });

  it('is never passed over in silence', async () => {
    const warnings = [];
    const { warn } = ours.logger;
    ours.logger.setMethods({ warn: (...args) => warnings.push(String(args[0])) });
    try {
      const [backend, storage] = [strictBackend(), new InMemoryStorage()];
      const heard = [];
      const opErrorCallback = (error, letter) => heard.push([error.code, letter.op[0].li]);
      const first = new Life(backend, storage, { opErrorCallback });
      await first.online();
      const doc = first.doc('a');
      await call(doc, 'create', { list: [] });
      await assert.rejects(
        new Promise((resolve, reject) => append(doc, 'bad', (error) => reject(error))),
      );
      await settle();
      assert.deepEqual(heard, [['ERR_NOT_ALLOWED', 'bad']]);
      assert.deepEqual(warnings, ['An op on c/a was given up: Not allowed']);
      first.crash();

      const second = new Life(backend, storage);
      second.connection.on('dead letter', () => assert.fail('it is not new'));
      await happens(second.store, 'ready');
      await settle();
      assert.equal(warnings.at(-1), 'connection.deadLetters has 1 ops that were given up');
    } finally {
      ours.logger.setMethods({ warn });
    }
  });
});

describe('many dead letters', () => {
  it('are told to the tab as they come, the oldest going, and as a whole to the next one', async () => {
    const MOST = 1000;
    // A refused create takes the ops after it along.
    const [DOCS, OPS_EACH] = [20, 51];
    const COUNT = DOCS * OPS_EACH;
    assert.equal(COUNT, MOST + 20);
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    backend.use('submit', (_, next) => next(new ShareDBError('ERR_NOT_ALLOWED', 'Not allowed')));
    const first = new Life(backend, storage);
    const told = [];
    first.connection.on('dead letter', ({ number }) => told.push(number));
    let refused = 0;
    const count = ({ code }) => (refused += code === 'ERR_NOT_ALLOWED');
    for (let i = 0; i < DOCS; i++) {
      const doc = first.doc(`many ${i}`);
      doc.preventCompose = true;
      doc.create({ list: [] }, count);
      for (let op = 1; op < OPS_EACH; op++) append(doc, `word ${op}`, count);
    }
    await first.online();
    await first.drained();
    assert.equal(refused, COUNT);
    assert.equal(told.length, COUNT);
    assert.equal(new Set(told).size, COUNT);
    const numbers = ({ deadLetters }) => deadLetters.map(({ number }) => number);
    assert.deepEqual(numbers(first.connection), told.slice(-MOST));
    first.connection.removeDeadLetters(told.slice(-10));
    await call(first.connection, 'flushWrites');
    first.crash();

    const second = new Life(backend, storage);
    await happens(second.store, 'ready');
    assert.deepEqual(numbers(second.connection), told.slice(-MOST, -10));
  });
});

describe('a document that is loaded anew after a refused create', () => {
  it('can be created offline before it is loaded, and is kept', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const held = [];
    let holds = true;
    backend.use('submit', ({ op }, next) => {
      const isBad = op.create?.data.list[0] === 'bad';
      next(isBad ? new ShareDBError('ERR_NOT_ALLOWED', 'Not allowed') : undefined);
    });
    backend.use('readSnapshots', (_, next) => (holds ? held.push(next) : next()));
    const life = new Life(backend, storage);
    const doc = life.doc('a');
    doc.create({ list: ['bad'] }, () => {});
    await life.online();
    await settle();
    assert.deepEqual([held.length, doc.type], [1, null]);
    life.offline();
    await settle();
    holds = false;
    held.forEach((next) => next());
    doc.create({ list: ['good'] }, () => {});
    await call(life.connection, 'flushWrites');
    assert.deepEqual(doc.data, { list: ['good'] });
    life.crash();
    const next = new Life(backend, storage);
    await next.online();
    await next.drained();
    assert.deepEqual((await snapshot(backend, 'a')).data, { list: ['good'] });
    assert.deepEqual(next.connection.deadLetters.length, 1);
  });
});
