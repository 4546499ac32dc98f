/**
 * A document's type and data, and the machine's events that change them. Each calls the OT type, moves the presence,
 * and emits ShareDB's events in the stock client's order.
 */

import { EventEmitter } from 'events';

import { shared } from '../platform/shared.js';
import { movePresence, reloadPresence, voidPresence } from './presence.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./doc.js').Doc} Doc */

/** @abstract */
export class DocData extends EventEmitter {
  /** @param {Connection} connection */
  constructor(connection) {
    super();
    this.connection = connection;
    /** The OT type; `null` while there is no document. @type {any} */
    this.type = null;
    /** The application's own value, once it was read or changed. @type {any} */
    this._data = undefined;
    /** The JSON of a value that nobody has read yet. @type {string | undefined} */
    this._unread = undefined;
    /** A machine crashed that held its state, and the state is not here again. */
    this._isLost = false;
    /** The remote op whose components are being applied. @type {{op: any, src?: string} | null} */
    this._batch = null;
    /**
     * The snapshot that the application is handing in right now; or one that the machine is given back, which changes
     * nothing here.
     *
     * @type {{data?: any, restores?: boolean} | null}
     */
    this._ingesting = null;
  }

  /**
   * The application's own value, changed in place. It is built when it is first read: a tab that
   * only shows the titles of its documents need not hold what is in them.
   */
  get data() {
    if (this._unread !== undefined) this.data = JSON.parse(this._unread);
    return this._data;
  }

  set data(data) {
    this._unread = undefined;
    this._data = data;
  }

  /** As presence knows it. */
  get _self() {
    return /** @type {Doc} */ (/** @type {unknown} */ (this));
  }

  /**
   * @param {any} op
   * @param {any} source
   * @param {string | undefined} src
   */
  _apply(op, source, src) {
    this.emit('before op batch', op, source);
    this.emit('before op', op, source, src);
    this.data = this.type.apply(this.data, op);
    movePresence(this._self, op, source, src);
    this.emit('op', op, source, src);
    this.emit('op batch', op, source);
  }

  /**
   * @param {any} op
   * @param {string | undefined} src
   */
  _startBatch(op, src) {
    this._batch = { op, src };
    this.emit('before op batch', op, false);
  }

  /** @param {number} index */
  _beforeComponent(index) {
    const { op, src } = /** @type {{op: any, src?: string}} */ (this._batch);
    this.emit('before op', [op[index]], false, src);
  }

  /**
   * @param {number} index
   * @param {string | undefined} text the op to apply instead
   */
  _applyComponent(index, text) {
    const { op, src } = /** @type {{op: any, src?: string}} */ (this._batch);
    const component = text === undefined ? [op[index]] : JSON.parse(text);
    this.data = this.type.apply(this.data, component);
    movePresence(this._self, component, false, src);
    this.emit('op', component, false, src);
  }

  _endBatch() {
    const { op } = /** @type {{op: any}} */ (this._batch);
    this._batch = null;
    this.emit('op batch', op, false);
  }

  /**
   * @param {string} name
   * @param {any} data
   * @param {any} source
   */
  _create(name, data, source) {
    const type = (this.type = shared.types.map[name]);
    if (type.createDeserialized && type.deserialize) this.data = type.createDeserialized(data);
    else if (type.deserialize) this.data = type.deserialize(type.create(data));
    else this.data = type.create(data);
    voidPresence(this._self);
    this.emit('create', source);
  }

  /** @param {any} source */
  _del(source) {
    const { data } = this;
    this._clear();
    voidPresence(this._self);
    this.emit('del', data, source);
  }

  /**
   * @param {string | undefined} name
   * @param {string | undefined} text
   */
  _load(name, text) {
    this._isLost = false;
    if (this._ingesting?.restores) return;
    this.type = name === undefined ? null : shared.types.map[name];
    const given = this._ingesting;
    this.data = undefined;
    if (given || text === undefined) this.data = this._deserialized(given?.data);
    else if (this.type?.deserialize) this.data = this._deserialized(JSON.parse(text));
    else this._unread = text;
    reloadPresence(this._self);
    this.emit('load');
  }

  /** @param {any} data */
  _deserialized(data) {
    return this.type?.deserialize ? this.type.deserialize(data) : data;
  }

  _clear() {
    this.type = null;
    this.data = undefined;
  }
}
