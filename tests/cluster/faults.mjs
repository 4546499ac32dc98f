/**
 * Faults under load. In each round several browsers write to the same documents through nginx while something is ended, stopped
 * or restarted. Then the table of ops in PostgreSQL is held against what the browsers were told: every acknowledged op is there once,
 * no op is there twice, and all tabs show what the database has.
 *
 * An op is known by the key that it inserts; a host may compose several into one.
 */

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { fractionsFrom } from '../random.mjs';
import { Browser, call, until } from './browser.mjs';

const BROWSERS = 4;
const TABS = 3;
const DOCUMENTS = 3;
/** Milliseconds between two edits of a tab, on average. */
const BETWEEN_MS = 40;
/** Milliseconds of load before a fault, and after it. */
const BEFORE_MS = 300;
const AFTER_MS = 700;
/** Milliseconds without Redis: mostly short, so that rounds are many. Every fifth time it is as long as a restart of a machine. */
const SHORT_OUTAGE_MS = 1_000;
const LONG_OUTAGE_MS = 10_000;
/** Milliseconds for tabs to agree before their hosts' clocks go on. */
const AGREEMENT_MS = 3_000;
const MOST_LOOKS = 8;

/** What can happen. Each ends when what it disturbed is there again. */
const FAULTS = {
  'a server is killed': async ({ cluster, pick }) => {
    await pick(cluster.servers).restart('SIGKILL');
  },
  'all servers are restarted in turn': async ({ cluster }) => {
    for (const server of cluster.servers) await server.restart('SIGTERM');
  },
  'Redis is stopped': async ({ cluster, number }) => {
    await cluster.redis.stop();
    await pause(number % 5 === 0 ? LONG_OUTAGE_MS : SHORT_OUTAGE_MS);
    await cluster.redis.start();
  },
  'PostgreSQL is restarted': async ({ cluster, pick }) => {
    await cluster.postgres.restart(pick(['SIGINT', 'SIGQUIT']));
  },
  'nginx is reloaded': async ({ cluster }) => {
    cluster.nginx.reload();
    // Long enough for the old workers to drop their sockets.
    await pause(1_500);
  },
};

/** The names of the faults, as many as there are rounds for at least one each. */
export const faults = Object.keys(FAULTS);

/** What all rounds came to. */
export class Sum {
  ops = 0;
  acknowledged = 0;
  rows = 0;
  reconnects = 0;
  /** Rounds after which a tab was behind until its host asked. */
  asked = 0;
  /** Rounds by their faults. */
  by = {};

  toString() {
    const by = Object.entries(this.by).map(([fault, rounds]) => `${fault}: ${rounds}`);
    return (
      `${this.acknowledged} of ${this.ops} ops acknowledged, in ${this.rows} rows, ` +
      `${this.reconnects} sockets made again, ${this.asked} rounds in which a host had to ask (${by.join(', ')})`
    );
  }
}

/** A tab's edits of the documents, with what it was told of each. */
class Writer {
  constructor(connection, docs, name, chance) {
    Object.assign(this, { connection, docs, name, chance });
    this.edits = 0;
    /** By the key that it inserts: whether it was acknowledged, or the error. */
    this.ledger = new Map();
    this.writes = true;
    this.errors = [];
    for (const doc of docs) doc.on('error', (error) => this.errors.push(error));
    connection.on('error', (error) => this.errors.push(error));
  }

  async run() {
    while (this.writes) {
      const doc = this.docs[Math.floor(this.chance() * this.docs.length)];
      const key = `${this.name}-${(this.edits += 1)}`;
      this.ledger.set(`${doc.id} ${key}`, 'pending');
      doc.submitOp([{ p: [key], oi: this.edits }], (error) =>
        this.ledger.set(`${doc.id} ${key}`, error ?? 'acknowledged'),
      );
      await pause(2 * BETWEEN_MS * this.chance());
    }
  }

  isIdle() {
    return this.docs.every((doc) => !doc.hasWritePending());
  }
}

/**
 * One round.
 * @param {import('../../examples/cluster/cluster.mjs').Cluster} cluster
 * @param {{number: number, seed: number, sum: Sum}} options
 */
