/** Globals that a browser has and Node may not, for as long as a test runs. */

/**
 * @template T
 * @param {Record<string, any>} globals
 * @param {() => T} test may be asynchronous
 * @returns {T}
 */
export function withGlobals(globals, test) {
  const before = Object.keys(globals).map((name) => [
    name,
    Object.getOwnPropertyDescriptor(globalThis, name),
  ]);
  const restore = () => {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else delete globalThis[name];
    }
  };
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, configurable: true });
  let result;
  try {
    result = test();
  } finally {
    if (!result?.then) restore();
  }
  return result?.then ? result.finally(restore) : result;
}
