/**
 * Random scripts, run with both clients; each document has to tell its application the same.
 *
 * Two connections act on three documents. Messages move only where the script says so, one
 * connection at a time, so that the server sees the same order from both clients. Seeds are fixed;
 * to see another: SEED=17 node tests/js/run.mjs random
 */

import assert from 'node:assert/strict';
import { fractionsFrom } from '../random.mjs';
import { assertSame, Backend, Log, ours, status, stock, Wire } from './clients.mjs';

const seeds = (from, to) => (process.env.SEED ? [Number(process.env.SEED)] : range(from, to));
/** Longer scripts run into the differences that are allowed, which no comparison can tell apart. */
const STEPS = 40;
const MANY_STEPS = 100;
const DOCS = ['x', 'y', 'z'];

describe('a random script', () => {
  for (const seed of seeds(1, 150)) {
    it(`of seed ${seed} ends as with the stock client`, async () => {
      const script = writeScript(seed, STEPS);
      const [expected, found] = [await play(stock, script), await play(ours, script)];
      for (const name of new Set([...expected.logs.keys(), ...found.logs.keys()])) {
        assertSameRecord(found.logs.get(name) ?? [], expected.logs.get(name) ?? []);
      }
      assertNoMore(found.errors, expected.errors);
      assert.deepEqual(found.states, expected.states);
      assertConverged(found);
    });
  }
  for (const seed of seeds(1001, 1300)) {
    it(`of seed ${seed}, a long one, ends with the same documents everywhere`, async () => {
      assertConverged(await play(ours, writeScript(seed, MANY_STEPS)));
    });
  }
});

function assertConverged({ data: [one, other] }) {
  for (const doc of DOCS) assert.deepEqual(one[doc], other[doc], doc);
}

/**
 * Where the same snapshots were loaded, all events must be the same. The host may ask at another
 * time than the stock client, and so get as a snapshot what that one gets as ops: then the events
 * of others' ops differ, and the mirror below has to hold alone.
 */
function assertSameRecord(found, expected) {
  const loads = (entries) => JSON.stringify(entries.filter(([, event]) => event === 'load'));
  const isOwn = ([, , argument, source]) => argument !== false && source !== false;
  const same = loads(found) === loads(expected);
  const own = (entries) => entries.filter((it) => isOwn(it) && it[1] !== 'load');
  assertSame(same ? found : own(found), same ? expected : own(expected));
}

/**
 * Our client is silent about some rejections that the stock one reports of ops it has given up
 * before; it must not report more.
 */
function assertNoMore(found, expected) {
  const known = expected.map((entry) => JSON.stringify(entry));
  const more = found.filter((entry) => !known.includes(JSON.stringify(entry)));
  assert.deepEqual(more, []);
}

