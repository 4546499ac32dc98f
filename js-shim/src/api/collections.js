/**
 * `connection.collections`: the documents by collection and id, as the application sees them. Applications delete
 * entries or replace the whole object, as test suites do to start afresh; a Proxy reports each removal.
 */

import { Doc } from './doc.js';

export class Collections {
  /** @param {(docs: Doc[] | Record<string, Doc>) => void} noteRemoved called with the documents that were removed */
  constructor(noteRemoved) {
    this._noteRemoved = noteRemoved;
    /** A lower bound of each watched object's number of keys. @type {WeakMap<object, {fewest: number}>} */
    this._keys = new WeakMap();
    /** @type {Record<string, Record<string, Doc>>} */
    this.all = this._watched(Object.create(null));
  }

  /** @param {Record<string, Record<string, Doc>>} collections */
  replace(collections) {
    const before = this.all;
    this.all = this._watched(collections);
    for (const docs of Object.values(before)) this._noteRemoved(docs);
  }

  /**
   * Wraps a map of documents by id, or of such maps by collection, so that deletions are reported.
   *
   * @param {any} target
   */
  _watched(target) {
    const keys = { fewest: 0 };
    const watched = new Proxy(target, {
      deleteProperty: (_, key) => {
        const removed = target[key];
        delete target[key];
        keys.fewest -= 1;
        if (removed) this._noteRemoved(removed instanceof Doc ? [removed] : removed);
        return true;
      },
    });
    this._keys.set(watched, keys);
    return watched;
  }

  /**
   * @param {string} collection
   * @param {string} id
   * @returns {Doc | undefined}
   */
  get(collection, id) {
    return this.all[collection]?.[id];
  }

  /** @param {Doc} doc */
  add(doc) {
    const docs = (this.all[doc.collection] ??= this._watched(Object.create(null)));
    docs[doc.id] = doc;
  }

  /** @param {Doc} doc */
  remove(doc) {
    const docs = this.all[doc.collection];
    if (docs?.[doc.id] !== doc) return;
    delete docs[doc.id];
    if (this._isEmpty(docs)) delete this.all[doc.collection];
  }

  /**
   * Whether the collection is empty. Keys are counted only when the lower bound reaches zero: counting at each of ten
   * thousand deletions would be quadratic.
   *
   * @param {Record<string, Doc>} docs
   */
  _isEmpty(docs) {
    const keys = this._keys.get(docs);
    if (keys && keys.fewest > 0) return false;
    const { length } = Object.keys(docs);
    if (keys) keys.fewest = length;
    return length === 0;
  }

  /** @returns {Doc[]} */
  list() {
    return Object.values(this.all).flatMap((docs) => Object.values(docs));
  }
}
