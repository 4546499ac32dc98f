/**
 * Kinds of storage errors, by what can be done about them. The reaction is the host's part.
 */

/**
 * - `quota`: there is no room. Less has to be written, or something deleted.
 * - `closed`: this handle is dead, and whether a write that was under way is committed is not known. Opening the
 *   storage again may help. It may be empty then: another page may have deleted it.
 * - `silent`: as `closed`, because there was no answer in time. The next request may be as silent.
 * - `unavailable`: the storage cannot be opened.
 * - `fenced`: another host has taken the storage, and nothing was written. Opening it again would take it back.
 * - `other`: this request failed, the handle is as good as before.
 *
 * @typedef {'quota' | 'closed' | 'silent' | 'unavailable' | 'fenced' | 'other'} StorageErrorKind
 */

/** What applications are told, where there is nothing more to say. @type {Record<StorageErrorKind, string>} */
const CODES = {
  quota: 'ERR_STORAGE_FULL',
  closed: 'ERR_STORAGE',
  silent: 'ERR_STORAGE_TIMEOUT',
  unavailable: 'ERR_STORAGE',
  fenced: 'ERR_STORAGE',
  other: 'ERR_STORAGE',
};

/**
 * Names of exceptions that tell what can be done. A transaction that ended though nobody asked for it, and the
 * `UnknownError` that WebKit gives for a lost database process, come from handles that the browser has given up.
 *
 * @type {[name: string, kind: StorageErrorKind][]}
 */
const KINDS = [
  ['QuotaExceededError', 'quota'],
  ['InvalidStateError', 'closed'],
  ['AbortError', 'closed'],
  ['TransactionInactiveError', 'closed'],
  ['UnknownError', 'closed'],
];

/** An error of a storage. `kind` is for the host, `code` and `message` are for applications. */
export class StorageError extends Error {
  /**
   * @param {StorageErrorKind} kind
   * @param {string} message
   * @param {{code?: string, cause?: unknown}} [options]
   */
  constructor(kind, message, { code = CODES[kind], cause } = {}) {
    super(message, { cause });
    this.name = 'StorageError';
    this.kind = kind;
    this.code = code;
  }
}

/** What a host is told that another one's fence refuses. */
export const fencedError = () => new StorageError('fenced', 'another host has taken the storage');

/**
 * Whatever a storage threw or gave to a callback, as an error with a kind. One that has a kind already keeps it.
 *
 * @param {any} thrown
 * @param {StorageErrorKind} [kind] where it is known from where the error came
 * @returns {StorageError}
 */
export function asStorageError(thrown, kind = thrown?.kind) {
  if (thrown instanceof StorageError && thrown.kind === kind) return thrown;
  const message = thrown?.message || String(thrown);
  // Storages of applications may wrap an exception into an error of their own, with its name in the text.
  const known = KINDS.find(([name]) => thrown?.name === name || message.includes(name));
  kind = kind && Object.hasOwn(CODES, kind) ? kind : (known?.[1] ?? 'other');
  return new StorageError(kind, message, { cause: thrown });
}
