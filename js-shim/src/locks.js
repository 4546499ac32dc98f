/**
 * The Web Locks by which tabs and hosts know of each other's death: each holds its own for as long
 * as it lives, and the other side waits for it.
 */

/**
 * @param {string} tab
 */
export const tabLock = (tab) => `sharedb-proxy tab ${tab}`;

/**
 * @param {number} life the host's epoch
 */
export const hostLock = (life) => `sharedb-proxy host ${life}`;
