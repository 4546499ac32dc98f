/** Ace, bound by sharedb-ace. */

import ace from 'ace-builds/src-noconflict/ace';
import sharedbAce from 'sharedb-ace';
import { COLLECTION, PATH, id, openDoc, ready } from './page.js';

const demo = await openDoc();
const editor = ace.edit('editor', { useWorker: false });
const binding = new sharedbAce.default(id, {
  WsUrl: 'the page has a connection',
  pluginWsUrl: null,
  namespace: COLLECTION,
});
await new Promise((resolve) => binding.on('ready', resolve));
binding.add(editor, [PATH], []);

ready(demo, {
  text: () => editor.getValue(),
  caret: (offset) => {
    editor.focus();
    const { row, column } = editor.session.doc.indexToPosition(offset);
    editor.moveCursorTo(row, column);
    editor.clearSelection();
  },
});
