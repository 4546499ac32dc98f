/** The traps of sharedb-postgres and sharedb-redis-pubsub, and what an application sees of each with this client. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import stock from 'sharedb/lib/client/index.js';
import { WebSocket } from 'ws';
import { Browser, call, failure, until } from './browser.mjs';

const require = createRequire(import.meta.url);
const BARE = fileURLToPath(new URL('bare-server.mjs', import.meta.url));
/** Looks of a host until it asks for a document that was silent; see `worker-host/src/server/silence.rs`. */
const FIRST_LOOKS = 4;

let documents = 0;
const newId = () => `trap-${(documents += 1)}`;
const add = (text) => [{ p: ['text', 0], si: text }];

/** Browsers that are closed when the test ends. */
class Stage {
  #open = [];

  constructor(cluster) {
    this.cluster = cluster;
  }

  browser(url = this.cluster.socketUrl) {
    const browser = new Browser(url);
    this.#open.push(browser);
    return browser;
  }

  /** A browser that talks to this server, not through nginx. */
  browserOf(server) {
    return this.browser(`ws://127.0.0.1:${server.port}/sharedb`);
  }

  stockOf(server) {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/sharedb`);
    const connection = new stock.Connection(socket);
    this.#open.push(connection);
    return connection;
  }

  /** A document of a new tab, loaded. */
  async open(browser, id) {
    const doc = browser.tab().get('traps', id);
    await call(doc, 'subscribe');
    return doc;
  }

  async query(text, values) {
    const client = await this.cluster.connect();
    const { rows } = await client.query(text, values);
    await client.end();
    return rows;
  }

  end() {
    for (const open of this.#open) open.close();
  }
}

async function oneCopyOfShareDB() {
  const paths = ['sharedb-postgres', 'sharedb-redis-pubsub'].map((adapter) =>
    createRequire(require.resolve(adapter)).resolve('sharedb'),
  );
  assert.deepEqual(new Set(paths), new Set([require.resolve('sharedb')]));
}

/** The adapter takes data that is falsy for none: whoever loads the document finds nothing in it. */
async function falsyRootsAreLost(stage) {
  for (const root of ['', 0, false]) {
    const id = newId();
    const author = await stage.open(stage.browser(), id);
    await call(author, 'create', root);
    assert.equal(author.data, root);
    const [row] = await stage.query('SELECT data FROM snapshots WHERE doc_id = $1', [id]);
    assert.equal(row.data, root, 'PostgreSQL has it');
    const reader = await stage.open(stage.browser(), id);
    assert.equal(reader.type.name, 'json0');
    assert.equal(reader.data, undefined, 'and the reader does not');
    // What helps: a root that is an object or a list, or a string with something in it.
  }
}

/** jsonb takes neither. The op is refused, kept as a dead letter, and everything else goes on. */
async function whatJsonbRefuses(stage) {
  for (const text of ['nul \u0000', 'half of a pair \ud83d']) {
    const id = newId();
    const browser = stage.browser();
    const first = await stage.open(browser, id);
    await call(first, 'create', { text: '' });
    const second = await stage.open(browser, id);
    const errors = [];
    first.on('error', (error) => errors.push(error));
    const refused = await failure(call(first, 'submitOp', add(text)));
    assert.match(refused.message, /unicode|Unicode|surrogate|json/);
    await call(second, 'submitOp', add('and on'));
    await until('both tabs show what follows', () => first.data.text === 'and on');
    assert.deepEqual([first.data, second.data], [{ text: 'and on' }, { text: 'and on' }]);
    const letters = first.connection.deadLetters;
    assert.deepEqual(
      letters.map(({ id, op }) => [id, op]),
      [[id, add(text)]],
    );
    assert.deepEqual(errors, [], 'the callback has the error');
  }
}

/** Shorter keys come first, then those that come first in the order of bytes. */
async function keysAreReordered(stage) {
  const id = newId();
  const author = await stage.open(stage.browser(), id);
  await call(author, 'create', { later: 1, b: 2, a: 3 });
  assert.deepEqual(Object.keys(author.data), ['later', 'b', 'a']);
  const reader = await stage.open(stage.browser(), id);
  assert.deepEqual(Object.keys(reader.data), ['a', 'b', 'later']);
  assert.deepEqual(reader.data, author.data);
}

async function queriesAreNotThere(stage) {
  const connection = stage.browser().tab();
  const refused = await failure(call(connection, 'createFetchQuery', 'traps', {}, {}));
  assert.equal(refused.code, 'ERR_DATABASE_METHOD_NOT_IMPLEMENTED');
  const query = connection.createSubscribeQuery('traps', {}, {});
  const [error] = await once(query, 'error');
  assert.equal(error.code, 'ERR_DATABASE_METHOD_NOT_IMPLEMENTED');
}

/** The adapters as they are do not outlive Redis; these servers do. */
async function errorListenersAreTheServers({ cluster }) {
  const env = { ...process.env, ...cluster.postgres.env, REDIS_URL: cluster.redis.url };
  const bare = spawn(process.execPath, [BARE], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(bare, 'exit');
  await once(bare.stdout, 'data');
  const pids = cluster.servers.map(({ pid }) => pid);
  await cluster.redis.restart();
  const [code] = await ended;
  assert.notEqual(code, 0, 'the bare server ends');
  await cluster.postgres.restart('SIGINT');
  await allReady(cluster);
  assert.deepEqual(
    cluster.servers.map(({ pid }) => pid),
    pids,
  );
}

const allReady = (cluster) =>
  until('all servers are ready', async () => {
    const healths = await Promise.all(
      cluster.servers.map(({ port }) =>
        fetch(`http://127.0.0.1:${port}/health`).then(
          ({ ok }) => ok,
          () => false,
        ),
      ),
    );
    return healths.every(Boolean);
  });

