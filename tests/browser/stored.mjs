/**
 * Every value in the databases of a page's origin, by their names: which object store it is in, whether it is bytes, and its text.
 *
 * @param {import('./stage.mjs').Tab} page
 * @returns {Promise<Record<string, {store: string, bytes: boolean, text: string}[]>>}
 */
export const stored = (page) =>
  page.evaluate(async () => {
    const done = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const all = {};
    for (const { name } of await indexedDB.databases()) {
      const database = await done(indexedDB.open(name));
      all[name] = [];
      for (const store of database.objectStoreNames) {
        const records = database.transaction(store).objectStore(store);
        const [keys, values] = await Promise.all([
          done(records.getAllKeys()),
          done(records.getAll()),
        ]);
        for (const [index, value] of values.entries()) {
          // Random numbers, and no records.
          if (keys[index].startsWith?.(' fence')) continue;
          const bytes = value instanceof ArrayBuffer;
          const text = bytes ? new TextDecoder('latin1').decode(value) : `${value}`;
          all[name].push({ store, bytes, text });
        }
      }
      database.close();
    }
    return all;
  });
