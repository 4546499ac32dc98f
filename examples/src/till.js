/**
 * The till demo: the server refuses ops that would overdraw it. What it refused is taken back by itself; the dead letters
 * are shown, to try them again or to forget them. Without a durable store there are none, nor with the stock client: the tab
 * that submitted such an op is told, and what it makes of that is gone with it.
 */
import { runPage } from './page.js';

/** How often the letters are looked at, in milliseconds: another tab may have seen to one, which is no event. */
const LOOK_MS = 1000;
const SHOWN_BOOKINGS = 5;

runPage('till', (doc) => {
  // Two bookings composed into one op would be refused together.
  doc.preventCompose = true;
  const letters = doc.connection.durableStore ? new DeadLetters(doc) : new ToldLetters(doc);
  const list = new LetterList(doc, letters);
  const draw = () => drawTill(doc);
  for (const event of ['load', 'create', 'del', 'op batch']) doc.on(event, draw);
  draw();
  for (const button of document.querySelectorAll('[data-spend]')) {
    const booking = { what: button.dataset.what, amount: Number(button.dataset.spend) };
    button.addEventListener('click', () => list.book(booking));
    button.disabled = false;
  }
  setInterval(() => list.draw(), LOOK_MS);
  list.draw();
});

function drawTill(doc) {
  const { left = '–', booked = [] } = doc.data ?? {};
  document.querySelector('#left').value = String(left).replace('-', '−');
  const rows = booked.slice(0, SHOWN_BOOKINGS).map((booking) => {
    const row = document.createElement('li');
    row.textContent = inWords(booking);
    return row;
  });
  document.querySelector('#booked').replaceChildren(...rows);
}

const inWords = ({ what, amount }) => (amount > 0 ? `${amount} for ${what}` : `${-amount} ${what}`);

/** The dead letters of a document, as all tabs have them. */
class DeadLetters {
  constructor(doc) {
    this.doc = doc;
  }

  all() {
    const { collection, id, connection } = this.doc;
    return connection.deadLetters.filter(
      (letter) => letter.collection === collection && letter.id === id,
    );
  }

  /** It is among the dead letters by itself. */
  told() {}

  forget(letter) {
    this.doc.connection.removeDeadLetters(letter);
  }
}

/** What this tab was told of the ops that it submitted. */
class ToldLetters {
  #letters = [];
  #last = 0;

  all() {
    return this.#letters;
  }

  told(op, error) {
    this.#letters.push({ number: ++this.#last, op, error });
  }

  forget(letter) {
    this.#letters = this.#letters.filter((other) => other !== letter);
  }
}

/** Shows the letters, with what can be done about each. */
class LetterList {
  #doc;
  #letters;
  #list = document.querySelector('#letters');
  #shown = '';

  constructor(doc, letters) {
    this.#doc = doc;
    this.#letters = letters;
    doc.connection.on('dead letter', () => this.draw());
  }

  /** Nothing is checked here: what others have spent meanwhile, a tab cannot know. */
  book(booking) {
    const op = [
      { p: ['left'], na: -booking.amount },
      { p: ['booked', 0], li: booking },
    ];
    this.#doc.submitOp(op, (error) => {
      if (!error) return;
      this.#letters.told(op, error);
      this.draw();
    });
  }

  draw() {
    const letters = this.#letters.all();
    // A button that is about to be pressed is not replaced by another.
    const numbers = letters.map(({ number }) => number).join();
    if (numbers === this.#shown) return;
    this.#shown = numbers;
    this.#list.replaceChildren(...letters.map((letter) => this.#row(letter)));
  }

  #row(letter) {
    const row = document.querySelector('#letter').content.firstElementChild.cloneNode(true);
    const booking = letter.op?.find(({ li }) => li)?.li;
    row.querySelector('strong').textContent = booking ? inWords(booking) : 'A change';
    row.querySelector('.why').textContent = `${letter.error.message} (${letter.error.code})`;
    const again = row.querySelector('.again');
    again.hidden = !booking;
    again.addEventListener('click', () => {
      // Made anew, for the document as it is now. Where it is refused again, that is another letter.
      this.book(booking);
      this.#forget(letter);
    });
    row.querySelector('.forget').addEventListener('click', () => this.#forget(letter));
    return row;
  }

  #forget(letter) {
    this.#letters.forget(letter);
    this.draw();
  }
}
