/** Storages: those of the package, and one of an application's own. */
import {
  IndexedDbStorage,
  InMemoryStorage,
  type DurableStorage,
  type StorageRecord,
  type StoreName,
} from 'sharedb-proxy';

export const storages: DurableStorage[] = [
  new InMemoryStorage(),
  new IndexedDbStorage(),
  new IndexedDbStorage({ namespace: 'user 7', durability: 'strict' }),
  new IndexedDbStorage({
    useEncryption: true,
    encryptionCallback: (text) => text.toUpperCase(),
    decryptionCallback: (text: string) => text.toLowerCase(),
  }),
];

// @ts-expect-error there are two durabilities
new IndexedDbStorage({ durability: 'none' });

/** As an application that comes from an earlier interface has it: errors are not optional there. */
class FileStorage {
  initialize(callback: (err: Error | null, inventory: { id: string; payload: any }) => void): void {
    callback(null, { id: 'inventory', payload: {} });
  }
  readRecord(
    storeName: string,
    id: string,
    callback: (err: Error | null, payload: object | null) => void,
  ): void {
    callback(null, { storeName, id });
  }
  readRecordsBulk(
    _storeName: string,
    ids: string[],
    callback: (err: Error | null, records: { id: string; payload: any }[]) => void,
  ): void {
    callback(
      null,
      ids.map((id) => ({ id, payload: id })),
    );
  }
  writeRecords(
    records: { docs: StorageRecord[]; meta: StorageRecord[] },
    callback: (err: Error | null) => void,
  ): void {
    callback(records.docs.length ? null : new Error('nothing to write'));
  }
  deleteDatabase(): void {}
}
storages.push(new FileStorage());

// @ts-expect-error it reads nothing
storages.push({ initialize() {}, writeRecords() {} });

new InMemoryStorage().readAllRecords('docs', (error, records) => {
  const ids: string[] = error ? [] : (records ?? []).map(({ id }) => id);
  console.log(ids);
});
new IndexedDbStorage().deleteDatabase((error) => console.log(error));
export const stores: StoreName[] = ['docs', 'meta'];
