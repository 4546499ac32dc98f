/** The text area demo: one string, edited character by character, and a typist for those who want to watch. */
import { runPage } from './page.js';
import { bindText } from './text-binding.js';

const TYPING_MS = { shortest: 35, longest: 130 };

/** What the typist knows. */
const LINES = [
  'The kettle has gone cold twice while we were talking.',
  'Somebody planted beans along the wall, and nobody admits to it.',
  'It rained in the night; the barrel is full again.',
  'If you read this in another tab: hello over there.',
  'The swallows came back on Tuesday, three days late.',
];

runPage('text', (doc) => {
  const field = document.querySelector('#letter');
  bindText(doc, field, ['text']);
  field.readOnly = false;
  const counts = document.querySelector('#counts');
  const count = () => (counts.textContent = countsOf(field.value));
  for (const event of ['input', 'remotechange']) field.addEventListener(event, count);
  count();
  letTypistWrite(field, document.querySelector('#typist'));
});

function countsOf(text) {
  const words = text.split(/\s+/).filter(Boolean).length;
  return `${words} ${words === 1 ? 'word' : 'words'}, ${text.length} characters`;
}

/** Types a line at the caret whenever the button is pressed, at a person's pace and through the field itself. */
function letTypistWrite(field, button) {
  let next = Math.floor(Math.random() * LINES.length);
  button.addEventListener('click', async () => {
    button.disabled = true;
    for (const character of `${LINES[next]}\n`) {
      typeInto(field, character);
      const wait = TYPING_MS.shortest + Math.random() * (TYPING_MS.longest - TYPING_MS.shortest);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
    next = (next + 1) % LINES.length;
    button.disabled = false;
  });
}

function typeInto(field, character) {
  field.setRangeText(character, field.selectionStart, field.selectionEnd, 'end');
  field.dispatchEvent(
    new InputEvent('input', { inputType: 'insertText', data: character, bubbles: true }),
  );
}
