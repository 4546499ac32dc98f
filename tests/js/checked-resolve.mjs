/** The resolve hook of `checked-package.mjs`. */

const SHIM = new URL('../../js-shim/', import.meta.url).href;
const CHECKED = new URL('checked/', SHIM).href;

/** Node's hook: the shim's files are those of the checked copy. */
export async function resolve(specifier, context, nextResolve) {
  const resolved = await nextResolve(specifier, context);
  const { url } = resolved;
  if (!url.startsWith(SHIM) || url.startsWith(CHECKED)) return resolved;
  return { ...resolved, url: CHECKED + url.slice(SHIM.length) };
}
