/**
 * Opens the document of a page: connects, subscribes, and creates the document when it does not exist yet, as with
 * `?doc=another-id` in the page's address. With `&new` it is created without asking the server first, which nobody but the
 * page itself may say, with an id that it has just made up.
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
    if (takeNew()) {
      doc.once('create', () => resolve());
      // Without a callback: an error that comes when the page is long open is an event.
      doc.create(structuredClone(SEEDS[kind]), TYPES[kind]);
    }
    doc.subscribe((error) => {
      if (error) reject(error);
      else if (doc.type) resolve();
      else create(doc, SEEDS[kind], TYPES[kind]).then(resolve, reject);
    });
  });
  return { connection, doc, opened };
}

/** The address of a new document of the same demo, which needs no server to begin with. */
export function newDocAddress(kind) {
  const address = new URL(location.href);
  address.searchParams.set('doc', `${kind}-${crypto.randomUUID().slice(0, 8)}`);
  address.searchParams.set('new', '');
  return address.href;
}

/** Whether the address asks for a new document; from then on it is one like any other. */
function takeNew() {
  const address = new URL(location.href);
  if (!address.searchParams.has('new')) return false;
  address.searchParams.delete('new');
  history.replaceState(history.state, '', address);
  return true;
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
