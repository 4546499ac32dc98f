// Records how a real ShareDB server answers: drives the npm package's Backend over raw protocol
// messages and writes what every session received to tests/recordings/. The Rust reference server
// replays the files (tests/tests/recordings.rs). `--check` records again and fails on a difference.
//
// Every step runs until the backend is idle before the next one starts, so a recording has one
// possible outcome. What two messages in flight at once do to each other is not recorded.

import { readFileSync, writeFileSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { setImmediate as nextRound } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Backend from 'sharedb';
import { querySync } from './query.mjs';
import { scripted } from './scripted-conversations.mjs';
import { randomConversation } from './random-conversations.mjs';

const RANDOM_CONVERSATIONS = 200;
// The memory database, pubsub and streams work in ticks, which all run before the next round; the
// rest is a margin for libraries that defer by a round themselves.
const ROUNDS_UNTIL_IDLE = 4;

Backend.logger.setMethods({ info() {}, warn() {}, error() {} });

/** The server's end of one client connection; keeps what the server wrote. */
class Session extends Duplex {
  constructor() {
    super({ objectMode: true });
    this.written = [];
    this.renames = [];
    this.on('finish', () => this.push(null));
  }

  _read() {}

  _write(message, _encoding, done) {
    this.written.push(JSON.stringify(message));
    done();
  }

  take() {
    const texts = this.written.splice(0);
    return texts.map((text) =>
      JSON.parse(this.renames.reduce((t, [from, to]) => t.replaceAll(from, to), text)),
    );
  }
}

/** The memory pubsub with a gate, behind which published ops can be made to wait. */
class GatedPubSub extends Backend.MemoryPubSub {
  constructor() {
    super();
    this.waiting = [];
    this.closed = false;
  }

  _publish(channels, data, done) {
    const publish = () => super._publish(channels, data, done);
    if (this.closed) this.waiting.push(publish);
    else publish();
  }

  hold(on) {
    this.closed = on;
    if (!on) for (const publish of this.waiting.splice(0)) publish();
  }
}

/** One conversation under way: a backend, its sessions by name, and the armed faults. */
class Conversation {
  constructor() {
    this.db = new Backend.MemoryDB();
    this.db._querySync = querySync;
    this.sessions = new Map();
    this.connections = 0;
    this.rejections = [];
    /** Documents that may not be read: why, and whether nor their ops may be. @type {Map<string, {error: any, ops: boolean}>} */
    this.refused = new Map();
    this.fixups = [];
    this.settings = { suppressPublish: false, doNotCommitNoOps: false };
    this.start();
  }

  start() {
    const holding = this.pubsub?.closed ?? false;
    this.pubsub = new GatedPubSub();
    this.pubsub.hold(holding);
    const { db, pubsub, settings } = this;
    this.backend = new Backend({ db, pubsub, presence: true, ...settings });
    this.backend.use('apply', (request, next) => {
      const rejection = this.rejections.shift();
      if (rejection) return next(rejection);
      try {
        for (const op of this.fixups.splice(0)) request.$fixup(op);
      } catch (error) {
        return next(error);
      }
      next();
    });
    this.refuseReads();
  }

  refuseReads() {
    const { backend, refused } = this;
    backend.use('readSnapshots', (request, next) => {
      for (const snapshot of request.snapshots) {
        const refusal = refused.get(`${request.collection} ${snapshot.id}`);
        if (refusal) request.rejectSnapshotRead(snapshot, refusal.error);
      }
      next();
    });
    // What a session follows already still comes, so it is not the `op` middleware that refuses.
    const ofOne = backend._getSanitizedOps;
    backend._getSanitizedOps = function (...args) {
      const [, , collection, id] = args;
      const callback = args.pop();
      ofOne.call(this, ...args, (error, ops) => {
        const refusal = !error && ops.length && refused.get(`${collection} ${id}`);
        callback(refusal?.ops ? refusal.error : error, ops);
      });
    };
    const ofMany = backend._getSanitizedOpsBulk;
    backend._getSanitizedOpsBulk = function (...args) {
      const [, , collection] = args;
      const callback = args.pop();
      ofMany.call(this, ...args, (error, ops) => {
        const lacking = Object.keys(ops ?? {}).filter((id) => ops[id].length);
        const refusals = lacking.map((id) => refused.get(`${collection} ${id}`));
        callback(refusals.find((refusal) => refusal?.ops)?.error ?? error, ops);
      });
    };
  }

  connect(name) {
    const session = new Session();
    session.agent = this.backend.listen(session);
    // Client ids are random: every one is renamed to its number in order of connection.
    const renamed = `client-${++this.connections}`;
    session.renames.push([session.agent.clientId, renamed]);
    session.agent.clientId = renamed;
    this.sessions.set(name, session);
  }

  disconnect(name) {
    this.sessions.get(name).destroy();
    this.sessions.delete(name);
  }

  set(setting, on) {
    this.settings[setting] = on;
    this.backend[setting] = on;
  }

  perform([action, ...args]) {
    switch (action) {
      case 'connect':
        return this.connect(args[0]);
      case 'disconnect':
        return this.disconnect(args[0]);
      case 'send':
        return this.sessions.get(args[0]).push(JSON.parse(JSON.stringify(args[1])));
      case 'reject':
        return this.rejections.push({ code: args[0], message: args[1] });
      case 'refuse': {
        const [collection, id, code, ops] = args;
        const error = { code, message: 'may not be read' };
        if (code) this.refused.set(`${collection} ${id}`, { error, ops });
        else this.refused.delete(`${collection} ${id}`);
        return;
      }
      case 'fixup':
        return this.fixups.push(JSON.parse(JSON.stringify(args[0])));
      case 'suppress':
        return this.set('suppressPublish', args[0]);
      case 'hold':
        return this.pubsub.hold(args[0]);
      case 'skip-no-ops':
        return this.set('doNotCommitNoOps', args[0]);
      case 'restart':
        for (const name of [...this.sessions.keys()]) this.disconnect(name);
        return this.start();
      default:
        throw new Error(`unknown step ${action}`);
    }
  }

  async step(step) {
    this.perform(step);
    for (let i = 0; i < ROUNDS_UNTIL_IDLE; i++) await nextRound();
    const record = { do: step };
    const got = {};
    for (const [name, session] of this.sessions) {
      const messages = session.take();
      if (messages.length) got[name] = messages;
      if (session.agent.closed) {
        (record.closed ??= []).push(name);
        this.sessions.delete(name);
      }
    }
    if (Object.keys(got).length) record.got = got;
    return record;
  }

  /** What the database holds at the end: `[collection, id, v, type, data, [[v, src, seq, kind]]]`. */
  documents() {
    const documents = [];
    for (const collection of Object.keys(this.db.ops).sort()) {
      for (const id of Object.keys(this.db.ops[collection]).sort()) {
        const ops = this.db.ops[collection][id];
        if (!ops.length) continue;
        const { v, type, data } = this.db._getSnapshotSync(collection, id);
        documents.push([
          collection,
          id,
          v,
          type,
          data ?? null,
          ops.map((op) => [op.v, op.src, op.seq, kind(op)]),
        ]);
      }
    }
    return documents;
  }
}

function kind(op) {
  if (op.create) return 'create';
  if (op.del) return 'del';
  return op.op.length ? 'op' : 'noop';
}

/** Runs one conversation; `next(conversation)` gives the next step, or nothing at the end. */
async function record(name, next) {
  const conversation = new Conversation();
  const steps = [];
  for (let step; (step = next(conversation));) steps.push(await conversation.step(step));
  return { name, steps, documents: conversation.documents() };
}

async function recordScripted() {
  const recorded = [];
  for (const [name, steps] of Object.entries(scripted)) {
    const queue = [...steps];
    recorded.push(await record(name, () => queue.shift()));
  }
  return recorded;
}

async function recordRandom() {
  const recorded = [];
  for (let seed = 1; seed <= RANDOM_CONVERSATIONS; seed++) {
    recorded.push(await record(`seed ${seed}`, randomConversation(seed)));
  }
  return recorded;
}

function format(conversations) {
  return `[\n${conversations.map((each) => JSON.stringify(each)).join(',\n')}\n]\n`;
}

function save(file, text, check) {
  const path = fileURLToPath(new URL(`../recordings/${file}`, import.meta.url));
  if (!check) {
    writeFileSync(path, text);
    console.log(`${file}: ${text.length} bytes`);
    return true;
  }
  const same = readFileSync(path, 'utf8') === text;
  console.log(`${file}: ${same ? 'same' : 'DIFFERENT'}`);
  return same;
}

const check = process.argv.includes('--check');
const results = [
  save('scripted.json', format(await recordScripted()), check),
  save('random.json', format(await recordRandom()), check),
];
process.exitCode = results.every(Boolean) ? 0 : 1;
