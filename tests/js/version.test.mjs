/**
 * `doc.version` is the application's to write, as in the stock client: it says which ops of the server the data holds.
 * Applications that change `doc.data` themselves count what they did, so that the server's op is not applied to it again.
 */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, sameAsStock, settle, stock } from './clients.mjs';
import { SharedHost } from './shared-host.mjs';

const NEWER = 'ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT';
const add = (n) => [{ p: ['n'], na: n }];

/** Two connected documents at version 1. */
async function pair(client, backend, log) {
  const [near, far] = [await connect(client, backend), await connect(client, backend)];
  log.ids.set(near.connection.id, '<near>').set(far.connection.id, '<far>');
  const [doc, other] = [near, far].map(({ connection }) => connection.get('c', 'doc'));
  await call(doc, 'create', { n: 0, text: 'abc' });
  await call(doc, 'subscribe');
  await call(other, 'subscribe');
  return { doc, other, ...near };
}

/** Logs what an application reads of both documents. */
function logDocs(log, ...docs) {
  for (const { data, version } of docs) log.add(data, version);
}

describe('doc.version, assigned', () => {
  it('ahead of the server: an op gets the error of the server, and is taken back', () =>
    sameAsStock(async (client, log, backend) => {
      const { doc, other } = await pair(client, backend, log);
      log.watchDoc(doc);
      doc.version++;
      logDocs(log, doc);
      doc.submitOp(add(2), log.callback('refused'));
      await settle();
      logDocs(log, doc, other);
      doc.submitOp(add(3), log.callback('refused again'));
      await settle();
      logDocs(log, doc, other);
      doc.version--;
      doc.submitOp(add(4), log.callback('taken'));
      await settle();
      logDocs(log, doc, other);
    }));

  it('ahead of the server: an op without a callback is an error of the document', async () => {
    await sameAsStock(async (client, log, backend) => {
      const { doc } = await pair(client, backend, log);
      doc.on('error', (error) => log.add(error.code));
      doc.version++;
      doc.submitOp(add(2));
      await settle();
      logDocs(log, doc);
      if (client === ours) assert.deepEqual(log.entries[0], [NEWER]);
    });
  });

  it('ahead of the server: what the server does up to there is not applied again', () =>
    sameAsStock(async (client, log, backend) => {
      const { doc, other } = await pair(client, backend, log);
      log.watchDoc(doc);
      doc.data.n = 5;
      doc.version++;
      await call(other, 'submitOp', add(5));
      await settle();
      logDocs(log, doc, other);
      await call(other, 'submitOp', add(1));
      await settle();
      logDocs(log, doc, other);
      doc.submitOp(add(2), log.callback('own'));
      await settle();
      logDocs(log, doc, other);
    }));

  it('ahead of the server by two', () =>
    sameAsStock(async (client, log, backend) => {
      const { doc, other } = await pair(client, backend, log);
      log.watchDoc(doc);
      doc.data.n = 5;
      doc.version += 2;
      for (const n of [2, 3, 7]) {
        await call(other, 'submitOp', add(n));
        await settle();
        logDocs(log, doc, other);
      }
    }));

  it('ahead of what was heard: the op is based on what the server has meanwhile', () =>
    sameAsStock(async (client, log, backend) => {
      const { doc, other, wire } = await pair(client, backend, log);
      wire.gated = true;
      await call(other, 'submitOp', [{ p: ['text', 0], si: 'X' }]);
      doc.data.text = 'Xabc';
      doc.version++;
      doc.submitOp([{ p: ['text', 4], si: '!' }], log.callback('own'));
      while (doc.hasPending()) await wire.exchange();
      logDocs(log, doc);
      wire.gated = false;
      await settle();
      logDocs(log, other);
    }));

  it('put back before anything came: as if it had not been touched', () =>
    sameAsStock(async (client, log, backend) => {
      const { doc, other } = await pair(client, backend, log);
      doc.version++;
      doc.version--;
      await call(other, 'submitOp', add(5));
      doc.submitOp(add(1), log.callback('own'));
      await settle();
      logDocs(log, doc, other);
    }));

  it('put back while an op waits for the server to be so far', () =>
    sameAsStock(async (client, log, backend) => {
      const { doc, other } = await pair(client, backend, log);
      doc.connection.close();
      doc.version++;
      doc.submitOp(add(1), log.callback('own'));
      await settle();
      doc.version--;
      backend.connect(doc.connection);
      await settle();
      logDocs(log, doc, other);
    }));

  it('ahead while offline: the op waits, and the server decides', () =>
    sameAsStock(async (client, log, backend) => {
      const { doc, other } = await pair(client, backend, log);
      doc.connection.close();
      doc.version++;
      doc.submitOp(add(1), log.callback('own'));
      await settle();
      logDocs(log, doc);
      backend.connect(doc.connection);
      await settle();
      logDocs(log, doc, other);
    }));

  it('behind: a fetch brings the ops from there on', () =>
    sameAsStock(async (client, log, backend) => {
      const { doc, other } = await pair(client, backend, log);
      await call(other, 'submitOp', add(1));
      const kept = { data: structuredClone(other.data), version: other.version };
      await call(other, 'submitOp', add(10));
      await call(other, 'submitOp', [{ p: ['text', 0], si: 'X' }]);
      await settle();
      log.watchDoc(doc);
      Object.assign(doc, structuredClone(kept));
      logDocs(log, doc);
      doc.fetch(log.callback('fetched'));
      await settle();
      logDocs(log, doc, other);
    }));

  it('behind: an op is based on that version', () =>
    sameAsStock(async (client, log, backend) => {
      const { doc, other } = await pair(client, backend, log);
      const kept = { data: structuredClone(doc.data), version: doc.version };
      await call(other, 'submitOp', [{ p: ['text', 0], si: 'X' }]);
      await call(other, 'submitOp', [{ p: ['text', 4], si: 'Y' }]);
      await settle();
      Object.assign(doc, structuredClone(kept));
      doc.submitOp([{ p: ['text', 1], si: '!' }], log.callback('own'));
      doc.submitOp([{ p: ['n'], na: 1 }], log.callback('next'));
      await settle();
      logDocs(log, doc, other);
    }));

  it('behind: the next op of another client brings those before it', () =>
    sameAsStock(async (client, log, backend) => {
      const { doc, other } = await pair(client, backend, log);
      const kept = { data: structuredClone(doc.data), version: doc.version };
      await call(other, 'submitOp', [{ p: ['text', 0], si: 'X' }]);
      await call(doc, 'submitOp', [{ p: ['text', 4], si: 'Y' }]);
      await settle();
      Object.assign(doc, structuredClone(kept));
      await call(other, 'submitOp', add(3));
      await settle();
      logDocs(log, doc, other);
    }));

  it('of one tab is nothing to another', async () => {
    const backend = new Backend();
    const host = new SharedHost(backend);
    const [doc, second] = ['a', 'b'].map((name) => host.connection(name).get('c', 'doc'));
    const far = (await connect(stock, backend)).connection.get('c', 'doc');
    await call(doc, 'create', { n: 0 });
    for (const each of [doc, second, far]) await call(each, 'subscribe');
    doc.data.n += 2;
    doc.version++;
    await call(far, 'submitOp', add(2));
    await settle();
    second.submitOp(add(1));
    await settle();
    doc.version -= 2;
    doc.data.n = 0;
    await call(doc, 'fetch');
    await settle();
    for (const each of [doc, second, far]) assert.deepEqual([each.data.n, each.version], [3, 3]);
    assert.deepEqual(host.thrown, []);
  });

  it('to what is no version is refused', async () => {
    const { connection } = await connect(ours, new Backend());
    const doc = connection.get('c', 'doc');
    await call(doc, 'create', { n: 0 });
    for (const version of ['2', -1, 1.5, NaN, Infinity, 2 ** 53, {}]) {
      assert.throws(() => (doc.version = version), { code: 'ERR_MESSAGE_BADLY_FORMED' });
      assert.equal(doc.version, 1);
    }
    doc.version = null;
    assert.equal(doc.version, null);
  });
});
