/**
 * The roads between a tab and a place that are no MessagePort: a BroadcastChannel between two pages or workers, and a
 * pair of ports within a page. Each end is used like a MessagePort.
 */

/**
 * What a place and a tab use of a MessagePort.
 *
 * @typedef {object} Port
 * @property {(message: any) => void} postMessage
 * @property {() => void} close
 * @property {((event: any) => void) | null} onmessage gets `{data}`
 *
 * A road that a tab has opened.
 *
 * @typedef {object} Road
 * @property {'port' | 'dedicated' | 'channel' | 'local'} kind
 * @property {string} place the id of the place it leads to
 * @property {Port} port the tab's end
 */

/** @param {string} namespace whose tabs and places announce things to each other */
export const namespaceChannel = (namespace) => `sharedb-proxy ${namespace}`;

/** @param {string} road the road's id, new for each road that is opened */
const roadChannel = (road) => `sharedb-proxy road ${road}`;

/**
 * One end of a channel that two use. A channel says nothing of a peer that is gone, or not there yet: each message has
 * a number, and an end that misses one takes no other: whoever waits for an answer asks whether the road still works.
 *
 * @implements {Port}
 */
export class ChannelPort {
  /**
   * @param {string} road its id
   * @param {'tab' | 'place'} end which end this is
   */
  constructor(road, end) {
    this._end = end;
    this._sent = 0;
    this._received = 0;
    /** @type {Port['onmessage']} */
    this.onmessage = null;
    this._channel = new BroadcastChannel(roadChannel(road));
    this._channel.onmessage = ({ data }) => this._receive(data);
  }

  /** @param {any} message */
  postMessage(message) {
    this._sent += 1;
    this._channel?.postMessage({ from: this._end, number: this._sent, message });
  }

  close() {
    this.onmessage = null;
    this._channel?.close();
    this._channel = /** @type {any} */ (undefined);
  }

  /** @param {any} data */
  _receive({ from, number, message }) {
    if (from === this._end || number !== this._received + 1) return;
    this._received = number;
    this.onmessage?.({ data: message });
  }
}

/**
 * The two ends of a road within this page. A message arrives at the end of the running listener: also while the page is
 * being closed, which may have no later task.
 *
 * @returns {[Port, Port]}
 */
export function localPorts() {
  const ends = [new LocalPort(), new LocalPort()];
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  return [ends[0], ends[1]];
}

/** @implements {Port} */
class LocalPort {
  constructor() {
    /** @type {LocalPort | undefined} */
    this.other = undefined;
    /** @type {Port['onmessage']} */
    this.onmessage = null;
  }

  /** @param {any} data */
  postMessage(data) {
    const { other } = this;
    queueMicrotask(() => other?.onmessage?.({ data }));
  }

  close() {
    this.onmessage = null;
    this.other = undefined;
  }
}

/** @param {Road} road */
export const isOfWorker = ({ kind }) => kind === 'port' || kind === 'dedicated';

/** @param {Road['kind']} kind */
export const workerAt = (kind) => (kind === 'dedicated' ? 'dedicated' : 'shared');
