/**
 * A browser, as far as servers can tell: the package's host as a SharedWorker has it, with a durable store, real WebSockets, and
 * several tabs whose messages go by in later ticks. Everything is in this process.
 */

import { InMemoryStorage, logger } from 'sharedb-proxy';
import * as ours from 'sharedb-proxy';
import { WebSocket } from 'ws';
import { HostLife } from '../../js-shim/src/host/host-life.js';
import { epoch } from '../../js-shim/src/platform/locks.js';
import { HostStorage } from '../../js-shim/src/storage/host-storage.js';
import { until as untilWithin } from '../until.mjs';

// As in a browser: hosts open their sockets by it.
globalThis.WebSocket = WebSocket;
// What is expected of warnings is asserted, not read.
logger.setMethods({ info() {}, warn() {}, error() {} });

export class Browser {
  #tabs = new Map();

  /** @param {string} url of the servers */
  constructor(url) {
    this.storage = new HostStorage({ storage: new InMemoryStorage() });
    const wanted = { url, namespace: 'test', durableStore: {} };
    this.life = new HostLife(epoch(), wanted, this.storage, {
      toTab: (tab, text) => process.nextTick(() => this.#tabs.get(tab)?._receive(text, false)),
      watch() {},
      died: (error) => this.#fail(error),
      deposed: () => this.#fail(new Error('another host takes the storage')),
      ended: () => this.#fail(new Error('the store was wiped')),
      beginAnew: () => this.#fail(new Error('the store hung')),
    });
    this.life.begin([]);
  }

  #fail(error) {
    throw error;
  }

  /** Opens a tab. @returns {import('sharedb-proxy').Connection} */
  tab() {
    const name = `tab ${this.#tabs.size + 1}`;
    const link = {
      host: { kind: 'shared-worker', reason: 'a test' },
      initialState: 'connecting',
      attach: (connection) => this.#tabs.set(name, connection),
      post: (text) => process.nextTick(() => this.life.receive(name, text)),
      takeReason: (text) => text && JSON.parse(text),
      takeSocketError: (text) => JSON.parse(text),
    };
    return new ours.Connection(null, { durableStore: true, link });
  }

  /** The time goes by until the host's next look at its socket, which takes up to 25 s of a clock. */
  look() {
    this.life.host.run((core) => core.handleTimer(Math.random()));
  }

  /** Is gone, without a word to the servers but the end of its socket. */
  close() {
    this.#tabs.clear();
    this.life.leave();
  }
}

/** A method with a callback, as a promise. */
export const call = (target, method, ...args) =>
  new Promise((resolve, reject) => {
    target[method](...args, (error, result) => (error ? reject(error) : resolve(result)));
  });

/** How a call failed; fails if it did not. */
export const failure = (calling) =>
  calling.then(
    () => {
      throw new Error('it did not fail');
    },
    (error) => error,
  );

/** Long, for machines that have other things to do; what works is there in a second. */
export const LIMIT_MS = 180_000;

/** Waits as `until` does, for so long. */
export const until = (what, condition, limitMs = LIMIT_MS) =>
  untilWithin(what, condition, undefined, limitMs);
