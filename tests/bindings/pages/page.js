/** What the pages have in common: the document, and what the tests look at. */

import { connect } from '#client';
import { give } from './bound-client.cjs';

export const COLLECTION = 'demo';
export const PATH = 'text';
export const id = new URLSearchParams(location.search).get('doc');

const TEXT = 'One line\nand another 😀 line\nand the last';

/**
 * Subscribes to the document, and creates it where it is missing.
 *
 * @param {string} [type]
 */
export async function openDoc(type) {
  const connection = connect();
  give(connection);
  const doc = connection.get(COLLECTION, id);
  await call(doc, 'subscribe');
  if (!doc.type) {
    await call(doc, 'create', { [PATH]: TEXT }, type).catch((error) => {
      // The other tab was faster.
      if (error.code !== 'ERR_DOC_ALREADY_CREATED') throw error;
    });
  }
  return { connection, doc };
}

/**
 * Tells the test that the editor shows the document.
 *
 * @param {{connection: any, doc: any}} demo
 * @param {{text: () => string, caret: (offset: number) => void}} editor
 */
export function ready(demo, editor) {
  Object.assign(globalThis, { demo, editor });
  document.body.dataset.ready = '';
}

function call(doc, method, ...args) {
  return new Promise((resolve, reject) => {
    doc[method](...args, (error) => (error ? reject(error) : resolve()));
  });
}
