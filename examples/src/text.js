/** The text area demo: one string, edited character by character, and a typist for those who want to watch. */
import { runPage } from './page.js';
import { bindText } from './text-binding.js';
import { letTypistWrite } from './typist.js';

runPage('text', (doc) => {
  const field = document.querySelector('#letter');
  bindText(doc, field, ['text']);
  field.readOnly = false;
  const counts = document.querySelector('#counts');
  const count = () => (counts.textContent = countsOf(field.value));
  for (const event of ['input', 'remotechange']) field.addEventListener(event, count);
  count();
  letTypistWrite(document.querySelector('#typist'), (character) => typeInto(field, character));
});

function countsOf(text) {
  const words = text.split(/\s+/).filter(Boolean).length;
  return `${words} ${words === 1 ? 'word' : 'words'}, ${text.length} characters`;
}

/** Through the field, as a person does. */
function typeInto(field, character) {
  field.setRangeText(character, field.selectionStart, field.selectionEnd, 'end');
  field.dispatchEvent(
    new InputEvent('input', { inputType: 'insertText', data: character, bubbles: true }),
  );
}
