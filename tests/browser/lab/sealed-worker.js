/**
 * A worker that stores nothing in clear: by AES-GCM, with a key that can be used but not read. The key is made once and kept
 * in a database of the worker's own; only a browser can keep such a key.
 */

import { serve } from 'sharedb-proxy/worker';

const CIPHER = 'AES-GCM';
/** Bytes of the number that is used once, before what is sealed. */
const NONCE = 12;

/** @type {Promise<CryptoKey>} */
const key = openKey();

serve({
  durableStore: {
    async encrypt(text) {
      const iv = crypto.getRandomValues(new Uint8Array(NONCE));
      const algorithm = { name: CIPHER, iv };
      const sealed = await crypto.subtle.encrypt(
        algorithm,
        await key,
        new TextEncoder().encode(text),
      );
      const whole = new Uint8Array(NONCE + sealed.byteLength);
      whole.set(iv);
      whole.set(new Uint8Array(sealed), NONCE);
      return whole.buffer;
    },
    async decrypt(whole) {
      const algorithm = { name: CIPHER, iv: whole.slice(0, NONCE) };
      return new TextDecoder().decode(
        await crypto.subtle.decrypt(algorithm, await key, whole.slice(NONCE)),
      );
    },
  },
});

async function openKey() {
  const opening = indexedDB.open('lab key', 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore('keys');
  const database = await done(opening);
  const kept = await done(database.transaction('keys').objectStore('keys').get('key'));
  if (kept) return kept;
  const made = await crypto.subtle.generateKey({ name: CIPHER, length: 256 }, false, [
    'encrypt',
    'decrypt',
  ]);
  await done(database.transaction('keys', 'readwrite').objectStore('keys').put(made, 'key'));
  return made;
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
