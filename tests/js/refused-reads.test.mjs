/**
 * The server refuses a read: everyone who waits for it is called back, nobody is subscribed by it, and the next one asks again. With a
 * host of its own, and with one for all tabs.
 */

import assert from 'node:assert/strict';
import { Backend, assertSame, call, connect, settle, stock } from './clients.mjs';
import { PLACES, SILENT, World, record } from './refusing-server.mjs';

const LOUD = 'ERR_LOUD';

/** A tab that subscribes while the server refuses nothing. */
async function subscribed(world, name) {
  world.allow();
  const doc = await world.doc(name);
  await call(doc, 'subscribe');
  await settle();
  return doc;
}

/** What ends as with the stock client. */
const SCENARIOS = {
  async 'two tabs that wait for the same answer'(world) {
    const [a, b] = [await world.doc('a'), await world.doc('b')];
    world.ask(a, 'subscribe', 'a');
    world.ask(b, 'subscribe', 'b');
    await settle();
    world.look(a, b);
    world.allow();
    for (const [doc, name] of [
      [a, 'a'],
      [b, 'b'],
    ]) {
      world.ask(doc, 'subscribe', name);
      await settle();
    }
    await world.again(a, b);
  },

  async 'a fetch and a subscribe at once'(world) {
    const doc = await world.doc('a');
    world.ask(doc, 'fetch', 'a');
    world.ask(doc, 'subscribe', 'a');
    world.ask(doc, 'fetch', 'a again');
    await settle();
    world.look(doc);
    await world.again(doc);
  },

  async 'a subscribe of a document that is here'(world) {
    const doc = await world.doc('a');
    world.allow();
    await call(doc, 'fetch');
    world.refuse();
    world.ask(doc, 'subscribe', 'a');
    await settle();
    world.look(doc);
    await world.edit(doc);
    world.allow();
    world.ask(doc, 'subscribe', 'a');
    await settle();
    world.look(doc);
    await world.again(doc);
  },

  async 'a subscribe of a document that is here, and a destroy'(world) {
    const doc = await world.doc('a');
    world.allow();
    await call(doc, 'fetch');
    world.refuse();
    world.ask(doc, 'subscribe', 'a');
    await settle();
    world.ask(doc, 'destroy', 'a');
    await settle();
    world.allow();
    const next = world.watch(doc.connection.get('c', 'd'), 'next');
    world.ask(next, 'fetch', 'next');
    await settle();
    await world.again(next);
  },

  async 'a second subscribe of a tab that is subscribed'(world) {
    const [a, b] = [await subscribed(world, 'a'), await subscribed(world, 'b')];
    world.refuse();
    world.ask(a, 'subscribe', 'a');
    await settle();
    world.look(a, b);
    world.allow();
    await world.edit(a, b);
    await world.again(a, b);
  },

  async 'the subscription after a reconnect'(world) {
    const doc = await subscribed(world, 'a');
    await world.place.cut();
    world.refuse();
    await world.edit(doc);
    await world.place.reconnect();
    world.look(doc);
    world.allow();
    await world.edit(doc);
    world.ask(doc, 'subscribe', 'a');
    await settle();
    world.look(doc);
    await world.again(doc);
  },

  async 'the subscription after a reconnect, and again after the next one'(world) {
    const doc = await subscribed(world, 'a');
    for (let times = 0; times < 2; times++) {
      await world.place.cut();
      world.refuse();
      await world.edit(doc);
      await world.place.reconnect();
      world.look(doc);
    }
    await world.again(doc);
  },

  async 'the subscription after a reconnect, and an unsubscribe'(world) {
    const doc = await subscribed(world, 'a');
    await world.place.cut();
    world.refuse();
    await world.edit(doc);
    await world.place.reconnect();
    world.ask(doc, 'unsubscribe', 'a');
    await settle();
    world.look(doc);
    await world.again(doc);
  },

  async 'the subscription after a reconnect, with an op that waits'(world) {
    const doc = await subscribed(world, 'a');
    await world.place.cut();
    world.refuse();
    doc.submitOp([{ p: ['n'], na: 10 }], world.log.callback('op of a'));
    await world.place.reconnect();
    world.look(doc);
    await world.again(doc);
  },

  async 'one of many that are read in bulk'(world) {
    world.allow();
    const { rejects } = world.rejectOne();
    const doc = await world.doc('a');
    const other = doc.connection.get('c', 'other');
    doc.connection.startBulk();
    world.ask(doc, 'subscribe', 'a');
    world.ask(other, 'subscribe', 'other');
    doc.connection.endBulk();
    await settle();
    world.look(doc, other);
    rejects(false);
    await world.again(doc, other);
  },

  async 'a subscribe of a document that is being created'(world) {
    const doc = world.watch((await world.place.tab('a')).get('c', 'new'), 'a');
    const { rejects } = world.rejectOne('new');
    world.ask(doc, 'subscribe', 'a');
    doc.create({ n: 5 }, world.log.callback('create'));
    await settle();
    world.look(doc);
    rejects(false);
    world.ask(doc, 'subscribe', 'a again');
    await settle();
    world.look(doc);
  },

  async 'a query with the document'(world) {
    const doc = await subscribed(world, 'a');
    world.refuse();
    for (const method of ['createFetchQuery', 'createSubscribeQuery']) {
      const query = doc.connection[method]('c', {}, null, (error, results) =>
        world.log.add(method, error, results?.length),
      );
      query.on('error', (error) => world.log.add('query error', error));
      await settle();
      world.log.add(query.ready, query.results?.length);
    }
    world.look(doc);
    await world.again(doc);
  },
};

