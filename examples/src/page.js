/** What the demo pages share: open the document, show the strip and the list of ops, say what went wrong. */
import { newDocAddress, openDoc } from './open-doc.js';
import { showOps } from './op-log.js';
import { showStrip } from './strip.js';
import { showWho } from './who.js';

/**
 * Runs a demo page.
 * @param {'text' | 'counter' | 'board' | 'rich' | 'till'} kind
 * @param {(doc: object) => void} show fills the page from the opened document
 */
export async function runPage(kind, show) {
  const query = new URLSearchParams(location.search);
  // As a part of another page: the document, and little beside it.
  if (query.has('bare')) document.body.dataset.bare = '';
  // Only where it is asked for: another page downloads nothing of it.
  if (query.has('devtools')) import('sharedb-proxy/devtools');
  try {
    const { connection, doc, opened } = openDoc(kind);
    doc.on('error', report);
    connection.on('error', report);
    // Before the document is there: with the server away, the strip is the way to call it back.
    showStrip(document.querySelector('#strip'), { connection, doc });
    showWho(document.querySelector('#who'), { connection, doc }).catch(report);
    const stopWaiting = sayWhyNothingShows(connection, kind);
    await opened.finally(stopWaiting);
    show(doc);
    showOps(doc, document.querySelector('#ops'));
    document.body.dataset.ready = '';
  } catch (error) {
    report(error);
  }
}

/**
 * A document that the browser does not have cannot be shown while the server is away. The page says so, and offers a new one.
 * @returns {() => void} ends that: the document is there
 */
function sayWhyNothingShows(connection, kind) {
  const note = document.createElement('p');
  note.className = 'problem';
  note.id = 'waiting';
  const link = document.createElement('a');
  link.textContent = 'Begin a new one';
  link.href = newDocAddress(kind);
  note.append(
    'This browser does not have the document yet, and the server is away. It shows when the server is back. ',
    link,
    ': that needs no server.',
  );
  const show = () => {
    if (connection.state === 'disconnected') document.querySelector('#strip').after(note);
    else if (connection.state === 'connected') note.remove();
  };
  connection.on('state', show);
  show();
  return () => {
    connection.off('state', show);
    note.remove();
  };
}

function report(error) {
  console.error(error);
  if (window.demo) window.demo.problem = error;
  const line = document.querySelector('#problem');
  line.hidden = false;
  line.textContent = error.message ?? String(error);
}
