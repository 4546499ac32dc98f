/**
 * The server refuses a read, and wants no error told (`ERR_SNAPSHOT_READ_SILENT_REJECTION`): the application's callback
 * succeeds, and the document is not subscribed, now or after a reconnect. With a host of its own, and with one for all tabs.
 */

import { Backend, Log, assertSame, call, connect, ours, settle, stock, Wire } from './clients.mjs';
import { OneHost } from './one-host.mjs';

/** Each tab has a connection of its own to the server. */
class Alone {
  constructor(client, backend) {
    Object.assign(this, { client, backend, tabs: [] });
  }

  async tab() {
    const tab = await connect(this.client, this.backend);
    this.tabs.push(tab);
    return tab.connection;
  }

  async cut() {
    for (const { wire } of this.tabs) wire.close('lost');
    await settle();
  }

  async reconnect() {
    for (const tab of this.tabs) {
      tab.wire = new Wire(this.backend);
      tab.connection.bindToSocket(tab.wire.socket);
      tab.wire.open();
    }
    await settle();
  }
}

const PLACES = {
  stock: (backend) => new Alone(stock, backend),
  'a host in the page': (backend) => new Alone(ours, backend),
  'a host for all tabs': (backend) => new OneHost(backend),
};

/** A server with a document that it refuses to let be read, until it is told otherwise. */
class World {
  constructor(place) {
    this.backend = new Backend();
    this.log = new Log();
    this.code = null;
    /** What is called at a refusal. */
    this.refused = () => {};
    this.place = PLACES[place](this.backend);
  }

  async begin() {
    const author = await connect(stock, this.backend);
    this.theirs = author.connection.get('c', 'd');
    await call(this.theirs, 'create', { n: 0 });
    this.code = 'ERR_SNAPSHOT_READ_SILENT_REJECTION';
    this.backend.use('readSnapshots', ({ snapshots }, next) => {
      const { code } = this;
      if (!code || !snapshots.some(({ id }) => id === 'd')) return next();
      this.refused();
      next(Object.assign(new Error('refused'), { code }));
    });
  }

  /** Whether ops are refused to those who ask for what they lack. */
  refuseOps(code) {
    const refuse = (...args) => args.at(-1)(Object.assign(new Error('refused'), { code }));
    if (code) this.backend._getSanitizedOps = refuse;
    else delete this.backend._getSanitizedOps;
  }

  async doc(name) {
    const connection = await this.place.tab(name);
    const doc = connection.get('c', 'd');
    doc.on('op', (op) => this.log.add(name, 'op', op));
    return this.log.watchDoc(doc, name, ['load', 'error', 'del']);
  }

  /** The application's call, with its callback. */
  ask(doc, method, name) {
    doc[method](this.log.callback(`${method} of ${name}`));
  }

  /** Somebody else edits: who sees it? */
  async edit(...docs) {
    await call(this.theirs, 'submitOp', [{ p: ['n'], na: 1 }]);
    await settle();
    this.look(...docs);
  }

  look(...docs) {
    for (const { data, version, subscribed, wantSubscribe } of docs)
      this.log.add({ data, version, subscribed, wantSubscribe });
  }

  /** The connection is lost and comes again, and from now on the server refuses nothing. */
  async again(...docs) {
    this.code = null;
    await this.edit(...docs);
    await this.place.cut();
    this.look(...docs);
    await this.place.reconnect();
    await this.edit(...docs);
  }
}

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

async function record(place, scenario) {
  const world = new World(place);
  await world.begin();
  await scenario(world);
  await settle();
  await new Promise((resolve) => world.backend.close(resolve));
  return world.log.entries;
}

for (const place of Object.keys(PLACES).slice(1)) {
  describe(`a read that is refused silently, with ${place}`, () => {
    for (const [name, scenario] of Object.entries(SCENARIOS)) {
      it(name, async () =>
        assertSame(await record(place, scenario), await record('stock', scenario)),
      );
    }
  });
}
