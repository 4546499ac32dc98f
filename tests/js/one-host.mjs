/**
 * One host for several connections in one process, as a shared worker is for tabs: messages
 * between them take a tick, and the socket goes to a real ShareDB backend in this process.
 */

import assert from 'node:assert/strict';
import { HostDriver } from '../../js-shim/src/host/host-driver.js';
import { Wire, ours, settle } from './clients.mjs';

export class OneHost {
  /** @param types the registry of the host, where it is another one than the tabs' */
  constructor(backend, types) {
    this.backend = backend;
    this.driver = new HostDriver({ epoch: 1, isPrivate: false, opensSockets: true, types }, this);
    this.tabs = new Map();
    this.wire = null;
    this.reconnects = true;
    this.run((core) => core.connect());
  }

  /** A connection of one more tab, connected where the host is. */
  async tab(name) {
    const connection = new ours.Connection(null, { link: new Tab(this, name) });
    await settle();
    return connection;
  }

  run(call) {
    this.driver.run(call);
  }

  toTab(tab, text) {
    process.nextTick(() => this.tabs.get(tab)?._receive(text, false));
  }

  send(text) {
    this.wire.socket.send(text);
  }

  closeSocket() {
    this.wire.socket.close();
  }

  openSocket() {
    if (!this.reconnects) return;
    this.wire = new Wire(this.backend);
    const { socket } = this.wire;
    this.run((core) => core.bindSocket(socket.readyState));
    socket.onopen = () => this.run((core) => core.socketOpened());
    socket.onmessage = ({ data }) => this.run((core) => core.socketMessage(data));
    socket.onclose = () => this.run((core) => core.socketClosed('{}', 0));
    process.nextTick(() => this.wire.open());
  }

  /** It is `reconnect` that ends a backoff. */
  startTimer() {}

  findTabs(tabs) {
    assert.fail(`the host asks for ${tabs}`);
  }

  warn(message) {
    assert.fail(`the host warns: ${message}`);
  }

  beginAnew() {
    assert.fail('the host has no storage to begin anew with');
  }

  died(error) {
    throw error;
  }

  /** The network is gone until `reconnect`. */
  async cut() {
    this.reconnects = false;
    this.wire.close('lost');
    await settle();
  }

  async reconnect() {
    this.reconnects = true;
    this.run((core) => core.handleTimer());
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
      this.oneHost.run((core) => core.handleTab(this.name, text));
    });
  }

  close() {
    this.connection._run(() => this.connection._core.close(true, true));
    process.nextTick(() => {
      this.oneHost.tabs.delete(this.name);
      this.oneHost.run((core) => core.tabGone(this.name));
    });
  }

  takeReason(text) {
    return text === undefined ? undefined : JSON.parse(text);
  }

  takeSocketError(text) {
    return JSON.parse(text);
  }
}
