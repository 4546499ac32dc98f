/** A small application: one document, whose text the page shows and to which it can add. */

import { ownWorkers } from './own-workers.js';

/**
 * Starts it as the page's address says: `server`, `doc`, `options` in JSON, and `workers=own` for workers of its own.
 *
 * @param {Function} createConnection the package's
 */
export function start(createConnection) {
  const query = new URLSearchParams(location.search);
  const options = JSON.parse(query.get('options') ?? '{}');
  if (query.get('workers') === 'own') Object.assign(options, ownWorkers);
  const connection = createConnection(query.get('server'), options);
  const codes = [];
  connection.on('error', (error) => {
    codes.push(error.code);
    console.info(`error event: ${error.code} ${error.message}`);
  });
  const doc = connection.get('letters', query.get('doc'));
  const show = () => (document.body.dataset.text = doc.data.text);
  doc.on('op', show);
  doc.subscribe((error) => {
    if (error) codes.push(error.code);
    else show();
  });
  window.app = {
    codes,
    connection,
    type: (text) => doc.submitOp([{ p: ['text', 0], si: text }]),
  };
}
