/** CodeMirror 6, bound by codemirror-ot to a json1 document. */

import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { json1Sync } from 'codemirror-ot';
import * as json1 from 'ot-json1';
import * as textUnicode from 'ot-text-unicode';
import { types } from '#client';
import { PATH, openDoc, ready } from './page.js';

types.register(json1.type);
const demo = await openDoc(json1.type.uri);
const { doc } = demo;
const view = new EditorView({
  parent: document.getElementById('editor'),
  state: EditorState.create({
    doc: doc.data[PATH],
    extensions: [json1Sync({ shareDBDoc: doc, path: [PATH], json1, textUnicode })],
  }),
});

ready(demo, {
  text: () => view.state.doc.toString(),
  caret: (offset) => {
    view.focus();
    view.dispatch({ selection: { anchor: offset } });
  },
});
