/** Monaco, bound by sharedb-monaco. */

import * as monaco from 'monaco-editor/esm/vs/editor/editor.api';
import sharedbMonaco from 'sharedb-monaco';
import { COLLECTION, PATH, id, openDoc, ready } from './page.js';

globalThis.MonacoEnvironment = {
  getWorker: () => new Worker(new URL('./editor.worker.js', import.meta.url)),
};

const demo = await openDoc();
const { connection } = demo;
const editor = monaco.editor.create(document.getElementById('editor'), {
  language: 'plaintext',
  // What is typed is what the text gets.
  autoIndent: 'none',
});
const binding = new sharedbMonaco.default({
  id,
  namespace: COLLECTION,
  sharePath: PATH,
  connection,
  monaco,
});
binding.add(editor);
const shown = () => editor.getModel()?.getValue() === demo.doc.data[PATH];
while (!shown()) await new Promise((resolve) => binding.model.onDidChangeContent(resolve));

ready(demo, {
  text: () => editor.getValue(),
  caret: (offset) => {
    editor.focus();
    editor.setPosition(editor.getModel().getPositionAt(offset));
  },
  /** Takes the editor off: the last one gone, the binding destroys its document. */
  leave: () => binding.remove(editor.getId()),
  /** Puts it back: the binding subscribes its destroyed document again. */
  enter: () => void binding.add(editor),
});
