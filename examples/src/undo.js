/**
 * Undo and redo of one person's own changes while others change the same text. A text area's own undo cannot do
 * it: browsers forget their undo steps as soon as a script changes the field.
 *
 * Each step is the op that would take a change back now. Whatever others do, all steps are transformed to follow.
 */

/** Changes closer together than this, in milliseconds, are taken back as one step. */
const SAME_STEP_MS = 600;
/** Bounds the work that each op of others causes. */
const MOST_STEPS = 200;

export class UndoHistory {
  #doc;
  #undo = [];
  #redo = [];
  #lastChange = -Infinity;

  /** @param {object} doc a document of type json0 */
  constructor(doc) {
    this.#doc = doc;
  }

  /** Takes note of a change that the person made: `op` was submitted at `now` milliseconds. */
  record(op, now) {
    const { type } = this.#doc;
    const inverse = type.invert(op);
    const joins = this.#undo.length > 0 && now - this.#lastChange < SAME_STEP_MS;
    this.#undo.push(joins ? type.compose(inverse, this.#undo.pop()) : inverse);
    this.#undo = this.#undo.slice(-MOST_STEPS);
    this.#redo = [];
    this.#lastChange = now;
  }

  /** Takes note of an op that is not the person's own. */
  follow(op) {
    this.#undo = this.#carry(this.#undo, op);
    this.#redo = this.#carry(this.#redo, op);
  }

  /** Each step is made for the state that the ones above it leave behind, so `op` is carried down with them. */
  #carry(steps, op) {
    const { type } = this.#doc;
    const carried = [];
    let other = op;
    for (const step of steps.toReversed()) {
      carried.unshift(type.transform(step, other, 'left'));
      other = type.transform(other, step, 'right');
    }
    return carried.filter((step) => step.length > 0);
  }

  /** Forgets everything: the document was replaced. */
  clear() {
    this.#undo = [];
    this.#redo = [];
  }

  /** The op that takes the latest step back; null where there is none. The caller submits it. */
  undo() {
    return this.#step(this.#undo, this.#redo);
  }

  /** The op that makes the step again that was taken back last; null where there is none. */
  redo() {
    return this.#step(this.#redo, this.#undo);
  }

  #step(from, to) {
    const op = from.pop() ?? null;
    if (op) to.push(this.#doc.type.invert(op));
    this.#lastChange = -Infinity;
    return op;
  }
}
