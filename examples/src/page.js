/** What the demo pages share: open the document, show the strip and the list of ops, say what went wrong. */
import { openDoc } from './open-doc.js';
import { showOps } from './op-log.js';
import { showStrip } from './strip.js';

/**
 * Runs a demo page.
 * @param {'text' | 'counter' | 'board' | 'rich'} kind
 * @param {(doc: object) => void} show fills the page from the opened document
 */
export async function runPage(kind, show) {
  // Only where it is asked for: another page downloads nothing of it.
  if (new URLSearchParams(location.search).has('devtools')) import('sharedb-proxy/devtools');
  try {
    const { connection, doc, opened } = openDoc(kind);
    doc.on('error', report);
    connection.on('error', report);
    // Before the document is there: with the server away, the strip is the way to call it back.
    showStrip(document.querySelector('#strip'), { connection, doc });
    await opened;
    show(doc);
    showOps(doc, document.querySelector('#ops'));
    document.body.dataset.ready = '';
  } catch (error) {
    report(error);
  }
}

function report(error) {
  console.error(error);
  if (window.demo) window.demo.problem = error;
  const line = document.querySelector('#problem');
  line.hidden = false;
  line.textContent = error.message ?? String(error);
}
