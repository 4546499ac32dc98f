/**
 * One host for several connections in one process, as a shared worker is for tabs: messages
 * between them take a tick, and the socket goes to a real ShareDB backend in this process.
 */

import assert from 'node:assert/strict';
import { HostCore } from '../../js-shim/src/cores/host-core.js';
import { HostKind } from '../../js-shim/src/cores/events.js';
import { typesBridge } from '../../js-shim/src/cores/types-bridge.js';
import { Wire, ours, settle } from './clients.mjs';

export class OneHost {
  /** @param types the registry of the host, where it is another one than the tabs' */
  constructor(backend, types = typesBridge) {
    this.backend = backend;
    this.core = new HostCore(types, 1, false, true);
    this.tabs = new Map();
    this.wire = null;
    this.reconnects = true;
    this.run(() => this.core.connect());
  }

  /** A connection of one more tab, connected where the host is. */
  async tab(name) {
    const connection = new ours.Connection(null, { link: new Tab(this, name) });
    await settle();
    return connection;
  }

  run(call) {
    call();
    for (let output = this.core.poll(); output; output = this.core.poll()) this.handle(output);
  }

  handle([kind, ...rest]) {
    if (kind === HostKind.ToTab) {
      const [tab, text] = rest;
      process.nextTick(() => this.tabs.get(tab)?._receive(text, false));
    } else if (kind === HostKind.Send) this.wire.socket.send(rest[0]);
    else if (kind === HostKind.CloseSocket) this.wire.socket.close();
    else if (kind === HostKind.OpenSocket) this.open();
    else assert.equal(kind, HostKind.StartTimer, `the host says ${rest}`);
  }

  open() {
    if (!this.reconnects) return;
    this.wire = new Wire(this.backend);
    const { socket } = this.wire;
    this.run(() => this.core.bindSocket(socket.readyState));
    socket.onopen = () => this.run(() => this.core.socketOpened());
    socket.onmessage = ({ data }) => this.run(() => this.core.socketMessage(data));
    socket.onclose = () => this.run(() => this.core.socketClosed('{}', 0));
    process.nextTick(() => this.wire.open());
  }

  /** The network is gone until `reconnect`. */
  async cut() {
    this.reconnects = false;
    this.wire.close('lost');
    await settle();
  }

  async reconnect() {
    this.reconnects = true;
    this.run(() => this.core.handleTimer());
    await settle();
  }
}

/** The way of one tab to the host. */
class Tab {
  constructor(host, name) {
    this.oneHost = host;
    this.name = name;
    this.host = { kind: 'in-page', reason: 'a test has several connections to one host' };
    this.initialState = 'connecting';
    this.socket = null;
    this.id = undefined;
  }

  attach(connection) {
    this.connection = connection;
    this.oneHost.tabs.set(this.name, connection);
  }

  post(text) {
    process.nextTick(() => {
      // As in the worker: what a tab says after it is gone is not heard.
      if (this.oneHost.tabs.get(this.name) !== this.connection) return;
      this.oneHost.run(() => this.oneHost.core.handleTab(this.name, text));
    });
  }

  close() {
    this.connection._run(() => this.connection._core.close(true, true));
    process.nextTick(() => {
      this.oneHost.tabs.delete(this.name);
      this.oneHost.run(() => this.oneHost.core.tabGone(this.name));
    });
  }

  takeReason(text) {
    return text === undefined ? undefined : JSON.parse(text);
  }

  takeSocketError(text) {
    return JSON.parse(text);
  }
}
