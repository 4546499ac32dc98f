/** A transaction of IndexedDB that hangs, for the workers whose storage does. */

/**
 * A transaction that always has one more request does not end.
 *
 * @param {IDBTransaction} transaction
 */
export function keepAlive(transaction) {
  const store = transaction.objectStore(transaction.objectStoreNames[0]);
  const again = () => {
    try {
      store.count().onsuccess = again;
    } catch {
      // It was aborted.
    }
  };
  again();
  transaction.commit = () => {};
}
