/** Values on their way between a test and a page: JSON, with `undefined` where JavaScript has it. */

/** In the page as well: `undefined` is an object that nothing else looks like, and so is what cannot leave the page. */
export function encode(value) {
  const leaves = (part) => !['undefined', 'function', 'symbol'].includes(typeof part);
  return JSON.stringify(value, (_, part) => (leaves(part) ? part : { '\0': 'undefined' }));
}

/** In the page as well. */
export function decode(text) {
  const whole = (part) => {
    if (typeof part !== 'object' || part === null) return part;
    if ('\0' in part) return undefined;
    for (const key of Object.keys(part)) part[key] = whole(part[key]);
    return part;
  };
  return whole(JSON.parse(text));
}
