/**
 * The board demo: columns that list card ids, and the cards' texts beside them. Cards are dragged by their handle
 * (or moved by the arrow keys while the handle has the focus); their texts are bound like the text area's.
 */
import { runPage } from './page.js';
import { columnOf, opToAdd, opToMove, opToRemove, visibleCards } from './board-ops.js';
import { followDrag } from './drag.js';
import { bindText } from './text-binding.js';

const GLIDE = { duration: 260, easing: 'cubic-bezier(.2, .7, .2, 1)' };

runPage('board', (doc) => new Board(doc, document.querySelector('#board')).show());

class Board {
  constructor(doc, root) {
    this.doc = doc;
    this.root = root;
    this.cards = new Map();
    this.lifted = null;
  }

  show() {
    const draw = () => this.draw();
    // Not on each `op`: a move between columns is two components, and in between the card is nowhere.
    for (const event of ['op batch', 'load', 'create', 'del']) this.doc.on(event, draw);
    draw();
  }

  submit(op) {
    if (op.length > 0) this.doc.submitOp(op);
  }

  draw() {
    const columns = visibleCards(this.doc.data);
    const places = this.lifted ?? this.places();
    this.lifted = null;
    this.drawColumns(columns.length);
    const present = new Set(columns.flat());
    for (const [id, card] of this.cards) if (!present.has(id)) this.drop(id, card);
    columns.forEach((ids, column) => this.fillColumn(column, ids));
    this.glide(places);
  }

  drawColumns(count) {
    while (this.root.children.length > count) this.root.lastElementChild.remove();
    while (this.root.children.length < count)
      this.root.append(this.makeColumn(this.root.children.length));
  }

  makeColumn(column) {
    const section = document.querySelector('#column').content.firstElementChild.cloneNode(true);
    section.querySelector('h2').textContent = this.doc.data.columns[column].title;
    section.querySelector('.add').addEventListener('click', () => this.add(column));
    return section;
  }

  add(column) {
    const id = crypto.randomUUID().slice(0, 8);
    this.submit(opToAdd(this.doc.data, id, column));
    this.cards.get(id)?.element.querySelector('textarea').focus();
  }

  fillColumn(column, ids) {
    const section = this.root.children[column];
    section.querySelector('.count').textContent = ids.length;
    const list = section.querySelector('.cards');
    ids.forEach((id, index) => {
      const { element } = this.cards.get(id) ?? this.make(id);
      if (list.children[index] !== element) place(list, element, list.children[index] ?? null);
    });
  }

  make(id) {
    const element = document.querySelector('#card').content.firstElementChild.cloneNode(true);
    element.dataset.card = id;
    const field = element.querySelector('textarea');
    const handle = element.querySelector('.handle');
    element
      .querySelector('.remove')
      .addEventListener('click', () => this.submit(opToRemove(this.doc.data, id)));
    handle.addEventListener('keydown', (event) => this.moveByKey(id, event));
    followDrag(this.root, element, handle, (column, before) => this.land(id, column, before));
    growWithText(field);
    const card = { element, unbind: bindText(this.doc, field, ['cards', id, 'text']) };
    this.cards.set(id, card);
    return card;
  }

  /** Puts a dragged card where it was let go; it glides there from under the pointer. */
  land(id, column, before) {
    this.lifted = this.places();
    this.cards.get(id).element.style.translate = '';
    const op = opToMove(this.doc.data, id, column, before);
    if (op.length > 0) this.submit(op);
    else this.draw();
  }

  drop(id, { element, unbind }) {
    unbind();
    element.remove();
    this.cards.delete(id);
  }

  moveByKey(id, event) {
    const columns = visibleCards(this.doc.data);
    const column = columnOf(columns, id);
    const index = columns[column]?.indexOf(id);
    const steps = {
      ArrowUp: [0, index - 1],
      ArrowDown: [0, index + 2],
      ArrowLeft: [-1, index],
      ArrowRight: [1, index],
    };
    const [across, position] = steps[event.key] ?? [];
    const target = columns[column + across];
    if (!target || position < 0) return;
    event.preventDefault();
    this.submit(opToMove(this.doc.data, id, column + across, target[position] ?? null));
  }

  /** Where each card is on the screen now. */
  places() {
    return new Map(
      [...this.cards].map(([id, { element }]) => [id, element.getBoundingClientRect()]),
    );
  }

  /** Lets the cards glide to where they are from where they were. */
  glide(places) {
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    for (const [id, { element }] of this.cards) {
      if (element.classList.contains('dragged')) continue;
      const before = places.get(id);
      const now = element.getBoundingClientRect();
      if (!before)
        element.animate(
          [
            { opacity: 0, scale: 0.96 },
            { opacity: 1, scale: 1 },
          ],
          GLIDE,
        );
      else if (before.x !== now.x || before.y !== now.y) {
        element.animate(
          [
            { transform: `translate(${before.x - now.x}px, ${before.y - now.y}px)` },
            { transform: 'none' },
          ],
          GLIDE,
        );
      }
    }
  }
}

/** Puts `element` before `next` in `list` and keeps the focus that it has: Firefox drops it, with `moveBefore` too. */
function place(list, element, next) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  if (list.moveBefore && element.isConnected) list.moveBefore(element, next);
  else list.insertBefore(element, next);
  if (document.activeElement !== focused) focused?.focus({ preventScroll: true });
}

/** Makes a text area as high as its text, in browsers that do not do so by `field-sizing`. */
function growWithText(field) {
  if (CSS.supports('field-sizing', 'content')) return;
  const grow = () => {
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight}px`;
  };
  for (const event of ['input', 'remotechange']) field.addEventListener(event, grow);
  // It changes the height of what is observed, which a browser reports as an error within the same frame.
  new ResizeObserver(() => requestAnimationFrame(grow)).observe(field.parentElement);
}
