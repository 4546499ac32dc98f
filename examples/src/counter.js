/** The counter demo: one number that every tab adds to, and a tally of who added what. */
import { runPage } from './page.js';

const BURST = 100;

runPage('counter', (doc) => {
  const tally = { here: 0, elsewhere: 0 };
  const show = () => draw(doc, tally);
  doc.on('op', (op, source) => {
    for (const { na } of op) tally[source ? 'here' : 'elsewhere'] += na ?? 0;
    show();
  });
  for (const event of ['load', 'create', 'del']) doc.on(event, show);
  show();

  const add = (amount) => doc.submitOp([{ p: ['value'], na: amount }]);
  for (const button of document.querySelectorAll('[data-add]')) {
    button.addEventListener('click', () => add(Number(button.dataset.add)));
    button.disabled = false;
  }
  const burst = document.querySelector('#burst');
  burst.addEventListener('click', () => {
    for (let i = 0; i < BURST; i += 1) add(1);
  });
  burst.disabled = false;
});

function draw(doc, tally) {
  const output = document.querySelector('#value');
  const value = String(doc.data?.value ?? '–');
  if (output.value !== value) {
    output.value = value;
    output.animate(
      [
        { translate: '0 -0.06em', opacity: 0.55 },
        { translate: '0', opacity: 1 },
      ],
      { duration: 180, easing: 'ease-out' },
    );
  }
  document.querySelector('#here').textContent = signed(tally.here);
  document.querySelector('#elsewhere').textContent = signed(tally.elsewhere);
}

const signed = (number) => (number > 0 ? `+${number}` : String(number).replace('-', '−'));