export async function runRound(cluster, { number, seed, sum }) {
  const chance = fractionsFrom(seed);
  const pick = (list) => list[Math.floor(chance() * list.length)];
  const fault = faults[number % faults.length];
  const collection = `round-${number}`;
  const browsers = Array.from({ length: BROWSERS }, () => new Browser(cluster.socketUrl));
  try {
    const writers = await openWriters(browsers, collection, chance);
    let connects = 0;
    for (const { connection } of writers.filter((_, i) => i % TABS === 0)) {
      connection.on('connected', () => (connects += 1));
    }
    const running = writers.map((writer) => writer.run());
    await pause(BEFORE_MS);
    await FAULTS[fault]({ cluster, pick, number: Math.floor(number / faults.length) });
    await pause(AFTER_MS);
    for (const writer of writers) writer.writes = false;
    await Promise.all(running);
    await until('every op has an answer', () => writers.every((writer) => writer.isIdle()));
    const asked = await agree(cluster, browsers, writers, collection);
    await check(cluster, writers, collection, sum);
    sum.reconnects += connects;
    sum.asked += asked ? 1 : 0;
    sum.by[fault] = (sum.by[fault] ?? 0) + 1;
  } catch (error) {
    error.message = `round ${number}, seed ${seed}, ${fault}: ${error.message}`;
    throw error;
  } finally {
    for (const browser of browsers) browser.close();
  }
}

async function openWriters(browsers, collection, chance) {
  const ids = Array.from({ length: DOCUMENTS }, (_, i) => `doc-${i}`);
  const writers = [];
  for (const [b, browser] of browsers.entries()) {
    for (let t = 0; t < TABS; t += 1) {
      const connection = browser.tab();
      const docs = ids.map((id) => connection.get(collection, id));
      await Promise.all(docs.map((doc) => call(doc, 'subscribe')));
      if (writers.length === 0) for (const doc of docs) await call(doc, 'create', {});
      writers.push(new Writer(connection, docs, `${b}.${t}`, chance));
    }
  }
  await until('all tabs have the documents', () =>
    writers.every(({ docs }) => docs.every((doc) => doc.type)),
  );
  return writers;
}

/** Waits until all tabs show what the database has. Says whether a host had to ask for what it was not told. */
async function agree(cluster, browsers, writers, collection) {
  const client = await cluster.connect();
  try {
    const { rows } = await client.query(
      'SELECT doc_id, version, data FROM snapshots WHERE collection = $1',
      [collection],
    );
    const committed = new Map(rows.map((row) => [row.doc_id, row]));
    const isAtEnd = (doc) => doc.version === committed.get(doc.id).version;
    const allAre = () => writers.every(({ docs }) => docs.every(isAtEnd));
    const soon = await until('all tabs agree', allAre, AGREEMENT_MS).catch(() => false);
    // A clock of 100 s would tell the hosts to ask.
    for (let looks = 0; !allAre() && looks < MOST_LOOKS; looks += 1) {
      for (const browser of browsers) browser.look();
      await pause(300);
    }
    await until('all tabs are at the last version', allAre);
    for (const { docs, name } of writers) {
      for (const doc of docs) assert.deepEqual(doc.data, committed.get(doc.id).data, `tab ${name}`);
    }
    return soon === false;
  } finally {
    await client.end();
  }
}

/** Holds the table of ops against what the tabs were told. */
async function check(cluster, writers, collection, sum) {
  const client = await cluster.connect();
  const { rows } = await client.query(
    'SELECT doc_id, version, operation FROM ops WHERE collection = $1 ORDER BY doc_id, version',
    [collection],
  );
  await client.end();
  const names = new Set();
  const inserted = new Map();
  for (const { doc_id: id, operation } of rows) {
    const name = `${id} ${operation.src} ${operation.seq}`;
    assert.ok(!names.has(name), `${name} is committed twice`);
    names.add(name);
    for (const { p, oi } of operation.op ?? []) {
      if (oi === undefined) continue;
      const key = `${id} ${p[0]}`;
      inserted.set(key, (inserted.get(key) ?? 0) + 1);
    }
  }
  for (const { ledger, errors, name, connection } of writers) {
    assert.deepEqual(errors, [], `errors of tab ${name}`);
    assert.deepEqual(connection.deadLetters, [], `dead letters of tab ${name}`);
    for (const [key, end] of ledger) {
      assert.equal(end, 'acknowledged', `${key} ended otherwise`);
      assert.equal(inserted.get(key), 1, `${key} is in the table so many times`);
      sum.acknowledged += 1;
    }
    sum.ops += ledger.size;
  }
  assert.equal(
    inserted.size,
    writers.reduce((ops, { ledger }) => ops + ledger.size, 0),
  );
  sum.rows += rows.length;
}
