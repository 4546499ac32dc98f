/**
 * Names of the Web Locks by which tabs and hosts notice each other's death: each holds its own for as long as it lives,
 * and the other side requests it. And the unique ids of tabs, clients and lives.
 */

/** A number for a life of a host that no other life has. */
export function epoch() {
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  // 31 bits of milliseconds and 21 random bits stay below 2^53.
  return (Date.now() % 2 ** 31) * 2 ** 21 + (random % 2 ** 21);
}

/** A connection id that no other host has. */
export function newSource() {
  // Not randomUUID: pages that are not secure have none.
  const numbers = [...crypto.getRandomValues(new Uint32Array(4))];
  return numbers.map((number) => number.toString(16).padStart(8, '0')).join('');
}

/**
 * @param {string} tab
 */
export const tabLock = (tab) => `sharedb-proxy tab ${tab}`;

/**
 * @param {number} life the host's epoch
 */
export const hostLock = (life) => `sharedb-proxy host ${life}`;