/** Two browsers on two servers, with a document in both. */
async function onTwoServers(stage) {
  await allReady(stage.cluster);
  const [one, two] = stage.cluster.servers;
  const id = newId();
  const author = stage.browser();
  const writer = await stage.open(author, id);
  await call(writer, 'create', { text: '' });
  return { id, one, two, author, writer };
}

/**
 * The server dies between the commit and the publication, as told by the op itself; the author sends it again through nginx, and
 * the other server publishes it.
 */
async function resentOpsArePublished(stage) {
  const { id, one, two } = await onTwoServers(stage);
  const reader = await stage.open(stage.browserOf(two), id);
  // Its sockets are those of the first server, then of nginx's choice.
  const author = stage.browserOf(one);
  const writer = await stage.open(author, id);
  author.life._wanted.url = stage.cluster.socketUrl;
  const done = call(writer, 'submitOp', add('DIE UNPUBLISHED'));
  await until('the server died', () => !one.runs);
  await done;
  await until('the other server published it', () => reader.data.text === 'DIE UNPUBLISHED');
  await one.start();
}

/** As before, but the author never comes back. Our host asks after some silence; the stock client waits for the next op. */
async function unpublishedOpsAreNoticed(stage) {
  const { id, one, two } = await onTwoServers(stage);
  const browser = stage.browserOf(two);
  const reader = await stage.open(browser, id);
  const other = stage.stockOf(two).get('traps', id);
  await call(other, 'subscribe');
  const author = stage.browserOf(one);
  const writer = await stage.open(author, id);
  writer.submitOp(add('DIE UNPUBLISHED'));
  await until('the server died', () => !one.runs);
  author.close();
  const [{ version }] = await stage.query('SELECT version FROM snapshots WHERE doc_id = $1', [id]);
  assert.equal(version, 2, 'it is committed');
  assert.deepEqual([reader.data.text, reader.version], ['', 1], 'nobody was told');
  for (let looks = 0; looks < FIRST_LOOKS; looks += 1) {
    browser.look();
    // The server answers in order: the answer to the host's own question comes before.
    reader.connection.ping();
    await once(reader.connection, 'pong');
  }
  await until('our tab asked', () => reader.data.text === 'DIE UNPUBLISHED');
  assert.deepEqual([other.data.text, other.version], ['', 1], 'the stock client does not know');
  await one.start();
}

/** The gap shows at the next op: what was missed comes with it. */
async function gapsAreFetched(stage) {
  const { id, one, two, writer } = await onTwoServers(stage);
  const reader = await stage.open(stage.browserOf(two), id);
  const author = stage.browserOf(one);
  const lost = await stage.open(author, id);
  lost.submitOp(add('DIE UNPUBLISHED'));
  await until('the server died', () => !one.runs);
  author.close();
  await one.start();
  await call(writer, 'submitOp', [{ p: ['text', 0], si: 'next, ' }]);
  await until('both are there', () => reader.data.text === 'next, DIE UNPUBLISHED');
}

/** While Redis is away ops are committed; what nobody was told of is there when Redis is back. */
async function redisIsAway(stage) {
  const { id, two } = await onTwoServers(stage);
  const [reader, author] = [stage.browserOf(two), stage.browserOf(stage.cluster.servers[0])];
  const shown = await stage.open(reader, id);
  const writer = await stage.open(author, id);
  await stage.cluster.redis.stop();
  await call(writer, 'submitOp', add('without Redis'));
  await stage.cluster.redis.start();
  await until('the other browser has it', () => shown.data.text === 'without Redis');
}

export const TRAPS = {
  'one copy of sharedb': oneCopyOfShareDB,
  "a root of '', 0 or false is lost on load": falsyRootsAreLost,
  'what jsonb refuses is a dead letter, and tabs go on': whatJsonbRefuses,
  'jsonb reorders keys': keysAreReordered,
  'there are no queries': queriesAreNotThere,
  'without error listeners Redis ends the server': errorListenersAreTheServers,
  'an op that was committed and not published is published by its resend': resentOpsArePublished,
  'an op that nobody publishes is noticed after some silence': unpublishedOpsAreNoticed,
  'an op that nobody publishes is noticed by the next one': gapsAreFetched,
  'ops without Redis come when it is back': redisIsAway,
};

/** Runs one of them. */
export async function runTrap(cluster, trap) {
  const stage = new Stage(cluster);
  try {
    await trap(stage);
  } finally {
    stage.end();
  }
}
