/**
 * Opens the document of a page: connects, subscribes, and creates the document when it does not exist yet, as with
 * `?doc=another-id` in the page's address.
 */
import { COLLECTION, SEEDS, TYPES } from '../seeds.mjs';
import { createConnection } from './connect.js';

/**
 * @param {keyof typeof SEEDS} kind which demo: names the default document and its initial data
 * @returns {{connection: object, doc: object, opened: Promise<void>}} `opened` settles when there is something to
 *   show: the server's answer, or what the host knew without it
 */
export function openDoc(kind) {
  const socketUrl = new URL('/sharedb', location.href);
  socketUrl.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const connection = createConnection(socketUrl.href);
  const doc = connection.get(COLLECTION, new URLSearchParams(location.search).get('doc') ?? kind);
  // For a look from the browser's console, and for the browser tests.
  window.demo = { connection, doc };
  const opened = new Promise((resolve, reject) => {
    doc.once('load', () => doc.type && resolve());
    doc.subscribe((error) => {
      if (error) reject(error);
      else if (doc.type) resolve();
      else create(doc, SEEDS[kind], TYPES[kind]).then(resolve, reject);
    });
  });
  return { connection, doc, opened };
}

function create(doc, data, type) {
  return new Promise((resolve, reject) => {
    doc.create(structuredClone(data), type, (error) => {
      // Another tab was faster: its document is the one to show.
      if (!error || error.code === 'ERR_DOC_ALREADY_CREATED') resolve();
      else reject(error);
    });
  });
}