function range(from, to) {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** A script is data: what each step does depends on the seed and, for ops, on the document then. */
function writeScript(seed, steps) {
  const random = fractionsFrom(seed);
  const below = (n) => Math.floor(random() * n);
  const pick = (weights) => {
    const entries = Object.entries(weights);
    let left = random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    return entries.find(([, weight]) => (left -= weight) < 0)[0];
  };
  const weights = {
    ...{ submitOp: 14, create: 3, del: 1, subscribe: 4, unsubscribe: 1, fetch: 3 },
    ...{ pause: 1, resume: 2, preventCompose: 1, deliver: 10, close: 1, rebind: 2 },
  };
  return range(1, steps).map((number) => ({
    number,
    who: below(2),
    doc: DOCS[below(DOCS.length)],
    what: pick(weights),
    // A stream of its own for the content, so that leaving a step out changes no other.
    seed: below(2 ** 31),
  }));
}

async function play(client, script) {
  const backend = new Backend();
  const log = new Log();
  const sides = [];
  for (const who of [0, 1]) sides.push(new Side(client, backend, log, who));
  for (const side of sides) await side.deliver();
  sides.forEach(({ connection }, i) => log.ids.set(connection.id, `client ${i}`));
  for (const step of script) await sides[step.who].act(step);
  await finish(sides);
  const states = sides.map(({ connection }) => connection.state);
  const data = sides.map((side) => side.read());
  backend.close();
  return { logs: byName(log.entries), errors: log.entries.filter(isError), states, data };
}

const isError = ([, event]) => event === 'error';

/** Everybody comes back, and everything is exchanged. */
async function finish(sides) {
  for (const side of sides) {
    if (side.connection.state !== 'connected') side.rebind();
    for (const doc of side.docs()) {
      doc.resume();
      doc.subscribe();
    }
  }
  do {
    for (const side of sides) await side.deliver();
  } while (!sides.every(({ wire }) => wire.isStill()));
  for (const { connection, mirrors } of sides) {
    assert.equal(connection.hasPending(), false);
    for (const [doc, mirror] of mirrors) assert.deepEqual(mirror.data, doc.data, doc.id);
  }
}

/** What an application knows that only listens. */
class Mirror {
  constructor(doc) {
    const copy = () => (this.data = doc.data && structuredClone(doc.data));
    doc.on('load', copy);
    doc.on('create', copy);
    doc.on('del', () => (this.data = undefined));
    doc.on(
      'op',
      (op) => (this.data = stock.types.defaultType.apply(this.data, structuredClone(op))),
    );
  }
}

class Side {
  constructor(client, backend, log, who) {
    this.backend = backend;
    this.who = who;
    this.log = new NamedLog(log, who);
    this.wire = new Wire(backend, { gated: true });
    this.connection = new client.Connection(this.wire.socket);
    this.connection.on('state', (state) => log.add(`connection ${who}`, state));
    this.connection.on('error', (error) => log.add(`connection ${who}`, error));
    this.mirrors = new Map();
    this.wire.open();
  }

  doc(id) {
    const doc = this.connection.get('c', id);
    if (!this.mirrors.has(doc)) {
      this.log.watch(doc);
      this.mirrors.set(doc, new Mirror(doc));
    }
    return doc;
  }

  docs() {
    return DOCS.map((id) => this.doc(id));
  }

  read() {
    return Object.fromEntries(
      this.docs().map((doc) => [doc.id, { data: doc.data ?? null, ...status(doc) }]),
    );
  }

  deliver() {
    return this.wire.exchange();
  }

  rebind() {
    this.wire = new Wire(this.backend, { gated: true });
    this.connection.bindToSocket(this.wire.socket);
    this.wire.open();
  }

  async act({ number, doc: id, what, seed }) {
    const doc = this.doc(id);
    const callback = this.log.callback(doc, `${what} ${number}`);
    switch (what) {
      case 'submitOp': {
        const op = doc.type && randomOp(doc.data, fractionsFrom(seed));
        return doc.submitOp(op ?? [], callback);
      }
      case 'create':
        return doc.create({ list: [number], text: 'text', n: 0 }, callback);
      case 'preventCompose':
        return void (doc.preventCompose = !doc.preventCompose);
      case 'pause':
      case 'resume':
        return doc[what]();
      case 'deliver':
        return this.deliver();
      case 'close':
        return this.wire.close('Request failed');
      case 'rebind':
        return this.rebind();
      case 'unsubscribe':
        // An op on its way meanwhile may still reach the stock client; our host keeps it. And
        // connected again before the tick of an offline unsubscribe, the stock client crashes.
        await this.deliver();
        doc.unsubscribe(callback);
        return this.deliver();
      default:
        return doc[what](callback);
    }
  }
}

const OP_EVENTS = ['before op batch', 'before op', 'op', 'op batch', 'create', 'del', 'error'];

/**
 * Several records a document and connection: what happens to the data, the callbacks of writes and
 * those of reads. Only within one is the order the application's.
 */
class NamedLog {
  constructor(log, who) {
    this.log = log;
    this.who = who;
  }

  watch(doc) {
    const name = `${this.who} ${doc.id}`;
    doc.on('load', () => this.log.add(name, 'load', doc.version, doc.data));
    for (const event of OP_EVENTS) {
      doc.on(event, (...args) => this.log.add(name, event, ...args, doc.data));
    }
  }

  callback(doc, what) {
    const kind = /^(fetch|subscribe|unsubscribe)/.test(what) ? 'reads' : 'writes';
    return (error) => this.log.add(`${this.who} ${doc.id} ${kind}`, what, error);
  }
}

function byName(entries) {
  const groups = new Map();
  for (const entry of entries.filter((it) => !isError(it))) {
    if (!groups.has(entry[0])) groups.set(entry[0], []);
    groups.get(entry[0]).push(entry);
  }
  // Reads that one answer serves are called back in an order of no meaning.
  for (const [name, group] of groups) if (name.endsWith('reads')) group.sort();
  return groups;
}

/** An op of one to three components that fits the data. */
function randomOp(data, random) {
  const below = (n) => Math.floor(random() * n);
  const copy = structuredClone(data);
  const op = [];
  for (let count = 1 + below(3); count > 0; count--) {
    const component = randomComponent(copy, below);
    op.push(component);
    stock.types.defaultType.apply(copy, [component]);
  }
  return op;
}

function randomComponent({ list, text, n }, below) {
  const at = below(list.length);
  switch (below(7)) {
    case 0:
      return { p: ['n'], na: 1 + below(9) };
    case 1:
      return { p: ['text', below(text.length + 1)], si: 'abc'.slice(below(3)) };
    case 2: {
      const from = below(text.length + 1);
      const sd = text.slice(from, from + 2);
      return sd ? { p: ['text', from], sd } : { p: ['text', 0], si: 'z' };
    }
    case 3:
      return list.length ? { p: ['list', at], ld: list[at] } : { p: ['list', 0], li: 'first' };
    case 4:
      return list.length ? { p: ['list', at], lm: below(list.length) } : { p: ['n'], na: 1 };
    case 5:
      return { p: ['n'], od: n, oi: below(100) };
    default:
      return { p: ['list', below(list.length + 1)], li: { item: below(100) } };
  }
}
