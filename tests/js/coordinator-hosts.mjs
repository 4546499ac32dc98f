/** Tabs in one process, with a host as in a SharedWorker, on a store that outlives it. */

import assert from 'node:assert/strict';
import { TabCoordinator } from '../../js-shim/src/coordinator.node.js';
import { HostDriver } from '../../js-shim/src/host/host-driver.js';
import { Connection } from '../../js-shim/src/index.node.js';

/** A host, and the next one after its death; messages take a tick. */
export class Hosts {
  /** @param {{connections?: object, retention?: 'session' | 'durable'}} [options] connections as `serve` takes them */
  constructor({ connections, retention = 'session' } = {}) {
    Object.assign(this, { connections, retention });
    this.records = new Map();
    this.links = new Map();
    this.lives = 0;
    this.warnings = [];
    this.begin();
  }

  begin() {
    const life = (this.life = ++this.lives);
    const machine = {
      epoch: life * 2 ** 21,
      isPrivate: false,
      opensSockets: true,
      hasUrl: false,
      retention: this.retention,
      src: `src${life}`,
      connections: this.connections,
    };
    const whenAlive = (act) => setImmediate(() => this.life === life && act());
    this.driver = new HostDriver(machine, {
      toTab: (tab, text) => whenAlive(() => this.links.get(tab)?._receive(text, false)),
      findTabs: () => this.driver.run((core) => core.tabsFound([...this.links.keys()])),
      askStorage: (number, ...request) => {
        whenAlive(() => {
          const texts = this.store(...request);
          this.driver.run((core) => core.storageDone(number, texts));
        });
      },
      startTimer() {},
      closeSocket() {},
      openSocket: () => assert.fail('a coordinator opens no socket'),
      warn: (message) => this.warnings.push(message),
      died: (error) => assert.fail(error),
    });
    this.driver.run((core) => core.connect());
  }

  store(what, names, deletes = []) {
    const name = ([store, id]) => `${store} ${id}`;
    if (what === 'wipe') this.records.clear();
    if (what === 'write') {
      for (const record of names) this.records.set(name(record), record[2]);
      for (const id of deletes) this.records.delete(name(id));
    }
    return what === 'read' ? names.map((id) => this.records.get(name(id))) : undefined;
  }

  post(tab, text) {
    const { life } = this;
    setImmediate(() => {
      if (this.life === life) this.driver.run((core) => core.handleTab(tab, text));
    });
  }

  /** The host dies, and the next one begins. */
  crash() {
    this.driver.leave();
    this.begin();
    for (const connection of this.links.values()) connection._changeHost();
  }

  connection(tab, options) {
    const link = {
      host: { kind: 'shared-worker', place: 'shared-worker', reason: 'a test' },
      initialState: 'connecting',
      attach: (connection) => this.links.set(tab, connection),
      post: (text) => this.post(tab, text),
      close: () => {},
      takeReason: (text) => text && JSON.parse(text),
    };
    return new Connection(null, { ...options, link });
  }

  async tab(name, options, ofConnection) {
    const connection = this.connection(name, ofConnection);
    const coordinator = new TabCoordinator({ connection, ...options });
    await coordinator.register();
    return coordinator;
  }

  /** The tab is gone without a word. */
  kill(name) {
    this.links.delete(name);
    this.driver.run((core) => core.tabGone(name));
  }

  end() {
    this.life = 0;
    this.driver.leave();
  }
}
