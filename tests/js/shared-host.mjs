/**
 * A host for several tabs in one process, as in a SharedWorker: messages go by in later ticks. The socket goes to a real
 * ShareDB backend, the records of the store to a map. A test may look at each text on its way, and replace it.
 */

import { HostDriver } from '../../js-shim/src/host/host-driver.js';
import { ours, Wire } from './clients.mjs';

/** The ways that a text takes: its receiver is named last. */
export const ROADS = ['server to host', 'tab to host', 'host to tab', 'store to host'];

export class SharedHost {
  /**
   * @param backend the server
   * @param {object} [options]
   * @param {Map<string, string>} [options.records] what the store holds; without it there is no store
   * @param {(road: string, text: string) => string} [options.replace] gives what arrives instead
   */
  constructor(backend, { records, replace = (_, text) => text } = {}) {
    const store = records && { retention: 'durable', src: 'src' };
    const machine = { epoch: 1, isPrivate: false, opensSockets: false, ...store };
    this.driver = new HostDriver(machine, this);
    this.records = records;
    this.replace = replace;
    this.tabs = new Map();
    this.warnings = [];
    /** What machines threw: a trap, mostly. */
    this.thrown = [];
    this.wire = new Wire(backend);
    const { socket } = this.wire;
    this.run((core) => core.bindSocket(socket.readyState));
    socket.onopen = () => this.run((core) => core.socketOpened());
    socket.onmessage = ({ data }) => this.deliver('server to host', data);
    socket.onclose = () => this.run((core) => core.socketClosed('"closed"', 0));
    this.wire.open();
  }

  /** A text arrives at the host. */
  deliver(road, text, tab) {
    const arrived = this.replace(road, text);
    this.run((core) =>
      tab === undefined ? core.socketMessage(arrived) : core.handleTab(tab, arrived),
    );
  }

  run(call) {
    try {
      this.driver.run(call);
    } catch (error) {
      this.thrown.push(error);
    }
  }

  toTab(tab, text) {
    process.nextTick(() => this.tabs.get(tab)?.(text));
  }

  send(text) {
    this.wire.socket.send(text);
  }

  warn(message) {
    this.warnings.push(message);
  }

  findTabs() {
    this.run((core) => core.tabsFound([...this.tabs.keys()]));
  }

  askStorage(number, ...request) {
    const texts = this.store(...request);
    process.nextTick(() => this.run((core) => core.storageDone(number, texts)));
  }

  closeSocket() {}

  openSocket() {}

  startTimer() {}

  beginAnew() {}

  died(error) {
    this.thrown.push(error);
  }

  /** Carries out a request of the store; a read gives texts. */
  store(what, names, deletes) {
    const name = ([store, id]) => `${store} ${id}`;
    if (what === 'wipe') this.records.clear();
    if (what === 'write') {
      for (const [store, id, text] of names) this.records.set(name([store, id]), text);
      for (const id of deletes) this.records.delete(name(id));
    }
    if (what !== 'read') return undefined;
    const read = (id) => this.records.get(name(id));
    return names.map(read).map((text) => text && this.replace('store to host', text));
  }

  /** What a page holds: a Connection. */
  connection(tab) {
    const receive = (connection, text) => {
      try {
        connection._receive(this.replace('host to tab', text), false);
      } catch (error) {
        this.thrown.push(error);
      }
    };
    const link = {
      host: { kind: 'shared-worker', reason: 'a test' },
      initialState: 'connecting',
      attach: (connection) => this.tabs.set(tab, (text) => receive(connection, text)),
      post: (text) => process.nextTick(() => this.deliver('tab to host', text, tab)),
      takeReason: (text) => text && JSON.parse(text),
    };
    return new ours.Connection(null, { link });
  }

  /** A tab that is none of ours: it posts what it likes, and gets what it is sent. */
  stranger(tab) {
    const received = [];
    this.tabs.set(tab, (text) => received.push(JSON.parse(text)));
    const post = (text) => this.deliver('tab to host', text, tab);
    return { post, received };
  }
}

/** The paths of all parts of a JSON value, down to the fifth level. */
export function* paths(value, depth = 5, path = []) {
  if (path.length) yield path;
  if (!value || typeof value !== 'object' || path.length >= depth) return;
  for (const key of Object.keys(value)) yield* paths(value[key], depth, [...path, key]);
}

/** A copy with another part at `path`. */
export function replaced(value, path, part) {
  const copy = structuredClone(value);
  const last = path.at(-1);
  const holder = path.slice(0, -1).reduce((holder, key) => holder[key], copy);
  holder[last] = part;
  return copy;
}
