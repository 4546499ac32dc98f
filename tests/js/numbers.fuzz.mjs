/**
 * Numbers at the edges, in every place of every message and record that holds one. A machine may refuse them or take
 * them for others, but none traps. Run on a module with overflow checks as well (`cargo xtask test js`): without them
 * a sum that wraps shows only where it is used.
 */

import assert from 'node:assert/strict';
import { Backend, connect, settle, stock } from './clients.mjs';
import { paths, replaced, ROADS, SharedHost } from './shared-host.mjs';

/** As JSON texts: some are no numbers of JavaScript's. */
const EDGES = [
  ...['0', '-1', '0.5', '1e308', '"1"', '2147483648', '4294967295'],
  ...['9007199254740991', '9007199254740992', '18446744073709551615'],
];
/** Stands in a message for a number that `JSON.stringify` would not write. */
const MARK = '\u2063edge\u2063';

for (const road of ROADS) {
  const places = await findPlaces(road);
  assert.ok(places.length > 5, `${road}: ${places.length} places`);
  describe(`numbers at the edges, ${road}`, () => {
    for (const place of places) {
      it(`${place.name}: no machine traps`, async () => {
        const tries = EDGES.map(async (edge) => {
          const [thrown] = await session({ ...place, road, edge });
          return thrown && `${edge}: ${thrown.stack}`;
        });
        assert.deepEqual((await Promise.all(tries)).filter(Boolean), []);
      });
    }
  });
}

/**
 * The places on a road that hold a number: which text it is that arrives, and the path in it. Texts that have the same
 * names on their paths are tried once.
 */
async function findPlaces(road) {
  const texts = [];
  const thrown = await session({
    replaceAny(on, text) {
      if (on === road) texts.push(text);
      return text;
    },
  });
  assert.deepEqual(thrown, []);
  const found = new Map();
  texts.forEach((text, nth) => {
    const message = JSON.parse(text);
    for (const path of paths(message, 12)) {
      const value = path.reduce((part, key) => part[key], message);
      const names = path.map((key) => (/^\d+$/.test(key) ? '*' : key));
      const name = [message.a ?? '', ...names].join('.');
      if (typeof value === 'number' && !found.has(name)) found.set(name, { name, nth, path });
    }
  });
  return [...found.values()];
}

/**
 * Two tabs of one host with documents, a query, presence and snapshots, another client beside them, and a second life of
 * the host on what the first one stored. In one text that arrives a number is replaced. Gives what machines threw.
 */
async function session({ road, nth, path, edge, replaceAny }) {
  let seen = 0;
  const replace = (on, text) => {
    if (replaceAny) return replaceAny(on, text);
    if (on !== road || seen++ !== nth) return text;
    const marked = JSON.stringify(replaced(JSON.parse(text), path, MARK));
    return marked.replace(`"${MARK}"`, edge);
  };
  const backend = new Backend({ presence: true });
  backend.use('apply', ({ op }, next) => {
    next(JSON.stringify(op).includes('refused') ? new Error('refused') : undefined);
  });
  const records = new Map();
  const far = (await connect(stock, backend)).connection;
  const first = new SharedHost(backend, { records, replace });
  await work(first, far);
  // The next life finds ops that the server did not get.
  first.wire.close('lost');
  await settle();
  first.connections.forEach((connection) => append(connection.get('c', 'doc')));
  await settle();
  const second = new SharedHost(backend, { records: new Map(records), replace });
  await work(second, far);
  return [...first.thrown, ...second.thrown];
}

async function work(host, far) {
  host.connections = ['a', 'b'].map((tab) => host.connection(tab).on('error', () => {}));
  await settle();
  const [a, b] = host.connections;
  for (const connection of [a, b]) {
    const doc = connection.get('c', 'doc');
    doc.on('error', () => {});
    doc.subscribe(() => {});
    connection.createSubscribeQuery('c', {}).on('error', () => {});
    connection.getPresence('x').subscribe(() => {});
  }
  a.get('c', 'doc').create({ list: ['one'], text: 'text' }, () => {});
  await settle();
  append(a.get('c', 'doc'));
  append(b.get('c', 'doc'));
  b.getPresence('x')
    .create('me')
    .submit('here', () => {});
  a.fetchSnapshot('c', 'doc', 1, () => {});
  a.hostStatus(() => {});
  await settle();
  const other = far.get('c', 'doc');
  await new Promise((resolve) => other.fetch(resolve));
  append(other);
  far.get('c', 'more').create('more', () => {});
  far
    .getPresence('x')
    .create('them')
    .submit('here', () => {});
  await settle();
  far.get('c', 'more').del(() => {});
  b.get('c', 'doc').submitOp([{ p: ['text', 2], si: '!' }], () => {});
  // This leaves a dead letter.
  a.get('c', 'doc').submitOp([{ p: ['refused'], oi: 'refused' }], () => {});
  b.get('c', 'doc').unsubscribe(() => {});
  await settle();
}

function append(doc) {
  if (doc.data?.list) doc.submitOp([{ p: ['list', 0], li: 'word' }], () => {});
}
