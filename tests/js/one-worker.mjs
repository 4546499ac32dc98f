/** A shared worker with its tabs, and hosts in it that come one after the other. */

import assert from 'node:assert/strict';
import { HostLife } from '../../js-shim/src/host/host-life.js';
import { epoch } from '../../js-shim/src/platform/locks.js';
import { HostStorage } from '../../js-shim/src/storage/host-storage.js';
import { Wire, ours } from './clients.mjs';

/** A shared worker with its tabs, in this process: messages go by in later ticks, and in their order. */
export class OneWorker {
  /** @param storage the options of its storage */
  constructor(backend, storage) {
    this.backend = backend;
    this.storage = new HostStorage(storage);
    this.tabs = new Map();
    this.lives = 0;
    this.waiting = null;
    this.begin();
  }

  begin() {
    this.lives += 1;
    const { backend } = this;
    const { WebSocket } = globalThis;
    globalThis.WebSocket = class {
      constructor() {
        const wire = new Wire(backend);
        process.nextTick(() => wire.open());
        return wire.socket;
      }
    };
    const wanted = { url: 'ws://test/', namespace: 'test', durableStore: {} };
    this.life = new HostLife(epoch(), wanted, this.storage, {
      toTab: (tab, text) => process.nextTick(() => this.tabs.get(tab)?._receive(text, false)),
      watch() {},
      died: (error) => assert.fail(error),
      deposed: () => assert.fail('no other host takes the storage'),
      ended: () => assert.fail('nothing was wiped'),
      beginAnew: () => process.nextTick(() => this.change()),
    });
    this.life.begin([]);
    globalThis.WebSocket = WebSocket;
  }

  /** As the worker and the tabs' links do it. */
  async change(isFree = this.storage.detach()) {
    this.waiting = [];
    for (const connection of this.tabs.values()) connection._changeHost();
    await isFree;
    this.begin();
    const waiting = this.waiting.splice(0);
    this.waiting = null;
    for (const [tab, text] of waiting) this.life.receive(tab, text);
  }

  post(tab, text) {
    process.nextTick(() => {
      if (this.waiting) this.waiting.push([tab, text]);
      else this.life.receive(tab, text);
    });
  }

  tab(name) {
    const link = {
      host: { kind: 'shared-worker', reason: 'a test' },
      initialState: 'connecting',
      attach: (connection) => this.tabs.set(name, connection),
      post: (text) => this.post(name, text),
      takeReason: (text) => text && JSON.parse(text),
    };
    return new ours.Connection(null, { durableStore: true, link });
  }

  /** Nothing that it says is heard any more. */
  end() {
    this.tabs.clear();
    this.life.leave();
  }
}
