/** IndexedDB's databases, opened and deleted by promises. */

/**
 * What is to be known of a database and of its opening. `blocked`: other pages hold it up; `blocking`: this handle holds
 * up another page; `terminated`: the browser ended the handle.
 *
 * @typedef {object} Opening
 * @property {(database: IDBDatabase, from: number) => void} upgrade `from` is 0 where the database is new
 * @property {() => void} blocked
 * @property {() => void} blocking
 * @property {() => void} terminated
 */

/**
 * @param {string} name
 * @param {number} version
 * @param {Opening} opening
 * @returns {Promise<IDBDatabase>}
 */
export function openDatabase(name, version, { upgrade, blocked, blocking, terminated }) {
  const request = indexedDB.open(name, version);
  request.onupgradeneeded = ({ oldVersion }) => upgrade(request.result, oldVersion);
  request.onblocked = blocked;
  return settled(request).then((database) => {
    database.onversionchange = blocking;
    database.onclose = terminated;
    return database;
  });
}

/**
 * @param {string} name
 * @param {() => void} blocked other pages hold it up
 * @returns {Promise<unknown>}
 */
export function deleteDatabase(name, blocked) {
  const request = indexedDB.deleteDatabase(name);
  request.onblocked = blocked;
  return settled(request);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
