/**
 * Checks of options: unknown names and unusable values throw a coded error that names the option. A silently ignored
 * option would be noticed too late.
 */

/**
 * @param {'ERR_OPTION_UNKNOWN' | 'ERR_OPTION_INVALID' | 'ERR_NAMESPACE_REQUIRED'} code
 * @param {string} message
 */
export function optionError(code, message) {
  return Object.assign(new TypeError(message), { code });
}

/**
 * @param {string} whose for the message
 * @param {any} options
 * @param {readonly string[]} known
 * @param {Record<string, string>} [instead] what to say instead of a name, where it had another meaning elsewhere
 */
export function refuseUnknown(whose, options, known, instead = {}) {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.includes(name)) continue;
    const advice = Object.hasOwn(instead, name) ? instead[name] : `there are ${known.join(', ')}`;
    throw optionError('ERR_OPTION_UNKNOWN', `${whose} has no option ${name}: ${advice}`);
  }
}

/**
 * @param {string} whose for the message
 * @param {any} options
 * @param {string} name
 * @param {(value: any) => boolean} is
 * @param {string} what
 */
export function expectOption(whose, options, name, is, what) {
  if (options[name] !== undefined && !is(options[name])) {
    throw optionError('ERR_OPTION_INVALID', `${whose}.${name} is not ${what}`);
  }
}

/**
 * @param {any} options
 * @param {readonly string[]} names
 */
export function pick(options, names) {
  const given = names.filter((name) => options?.[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

export const isFunction = (/** @type {any} */ value) => typeof value === 'function';
/** A whole number, 0 or more. */
export const isCount = (/** @type {any} */ value) => Number.isSafeInteger(value) && value >= 0;
/** A whole number, 1 or more. */
export const isPositiveCount = (/** @type {any} */ value) => isCount(value) && value > 0;
export const isBoolean = (/** @type {any} */ value) => typeof value === 'boolean';
