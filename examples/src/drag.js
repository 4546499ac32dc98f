/**
 * Dragging a card by its handle with a mouse, a pen or a finger. The card follows the pointer; a line shows where
 * it would go. Nothing is changed before it is let go.
 */

/**
 * @param {Element} root the board: its children are the columns, each with a `.cards` list
 * @param {HTMLElement} card
 * @param {HTMLElement} handle the part of the card that starts a drag
 * @param {(column: number, before: string | null) => void} drop called when the card is let go on a place
 */
export function followDrag(root, card, handle, drop) {
  handle.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    handle.setPointerCapture(event.pointerId);
    new Drag(root, card, handle, event, drop);
  });
}

class Drag {
  constructor(root, card, handle, { clientX, clientY }, drop) {
    const { left, top } = card.getBoundingClientRect();
    this.root = root;
    this.card = card;
    this.grip = { x: clientX - left, y: clientY - top };
    this.shift = { x: 0, y: 0 };
    this.target = null;
    this.ended = new AbortController();
    const { signal } = this.ended;
    handle.addEventListener('pointermove', (event) => this.follow(event), { signal });
    handle.addEventListener('pointerup', () => this.end(drop), { signal });
    // Also when another tab removes the card meanwhile: the browser then takes the capture away.
    for (const event of ['pointercancel', 'lostpointercapture'])
      handle.addEventListener(event, () => this.end(), { signal });
    addEventListener('keydown', ({ key }) => key === 'Escape' && this.end(), { signal });
    card.classList.add('dragged');
  }

  follow({ clientX, clientY }) {
    // Measured anew each time: other tabs may move the card's place in the list while it hangs on the pointer.
    const { left, top } = this.card.getBoundingClientRect();
    this.shift.x += clientX - this.grip.x - left;
    this.shift.y += clientY - this.grip.y - top;
    this.card.style.translate = `${this.shift.x}px ${this.shift.y}px`;
    this.aim(placeAt(this.root, this.card, clientX, clientY));
  }

  aim(target) {
    unmark(this.root);
    this.target = target;
    const { list, next } = target;
    list.classList.add('target');
    if (next) next.classList.add('next');
    else list.classList.add('end');
  }

  end(drop) {
    this.ended.abort();
    unmark(this.root);
    this.card.classList.remove('dragged');
    if (drop && this.target) drop(this.target.column, this.target.next?.dataset.card ?? null);
    this.card.style.translate = '';
  }
}

function unmark(root) {
  for (const marked of root.querySelectorAll('.target, .next, .end'))
    marked.classList.remove('target', 'next', 'end');
}

/** The place in the board that is nearest to a point: the column, its list, and the card that would come next. */
function placeAt(root, card, x, y) {
  const distances = [...root.children].map((section) =>
    distanceTo(section.getBoundingClientRect(), x, y),
  );
  const column = distances.indexOf(Math.min(...distances));
  const list = root.children[column].querySelector('.cards');
  const others = [...list.children].filter((other) => other !== card);
  const next = others.find((other) => {
    const { top, height } = other.getBoundingClientRect();
    return y < top + height / 2;
  });
  return { column, list, next: next ?? null };
}

function distanceTo({ left, right, top, bottom }, x, y) {
  return Math.hypot(Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom));
}
