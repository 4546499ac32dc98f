/**
 * Whether a worker that dies in the middle of a transaction can leave the database hanging: every later transaction, of
 * whatever page, then waits until the browser ends.
 *
 * In WebKit it does so where the transaction was told to commit, or where another one was queued behind it. One by
 * itself, that commits when it has no request left, is rolled back. No feature tells the engines apart, so it is the name
 * that counts: Chromium stays at `AppleWebKit/537.36` for ever.
 *
 * @param {string} [userAgent]
 */
export const isFragile = (userAgent = globalThis.navigator?.userAgent ?? '') =>
  /\bAppleWebKit\/(?!537\.36\b)/.test(userAgent);