for (const place of Object.keys(PLACES).slice(1)) {
  for (const [how, code] of Object.entries({ aloud: LOUD, silently: SILENT })) {
    describe(`a server that refuses ${how}, with ${place}`, () => {
      for (const [name, scenario] of Object.entries(SCENARIOS)) {
        it(name, async () =>
          assertSame(await record(place, scenario, code), await record('stock', scenario, code)),
        );
      }
    });
  }
}

/** What the stock client does not have: tabs that share a subscription, and that open a document offline. */
for (const [how, code] of Object.entries({ aloud: LOUD, silently: SILENT })) {
  describe(`a host whose server refuses ${how}`, () => {
    let world;
    beforeEach(async () => {
      world = new World('a host for all tabs', code);
      await world.begin();
    });
    afterEach((done) => world.backend.close(done));

    const outcome = (doc, method) =>
      call(doc, method).then(
        () => 'done',
        (error) => error.code,
      );
    /** What a callback is told of a refusal. */
    const refusal = { [LOUD]: LOUD, [SILENT]: 'done' }[code];

    it('tells a tab no change that its refused subscribe would have brought', async () => {
      const [a, b] = [await world.doc('a'), await world.doc('b')];
      world.allow();
      await call(a, 'fetch');
      world.refuse();
      assert.equal(await outcome(a, 'subscribe'), refusal);
      world.allow();
      await call(b, 'subscribe');
      await call(world.theirs, 'submitOp', [{ p: ['n'], na: 1 }]);
      await settle();
      assert.deepEqual([a.subscribed, a.version, b.subscribed, b.version], [false, 1, true, 2]);
      await call(a, 'subscribe');
      assert.deepEqual([a.subscribed, a.version], [true, 2]);
    });

    it('asks for what was queued behind a refused subscribe', async () => {
      const [a, b] = [await world.doc('a'), await world.doc('b')];
      let answer;
      world.held = new Promise((resolve) => (answer = resolve));
      a.subscribe(() => {});
      await settle();
      // The host unsubscribes for the tab that leaves, and subscribes again for the other one.
      a.connection.close();
      await settle();
      const asked = outcome(b, 'subscribe');
      await settle();
      world.allow();
      answer();
      await settle();
      assert.equal(await asked, 'done');
      assert.deepEqual([b.subscribed, b.data], [true, { n: 0 }]);
    });

    it('ends all calls of a tab behind a refused subscribe', async () => {
      const doc = await world.doc('a');
      const calls = ['subscribe', 'unsubscribe', 'subscribe', 'fetch', 'unsubscribe'];
      const outcomes = Promise.all(calls.map((method) => outcome(doc, method)));
      await settle();
      assert.deepEqual(await outcomes, [refusal, 'done', refusal, refusal, 'done']);
      assert.equal(doc.hasPending(), false);
    });

    it('tells a tab that opened the document offline, and does not take it for subscribed', async () => {
      const a = await subscribed(world, 'a');
      await world.place.cut();
      const b = await world.doc('b');
      await call(b, 'subscribe');
      assert.deepEqual(b.data, { n: 0 });
      world.refuse();
      await call(world.theirs, 'submitOp', [{ p: ['n'], na: 1 }]);
      world.log.entries.length = 0;
      await world.place.reconnect();
      const told = world.log.entries.filter(([, event]) => event === 'error');
      assert.deepEqual(
        told.map(([name]) => name),
        code === LOUD ? ['a', 'b'] : [],
      );
      assert.deepEqual([a.subscribed, b.subscribed], [false, false]);
      world.allow();
      await call(b, 'subscribe');
      await call(world.theirs, 'submitOp', [{ p: ['n'], na: 1 }]);
      await settle();
      assert.deepEqual([a.version, b.version, b.subscribed], [1, 3, true]);
      await call(a, 'subscribe');
      assert.deepEqual([a.version, a.subscribed], [3, true]);
    });

    it('asks again where a refusal answers what was asked before a reconnect', async () => {
      const doc = await world.doc('a');
      world.allow();
      await call(doc, 'fetch');
      world.refuse();
      let cut;
      world.refused = () => (cut ??= world.place.cut());
      let [first, again] = [];
      doc.subscribe((error) => {
        first = error?.code ?? 'done';
        again = outcome(doc, 'subscribe');
      });
      await settle();
      await cut;
      // Both the request of before and its repetition are answered with the next refusal.
      world.refused = () => world.allow();
      await world.place.reconnect();
      assert.equal(first, refusal);
      assert.equal(await again, 'done');
      assert.equal(doc.subscribed, true);
      await call(world.theirs, 'submitOp', [{ p: ['n'], na: 1 }]);
      await settle();
      assert.equal(doc.version, 2);
    });
  });
}
