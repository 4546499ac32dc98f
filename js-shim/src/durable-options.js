/**
 * What an application may say of the durable store, checked before anything is opened, and which part of it
 * goes where: to a host in this page, to one in a worker, or nowhere because it is the tab's own.
 */

/** What cannot be sent to a worker: there `serve` takes it. */
const FOR_THE_HOST = /** @type {const} */ (['storage', 'encrypt', 'decrypt']);
/** What all tabs of a host share: the first one decides. */
const SHARED = /** @type {const} */ (['durability', 'timeout', 'patience', 'maxOpBytes']);

const FUNCTIONS = /** @type {const} */ ([
  ...['encrypt', 'decrypt'],
  ...['onReadyCallback', 'opErrorCallback'],
]);
const NUMBERS = /** @type {const} */ (['timeout', 'maxOpBytes']);
const DURABILITIES = ['relaxed', 'strict'];

/**
 * The options as an object, or nothing where no durable store is wanted.
 *
 * @param {any} durableStore `true`, or the options
 * @returns {any}
 */
export function checkDurableStore(durableStore) {
  if (!durableStore) return undefined;
  if (durableStore === true) return {};
  if (typeof durableStore !== 'object') {
    throw new TypeError('durableStore is true, or an object with its options');
  }
  for (const name of FUNCTIONS) expect(durableStore, name, isFunction, 'a function');
  for (const name of NUMBERS) expect(durableStore, name, isPositive, 'a positive number');
  expect(durableStore, 'durability', isDurability, `one of ${DURABILITIES.join(', ')}`);
  if (!durableStore.encrypt !== !durableStore.decrypt) {
    throw new TypeError('durableStore.encrypt and durableStore.decrypt need each other');
  }
  return durableStore;
}

/**
 * The part of the options that a worker is told.
 *
 * @param {any} durableStore as `checkDurableStore` gives it
 */
export function forWorker(durableStore) {
  if (!durableStore) return undefined;
  const [own] = FOR_THE_HOST.filter((name) => durableStore[name] !== undefined);
  if (own) {
    throw new TypeError(
      `durableStore.${own} cannot be sent to a worker: give it to serve({durableStore}) there`,
    );
  }
  return pick(durableStore, SHARED);
}

/**
 * The settings that all tabs of a host have to agree on, by their names.
 *
 * @param {any} said what a tab says: `{url, namespace, durableStore, keepPendingOnReject}`
 * @returns {Map<string, any>}
 */
export function sharedSettings({ url, namespace, durableStore, keepPendingOnReject }) {
  const settings = new Map([
    ['url', url],
    ['namespace', namespace ?? url],
    ['durableStore', Boolean(durableStore)],
    ['keepPendingOnReject', Boolean(keepPendingOnReject)],
  ]);
  for (const name of SHARED) settings.set(`durableStore.${name}`, durableStore?.[name]);
  return settings;
}

/**
 * @param {any} options
 * @param {readonly string[]} names
 */
export function pick(options, names) {
  const given = names.filter((name) => options?.[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

/**
 * @param {any} options
 * @param {string} name
 * @param {(value: any) => boolean} is
 * @param {string} what
 */
function expect(options, name, is, what) {
  if (options[name] !== undefined && !is(options[name])) {
    throw new TypeError(`durableStore.${name} is not ${what}`);
  }
}

const isFunction = (/** @type {any} */ value) => typeof value === 'function';
const isPositive = (/** @type {any} */ value) => typeof value === 'number' && value > 0;
const isDurability = (/** @type {any} */ value) => DURABILITIES.includes(value);
