/**
 * Node's built-in modules, where this runs in Node with a browser's globals and a browser's entry: Jest's jsdom
 * environment is such a place. An `import` would not do, because bundlers for browsers would have to resolve it.
 */

/**
 * @param {string} name
 * @returns {any} `undefined` in a browser, and in Node before 20.16
 */
export function builtin(name) {
  return /** @type {any} */ (globalThis).process?.getBuiltinModule?.(name);
}
