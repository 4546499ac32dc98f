/**
 * A server that refuses to let a document be read, and tabs that ask for it: with the stock client, with a host in each page, and
 * with one host for all tabs.
 */

import { Backend, Log, call, connect, ours, settle, stock, Wire } from './clients.mjs';
import { OneHost } from './one-host.mjs';

/** The code of a refusal that is not to be told. */
export const SILENT = 'ERR_SNAPSHOT_READ_SILENT_REJECTION';

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

export const PLACES = {
  stock: (backend) => new Alone(stock, backend),
  'a host in the page': (backend) => new Alone(ours, backend),
  'a host for all tabs': (backend) => new OneHost(backend),
};

/** A server with a document that it refuses to let be read, until it is told otherwise. */
export class World {
  constructor(place, code) {
    this.backend = new Backend();
    this.log = new Log();
    this.refusal = code;
    this.code = null;
    /** What is called at a refusal. */
    this.refused = () => {};
    /** Refusals of snapshots wait for it. */
    this.held = Promise.resolve();
    this.place = PLACES[place](this.backend);
  }

  async begin() {
    const author = await connect(stock, this.backend);
    this.theirs = author.connection.get('c', 'd');
    await call(this.theirs, 'create', { n: 0 });
    this.code = this.refusal;
    this.backend.use('readSnapshots', ({ snapshots }, next) => {
      const { code } = this;
      if (!code || !snapshots.some(({ id }) => id === 'd')) return next();
      this.refused();
      this.held.then(() => next(Object.assign(new Error('refused'), { code })));
    });
  }

  /** Whether ops are refused to those who ask for what they lack. */
  refuseOps(code) {
    for (const read of ['_getSanitizedOps', '_getSanitizedOpsBulk']) {
      const refuse = (...args) => {
        this.refused();
        args.at(-1)(Object.assign(new Error('refused'), { code }));
      };
      if (code) this.backend[read] = refuse;
      else delete this.backend[read];
    }
  }

  /** Refuses to let one document be read, and lets the others of the same read be. */
  rejectOne(id = 'd') {
    let on = true;
    const error = Object.assign(new Error('refused'), { code: this.refusal });
    this.backend.use('readSnapshots', (context, next) => {
      const refused = on && context.snapshots.find((snapshot) => snapshot.id === id);
      if (refused) context.rejectSnapshotRead(refused, error);
      next();
    });
    return { rejects: (does) => (on = does) };
  }

  /** From now on the server refuses all reads of the document. */
  refuse() {
    this.code = this.refusal;
    this.refuseOps(this.refusal);
  }

  /** From now on the server refuses nothing. */
  allow() {
    this.code = null;
    this.refuseOps(null);
  }

  /** The document in a new tab. */
  async doc(name) {
    const connection = await this.place.tab(name);
    return this.watch(connection.get('c', 'd'), name);
  }

  watch(doc, name) {
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
    this.allow();
    await this.edit(...docs);
    await this.place.cut();
    this.look(...docs);
    await this.place.reconnect();
    await this.edit(...docs);
  }
}

/** What tabs at a place tell of a scenario, in which the server refuses with `code`. */
export async function record(place, scenario, code = SILENT) {
  const world = new World(place, code);
  await world.begin();
  await scenario(world);
  await settle();
  await new Promise((resolve) => world.backend.close(resolve));
  return world.log.entries;
}
