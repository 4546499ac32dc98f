/**
 * The load on a cluster: users with several tabs, on stock clients with a socket for each tab, or on this package with one for all
 * tabs of a user. It is a process of its own, so that the servers' figures are theirs alone.
 *
 * It runs in Node, not on the native host: the stock client is JavaScript, and so both clients are their real code, driven by the
 * same lines, with the same cost for what they have in common.
 *
 *   node load.mjs URL '{"client": "ours", "users": 50, "tabs": 3, "seconds": 15, "perSecond": 0.5}'
 *
 * Users are in teams. A team's tab number N shows a document that nobody's other tabs show, and one that all of them show. Each
 * user edits in one tab at a time. Prints one line of JSON when everybody is there, waits for a line, and prints what was measured.
 */

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import stock from 'sharedb/lib/client/index.js';
import { WebSocket } from 'ws';
import { Browser, call } from '../../cluster/browser.mjs';

const COLLECTION = 'load';
export const TEAM = 5;
/** How many tabs connect at the same time. */
const AT_ONCE = 20;

const [, , url, text] = process.argv;
const { client, users, tabs, seconds, perSecond } = JSON.parse(text);
const latencies = [];
let failures = 0;
let submitted = 0;

/** What a user's tabs connect by: gives a connection for each tab. */
const CLIENTS = {
  ours() {
    const browser = new Browser(url);
    return () => browser.tab();
  },
  stock: () => () => new stock.Connection(new WebSocket(url)),
};

class User {
  constructor(number) {
    this.name = `user ${number}`;
    this.team = Math.floor(number / TEAM);
    this.connect = CLIENTS[client]();
    /** The documents of each tab. */
    this.docs = [];
  }

  async openTab(number) {
    const connection = this.connect();
    connection.on('error', (error) => this.fail(error));
    const names = [`${this.team}-shared`, `${this.team}-${number}`];
    const docs = names.map((name) => connection.get(COLLECTION, name));
    await Promise.all(docs.map((doc) => call(doc, 'subscribe')));
    // What all tabs show is measured in the first one.
    const measured = number === 0 ? docs : docs.slice(1);
    for (const doc of measured) doc.on('op', (op, source) => source || this.hear(op));
    this.docs.push(...docs);
  }

  hear(op) {
    for (const { oi } of op) {
      // A team's op comes from another user: tabs of one user edit in turn, and hear their own.
      if (oi && oi.by !== this.name) latencies.push(performance.now() - oi.at);
    }
  }

  edit() {
    const doc = this.docs[Math.floor(Math.random() * this.docs.length)];
    submitted += 1;
    const said = { by: this.name, at: performance.now() };
    doc.submitOp([{ p: ['said', this.name], oi: said }], (error) => error && this.fail(error));
  }

  fail(error) {
    failures += 1;
    console.error(`${this.name}: ${error.message}`);
  }
}

/** Creates what the teams are going to show. */
async function createDocuments() {
  const connection = new stock.Connection(new WebSocket(url));
  for (let team = 0; team < users / TEAM; team += 1) {
    const names = ['shared', ...Array(tabs).keys()].map((name) => `${team}-${name}`);
    await Promise.all(
      names.map((name) => call(connection.get(COLLECTION, name), 'create', { said: {} })),
    );
  }
  connection.close();
}

await createDocuments();
const all = Array.from({ length: users }, (_, number) => new User(number));
await openAll();
console.log(JSON.stringify({ ready: true }));
await once(createInterface({ input: process.stdin }), 'line');

const before = process.cpuUsage();
const every = 1000 / perSecond;
const timers = all.map((user) =>
  setTimeout(() => {
    user.edit();
    timers.push(setInterval(() => user.edit(), every));
  }, Math.random() * every),
);
await pause(seconds * 1000);
for (const timer of timers) clearInterval(timer);
// What is on its way.
await pause(1_000);
const { user, system } = process.cpuUsage(before);
latencies.sort((a, b) => a - b);
const at = (part) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))];
const measured = { p50: at(0.5), p99: at(0.99), heard: latencies.length, submitted, failures };
// It keeps its sockets until it is ended: they are counted.
console.log(JSON.stringify({ ...measured, cpuSeconds: (user + system) / 1e6 }));

async function openAll() {
  const work = all.flatMap((user) => Array.from({ length: tabs }, (_, tab) => [user, tab]));
  const openNext = async () => {
    for (let next = work.shift(); next; next = work.shift()) await next[0].openTab(next[1]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, openNext));
}
