/**
 * The pause between a worker's death and the next worker of the same name.
 *
 * Firefox attaches a port that is made too soon to the dead worker, and that port and all after it stay silent. It is
 * too soon until each tab's process has released the dead worker: on an idle machine that takes 20 ms, on a busy one
 * more than 50. Other engines start another worker at once. No feature tells the two apart, so it is the name of the
 * engine that counts: every Firefox says `Gecko/` with a date, where others say `like Gecko`.
 */

/** In Firefox, in milliseconds. */
const IN_FIREFOX = 250;

/**
 * @param {string} [userAgent]
 * @returns {number} milliseconds
 */
export const burialTime = (userAgent = globalThis.navigator?.userAgent ?? '') =>
  /\bGecko\/\d/.test(userAgent) ? IN_FIREFOX : 0;
