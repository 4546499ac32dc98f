/** Refusals of the server that are not as a well-behaved server or middleware writes them. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { InMemoryStorage } from 'sharedb-proxy';
import { Backend, call, connect, ours, sameAsStock, settle } from './clients.mjs';
import { Life, append, happens } from './durable-lives.mjs';

const require = createRequire(import.meta.url);
const richText = require('rich-text').type;

/** Lets what the client sent reach a server that does not know the type, and its answer the client. */
async function answeredWithoutType(wire) {
  const { types } = ours;
  try {
    for (const name of [richText.name, richText.uri]) delete types.map[name];
    wire.toServer();
    await settle();
  } finally {
    types.register(richText);
  }
  wire.toClient();
  await settle();
}

/** A backend whose middleware calls back `refusal()` for ops on the document `d`. */
function refusing(refusal, of = ({ id }) => id === 'd') {
  const backend = new Backend();
  backend.use('submit', (request, next) => next(of(request) ? refusal() : undefined));
  return backend;
}

const REFUSALS = {
  'a number for its code': () => ({ code: 1234, message: 'Not today' }),
  'an object for its message': () => ({ code: 'ERR_MINE', message: { reason: 'mine' } }),
  'a number for its message': () => ({ code: 'ERR_MINE', message: 403 }),
  'an object for its code': () => ({ code: { is: 'mine' }, message: 'Not today' }),
  'neither code nor message': () => ({ other: 'thing' }),
  'null for both': () => ({ code: null, message: null }),
};

describe('a refusal of the server', () => {
  before(() => ours.types.register(richText));

  it('of a create whose type the server lacks is told and undone', () =>
    sameAsStock(async (client, log, backend) => {
      client.types.register(richText);
      const { connection, wire } = await connect(client, backend, { gated: true });
      const doc = log.watchDoc(connection.get('c', 'd'), 'd', ['create', 'del', 'load', 'error']);
      doc.create([{ insert: 'mine' }], richText.uri, log.callback('create'));
      await settle();
      await answeredWithoutType(wire);
      // The document is loaded anew.
      await answeredWithoutType(wire);
      log.add(doc.type?.name, doc.data, doc.hasPending());
    }));

  it('of a create whose type the server lacks is not asked for again in the next life', async () => {
    const [backend, storage] = [new Backend(), new InMemoryStorage()];
    const first = new Life(backend, storage, { gated: true });
    const errors = [];
    first
      .doc('d')
      .create([{ insert: 'mine' }], richText.uri, (error) => errors.push(error?.message));
    await call(first.connection, 'flushWrites');
    first.wire.open();
    for (let turn = 0; turn < 4; turn++) {
      await settle();
      await answeredWithoutType(first.wire);
    }
    assert.deepEqual(errors, ['Missing create type']);
    await call(first.connection, 'flushWrites');
    first.crash();
    const second = new Life(backend, storage);
    await happens(second.store, 'ready');
    assert.equal(second.connection.hasPendingOfflineDocs(), false);
    assert.equal(second.connection.deadLetters.length, 1);
  });

  for (const [name, refusal] of Object.entries(REFUSALS)) {
    it(`with ${name} is told as the stock client tells it`, () =>
      sameAsStock(async (client, log) => {
        const { connection } = await connect(client, refusing(refusal));
        const doc = connection.get('c', 'd');
        let heard;
        doc.create({ n: 1 }, (error) => (heard = error));
        await settle();
        log.add(heard instanceof Error, { code: heard.code }, Object.keys(heard.data));
        // The stock client has '[object Object]' for an object.
        log.add(typeof refusal().message === 'object' || heard.message);
        log.add(doc.type, doc.hasPending());
      }));
  }

  it('has the text of an object for its message', async () => {
    const { connection } = await connect(ours, refusing(REFUSALS['an object for its message']));
    await assert.rejects(call(connection.get('c', 'd'), 'create', {}), {
      message: '{"reason":"mine"}',
    });
  });

  it('has its number for a code in dead letters, too, and in the next life', async () => {
    const isBad = ({ op }) => op.op?.[0].li === 'bad';
    const [backend, storage] = [
      refusing(REFUSALS['a number for its code'], isBad),
      new InMemoryStorage(),
    ];
    const first = new Life(backend, storage);
    await first.online();
    const doc = first.doc('a');
    await call(doc, 'create', { list: [] });
    const codes = [];
    const letter = happens(first.connection, 'dead letter');
    append(doc, 'bad', (error) => codes.push(error.code));
    codes.push((await letter).error.code);
    await first.drained();
    await call(first.connection, 'flushWrites');
    first.crash();
    const second = new Life(backend, storage);
    await happens(second.store, 'ready');
    codes.push(second.connection.deadLetters[0].error.code);
    assert.deepEqual(codes, [1234, 1234, 1234]);
  });
});
