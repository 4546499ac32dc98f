/** One side of the race: as many tabs of one client, on one document. */
import { createConnection } from 'sharedb-proxy';
import { Connection } from 'sharedb/lib/client';
import { COLLECTION } from '../seeds.mjs';

/** How many measurements count. */
const LATEST = 50;

/** Has a connection of a tab made, by the client's name. */
const CLIENTS = {
  stock: (url) => new Connection(new WebSocket(url)),
  // A worker of its own for each race: its one socket has the name by which the server counts.
  proxy: (url, namespace) =>
    createConnection(url, {
      namespace,
      worker: (name) =>
        new SharedWorker(new URL('./worker.js', import.meta.url), { type: 'module', name }),
    }),
};

export class Side {
  /** How long each of the latest ops took, in milliseconds. @type {number[]} */
  latest = [];
  ops = 0;
  #docs = [];

  /**
   * @param {'stock' | 'proxy'} client
   * @param {string} race an id for the race
   * @param {number} tabs
   * @param {number} delay milliseconds to the server, each way
   */
  constructor(client, race, tabs, delay) {
    /** By which the server counts. */
    this.name = `${client} ${race}`;
    const url = new URL('/sharedb', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    url.searchParams.set('client', this.name);
    url.searchParams.set('delay', delay);
    for (let i = 0; i < tabs; i += 1) {
      const connection = CLIENTS[client](url.href, race);
      this.#docs.push(connection.get(COLLECTION, `race-${this.name}`));
    }
  }

  /** Resolves when all tabs have the document. */
  async open() {
    const [first] = this.#docs;
    await call((done) => first.create({ n: 0 }, done));
    await Promise.all(this.#docs.map((doc) => call((done) => doc.subscribe(done))));
  }

  /** Submits an op in the first tab, and resolves when the last of the others has it. */
  async once() {
    const [first, ...others] = this.#docs;
    const arrived = others.map((doc) => new Promise((resolve) => doc.once('op', resolve)));
    const acknowledged = call((done) => {
      const began = performance.now();
      first.submitOp([{ p: ['n'], na: 1 }], done);
      Promise.all(arrived).then(() => this.latest.push(performance.now() - began));
    });
    // The other side does not begin before this one has nothing more to do.
    await Promise.all([...arrived, acknowledged]);
    this.latest = this.latest.slice(-LATEST);
    this.ops += 1;
  }

  close() {
    for (const { connection } of this.#docs) connection.close();
  }
}

const call = (work) =>
  new Promise((resolve, reject) => work((error) => (error ? reject(error) : resolve())));

/** The middle one of some numbers. */
export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
