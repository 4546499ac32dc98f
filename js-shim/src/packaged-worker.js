/**
 * The worker that comes with the package, for applications that bring none of their own: a SharedWorker, or the same script
 * in a tab's dedicated worker. The script needs no other file, so bundlers and servers have only to copy it.
 *
 * At the top of `src`, since bundles in `dist` are as deep: the worker's path is right in both.
 */

/**
 * Where the script is.
 *
 * @param {string | URL | undefined} workerUrl as the application says
 * @returns {URL}
 * @throws where nobody knows
 */
function scriptAt(workerUrl) {
  if (workerUrl !== undefined) return new URL(workerUrl, globalThis.document?.baseURI);
  let beside;
  try {
    // Bundlers copy the file for this very expression.
    beside = new URL('../dist/sharedb-proxy-worker.js', import.meta.url);
  } catch {
    throw new Error(`the page's script does not know where the worker's is: ${ADVICE}`);
  }
  // Before version 8, Vite's dev server moves packages and leaves the addresses in them as they were. Turbopack's are relative.
  return new URL(
    beside.href.replace('/.vite/dist/', '/sharedb-proxy/dist/'),
    globalThis.location?.href,
  );
}

const ADVICE = "serve the package's dist/sharedb-proxy-worker.js, and say workerUrl";

/**
 * What may be wrong where the script could not be loaded.
 *
 * @param {string | URL | undefined} workerUrl
 */
export const advice = (workerUrl) =>
  `${scriptAt(workerUrl)} is not there. Where it is elsewhere, ${ADVICE}`;

/** @param {URL} url */
function isElsewhere({ origin }) {
  const { location } = globalThis;
  return Boolean(location) && origin !== location.origin;
}

/**
 * @param {string} name of the worker
 * @param {string | URL} [workerUrl]
 * @returns {SharedWorker}
 * @throws where no browser allows it
 */
export function packagedWorker(name, workerUrl) {
  const url = scriptAt(workerUrl);
  // One that runs a script of this origin, which loads the other one, would be each tab's own.
  if (isElsewhere(url))
    throw new Error(
      `${url} is of another origin. To share it, ${ADVICE} with an address of this origin`,
    );
  return new SharedWorker(url, { name });
}

/**
 * @param {string} name of the worker
 * @param {string | URL} [workerUrl]
 * @returns {Worker}
 */
export function packagedDedicatedWorker(name, workerUrl) {
  const url = scriptAt(workerUrl);
  return new Worker(isElsewhere(url) ? bootstrap(url) : url, { name });
}

/**
 * The address of a script of this origin that runs one of another. It is kept: a tab makes few workers.
 *
 * @param {URL} url
 */
function bootstrap(url) {
  const script = `importScripts(${JSON.stringify(url)});`;
  return URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
}
