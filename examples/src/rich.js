/** The rich text demo: Quill on a document of type rich-text, with the cursors of the other tabs in it. */
import 'quill/dist/quill.core.css';
import Quill from 'quill';
import QuillCursors from 'quill-cursors';
import richText from 'rich-text';
import { types } from './connect.js';
import { Cursors } from './cursors.js';
import { runPage } from './page.js';
import { becomeSomebody, colourOf, nameOf } from './people.js';
import { bindQuill } from './quill-binding.js';
import { letTypistWrite } from './typist.js';

types.register(richText.type);
Quill.register('modules/cursors', QuillCursors);
const person = await becomeSomebody();

runPage('rich', (doc) => {
  const quill = new Quill('#article', {
    formats: ['bold', 'italic', 'underline', 'header', 'list', 'blockquote'],
    modules: {
      cursors: true,
      history: { userOnly: true },
      toolbar: '#tools',
    },
  });
  quill.root.setAttribute('aria-label', 'The article');
  bindQuill(doc, quill);
  for (const step of ['undo', 'redo'])
    document.querySelector(`#${step}`).addEventListener('click', () => quill.history[step]());

  const cursors = new Cursors(doc, quill, person);
  showPeople([]);
  cursors.start(showPeople);
  letTypistWrite(document.querySelector('#typist'), (character) => {
    // Not where the selection is: an editor without the focus has none.
    if (!cursors.place) cursors.show({ index: quill.getLength() - 1, length: 0 });
    quill.insertText(cursors.place.index, character, 'user');
  });
  Object.assign(window.demo, { quill, cursors });
});

/** Lists this tab and the others that have a cursor in the text. */
function showPeople(others) {
  const chips = [person, ...others].map((each, i) => {
    const chip = document.createElement('li');
    chip.style.setProperty('--person', colourOf(each));
    chip.textContent = i === 0 ? `${nameOf(each)} (this tab)` : nameOf(each);
    return chip;
  });
  document.querySelector('#people').replaceChildren(...chips);
}
