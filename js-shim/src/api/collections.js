/**
 * `connection.collections`: the documents that the application sees, by collection and id. It may take some out, or replace them
 * all, as test suites do to start afresh; that is noticed.
 */

import { Doc } from './doc.js';

export class Collections {
  /** @param {(docs: Doc[] | Record<string, Doc>) => void} noteRemoved is told what the application takes out */
  constructor(noteRemoved) {
    this._noteRemoved = noteRemoved;
    /** How many keys the watched objects have at least. @type {WeakMap<object, {fewest: number}>} */
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
   * Documents by id, or these by collection: whatever is deleted from it is noted.
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
   * Whether no documents are left there. They are counted again only when as many were deleted: of ten thousand documents each
   * one that is destroyed would count the others.
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
