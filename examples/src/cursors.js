/**
 * Where the others are: shows this tab's caret or selection to them by ShareDB's presence, and draws theirs into the
 * editor with quill-cursors. A place follows the edits by the type's `transformPresence`, here and at the others.
 */
import { colourOf, nameOf } from './people.js';

/** The cursors of one document in one editor. */
export class Cursors {
  #doc;
  #quill;
  #drawn;
  #presence;
  #here;
  #person;
  #waiting = new Set();
  /** This tab's place, also while the document is loaded anew. */
  #before = null;

  /**
   * @param {object} doc an opened document whose type has `transformPresence`
   * @param {import('quill').default} quill with the module `cursors`
   * @param {number} person who this tab is
   */
  constructor(doc, quill, person) {
    this.#doc = doc;
    this.#quill = quill;
    this.#drawn = quill.getModule('cursors');
    this.#person = person;
    this.#presence = doc.connection.getDocPresence(doc.collection, doc.id);
    this.#here = this.#presence.create(crypto.randomUUID());
  }

  /**
   * Begins to show and to draw.
   * @param {(people: number[]) => void} changed gets who else has a cursor, whenever that changes
   */
  start(changed) {
    this.#presence.on('receive', (id) => this.#drawSoon(id, changed));
    this.#presence.subscribe();
    // Typing moves the caret too; that move the others work out from the op, so it is the same place to them.
    this.#quill.on('selection-change', (range) => range && this.show(range));
    this.#doc.on('op batch', () => (this.#before = this.place ?? this.#before));
    this.#doc.on('load', () => this.#showAgain());
  }

  /** This tab's place as the others see it; null before there was one. Losing the focus does not take it away. */
  get place() {
    return this.#here.value;
  }

  /** @param {{index: number, length: number}} range */
  show({ index, length }) {
    const { place } = this;
    if (place?.index === index && place.length === length) return;
    this.#before = { index, length, person: this.#person };
    // Refused while the document is on its way: what is then remembered is shown again when it is there.
    this.#here.submit(this.#before, () => {});
  }

  /** ShareDB forgets the places in a document that is loaded anew. */
  #showAgain() {
    if (!this.#before) return;
    const end = this.#quill.getLength() - 1;
    const index = Math.min(this.#before.index, end);
    this.show({ index, length: Math.min(this.#before.length, end - index) });
  }

  /** A place that follows an op is told before the editor shows the op: it is drawn when both are done. */
  #drawSoon(id, changed) {
    this.#waiting.add(id);
    if (this.#waiting.size > 1) return;
    queueMicrotask(() => {
      const ids = [...this.#waiting];
      this.#waiting.clear();
      for (const each of ids) this.#draw(each);
      changed(Object.values(this.#presence.remotePresences).map(({ person }) => person));
    });
  }

  #draw(id) {
    const there = this.#presence.remotePresences[id];
    if (!there) return this.#drawn.removeCursor(id);
    this.#drawn.createCursor(id, nameOf(there.person), colourOf(there.person));
    this.#drawn.moveCursor(id, there);
    this.#drawn.toggleFlag(id, true);
  }
}
