/**
 * Names of the Web Locks and channels by which tabs and places find each other and notice each other's death. And the
 * unique ids of tabs, places, clients and lives.
 *
 * - The *host lock* of a namespace is held by the place that has the host, and queued for by those that could.
 * - A tab's lock and a place's lock are held for as long as it lives. Who waits for the lock gets it when it is gone.
 */

/** A number for a life of a host that no other life has. */
export function epoch() {
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  // 31 bits of milliseconds and 21 random bits stay below 2^53.
  return (Date.now() % 2 ** 31) * 2 ** 21 + (random % 2 ** 21);
}

/** The id of a connection, a tab or a place that no other one has. */
export function newSource() {
  // Not randomUUID: pages that are not secure have none.
  const numbers = [...crypto.getRandomValues(new Uint32Array(4))];
  return numbers.map((number) => number.toString(16).padStart(8, '0')).join('');
}

/** @param {string} tab its id */
export const tabLock = (tab) => `sharedb-proxy tab ${tab}`;

/** @param {string} place its id */
export const placeLock = (place) => `sharedb-proxy place ${place}`;

/** @param {string} namespace */
export const hostLock = (namespace) => `sharedb-proxy host ${namespace}`;

/**
 * Why tabs here cannot share a host: they need locks to know each other's death, and a channel to reach each other.
 *
 * @returns {string | undefined} nothing where they can
 */
export function whyNoTabs() {
  if (!globalThis.navigator?.locks)
    return 'there are no Web Locks here (they need a secure context)';
  return typeof BroadcastChannel === 'undefined' ? 'there is no BroadcastChannel here' : undefined;
}

/**
 * Holds a lock for as long as this page or worker lives, or until it is released.
 *
 * @param {string} name
 * @returns {{held: Promise<void>, release: () => void}}
 */
export function hold(name) {
  let release = () => {};
  const released = new Promise((resolve) => (release = () => resolve(undefined)));
  /** @type {Promise<void>} */
  const held = new Promise((resolve, reject) => {
    navigator.locks.request(name, () => (resolve(), released)).catch(reject);
  });
  // Also where nobody waits for it: a page that is being unloaded gets no lock.
  held.catch(() => {});
  return { held, release };
}

/**
 * Notices that the holder of a lock is gone.
 *
 * Shared: all who wait get the lock at once. Exclusive requests are granted one after the other, and one that is blocked
 * (an `alert()`, a busy loop) would hold up every one behind it.
 *
 * @param {string} name
 * @param {() => void} gone
 * @returns {() => void} stops it
 */
export function watchLock(name, gone) {
  const stop = new AbortController();
  const granted = () => {
    // An abort comes too late where the lock was granted already.
    if (!stop.signal.aborted) gone();
  };
  navigator.locks.request(name, { mode: 'shared', signal: stop.signal }, granted).catch(() => {});
  return () => stop.abort();
}
