/**
 * The server refuses a read, and wants no error told (`ERR_SNAPSHOT_READ_SILENT_REJECTION`): the application's callback
 * succeeds, and the document is not subscribed, now or after a reconnect. With a host of its own, and with one for all tabs.
 */

import { assertSame, call, settle } from './clients.mjs';
import { PLACES, record } from './refusing-server.mjs';

const SCENARIOS = {
  async 'a subscribe'(world) {
    const doc = await world.doc('a');
    world.ask(doc, 'subscribe', 'a');
    await settle();
    world.look(doc);
    await world.again(doc);
  },

  async 'a subscribe, and one that is let through'(world) {
    const doc = await world.doc('a');
    for (const code of [world.code, world.code, null]) {
      world.code = code;
      world.ask(doc, 'subscribe', 'a');
      await settle();
      world.look(doc);
    }
    await world.again(doc);
  },

  async 'a subscribe after one that failed aloud'(world) {
    const doc = await world.doc('a');
    const { code } = world;
    for (const next of ['ERR_LOUD', code]) {
      world.code = next;
      world.ask(doc, 'subscribe', 'a');
      await settle();
      world.look(doc);
    }
    await world.again(doc);
  },

  async 'a fetch'(world) {
    const doc = await world.doc('a');
    world.ask(doc, 'fetch', 'a');
    await settle();
    world.look(doc);
    await world.again(doc);
  },

  async 'a fetch, and a subscribe that is let through'(world) {
    const doc = await world.doc('a');
    world.refused = () => (world.code = null);
    world.ask(doc, 'fetch', 'a');
    world.ask(doc, 'subscribe', 'a');
    await settle();
    world.look(doc);
    await world.again(doc);
  },

  async 'a bulk subscribe'(world) {
    const doc = await world.doc('a');
    const other = doc.connection.get('c', 'other');
    doc.connection.startBulk();
    world.ask(doc, 'subscribe', 'a');
    world.ask(other, 'subscribe', 'other');
    doc.connection.endBulk();
    await settle();
    world.look(doc, other);
    await world.again(doc, other);
  },

  async 'a bulk fetch'(world) {
    const doc = await world.doc('a');
    const other = doc.connection.get('c', 'other');
    doc.connection.startBulk();
    world.ask(doc, 'fetch', 'a');
    world.ask(other, 'fetch', 'other');
    doc.connection.endBulk();
    await settle();
    world.look(doc, other);
    await world.again(doc, other);
  },

  async 'a subscribe whose first answer is lost'(world) {
    const doc = await world.doc('a');
    let lost;
    world.refused = () => (lost ??= world.place.cut());
    world.ask(doc, 'subscribe', 'a');
    await settle();
    await lost;
    world.look(doc);
    await world.place.reconnect();
    world.look(doc);
    await world.again(doc);
  },

  async 'two tabs, of which one is refused and the other one asks later'(world) {
    const [a, b] = [await world.doc('a'), await world.doc('b')];
    world.ask(a, 'subscribe', 'a');
    await settle();
    world.ask(b, 'subscribe', 'b');
    await settle();
    world.look(a, b);
    world.code = null;
    world.ask(b, 'subscribe', 'b');
    await settle();
    await world.edit(a, b);
    await world.again(a, b);
  },

  async 'two tabs that have the document, of which one is refused'(world) {
    const [a, b] = [await world.doc('a'), await world.doc('b')];
    const { code } = world;
    world.code = null;
    world.ask(a, 'fetch', 'a');
    await settle();
    world.refuseOps(code);
    world.ask(a, 'subscribe', 'a');
    await settle();
    world.look(a);
    world.refuseOps(null);
    await world.edit(a);
    world.ask(b, 'subscribe', 'b');
    await settle();
    await world.edit(a, b);
    await world.again(a, b);
  },

  async 'a subscribed tab whose fetch is refused, and another one'(world) {
    const [a, b] = [await world.doc('a'), await world.doc('b')];
    const { code } = world;
    world.code = null;
    for (const [doc, name] of [
      [a, 'a'],
      [b, 'b'],
    ]) {
      world.ask(doc, 'subscribe', name);
      await settle();
    }
    world.refuseOps(code);
    world.ask(a, 'fetch', 'a');
    await settle();
    world.refuseOps(null);
    world.look(a, b);
    await world.again(a, b);
  },
};

for (const place of Object.keys(PLACES).slice(1)) {
  describe(`a read that is refused silently, with ${place}`, () => {
    for (const [name, scenario] of Object.entries(SCENARIOS)) {
      it(name, async () =>
        assertSame(await record(place, scenario), await record('stock', scenario)),
      );
    }
  });
}
