/**
 * Provides the class of a page's host. In Node and in the inline entry it is there at once; in a browser it is loaded
 * when a host first lives in the page, since most pages have theirs in a worker.
 */

/** @typedef {typeof import('../host/page-host.js').PageHost} PageHostClass */

/** @type {PageHostClass | undefined} */
let here;
/** @type {(() => Promise<PageHostClass>) | undefined} */
let load;
/** @type {Promise<PageHostClass> | undefined} */
let loading;

/** @param {PageHostClass | undefined} PageHost whose module is ready */
export function providePageHost(PageHost) {
  here = PageHost;
}

/** @param {() => Promise<PageHostClass>} loader is called when a host is needed, and again if it failed */
export function loadPageHostBy(loader) {
  load = loader;
}

/** The class, where it is loaded. */
export const pageHostHere = () => here;

/** @returns {Promise<PageHostClass>} */
export async function loadPageHost() {
  loading ??= /** @type {() => Promise<PageHostClass>} */ (load)();
  try {
    return (here = await loading);
  } finally {
    loading = undefined;
  }
}
