/** What the bench asks of a tab. It is the same for both clients, and uses ShareDB's own API only. */

import { submits } from '../workload.mjs';

/** Puts the tab's measurements on `globalThis.bench`. */
export function start(connect) {
  const connection = connect(new URLSearchParams(location.search).get('url'));
  connection.on('error', (error) => console.error(error));
  globalThis.bench = new Tab(connection);
  const first = new URLSearchParams(location.search).get('first');
  if (first) globalThis.bench.first = globalThis.bench.readFirst(...first.split('/'));
}

class Tab {
  constructor(connection) {
    this.connection = connection;
  }

  isConnected() {
    return this.connection.state === 'connected';
  }

  /** Milliseconds from `subscribe` to its callback, one document after the other. */
  async open(collection, ids) {
    const times = [];
    for (const id of ids) {
      const begin = performance.now();
      await promise((done) => this.connection.get(collection, id).subscribe(done));
      times.push(performance.now() - begin);
    }
    return times;
  }

  /** Milliseconds from the navigation to a document, and its data. */
  async readFirst(collection, id) {
    const doc = this.connection.get(collection, id);
    await promise((done) => doc.fetch(done));
    const { data } = doc;
    return { time: performance.now(), data };
  }

  /** Has everything written to the durable store; how many documents it has then. */
  async flush() {
    await promise((done) => this.connection.flushWrites(done));
    const { collections } = this.connection.durableStore.inventory;
    return Object.values(collections).reduce((sum, docs) => sum + Object.keys(docs).length, 0);
  }

  /** Opens documents all at once. */
  async openAll(collection, ids) {
    const open = (id) => promise((done) => this.connection.get(collection, id).subscribe(done));
    await Promise.all(ids.map(open));
  }

  /** Opens documents as the durable store has them. */
  async loadStored(collection, ids) {
    await promise((done) => this.connection.getBulk(collection, ids, done));
  }

  /** Reads each document, so that whoever builds data late has to build it now. */
  readAll(collection, ids) {
    return ids.reduce(
      (sum, id) => sum + JSON.stringify(this.connection.get(collection, id).data).length,
      0,
    );
  }

  /** Milliseconds from `submitOp` to its callback, one op after the other. */
  async submit(collection, id, count) {
    const doc = this.connection.get(collection, id);
    const times = [];
    for (let i = 0; i < count; i++) {
      const begin = performance.now();
      await promise((done) => doc.submitOp([{ p: ['count'], na: 1 }], done));
      times.push(performance.now() - begin);
    }
    return times;
  }

  /** Answers each op of another tab on `there` with one on `back`. */
  echo(collection, id) {
    const doc = this.connection.get(collection, id);
    doc.on('op', (op, source) => {
      if (!source && op[0].p[0] === 'there') doc.submitOp([{ p: ['back'], na: 1 }]);
    });
  }

  /**
   * Milliseconds from `submitOp` here to `op` in the tab that echoes: half of there and back, because the clocks of
   * two tabs need not agree. Rejects when nothing comes back.
   */
  async pingPong(collection, id, count, limitMs) {
    const doc = this.connection.get(collection, id);
    const times = [];
    for (let i = 0; i < count; i++) {
      const begin = performance.now();
      const back = this.echoed(doc, limitMs);
      doc.submitOp([{ p: ['there'], na: 1 }]);
      await back;
      times.push((performance.now() - begin) / 2);
      // The next one begins at rest, as the first did.
      if (this.isConnected()) await promise((done) => doc.whenNothingPending(done));
    }
    return times;
  }

  /**
   * Submits one op after the other until `stopTyping`. Milliseconds from each to `op` in the tab that echoes, and to its
   * callback.
   */
  async type(collection, id, limitMs) {
    const doc = this.connection.get(collection, id);
    const [passed, acknowledged] = [[], []];
    this.types = true;
    while (this.types) {
      const begin = performance.now();
      const back = this.echoed(doc, limitMs);
      const called = promise((done) => doc.submitOp([{ p: ['there'], na: 1 }], done));
      called.then(() => acknowledged.push(performance.now() - begin));
      await back;
      passed.push((performance.now() - begin) / 2);
      await called;
      await promise((done) => doc.whenNothingPending(done));
    }
    return { passed, acknowledged };
  }

  stopTyping() {
    this.types = false;
  }

  /** Resolves when the tab that echoes has answered. */
  echoed(doc, limitMs) {
    return promise((done) => {
      const listen = (op, source) => {
        if (source || op[0].p[0] !== 'back') return;
        doc.removeListener('op', listen);
        done();
      };
      doc.on('op', listen);
      setTimeout(() => done(new Error('no op came back')), limitMs);
    });
  }

  /** Resolves once a document has reached a version. */
  reach(collection, id, version) {
    const doc = this.connection.get(collection, id);
    return promise((done) => {
      const look = () => {
        if (doc.version >= version) done();
      };
      doc.on('op batch', look);
      look();
    });
  }

  /** Milliseconds until the last of many synchronous submits returned, and until all were acknowledged. */
  async submitMany(collection, id, count) {
    const doc = this.connection.get(collection, id);
    const ops = submits(count);
    const begin = performance.now();
    for (const op of ops) doc.submitOp(op);
    const returned = performance.now() - begin;
    await promise((done) => doc.whenNothingPending(done));
    return { returned, acknowledged: performance.now() - begin };
  }

  /** Submits one op after the other; the longest time that one took to its callback, in milliseconds. */
  async longestPause(collection, id, forMs) {
    const end = performance.now() + forMs;
    let longest = 0;
    while (performance.now() < end) {
      const [time] = await this.submit(collection, id, 1);
      longest = Math.max(longest, time);
    }
    return longest;
  }

  /** Pauses a document and leaves it with a long pending op. */
  keepPending(collection, id, count) {
    const doc = this.connection.get(collection, id);
    doc.pause();
    for (const op of submits(count)) doc.submitOp(op);
  }
}

function promise(start) {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value)));
  });
}
