/**
 * The worker that comes with the package, for applications that bring none of their own: a SharedWorker, or the same script
 * in a tab's dedicated worker.
 *
 * At the top of `src`, since bundles in `dist` are as deep: the worker's path is right in both.
 */

/**
 * @param {string} name of the worker
 * @returns {SharedWorker}
 */
export function packagedWorker(name) {
  // Bundled beforehand: a worker has no import map, and Vite's dev server does not convert what a
  // package's worker imports. Bundlers know a worker by this very expression.
  return new SharedWorker(new URL('../dist/worker-entry.js', import.meta.url), {
    type: 'module',
    name,
  });
}

/**
 * @param {string} name of the worker
 * @returns {Worker}
 */
export function packagedDedicatedWorker(name) {
  return new Worker(new URL('../dist/worker-entry.js', import.meta.url), { type: 'module', name });
}
