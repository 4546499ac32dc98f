/**
 * The two clients, and what the tests of this folder stand on: a real ShareDB backend in this
 * process, a socket whose messages move only when a test says so, and a record of what a client
 * told the application.
 */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Duplex } from 'node:stream';
import * as ours from 'sharedb-proxy';
import { settle, until } from './settle.mjs';

const require = createRequire(import.meta.url);

/** ShareDB's server. */
export const Backend = require('sharedb/lib/backend');
/** ShareDB's error class. */
export const ShareDBError = require('sharedb/lib/error');
/** ShareDB's own client. */
export const stock = require('sharedb/lib/client');
export { ours, settle, until };

// Tests provoke warnings by the dozen; what is expected of them is asserted, not read.
ours.logger.setMethods({ info() {}, warn() {}, error() {} });

/**
 * A socket to a backend. Without `gated` every message goes on by itself, as in ShareDB's
 * StreamSocket; with it, messages wait for `toServer()` and `toClient()`.
 */
export class Wire {
  constructor(backend, { gated = false } = {}) {
    this.backend = backend;
    this.gated = gated;
    this.upward = [];
    this.downward = [];
    const wire = this;
    /** What the client gets. */
    this.socket = {
      readyState: 0,
      send: (text) => wire.push(wire.upward, JSON.parse(text)),
      close: (reason) => wire.close(reason ?? 'closed'),
      onmessage() {},
      onclose() {},
      onerror() {},
      onopen() {},
    };
    this.stream = new Duplex({
      objectMode: true,
      read() {},
      write(message, _, done) {
        wire.push(wire.downward, JSON.stringify(message));
        done();
      },
    });
    this.stream.isServer = true;
    this.stream.on('finish', () => this.close('stopped'));
  }

  /** The socket is open, and a server behind it. */
  open(tellClient = true) {
    this.socket.readyState = 1;
    if (tellClient) this.socket.onopen();
    this.agent = this.backend.listen(this.stream);
    return this;
  }

  push(queue, message) {
    queue.push(message);
    if (this.gated) return;
    process.nextTick(() => (queue === this.upward ? this.toServer() : this.toClient()));
  }

  /** Lets what the client sent go on to the server. */
  toServer() {
    if (this.socket.readyState !== 1) return;
    for (const message of this.upward.splice(0)) this.stream.push(message);
  }

  /** Lets what the server sent go on to the client. */
  toClient() {
    for (const text of this.downward.splice(0)) {
      if (this.socket.readyState === 1) this.socket.onmessage?.({ data: text });
    }
  }

  /** Lets everything go both ways until neither side has anything more to say. */
  async exchange() {
    do {
      this.toServer();
      await settle();
      this.toClient();
      await settle();
    } while (!this.isStill());
  }

  /** Nothing waits for `toServer()` or `toClient()` that could go on. */
  isStill() {
    return !this.downward.length && (this.socket.readyState !== 1 || !this.upward.length);
  }

  close(reason) {
    if (this.socket.readyState === 3) return;
    this.socket.readyState = 3;
    this.upward.length = 0;
    this.stream.push(null);
    this.socket.onclose?.(reason);
  }
}

/**
 * What makes sockets for a link that opens its own: each is open a moment later.
 *
 * @returns {{open: () => any, wires: Wire[]}} the wires are those that were made
 */
export function selfOpening(backend) {
  const wires = [];
  const open = () => {
    const wire = new Wire(backend);
    wires.push(wire);
    process.nextTick(() => wire.open());
    return wire.socket;
  };
  return { open, wires };
}

/** A connected connection of a client. */
export async function connect(client, backend, options) {
  const wire = new Wire(backend, options);
  const connection = new client.Connection(wire.socket);
  wire.open();
  await wire.exchange();
  assert.equal(connection.state, 'connected');
  return { connection, wire };
}

/** A client's method with a callback, as a promise. */
export function call(target, method, ...args) {
  return new Promise((resolve, reject) => {
    target[method](...args, (error) => (error ? reject(error) : resolve()));
  });
}

const DOC_EVENTS = [
  ...['before op batch', 'before op', 'op', 'op batch', 'create', 'del', 'load'],
  ...['no write pending', 'nothing pending', 'error', 'destroy'],
];
const CONNECTION_EVENTS = [
  ...['connecting', 'connected', 'disconnected', 'closed', 'stopped', 'state'],
  ...['connection error', 'error', 'doc', 'pong'],
];

/** What a client told the application, in order, in words that do not depend on the client. */
export class Log {
  /** @param ids what to call connection ids, which are random */
  constructor(ids = new Map()) {
    this.ids = ids;
    this.entries = [];
  }

  add(...words) {
    this.entries.push(words.map((word) => this.plain(word)));
  }

  /** A callback that says so here. Whether `undefined` is passed or nothing does not matter. */
  callback(name) {
    return (error, ...rest) => this.add('callback', name, error, ...rest);
  }

  /** @param {string[]} [events] */
  watchDoc(doc, name = doc.id, events = DOC_EVENTS) {
    for (const event of events) {
      doc.on(event, (...args) =>
        this.add(name, event, ...args, { data: doc.data, ...status(doc) }),
      );
    }
    return doc;
  }

  watchConnection(connection, name = 'connection', events = CONNECTION_EVENTS) {
    for (const event of events) connection.on(event, (...args) => this.add(name, event, ...args));
    return connection;
  }

  plain(value) {
    if (value === undefined) return '<undefined>';
    if (typeof value === 'function') return '<function>';
    if (typeof value === 'symbol') return String(value);
    if (value instanceof Error) return { error: value.code ?? value.name, message: value.message };
    if (value && typeof value === 'object' && value.collection) return `<doc ${value.id}>`;
    const text = JSON.stringify(value, (_, inner) => (inner === undefined ? '<undefined>' : inner));
    return JSON.parse(text, (_, inner) => this.ids.get(inner) ?? inner);
  }
}

/** What an application reads of a document beside its data. */
export function status(doc) {
  return {
    type: doc.type?.name ?? null,
    version: doc.version,
    subscribed: doc.subscribed,
    pending: doc.hasPending(),
    writing: doc.hasWritePending(),
  };
}

/**
 * Runs the same scenario with both clients. They have to give the same record.
 *
 * @param {(client: typeof stock, log: Log, backend: any) => Promise<void>} scenario
 */
export async function sameAsStock(scenario) {
  const [expected, found] = [await record(stock, scenario), await record(ours, scenario)];
  assert.ok(expected.length > 0, 'the scenario recorded nothing');
  assertSame(found, expected);
}

/** Compares two records, and shows where they part rather than all of them. */
export function assertSame(found, expected) {
  const [ourLines, stockLines] = [found, expected].map((all) =>
    all.map((it) => JSON.stringify(it)),
  );
  const at = stockLines.findIndex((line, i) => line !== ourLines[i]);
  if (at < 0 && ourLines.length === stockLines.length) return;
  const from = at < 0 ? stockLines.length : at;
  const part = (lines) => lines.slice(from, from + 6).join('\n  ') || '(the end)';
  const before = stockLines.slice(Math.max(0, from - 4), from).join('\n  ');
  assert.fail(
    `entry ${from} differs; before it\n  ${before}\nstock\n  ${part(stockLines)}\nours\n  ${part(ourLines)}`,
  );
}

async function record(client, scenario) {
  const backend = new Backend();
  const log = new Log();
  await scenario(client, log, backend);
  await settle();
  await new Promise((resolve) => backend.close(resolve));
  return log.entries;
}
