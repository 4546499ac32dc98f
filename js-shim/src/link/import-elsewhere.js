/**
 * Imports a module whose import failed, under another address. A browser remembers for as long as the page lives that a module
 * could not be loaded, so the same import would fail again, also when the network is back.
 */

/** How often a module could not be loaded. */
let failures = 0;

/**
 * To be called with what an `import()` failed with. The first failure is only thrown: the caller says so and waits.
 *
 * @param {any} error which names the address in Chromium and Firefox
 * @returns {Promise<any>} the module
 * @throws `error` where the address is not known
 */
export async function importElsewhere(error) {
  const [address] = /\bhttps?:\S+\.m?js\b/.exec(error?.message) ?? [];
  if (!address || failures++ === 0) throw error;
  return import(
    /* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ `${address}?again=${failures}`
  );
}
