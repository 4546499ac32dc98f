/** So many places are named, at most. */
const MOST = 5;

/**
 * Where two JSON values differ, for the report of a failure: the paths of the first places with what stands there.
 *
 * @returns {{at: string, left: any, right: any}[]}
 */
export function differences(left, right, at = '', found = []) {
  if (found.length === MOST || Object.is(left, right)) return found;
  if (!isHolder(left) || !isHolder(right)) {
    found.push({ at, left, right });
    return found;
  }
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    differences(left[key], right[key], `${at}/${key}`, found);
  }
  return found;
}

const isHolder = (value) => typeof value === 'object' && value !== null;
