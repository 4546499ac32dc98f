/**
 * What IndexedDB does in some engines and not in others. No feature tells them apart, so it is the name that counts.
 */

const ownName = () => globalThis.navigator?.userAgent ?? '';

/**
 * Whether a worker that dies in the middle of a transaction can leave the database hanging: every later transaction, of
 * whatever page, then waits until the browser ends.
 *
 * In WebKit it does so where the transaction was told to commit, or where another one was queued behind it. One by
 * itself, that commits when it has no request left, is rolled back. Chromium stays at `AppleWebKit/537.36` for ever.
 *
 * @param {string} [userAgent]
 */
export const isFragile = (userAgent = ownName()) => /\bAppleWebKit\/(?!537\.36\b)/.test(userAgent);

/**
 * Whether a transaction that was told to commit is committed although one of its requests failed. Firefox does so, up to
 * 140 at least: the fence, which is such a request, would keep nothing out.
 *
 * @param {string} [userAgent]
 */
export const commitsFailures = (userAgent = ownName()) => /\bFirefox\/\d/.test(userAgent);
