/**
 * Opens the document of a page: connects, subscribes, and creates the document when it does not exist yet, as with
 * `?doc=another-id` in the page's address.
 */
import { COLLECTION, SEEDS } from '../seeds.mjs';
import { createConnection } from './connect.js';

/**
 * @param {keyof typeof SEEDS} kind which demo: names the default document and its initial data
 * @returns {Promise<{connection: object, doc: object}>} settled when the document can be shown
 */
export async function openDoc(kind) {
  const socketUrl = new URL('/sharedb', location.href);
  socketUrl.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const connection = await createConnection(socketUrl.href);
  const doc = connection.get(COLLECTION, new URLSearchParams(location.search).get('doc') ?? kind);
  // For a look from the browser's console, and for the browser tests.
  window.demo = { connection, doc };
  await new Promise((resolve, reject) =>
    doc.subscribe((error) => (error ? reject(error) : resolve())),
  );
  if (!doc.type) await create(doc, SEEDS[kind]);
  return { connection, doc };
}

function create(doc, data) {
  return new Promise((resolve, reject) => {
    doc.create(structuredClone(data), (error) => {
      // Another tab was faster: its document is the one to show.
      if (!error || error.code === 'ERR_DOC_ALREADY_CREATED') resolve();
      else reject(error);
    });
  });
}
